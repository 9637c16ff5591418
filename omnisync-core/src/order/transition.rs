//! The state machine of one revision of an order, as a pure function.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::revision::Revision;
use super::state::{Evidence, OrderState, QuarantineReason, Rejection, StateName};
use crate::id::{BatchId, ExecutionId};

/// What shall happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A batch takes the order. Repeating it for the same batch raises the epoch only.
    Claim {
        /// The batch.
        batch: BatchId,
        /// Epoch of the claiming worker.
        epoch: u32,
    },
    /// The batch does not list the order: back to waiting.
    Release {
        /// The batch that does not list it.
        batch: BatchId,
    },
    /// The batch's package is in the stage.
    Stage {
        /// The batch.
        batch: BatchId,
    },
    /// The ERP took the package.
    Submit {
        /// The import.
        execution: ExecutionId,
    },
    /// The ERP confirmed the order.
    Import {
        /// What it said.
        evidence: Evidence,
    },
    /// The ERP refused the order for good.
    Reject {
        /// What it said.
        reason: Rejection,
    },
    /// The ERP failed for the moment: send the order again with another batch.
    Retry {
        /// The import that failed.
        execution: ExecutionId,
    },
    /// A person has to decide.
    Quarantine {
        /// Why.
        reason: QuarantineReason,
    },
    /// A newer revision takes the place of this one.
    Supersede {
        /// The newer revision.
        by: Revision,
    },
    /// The order system cancelled the order.
    Cancel,
    /// A person sends a refused or quarantined order again.
    Reopen,
}

impl Command {
    /// The name, for errors and documentation.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "Claim",
            Self::Release { .. } => "Release",
            Self::Stage { .. } => "Stage",
            Self::Submit { .. } => "Submit",
            Self::Import { .. } => "Import",
            Self::Reject { .. } => "Reject",
            Self::Retry { .. } => "Retry",
            Self::Quarantine { .. } => "Quarantine",
            Self::Supersede { .. } => "Supersede",
            Self::Cancel => "Cancel",
            Self::Reopen => "Reopen",
        }
    }
}

/// What the record of an order has to do beside changing its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Note when the order was picked up and by which batch.
    NotePickUp,
    /// Forget the batch: the order waits again.
    ForgetPickUp,
    /// Count one attempt.
    CountAttempt,
    /// Raise the claim generation, so that the same members make another batch id.
    NextGeneration,
    /// Begin the retention period.
    StartRetention,
    /// End the retention period: the order lives again.
    StopRetention,
    /// Begin the revision that queued up behind this one, if there is one.
    PromoteQueued,
}

/// Next state and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The state after the command.
    pub next: OrderState,
    /// What the record has to do.
    pub effects: &'static [Effect],
}

/// The command does not apply to the state. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{command} does not apply to an order that is {state}")]
pub struct IllegalTransition {
    /// State of the order.
    pub state: StateName,
    /// Name of the command.
    pub command: &'static str,
}

/// Decides what `command` does to an order in `state`.
///
/// # Errors
/// [`IllegalTransition`] names both sides.
pub fn transition(state: &OrderState, command: Command) -> Result<Transition, IllegalTransition> {
    use Command as C;
    use Effect as E;
    use OrderState as S;

    let illegal = IllegalTransition {
        state: state.name(),
        command: command.name(),
    };
    let to = |next, effects| Ok(Transition { next, effects });

    match (state, command) {
        (S::Pending, C::Claim { batch, epoch }) => {
            to(S::Claimed { batch, epoch }, &[E::NotePickUp])
        }
        (S::Pending | S::Rejected { .. } | S::Quarantined { .. }, C::Cancel) => {
            to(S::Cancelled, &[E::StartRetention])
        }
        (S::Pending | S::Quarantined { .. }, C::Supersede { by }) => to(S::Superseded { by }, &[]),
        (S::Rejected { .. } | S::Quarantined { .. }, C::Reopen) => to(
            S::Pending,
            &[E::StopRetention, E::CountAttempt, E::NextGeneration],
        ),

        (
            S::Claimed {
                batch: held,
                epoch: old,
            },
            C::Claim { batch, epoch },
        ) if *held == batch && epoch >= *old => to(S::Claimed { batch, epoch }, &[]),
        (S::Claimed { batch: held, .. }, C::Release { batch }) if *held == batch => to(
            S::Pending,
            &[E::ForgetPickUp, E::NextGeneration, E::PromoteQueued],
        ),
        (S::Claimed { batch: held, .. }, C::Stage { batch }) if *held == batch => {
            to(S::Staged { batch }, &[])
        }
        (S::Staged { batch }, C::Submit { execution }) if execution.batch() == *batch => {
            to(S::Submitted { execution }, &[])
        }

        (S::Submitted { execution: held }, C::Import { evidence })
            if evidence.execution == *held =>
        {
            to(
                S::Imported { evidence },
                &[E::StartRetention, E::PromoteQueued],
            )
        }
        (S::Submitted { execution: held }, C::Reject { reason }) if reason.execution == *held => {
            to(
                S::Rejected { reason },
                &[E::StartRetention, E::PromoteQueued],
            )
        }
        (S::Submitted { execution: held }, C::Retry { execution }) if execution == *held => to(
            S::Pending,
            &[
                E::ForgetPickUp,
                E::CountAttempt,
                E::NextGeneration,
                E::PromoteQueued,
            ],
        ),

        (
            S::Pending | S::Claimed { .. } | S::Staged { .. } | S::Submitted { .. },
            C::Quarantine { reason },
        ) => to(
            S::Quarantined { reason },
            &[E::StartRetention, E::PromoteQueued],
        ),
        // A cancellation that comes after the ERP took the order cannot be carried out here.
        (
            S::Imported { .. },
            C::Quarantine {
                reason: reason @ QuarantineReason::CancelledAfterImport,
            },
        ) => to(S::Quarantined { reason }, &[E::StartRetention]),

        (
            S::Pending
            | S::Claimed { .. }
            | S::Staged { .. }
            | S::Submitted { .. }
            | S::Imported { .. }
            | S::Rejected { .. }
            | S::Quarantined { .. }
            | S::Superseded { .. }
            | S::Cancelled,
            _,
        ) => Err(illegal),
    }
}

#[cfg(test)]
#[path = "transition_tests.rs"]
mod tests;
