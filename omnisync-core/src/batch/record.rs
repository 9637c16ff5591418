use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::member::SegmentList;
use crate::error::PortError;
use crate::id::{BatchId, BlobName, ProjectName, Sha256, WorkerId};
use crate::order::BatchProgress;
use crate::policy::Trigger;
use crate::port::{Action, Collection, Content, Document, DocumentKey, Expect, Write};

/// Where batches are stored.
pub const BATCHES: Collection = Collection::new("batches");

/// Version of the stored form.
pub const BATCH_SCHEMA: u32 = 1;

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BatchState {
    /// Claims its orders.
    Open,
    /// Its members are fixed.
    Sealed,
    /// Its package is in the stage.
    Staged,
    /// The ERP took its package.
    Submitted,
    /// Every order is settled.
    Done,
}

impl BatchState {
    /// All states, in order.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Sealed,
        Self::Staged,
        Self::Submitted,
        Self::Done,
    ];

    /// The word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Sealed => "Sealed",
            Self::Staged => "Staged",
            Self::Submitted => "Submitted",
            Self::Done => "Done",
        }
    }
}

/// Who works on a batch, and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker.
    pub owner: WorkerId,
    /// When others may take over.
    #[serde(with = "crate::instant")]
    pub until: DateTime<Utc>,
}

/// What a batch is stored as. Every save is a compare-and-set on the document's tag by the
/// holder of the lease, and raising `epoch` is how another worker takes over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    /// Identity.
    pub id: BatchId,
    /// Version of this form.
    pub schema: u32,
    /// How far it is.
    pub state: BatchState,
    /// Counts the workers that held it.
    pub epoch: u32,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Data project that imports it.
    pub project: ProjectName,
    /// Why it was opened.
    pub trigger: Trigger,
    /// When its newest member was recorded by the order system. Names the package, and is its
    /// creation time, so that the package depends on nothing but its members.
    #[serde(with = "crate::instant")]
    pub content_time: DateTime<Utc>,
    /// When it was opened.
    #[serde(with = "crate::instant")]
    pub opened_at: DateTime<Utc>,
    /// When its members were fixed.
    #[serde(default, with = "crate::instant::option")]
    pub sealed_at: Option<DateTime<Utc>>,
    /// When its package was staged.
    #[serde(default, with = "crate::instant::option")]
    pub staged_at: Option<DateTime<Utc>>,
    /// When a worker last set out to submit its package. While it is set, the ERP may have the
    /// package and not know it yet.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::instant::option"
    )]
    pub announced_at: Option<DateTime<Utc>>,
    /// The ERP told of its import since it was last submitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_seen: bool,
    /// How often its package was submitted again because the ERP lost the import.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resubmissions: u32,
    /// When the ERP took its package.
    #[serde(default, with = "crate::instant::option")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// When every order was settled.
    #[serde(default, with = "crate::instant::option")]
    pub done_at: Option<DateTime<Utc>>,
    /// Orders that it set out to claim.
    pub proposal: SegmentList,
    /// Orders that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<SegmentList>,
    /// Its package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageRecord>,
    /// When it next wants attention.
    #[serde(with = "crate::instant")]
    pub due_at: DateTime<Utc>,
    /// Attempts at the current step that failed in a row.
    pub attempts: u32,
    /// Attempts at the current step that were answered in vain: what limits count.
    #[serde(default)]
    pub futile_attempts: u32,
    /// What the last attempt said, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// How its orders ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Settlement>,
    /// From when on it may go.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::instant::option"
    )]
    pub expires_at: Option<DateTime<Utc>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls it with"
)]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A staged package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// Name in the stage.
    pub name: BlobName,
    /// Length in bytes.
    pub bytes: u64,
    /// Hash of the content.
    pub sha256: Sha256,
    /// Number of orders.
    pub orders: u32,
    /// Number of lines.
    pub lines: u32,
    /// Sum of the line amounts, by currency.
    pub amounts: BTreeMap<String, Decimal>,
}

/// How the orders of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settlement {
    /// In the ERP.
    pub imported: u32,
    /// Refused by the ERP.
    pub rejected: u32,
    /// Sent again with another batch.
    pub retried: u32,
    /// Set aside for a person.
    pub quarantined: u32,
}

impl BatchRecord {
    /// Address of a batch's document.
    pub fn key(batch: BatchId) -> DocumentKey {
        DocumentKey::new(BATCHES, batch.to_string())
    }

    /// Name of its package: `oms_yyyyMMdd_HHmmss_<batch id>.zip`.
    ///
    /// # Errors
    /// When the content time has a year that does not fit a name.
    pub fn package_name(&self) -> Result<BlobName, crate::id::IdError> {
        BlobName::new(format!(
            "oms_{}_{}.zip",
            self.content_time.format("%Y%m%d_%H%M%S"),
            self.id.simple()
        ))
    }

    /// How far it is, as far as its orders are concerned.
    pub fn progress(&self) -> BatchProgress {
        BatchProgress {
            batch: self.id,
            package: self.package.as_ref().map(|package| package.name.clone()),
            staged_at: self.staged_at,
            submitted_at: self.submitted_at,
        }
    }

    /// Reads a record from its document.
    ///
    /// # Errors
    /// `Corrupt` when the document is not a batch record; names it.
    pub fn from_document(document: &Document) -> Result<Self, PortError> {
        document.parse()
    }

    /// Renders the write that stores this record. The store is told no end of it: only the record
    /// leads to the package and the member lists, so that retention has to find it, and removes it
    /// last.
    ///
    /// # Errors
    /// `Invalid` when the record cannot be rendered.
    pub fn to_write(&self, expect: Expect) -> Result<Write, PortError> {
        let due_at = match (&self.state, &self.lease) {
            (BatchState::Done, _) => self.expires_at,
            (_, Some(lease)) => Some(lease.until),
            (_, None) => Some(self.due_at),
        };
        Ok(Write {
            key: Self::key(self.id),
            expect,
            action: Action::Put(Content {
                state: self.state.as_str().to_owned(),
                due_at,
                expires_at: None,
                body: crate::port::body_of(self)?,
            }),
        })
    }
}
