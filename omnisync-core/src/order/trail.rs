use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::revision::Revision;
use super::state::StateName;
use crate::id::{BatchId, ExecutionId, Sha256, WorkerId};

/// Largest number of entries that a trail keeps.
pub const TRAIL_ENTRIES_MAX: usize = 200;

/// Who changed an order.
pub type Actor = WorkerId;

/// What happened to an order, oldest first.
///
/// Replaying the entries from the first gives the current state. A trail that outgrows
/// [`TRAIL_ENTRIES_MAX`] loses its oldest entries but the first, and counts what it lost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trail {
    entries: Vec<TrailEntry>,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Trail {
    /// Adds an entry.
    pub fn push(&mut self, entry: TrailEntry) {
        if self.entries.len() >= TRAIL_ENTRIES_MAX {
            self.entries.remove(1);
            self.dropped += 1;
        }
        self.entries.push(entry);
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[TrailEntry] {
        &self.entries
    }

    /// Number of entries that were lost to the limit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// True when an event has left an entry here before.
    pub fn mentions_event(&self, cause: &Cause) -> bool {
        self.entries.iter().any(|entry| entry.cause == *cause)
    }
}

/// One change of an order, or an event that changed nothing but has to be explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailEntry {
    /// When.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// State before; `None` for the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<StateName>,
    /// State after. Equal to `from` when nothing changed.
    pub to: StateName,
    /// By whom.
    pub actor: Actor,
    /// Why.
    pub cause: Cause,
    /// Revision of the order that the entry is about.
    pub revision: Revision,
    /// Hash of what the revision says; present where a revision begins, since content changes
    /// nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Sha256>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why an order changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Cause {
    /// An event from the order system.
    Event {
        /// CloudEvents `source`.
        source: String,
        /// CloudEvents `id`.
        id: String,
        /// CloudEvents extension `traceparent`, where it is valid.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        traceparent: Option<String>,
    },
    /// A step of a batch.
    Batch {
        /// The batch.
        id: BatchId,
        /// Epoch of the worker.
        epoch: u32,
    },
    /// What the ERP said.
    Execution {
        /// The import.
        id: ExecutionId,
    },
    /// The sweep for claims that no batch lists.
    Sweep {
        /// The batch that does not list the order.
        batch: BatchId,
    },
    /// A person.
    Operator {
        /// Who.
        name: String,
    },
}

/// Every member that some cause has. Reading them all at once spares the copy that a tag within
/// the object costs otherwise, for every entry of every order that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CauseMembers {
    kind: CauseKind,
    source: Option<String>,
    id: Option<String>,
    traceparent: Option<String>,
    epoch: Option<u32>,
    batch: Option<BatchId>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum CauseKind {
    Event,
    Batch,
    Execution,
    Sweep,
    Operator,
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn some<T, E: Error>(member: Option<T>, name: &'static str) -> Result<T, E> {
            member.ok_or_else(|| E::missing_field(name))
        }
        let members = CauseMembers::deserialize(deserializer)?;
        let batch = |id: Option<String>| {
            let id: String = some(id, "id")?;
            id.parse::<BatchId>().map_err(D::Error::custom)
        };
        Ok(match members.kind {
            CauseKind::Event => Self::Event {
                source: some(members.source, "source")?,
                id: some(members.id, "id")?,
                traceparent: members.traceparent,
            },
            CauseKind::Batch => Self::Batch {
                id: batch(members.id)?,
                epoch: some(members.epoch, "epoch")?,
            },
            CauseKind::Execution => Self::Execution {
                id: batch(members.id)?.into(),
            },
            CauseKind::Sweep => Self::Sweep {
                batch: some(members.batch, "batch")?,
            },
            CauseKind::Operator => Self::Operator {
                name: some(members.name, "name")?,
            },
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { id, source, .. } => write!(f, "event {id} from {source}"),
            Self::Batch { id, epoch } => write!(f, "batch {id}, epoch {epoch}"),
            Self::Execution { id } => write!(f, "import {id}"),
            Self::Sweep { batch } => write!(f, "sweep: batch {batch} does not list it"),
            Self::Operator { name } => write!(f, "operator {name}"),
        }
    }
}
