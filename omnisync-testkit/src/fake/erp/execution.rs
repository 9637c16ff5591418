//! Imports, and what the ERP did with each record.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use omnisync_core::id::Sha256;
use omnisync_core::port::{
    EntityTotal, FailureClass, ImportStatus, RecordKey, RecordOutcome, RecordResult,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// One import.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    /// Hash of the name of its project.
    pub(super) project: Sha256,
    /// Which package it imports, counted in the order in which they were taken.
    pub(super) package: u64,
    /// The status does not know it before.
    pub(super) known_from: Option<DateTime<Utc>>,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone)]
pub(super) enum Stage {
    Queued { content: Bytes, polls: u32 },
    Ended { status: ImportStatus, kept: Kept },
}

/// Where an outcome is. A long run has many imports, so what is on disk is not in memory.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    InMemory(Arc<Outcome>),
    OnDisk(PathBuf),
}

impl Execution {
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    pub(super) fn status(&self) -> ImportStatus {
        match &self.stage {
            Stage::Queued { polls, .. } if *polls <= 1 => ImportStatus::Queued,
            Stage::Queued { .. } => ImportStatus::Executing,
            Stage::Ended { status, .. } => status.clone(),
        }
    }
}

/// Reads a word of the ERP.
pub(super) fn parse_word(word: &str) -> ImportStatus {
    match word {
        "NotRun" | "Queued" => ImportStatus::Queued,
        "Executing" => ImportStatus::Executing,
        "Succeeded" => ImportStatus::Succeeded,
        "PartiallySucceeded" => ImportStatus::PartiallySucceeded,
        "Failed" => ImportStatus::Failed,
        "Canceled" => ImportStatus::Canceled,
        other => ImportStatus::Unknown(other.to_owned()),
    }
}

/// How an import ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The ERP's word.
    pub(super) status: String,
    pub(super) headers: Entity,
    pub(super) lines: Entity,
    pub(super) records: Vec<ImportedRecord>,
}

/// What the records of one entity have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entity {
    pub(super) label: String,
    /// Key columns.
    pub(super) key: Vec<String>,
}

/// What the ERP did with one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImportedRecord {
    /// Number of the order.
    #[serde(rename = "o")]
    pub(super) order: String,
    /// Values of the key columns.
    #[serde(rename = "k")]
    pub(super) key: Vec<String>,
    #[serde(rename = "p")]
    pub(super) part: Part,
    #[serde(rename = "f")]
    pub(super) fate: Fate,
}

/// Which part of an order a record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    #[serde(rename = "h")]
    Header { currency: String },
    #[serde(rename = "l")]
    Line { amount: Decimal },
}

/// Whether the ERP took a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    /// It is the row with this identity.
    #[serde(rename = "r")]
    Taken(u64),
    #[serde(rename = "x")]
    Refused(RecordFailure),
}

/// Why the ERP did not take a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordFailure {
    pub(super) code: Option<String>,
    pub(super) message: String,
    #[serde(with = "FailureClassForm")]
    pub(super) class: FailureClass,
}

/// How a [`FailureClass`] is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "FailureClass")]
enum FailureClassForm {
    Transient,
    Contention,
    Packaging,
    Data,
    Unknown,
}

impl RecordFailure {
    pub(super) fn new(code: Option<&str>, message: &str, class: FailureClass) -> Self {
        Self {
            code: code.map(str::to_owned),
            message: message.to_owned(),
            class,
        }
    }
}

impl Outcome {
    /// Of an import that did nothing.
    pub(super) fn empty(status: &ImportStatus) -> Self {
        Self {
            status: status.as_str().to_owned(),
            headers: Entity::default(),
            lines: Entity::default(),
            records: Vec::new(),
        }
    }

    /// How many records of each entity were taken.
    pub(super) fn totals(&self) -> Vec<EntityTotal> {
        let taken = |is_header: bool| {
            let records = self.records.iter().filter(move |record| {
                matches!(record.part, Part::Header { .. }) == is_header
                    && matches!(record.fate, Fate::Taken(_))
            });
            u64::try_from(records.count()).unwrap_or(u64::MAX)
        };
        let totals = [(&self.headers, taken(true)), (&self.lines, taken(false))];
        totals
            .into_iter()
            .filter(|(entity, _)| !entity.label.is_empty())
            .map(|(entity, imported)| EntityTotal {
                entity: entity.label.clone(),
                imported,
            })
            .collect()
    }

    pub(super) fn result(&self, record: &ImportedRecord) -> RecordResult {
        let entity = match record.part {
            Part::Header { .. } => &self.headers,
            Part::Line { .. } => &self.lines,
        };
        let outcome = match &record.fate {
            Fate::Taken(rec_id) => RecordOutcome::Imported {
                evidence: format!("RecId {rec_id}"),
            },
            Fate::Refused(failure) => RecordOutcome::Failed {
                code: failure.code.clone(),
                message: failure.message.clone(),
                class: failure.class,
            },
        };
        let columns = entity.key.iter().cloned().zip(record.key.iter().cloned());
        RecordResult {
            key: RecordKey {
                entity: entity.label.clone(),
                columns: columns.collect(),
            },
            outcome,
        }
    }
}
