//! A record and its past.

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native, VersionToken};
use omnisync_core::port::{CrmRecord, Sight, Snapshot};

/// A record as the system itself sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmRow {
    /// The record.
    pub record: CrmRecord,
    /// What it is now, or was last.
    pub state: CrmState,
}

/// What a record is at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmState {
    /// In use or not.
    pub standing: Standing,
    /// Every field of the object.
    pub fields: Fields<Native>,
    /// The version.
    pub version: VersionToken,
    /// When it came to be.
    pub modified_at: DateTime<Utc>,
    /// By whom.
    pub modified_by: String,
}

/// Whether a record is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Active,
    /// It was deactivated.
    Inactive,
    /// It was deleted.
    Deleted,
    /// It was merged into another.
    Merged {
        /// The one that is left.
        into: ForeignId,
    },
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) object: String,
    pub(super) now: CrmState,
    pub(super) past: Vec<CrmState>,
    /// So many writes fail yet.
    pub(super) locked_writes: u32,
    /// So many reads are answered from the past yet.
    pub(super) stale_reads: u32,
    /// Forgotten for good, whatever the time.
    pub(super) is_purged: bool,
    /// The key of the creation that brought it about, if the port did.
    pub(super) creation: Option<String>,
}

impl Record {
    pub(super) fn new(object: &str, now: CrmState) -> Self {
        Self {
            object: object.to_owned(),
            now,
            past: Vec::new(),
            locked_writes: 0,
            stale_reads: 0,
            is_purged: false,
            creation: None,
        }
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.now.standing == Standing::Active
    }

    /// The system does not know it any more.
    pub(super) fn is_forgotten(&self, now: DateTime<Utc>, after: Option<TimeDelta>) -> bool {
        let is_old = |after| now.signed_duration_since(self.now.modified_at) >= after;
        self.is_purged || !self.is_in_use() && after.is_some_and(is_old)
    }

    /// When the record got a version; `None` when it never had it.
    pub(super) fn instant_of(&self, version: &VersionToken) -> Option<DateTime<Utc>> {
        let mut states = self.past.iter().chain([&self.now]).rev();
        let state = states.find(|state| state.version == *version)?;
        Some(state.modified_at)
    }

    /// What a read shows: the version before the last while reads are stale.
    pub(super) fn read(&mut self, fields: &[FieldName]) -> Sight {
        let state = match self.past.last() {
            Some(past) if self.stale_reads > 0 => {
                self.stale_reads -= 1;
                past
            }
            _ => &self.now,
        };
        let mut sight = state.sight(fields);
        if let Sight::Present(snapshot) = &mut sight {
            snapshot.creation.clone_from(&self.creation);
        }
        sight
    }
}

impl CrmState {
    /// The same as a read shows it.
    pub(crate) fn sight(&self, fields: &[FieldName]) -> Sight {
        match &self.standing {
            Standing::Active => Sight::Present(Snapshot {
                version: self.version.clone(),
                fields: fields
                    .iter()
                    .map(|name| {
                        let value = self.fields.get(name.as_str());
                        (name.clone(), value.cloned().unwrap_or(Native::Null))
                    })
                    .collect(),
                modified_at: Some(self.modified_at),
                creation: None,
            }),
            Standing::Inactive => Sight::Gone {
                version: Some(self.version.clone()),
            },
            Standing::Deleted => Sight::Gone { version: None },
            Standing::Merged { into } => Sight::Merged { into: into.clone() },
        }
    }
}
