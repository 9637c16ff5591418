//! Decides what an event does to an order: revision and content hash against what is stored.

use std::cmp::Ordering;

use super::record::{Change, OrderRecord, RevisionContent};
use super::revision::Revision;
use super::state::{OrderState, QuarantineReason, StateName};
use super::trail::{Cause, TrailEntry};
use super::transition::Command;
use crate::id::OrderId;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// First event of its order.
    Accepted,
    /// Newer revision: it took the place of one that waited, or re-opened a settled order.
    Replaced,
    /// Newer revision: it waits until the current one has left its batch.
    Queued,
    /// The order is cancelled, or its cancellation is queued.
    Cancelled,
    /// The content is known.
    Duplicate,
    /// An older revision; noted in the trail and otherwise ignored.
    Outdated,
    /// The same revision with different content: a person has to decide.
    RevisionConflict,
}

/// What to store for an event.
#[derive(Debug, Clone)]
pub struct Intake {
    /// What becomes of the event.
    pub verdict: Verdict,
    /// The record to write; `None` when nothing changes.
    pub write: Option<OrderRecord>,
}

/// Decides what `content` does to the order that is stored as `existing`.
pub fn decide(
    order: &OrderId,
    existing: Option<OrderRecord>,
    content: RevisionContent,
    change: &Change,
) -> Intake {
    let Some(record) = existing else {
        let verdict = if content.cancels {
            Verdict::Cancelled
        } else {
            Verdict::Accepted
        };
        return Intake {
            verdict,
            write: Some(OrderRecord::begin(order.clone(), content, change)),
        };
    };

    let (newest, newest_hash) = record.newest();
    let order_of_revisions = content.revision.compare(&newest);
    if content.content_hash == newest_hash {
        return known_content(record, content.revision, order_of_revisions);
    }
    match order_of_revisions {
        Ordering::Greater => newer(record, content, change),
        Ordering::Less => older(record, &content, change),
        Ordering::Equal => conflicting(record, &content, change),
    }
}

/// The newest content came again. A higher revision number is remembered, so that what lies
/// between the two is recognised as outdated when it arrives late.
fn known_content(mut record: OrderRecord, revision: Revision, order: Ordering) -> Intake {
    let write = (order == Ordering::Greater).then(|| {
        match &mut record.queued {
            Some(queued) => queued.revision = revision,
            None => record.revision = revision,
        }
        record
    });
    Intake {
        verdict: Verdict::Duplicate,
        write,
    }
}

fn newer(mut record: OrderRecord, content: RevisionContent, change: &Change) -> Intake {
    let cancels = content.cancels;
    let in_batch = record.state.batch().is_some();
    let verdict = match (cancels, in_batch) {
        (true, _) => Verdict::Cancelled,
        (false, true) => Verdict::Queued,
        (false, false) => Verdict::Replaced,
    };
    if in_batch {
        let note = if cancels {
            "cancellation queued"
        } else {
            "newer revision queued"
        };
        note_event(&mut record, &content, change, note);
        record.queued = Some(content);
    } else {
        record.advance_to(content, change);
    }
    Intake {
        verdict,
        write: Some(record),
    }
}

fn older(mut record: OrderRecord, content: &RevisionContent, change: &Change) -> Intake {
    // The current revision came again while a newer one is queued behind it.
    let current = content.content_hash == record.content_hash;
    if current || record.trail.mentions_event(&content.cause) {
        return Intake {
            verdict: Verdict::Duplicate,
            write: None,
        };
    }
    note_event(
        &mut record,
        content,
        change,
        "ignored: a newer revision is known",
    );
    Intake {
        verdict: Verdict::Outdated,
        write: Some(record),
    }
}

fn conflicting(mut record: OrderRecord, content: &RevisionContent, change: &Change) -> Intake {
    let verdict = Verdict::RevisionConflict;
    if conflict_is_known(&record, content) {
        return Intake {
            verdict,
            write: None,
        };
    }
    if record.state == OrderState::Pending {
        let reason = QuarantineReason::RevisionConflict {
            event_id: event_id(&content.cause),
        };
        let change = Change {
            cause: content.cause.clone(),
            ..change.clone()
        };
        if record
            .apply(Command::Quarantine { reason }, &change)
            .is_ok()
        {
            return Intake {
                verdict,
                write: Some(record),
            };
        }
    }
    note_event(
        &mut record,
        content,
        change,
        "refused: same revision, different content",
    );
    Intake {
        verdict,
        write: Some(record),
    }
}

/// True when this very conflict has left an entry before. The event that brought the revision
/// may come again with other content under the same id: that is news.
fn conflict_is_known(record: &OrderRecord, content: &RevisionContent) -> bool {
    record.trail.entries().iter().any(|entry| {
        let set_aside = entry.to == StateName::Quarantined && entry.content.is_none();
        entry.cause == content.cause && (set_aside || entry.content == Some(content.content_hash))
    })
}

fn note_event(record: &mut OrderRecord, content: &RevisionContent, change: &Change, note: &str) {
    let state: StateName = record.state.name();
    record.trail.push(TrailEntry {
        at: change.at,
        from: Some(state),
        to: state,
        actor: change.actor.clone(),
        cause: content.cause.clone(),
        revision: content.revision,
        content: Some(content.content_hash),
        note: Some(note.to_owned()),
    });
}

fn event_id(cause: &Cause) -> String {
    match cause {
        Cause::Event { id, .. } => id.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
