use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::repository::Repository;
use crate::batch::{BatchRecord, BatchState};
use crate::error::PortError;
use crate::id::{BlobName, OrderId};
use crate::order::{OrderRecord, OrderState, Revision, TrailEntry};
use crate::policy::BatchPolicy;
use crate::port::StateStore;

/// Tells what happened to an order and what it waits for.
#[derive(Debug)]
pub struct Explain {
    repository: Repository,
    policy: BatchPolicy,
}

/// The story of an order.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The order.
    pub order: OrderId,
    /// Its exact state, that of its batch included.
    pub state: OrderState,
    /// Its current revision.
    pub revision: Revision,
    /// A newer revision that is queued behind it.
    pub queued: Option<Revision>,
    /// The package that carries it.
    pub package: Option<BlobName>,
    /// What happened, oldest first, the steps of its batch included.
    pub trail: Vec<TrailEntry>,
    /// Number of entries that the trail lost to its limit.
    pub trail_dropped: u64,
    /// What it waits for; `None` when it waits for nothing.
    pub waiting: Option<Waiting>,
}

/// What an order waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// For what.
    pub what: String,
    /// Until when; `None` when a person has to act.
    pub until: Option<DateTime<Utc>>,
}

impl Explain {
    /// Explanations from `store`, with deadlines from `policy`.
    pub fn new(store: Arc<dyn StateStore>, policy: BatchPolicy) -> Self {
        Self {
            repository: Repository::new(store),
            policy,
        }
    }

    /// The story of `order`; `None` when it was never accepted, or is past its retention.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn order(&self, order: &OrderId) -> Result<Option<Explanation>, PortError> {
        let Some(record) = self
            .repository
            .orders(std::slice::from_ref(order))
            .await?
            .pop()
            .flatten()
        else {
            return Ok(None);
        };
        let batch = match record.state.batch() {
            Some(batch) => self
                .repository
                .batch(batch)
                .await?
                .map(|stored| stored.record),
            None => None,
        };
        Ok(Some(self.explain(record, batch.as_ref())))
    }

    fn explain(&self, record: OrderRecord, batch: Option<&BatchRecord>) -> Explanation {
        let progress = batch.map(BatchRecord::progress);
        let state = record.state_in_batch(progress.as_ref());
        let mut trail = record.trail.entries().to_vec();
        if let Some(batch) = batch {
            trail.extend(steps_of(batch, &record));
        }
        // What an earlier revision went out with does not carry the one that waits now.
        let package = match (&state, batch) {
            (OrderState::Pending, _) => None,
            (_, Some(batch)) => batch.package.as_ref().map(|package| package.name.clone()),
            (_, None) => record.blob_reference.clone(),
        };
        Explanation {
            waiting: self.waiting(&record, &state, batch),
            order: record.order_id,
            state,
            revision: record.revision,
            queued: record.queued.map(|queued| queued.revision),
            package,
            trail,
            trail_dropped: record.trail.dropped(),
        }
    }

    fn waiting(
        &self,
        record: &OrderRecord,
        state: &OrderState,
        batch: Option<&BatchRecord>,
    ) -> Option<Waiting> {
        let waiting = |what: &str, until| {
            Some(Waiting {
                what: what.to_owned(),
                until,
            })
        };
        match (state, batch) {
            (OrderState::Pending, _) => {
                waiting("a batch", Some(self.policy.deadline(record.waiting_since)))
            }
            (OrderState::Claimed { .. }, None) => {
                waiting("the sweep: its batch does not exist", None)
            }
            (
                OrderState::Claimed { .. }
                | OrderState::Staged { .. }
                | OrderState::Submitted { .. },
                Some(batch),
            ) => {
                let what = batch.waits_for.as_deref().unwrap_or(match batch.state {
                    BatchState::Open | BatchState::Sealed => "its package",
                    BatchState::Staged => "its delivery",
                    BatchState::Submitted => "the import",
                    BatchState::Done => "its settlement",
                });
                let until = batch
                    .lease
                    .as_ref()
                    .map_or(batch.due_at, |lease| lease.until);
                waiting(what, Some(until))
            }
            (OrderState::Quarantined { reason }, _) => {
                waiting(&format!("a person to decide ({})", reason.as_str()), None)
            }
            _ => None,
        }
    }
}

