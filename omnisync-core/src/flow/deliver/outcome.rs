use chrono::{DateTime, Utc};

use super::super::settle::UnmatchedRecord;
use crate::batch::Settlement;
use crate::id::{BatchId, OrderId};
use crate::order::StateName;

/// What a run of [`Deliver`](super::Deliver) did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverOutcome {
    /// The batch; `None` when none was due.
    pub batch: Option<BatchId>,
    /// How far it got.
    pub step: Delivered,
    /// Orders that were settled now.
    pub orders: Vec<SettledOrder>,
    /// Results that belong to no order of the batch: reported, never guessed.
    pub unmatched: Vec<UnmatchedRecord>,
}

/// How far a run got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Nothing is due. `until` is when something will be, if anything waits.
    Idle {
        /// When the next batch is due.
        until: Option<DateTime<Utc>>,
    },
    /// Another worker is at it, or another batch occupies the project.
    Elsewhere,
    /// The ERP took the package.
    Submitted,
    /// The batch waits.
    Waiting {
        /// For what.
        waits_for: String,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The package had vanished: it will be built again from its orders.
    Restaged,
    /// Every order is settled.
    Done(Settlement),
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledOrder {
    /// The order.
    pub order: OrderId,
    /// Its state now. `Pending` when it is sent again.
    pub state: StateName,
    /// The word that a refusal or quarantine is counted by.
    pub reason: Option<String>,
}

impl DeliverOutcome {
    pub(super) fn of(batch: Option<BatchId>, step: Delivered) -> Self {
        Self {
            batch,
            step,
            orders: Vec::new(),
            unmatched: Vec::new(),
        }
    }
}
