use std::fmt;

use serde::{Deserialize, Serialize};

use super::revision::Revision;
use crate::id::{BatchId, ExecutionId};
use crate::port::FailureClass;

/// Where one revision of an order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name")]
pub enum OrderState {
    /// Accepted, waits for a batch.
    Pending,
    /// Belongs to a batch.
    Claimed {
        /// The batch.
        batch: BatchId,
        /// Epoch of the worker that claimed it; never decreases.
        epoch: u32,
    },
    /// Its package is in the stage.
    Staged {
        /// The batch.
        batch: BatchId,
    },
    /// The ERP took its package.
    Submitted {
        /// The import.
        execution: ExecutionId,
    },
    /// The ERP holds the order.
    Imported {
        /// What the ERP said.
        evidence: Evidence,
    },
    /// The ERP refused the order.
    Rejected {
        /// What the ERP said.
        reason: Rejection,
    },
    /// A person has to decide.
    Quarantined {
        /// Why.
        reason: QuarantineReason,
    },
    /// A newer revision took its place before anything was sent.
    Superseded {
        /// The newer revision.
        by: Revision,
    },
    /// Cancelled before anything was sent.
    Cancelled,
}

/// Proof that the ERP holds an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The import that brought it in.
    pub execution: ExecutionId,
    /// The ERP's own name for the header record.
    pub record: String,
    /// Number of lines that the ERP confirmed.
    pub lines: u32,
}

/// Why the ERP refused an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The import that refused it.
    pub execution: ExecutionId,
    /// The ERP's code, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The ERP's message for the first record that failed.
    pub message: String,
    /// Entity of that record.
    pub entity: String,
    /// Whose fault it is.
    pub class: RejectionClass,
    /// Records of this order that the ERP did take: a half order that needs a look there.
    pub records_imported: u32,
    /// Records of this order that failed.
    pub records_failed: u32,
}

/// Stored form of a [`FailureClass`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RejectionClass {
    /// The ERP's, for the moment.
    Transient,
    /// Another import stood in the way.
    Contention,
    /// The package is wrong.
    Packaging,
    /// The order's data.
    Data,
    /// Nobody knows.
    Unknown,
}

impl From<FailureClass> for RejectionClass {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::Transient => Self::Transient,
            FailureClass::Contention => Self::Contention,
            FailureClass::Packaging => Self::Packaging,
            FailureClass::Data => Self::Data,
            FailureClass::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for RejectionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all_fields = "camelCase")]
pub enum QuarantineReason {
    /// The same revision came with different content. The other event is a dead letter.
    RevisionConflict {
        /// Id of the other event.
        event_id: String,
    },
    /// The field map has no value for a required column.
    MappingFailed {
        /// What the map could not fill, column by column.
        detail: String,
    },
    /// The ERP ended the import, or was never heard of again, without saying what became of the
    /// order. It may hold the order: look there before re-opening.
    OutcomeUnknown {
        /// The import.
        execution: ExecutionId,
    },
    /// Transient failures went on for as many attempts as the policy allows.
    AttemptsExhausted {
        /// The last import.
        execution: ExecutionId,
    },
    /// The ERP refused the whole package.
    PackageRefused {
        /// The import.
        execution: ExecutionId,
        /// What the ERP said.
        detail: String,
    },
    /// The order was cancelled after an import that may have brought it, or a part of it, into
    /// the ERP: look there, and cancel it there.
    CancelledAfterImport,
}

impl QuarantineReason {
    /// The word that is counted.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::RevisionConflict { .. } => "RevisionConflict",
            Self::MappingFailed { .. } => "MappingFailed",
            Self::OutcomeUnknown { .. } => "OutcomeUnknown",
            Self::AttemptsExhausted { .. } => "AttemptsExhausted",
            Self::PackageRefused { .. } => "PackageRefused",
            Self::CancelledAfterImport => "CancelledAfterImport",
        }
    }
}

/// Name of a state, without what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StateName {
    /// See [`OrderState::Pending`].
    Pending,
    /// See [`OrderState::Claimed`].
    Claimed,
    /// See [`OrderState::Staged`].
    Staged,
    /// See [`OrderState::Submitted`].
    Submitted,
    /// See [`OrderState::Imported`].
    Imported,
    /// See [`OrderState::Rejected`].
    Rejected,
    /// See [`OrderState::Quarantined`].
    Quarantined,
    /// See [`OrderState::Superseded`].
    Superseded,
    /// See [`OrderState::Cancelled`].
    Cancelled,
}

impl StateName {
    /// All names.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Claimed,
        Self::Staged,
        Self::Submitted,
        Self::Imported,
        Self::Rejected,
        Self::Quarantined,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// The word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Claimed => "Claimed",
            Self::Staged => "Staged",
            Self::Submitted => "Submitted",
            Self::Imported => "Imported",
            Self::Rejected => "Rejected",
            Self::Quarantined => "Quarantined",
            Self::Superseded => "Superseded",
            Self::Cancelled => "Cancelled",
        }
    }

    /// True when nothing happens any more without a new event or a person.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Imported
                | Self::Rejected
                | Self::Quarantined
                | Self::Superseded
                | Self::Cancelled
        )
    }

    /// The coarse word of dashboards.
    pub const fn processing_status(self) -> ProcessingStatus {
        match self {
            Self::Pending => ProcessingStatus::Pending,
            Self::Claimed | Self::Staged | Self::Submitted => ProcessingStatus::Processing,
            Self::Imported => ProcessingStatus::Processed,
            Self::Rejected | Self::Quarantined | Self::Superseded | Self::Cancelled => {
                ProcessingStatus::Failed
            }
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Coarse projection of the state that dashboards select on. `Processed` means that the ERP
/// took the order, never merely that a package exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProcessingStatus {
    /// Waits for a batch.
    Pending,
    /// In a batch.
    Processing,
    /// In the ERP.
    Processed,
    /// Will not reach the ERP without a new event or a person.
    Failed,
}

impl OrderState {
    /// The name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Pending => StateName::Pending,
            Self::Claimed { .. } => StateName::Claimed,
            Self::Staged { .. } => StateName::Staged,
            Self::Submitted { .. } => StateName::Submitted,
            Self::Imported { .. } => StateName::Imported,
            Self::Rejected { .. } => StateName::Rejected,
            Self::Quarantined { .. } => StateName::Quarantined,
            Self::Superseded { .. } => StateName::Superseded,
            Self::Cancelled => StateName::Cancelled,
        }
    }

    /// The batch that holds the order, from claim to settlement.
    pub fn batch(&self) -> Option<BatchId> {
        match self {
            Self::Claimed { batch, .. } | Self::Staged { batch } => Some(*batch),
            Self::Submitted { execution } => Some(execution.batch()),
            _ => None,
        }
    }

    /// True when nothing happens any more without a new event or a person.
    pub fn is_terminal(&self) -> bool {
        self.name().is_terminal()
    }
}