/// The steps of a running batch, as entries of the order's trail. They enter the stored trail
/// when the order is settled.
fn steps_of(batch: &BatchRecord, record: &OrderRecord) -> Vec<TrailEntry> {
    use crate::order::{Cause, StateName};

    let actor = batch.lease.as_ref().map(|lease| lease.owner.clone());
    let actor = actor.or_else(|| {
        record
            .trail
            .entries()
            .last()
            .map(|entry| entry.actor.clone())
    });
    let Some(actor) = actor else {
        return Vec::new();
    };
    let cause = Cause::Batch {
        id: batch.id,
        epoch: batch.epoch,
    };
    [
        (batch.staged_at, StateName::Claimed, StateName::Staged),
        (batch.submitted_at, StateName::Staged, StateName::Submitted),
    ]
    .into_iter()
    .filter_map(|(at, from, to)| {
        Some(TrailEntry {
            at: at?,
            from: Some(from),
            to,
            actor: actor.clone(),
            cause: cause.clone(),
            revision: record.revision,
            content: None,
            note: None,
        })
    })
    .collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        writeln!(
            f,
            "order {} is {} (revision {})",
            self.order,
            self.state.name(),
            self.revision
        )?;
        match &self.state {
            OrderState::Imported { evidence } => writeln!(
                f,
                "  the ERP holds it as {} with {} lines (import {})",
                evidence.record, evidence.lines, evidence.execution
            )?,
            OrderState::Rejected { reason } => writeln!(
                f,
                "  the ERP refused it: {}{} ({}; {} records imported, {} failed)",
                reason
                    .code
                    .as_ref()
                    .map(|code| format!("{code}: "))
                    .unwrap_or_default(),
                reason.message,
                reason.entity,
                reason.records_imported,
                reason.records_failed
            )?,
            OrderState::Quarantined { reason } => writeln!(f, "  {}", sentence(reason))?,
            _ => {}
        }
        if let Some(package) = &self.package {
            writeln!(f, "  package {package}")?;
        }
        if let Some(queued) = &self.queued {
            writeln!(f, "  revision {queued} is queued behind it")?;
        }
        if let Some(waiting) = &self.waiting {
            match &waiting.until {
                Some(until) => writeln!(f, "  waits for {}, until {}", waiting.what, time(until))?,
                None => writeln!(f, "  waits for {}", waiting.what)?,
            }
        }
        for entry in &self.trail {
            write!(f, "  {}  ", time(&entry.at))?;
            match entry.from {
                Some(from) if from == entry.to => write!(f, "{:<24}", entry.to.as_str())?,
                Some(from) => write!(f, "{:<24}", format!("{from} → {}", entry.to))?,
                None => write!(f, "{:<24}", format!("→ {}", entry.to))?,
            }
            write!(f, "  {}  by {}", entry.cause, entry.actor)?;
            if let Some(note) = &entry.note {
                write!(f, "  ({note})")?;
            }
            writeln!(f)?;
        }
        if self.trail_dropped > 0 {
            writeln!(f, "  {} older entries were dropped", self.trail_dropped)?;
        }
        Ok(())
    }
}

fn sentence(reason: &crate::order::QuarantineReason) -> String {
    use crate::order::QuarantineReason as Q;
    match reason {
        Q::RevisionConflict { event_id } => {
            format!("event {event_id} brought the same revision with different content")
        }
        Q::MappingFailed { detail } => detail.clone(),
        Q::OutcomeUnknown { execution } => {
            format!("import {execution} ended without saying what became of it")
        }
        Q::AttemptsExhausted { execution } => {
            format!("import {execution} was the last of too many transient failures")
        }
        Q::PackageRefused { execution, detail } => {
            format!("the ERP refused the package of import {execution}: {detail}")
        }
        Q::CancelledAfterImport => {
            "it was cancelled after an import that may have brought it into the ERP".to_owned()
        }
    }
}
