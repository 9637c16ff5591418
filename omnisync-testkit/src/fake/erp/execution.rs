use std::sync::Arc;

use bytes::Bytes;
use omnisync_core::id::OrderId;
use omnisync_core::port::{FailureClass, ImportStatus, RecordKey, RecordOutcome, RecordResult};
use serde::{Deserialize, Serialize};

/// One import.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) project: String,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone)]
pub(super) enum Stage {
    Queued { content: Bytes, polls: u32 },
    Ended(Ended),
}

#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) status: ImportStatus,
    /// `None` when they are on disk.
    pub(super) records: Option<Arc<[ImportedRecord]>>,
}

impl Execution {
    pub(super) fn queued(project: String, content: Bytes) -> Self {
        Self {
            project,
            stage: Stage::Queued { content, polls: 0 },
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    pub(super) fn status(&self) -> ImportStatus {
        match &self.stage {
            Stage::Queued { polls, .. } if *polls <= 1 => ImportStatus::Queued,
            Stage::Queued { .. } => ImportStatus::Executing,
            Stage::Ended(ended) => ended.status.clone(),
        }
    }
}

/// What the ERP did with one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImportedRecord {
    /// Entity label.
    #[serde(rename = "e")]
    pub(super) entity: Arc<str>,
    /// Key columns and values.
    #[serde(rename = "k")]
    pub(super) key: Vec<(Arc<str>, String)>,
    /// Number of the order.
    #[serde(rename = "o")]
    pub(super) order: String,
    /// Amount of a line.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<String>,
    /// Currency of a header.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    /// Row identity that the ERP gave, where it took the record.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) rec_id: Option<u64>,
    /// Why it did not.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<RecordFailure>,
}

/// Why the ERP did not take a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordFailure {
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) class: String,
}

impl RecordFailure {
    pub(super) fn new(code: Option<&str>, message: &str, class: FailureClass) -> Self {
        Self {
            code: code.map(str::to_owned),
            message: message.to_owned(),
            class: format!("{class:?}"),
        }
    }

    fn class(&self) -> FailureClass {
        match self.class.as_str() {
            "Transient" => FailureClass::Transient,
            "Contention" => FailureClass::Contention,
            "Packaging" => FailureClass::Packaging,
            "Data" => FailureClass::Data,
            _ => FailureClass::Unknown,
        }
    }
}

impl ImportedRecord {
    pub(super) fn is_of(&self, order: &OrderId) -> bool {
        self.order == order.as_str()
    }

    pub(super) fn to_result(&self) -> RecordResult {
        let columns = self
            .key
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        let outcome = match (&self.failure, self.rec_id) {
            (Some(failure), _) => RecordOutcome::Failed {
                code: failure.code.clone(),
                message: failure.message.clone(),
                class: failure.class(),
            },
            (None, rec_id) => RecordOutcome::Imported {
                evidence: format!("RecId {}", rec_id.unwrap_or_default()),
            },
        };
        RecordResult {
            key: RecordKey {
                entity: self.entity.to_string(),
                columns,
            },
            outcome,
        }
    }
}
