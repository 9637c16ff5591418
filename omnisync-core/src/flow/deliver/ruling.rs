//! What is known about the orders of a batch, and what that makes of one.

use super::super::settle::{Fates, OrderVerdict};
use crate::id::ExecutionId;
use crate::order::{Command, OrderRecord, QuarantineReason};
use crate::port::ImportStatus;

/// What is known about the orders of a batch.
pub(super) enum Ruling {
    /// What the results say. Orders without a verdict are waited for, until the results have
    /// been read for the last time.
    Results {
        fates: Fates,
        /// How the import ended.
        status: ImportStatus,
        is_last: bool,
    },
    /// The import does not end.
    Overdue,
    /// The ERP does not take the package.
    Refused { detail: String },
}

impl Ruling {
    /// True when no order is waited for any more.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Results { is_last, .. } => *is_last,
            Self::Overdue | Self::Refused { .. } => true,
        }
    }

    /// What happens to an order that the batch still holds; `None` while nobody knows.
    pub(super) fn command(
        &self,
        execution: ExecutionId,
        record: &OrderRecord,
        verdict: Option<OrderVerdict>,
        attempts_max: u32,
    ) -> Option<Command> {
        let quarantine = |reason| Some(Command::Quarantine { reason });
        if let Self::Refused { detail } = self {
            let detail = detail.clone();
            return quarantine(QuarantineReason::PackageRefused { execution, detail });
        }
        match verdict {
            Some(OrderVerdict::Imported(evidence)) => Some(Command::Import { evidence }),
            Some(OrderVerdict::Rejected(reason)) => Some(Command::Reject { reason }),
            Some(OrderVerdict::Transient(_)) if record.retry_count < attempts_max => {
                Some(Command::Retry { execution })
            }
            Some(OrderVerdict::Transient(_)) => {
                quarantine(QuarantineReason::AttemptsExhausted { execution })
            }
            Some(OrderVerdict::Unresolved) | None if self.is_final() => {
                quarantine(QuarantineReason::OutcomeUnknown { execution })
            }
            Some(OrderVerdict::Unresolved) | None => None,
        }
    }
}
