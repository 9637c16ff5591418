//! What happened to the records, whoever did it.

use chrono::{DateTime, Utc};
use omnisync_core::crm::{ChangeKind, FieldName, ForeignId, Native, VersionToken};
use omnisync_core::port::CrmRecord;

/// One transaction that changed a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmChange {
    /// Its place among all changes of the system, beginning with 1.
    pub number: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// The record.
    pub record: CrmRecord,
    /// What happened to the record.
    pub kind: ChangeKind,
    /// By which call.
    pub cause: ChangeCause,
    /// In whose name.
    pub user: String,
    /// The fields that were written or changed, by name.
    pub fields: Vec<FieldChange>,
    /// The version that it gave the record.
    pub version: VersionToken,
}

/// What a transaction did to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The field.
    pub field: FieldName,
    /// The value as it was written; `None` when a trigger or a default changed the field.
    pub asked: Option<Native>,
    /// What the field held before.
    pub from: Native,
    /// What it holds since.
    pub to: Native,
}

/// Which call changed a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeCause {
    /// `create` of the port, under this key.
    Create {
        /// The key.
        key: String,
    },
    /// `update` of the port.
    Update,
    /// `remove` of the port.
    Remove,
    /// `restore` of the port.
    Restore,
    /// A person.
    Person,
    /// A person merged two records: the one that is left, or the one that is not.
    Merge {
        /// The other one.
        with: ForeignId,
    },
    /// An automation of the system.
    Automation,
}

impl ChangeCause {
    /// The change came through the port.
    pub const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Create { .. } | Self::Update | Self::Remove | Self::Restore
        )
    }
}

impl CrmChange {
    /// The fields that hold something else since.
    pub fn changed(&self) -> impl Iterator<Item = &FieldChange> {
        self.fields.iter().filter(|field| field.from != field.to)
    }

    /// What it did to `field`, if it touched it.
    pub fn of(&self, field: &str) -> Option<&FieldChange> {
        let mut fields = self.fields.iter();
        fields.find(|change| change.field.as_str() == field)
    }
}
