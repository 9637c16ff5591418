use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::candidate::Refusal;
use crate::error::PortError;
use crate::id::OrderId;
use crate::order::Violation;
use crate::order::intake::Verdict;
use crate::port::DeadLetterReason;

/// What became of one event that was handed in.
#[derive(Debug)]
pub struct Intaken {
    /// The order, where the event could be read that far.
    pub order: Option<OrderId>,
    /// What became of it.
    pub fate: Fate,
    /// Rules that are set to warn.
    pub warnings: Vec<Violation>,
}

/// What became of one event.
#[derive(Debug)]
pub enum Fate {
    /// The store has acknowledged it.
    Stored(Verdict),
    /// It can never be accepted.
    Refused(Refusal),
    /// The store failed: the event is not accepted, hand it in again.
    Failed(PortError),
}

/// What a run of [`Ingest`](super::Ingest) did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestOutcome {
    /// Deliveries that the source handed out.
    pub received: usize,
    /// What became of each event.
    pub items: Vec<IngestItem>,
    /// Events of orders that were never seen before, and are stored now.
    pub accepted: usize,
    /// Newer revisions, stored or queued.
    pub updated: usize,
    /// Cancellations, stored or queued.
    pub cancelled: usize,
    /// Events whose content was known, dead letters that were set aside before included.
    pub duplicates: usize,
    /// Older revisions: noted and ignored.
    pub outdated: usize,
    /// Deliveries that were set aside now, by reason.
    pub dead_lettered: BTreeMap<DeadLetterReason, usize>,
    /// Orders that were set aside because two events disagree.
    pub quarantined: usize,
    /// Deliveries that come again.
    pub returned: usize,
    /// Events that were accepted with warnings.
    pub warned: usize,
    /// The source is finite and has handed out everything.
    pub ended: bool,
    /// Nothing is received until then, since the store is down or asked for a pause. Leave it
    /// alone until then.
    pub paused_until: Option<DateTime<Utc>>,
}

/// What became of one event, in words that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestItem {
    /// Position in the source.
    pub cursor: String,
    /// The order, where the event could be read that far.
    pub order: Option<OrderId>,
    /// What became of it: a [`Verdict`], or the reason why not.
    pub fate: Result<Verdict, String>,
}

impl IngestOutcome {
    /// Number of deliveries that were set aside now.
    pub fn dead_letters(&self) -> usize {
        self.dead_lettered.values().sum()
    }

    pub(super) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Accepted => &mut self.accepted,
            Verdict::Replaced | Verdict::Queued => &mut self.updated,
            Verdict::Cancelled => &mut self.cancelled,
            Verdict::Duplicate => &mut self.duplicates,
            Verdict::Outdated => &mut self.outdated,
            Verdict::RevisionConflict => return,
        };
        *counter += 1;
    }
}
