use crate::batch::PackageRecord;
use crate::error::PortError;
use crate::id::{BatchId, OrderId};

/// What a run of [`BatchFlow`](super::BatchFlow) did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOutcome {
    /// How far it got.
    pub step: BatchStep,
    /// The batch; `None` when nothing was due.
    pub batch: Option<BatchId>,
    /// Orders that the batch set out to take but did not.
    pub dropped: Vec<(OrderId, Dropped)>,
    /// The package, once staged.
    pub package: Option<PackageRecord>,
}

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStep {
    /// No unfinished batch, and the policy opens none.
    Idle,
    /// Another worker is at it.
    Elsewhere,
    /// The package is in the stage.
    Staged,
    /// No order was left for the batch: it ended without a package.
    Empty,
}

/// Why a batch did not take an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropped {
    /// The order no longer waits as it did: changed, cancelled, or in another batch. If it
    /// waits, the next batch takes it.
    Gone,
    /// The order's document cannot be read: something else than OMNISYNC altered it.
    Unreadable {
        /// Which document, for the person who restores it.
        detail: String,
    },
    /// The field map has no value for a required column; the order is quarantined.
    MappingFailed {
        /// What is missing.
        detail: String,
    },
}

impl BatchOutcome {
    pub(super) fn of(
        step: BatchStep,
        batch: Option<BatchId>,
        dropped: Vec<(OrderId, Dropped)>,
    ) -> Self {
        Self {
            step,
            batch,
            dropped,
            package: None,
        }
    }
}

pub(super) fn unreadable(error: &PortError) -> Dropped {
    Dropped::Unreadable {
        detail: error.to_string(),
    }
}
