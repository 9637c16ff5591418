use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::forward_to_pointee;
use crate::crm::{FieldName, Fields, ForeignId, Native, VersionToken};
use crate::error::PortError;

/// The records of one CRM: read whole, written field by field, each write on a condition.
///
/// # Contract
/// 1. `read` gives every field that was asked for, empty ones as `Null`, as the record is after
///    every write that was acknowledged before it was called.
/// 2. Every change of a record that a read can show gives it a version that it never had before.
/// 3. `update` changes the fields that it names and no others of its own accord; what the system
///    makes of the values, and what its automation adds, is read back.
/// 4. Where `capability().precondition` is not `None`, an `update` or `remove` with another than
///    the current version gives `Conflict` and changes nothing (`Weak`: unless both changes fall
///    into one unit of the system's clock). A `remove` of a record that is out of use already may
///    succeed.
/// 5. `create` of a record whose natural key is taken gives `AlreadyExists` where
///    `capability().unique_keys`, and creates nothing.
/// 6. A `create` that is repeated under one key gives the record of the first where
///    `capability().creates_once`, whoever changed it since; the version in the receipt is that of
///    the first creation, or none, never a later one.
/// 7. The receipt of a `create` or `update` carries the id, and the version where the system
///    tells it.
/// 8. `find` gives the ids of the records that hold exactly these values, without the removed
///    ones.
/// 9. A record that was removed is seen as `Gone`, and as `Missing` once the system has forgotten
///    it; one that was merged is seen as merged into the other, as long as the system knows.
/// 10. `restore` brings a removed record back under its id, where `capability().restores`;
///     elsewhere it gives `Unsupported` and changes nothing.
/// 11. `changes` names every record that was created, changed or removed after the cursor was
///     given, at least once, and says when no more is left; without a cursor it names every
///     record. A cursor that is too old gives `NotFound`.
/// 12. A value that the system refuses gives `Invalid` and changes nothing of the record.
/// 13. Where `capability().creates_once`, a `read` of a record in use tells the key of the `create`
///     that brought it about, whoever changed it since, and none of a record that came about in
///     another way. Elsewhere it tells none.
///
/// # Cancel safety
/// A dropped write may or may not have taken effect. Read back.
#[async_trait]
pub trait CrmSink: fmt::Debug + Send + Sync + 'static {
    /// What this system can do.
    fn capability(&self) -> CrmCapability;

    /// What a record holds now, of these fields.
    ///
    /// # Errors
    /// `Throttled`, `Unavailable`, `TimedOut`, `Denied`, `Misconfigured`, `Invalid` (an object or
    /// a field that the system does not know).
    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError>;

    /// The records of `object` that hold these values.
    ///
    /// # Errors
    /// As `read`.
    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError>;

    /// Creates a record.
    ///
    /// # Errors
    /// `AlreadyExists`, `Invalid`, `Denied`, `Throttled`, `Exhausted`, `Unavailable`, `TimedOut`.
    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError>;

    /// Changes some fields of a record.
    ///
    /// # Errors
    /// `Conflict`, `NotFound` (removed or never there), and those of `create`.
    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError>;

    /// Takes a record out of use: deactivates or deletes it, as the system is set up. One that is
    /// out of use stays so.
    ///
    /// # Errors
    /// As `update`; `NotFound` where the system does not know the record.
    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError>;

    /// Brings a removed record back.
    ///
    /// # Errors
    /// `Unsupported`, `NotFound` (forgotten for good), and those of `create`.
    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError>;

    /// Which records changed since `cursor`, at most about `items_max` a page.
    ///
    /// # Errors
    /// `NotFound` (the cursor is too old: start without one), and those of `read`.
    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError>;
}

/// What a system can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrmCapability {
    /// How well a write can be made conditional.
    pub precondition: Precondition,
    /// A natural key is taken by one record at most, and the system sees to it.
    pub unique_keys: bool,
    /// A repeated creation gives the first record, which tells the key of its creation when it is
    /// read: the system keeps that key with the record, in a unique field that people do not edit
    /// (an external id, an alternate key).
    pub creates_once: bool,
    /// A removed record can be brought back under its id.
    pub restores: bool,
}

impl CrmCapability {
    /// A system that checks versions, sees to keys, creates once and restores.
    pub const fn strict() -> Self {
        Self {
            precondition: Precondition::Version,
            unique_keys: true,
            creates_once: true,
            restores: true,
        }
    }

    /// The same with other conditions of writes.
    #[must_use]
    pub const fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// The same, but two records may have one natural key.
    #[must_use]
    pub const fn without_unique_keys(mut self) -> Self {
        self.unique_keys = false;
        self
    }

    /// The same, but a repeated creation creates again.
    #[must_use]
    pub const fn without_create_once(mut self) -> Self {
        self.creates_once = false;
        self
    }

    /// The same, but removed records stay removed.
    #[must_use]
    pub const fn without_restore(mut self) -> Self {
        self.restores = false;
        self
    }
}

/// How well a write can be made conditional on the version that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Exactly (Dataverse with optimistic concurrency, Salesforce accounts).
    Version,
    /// By a clock with a coarse unit (`If-Unmodified-Since`).
    Weak,
    /// Not at all.
    None,
}

/// A record of a system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrmRecord {
    /// The system's name of the object.
    pub object: String,
    /// The system's id of the record.
    pub id: ForeignId,
}

/// What a read saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The record, in use.
    Present(Snapshot),
    /// Removed: deleted or deactivated.
    Gone {
        /// The version that the removal gave it, where the system tells.
        version: Option<VersionToken>,
    },
    /// Merged into another record.
    Merged {
        /// The record that is left.
        into: ForeignId,
    },
    /// The system knows no such record.
    Missing,
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its version.
    pub version: VersionToken,
    /// The fields that were asked for.
    pub fields: Fields<Native>,
    /// When it was last changed, by the clock of the system, where that is known.
    pub modified_at: Option<DateTime<Utc>>,
    /// The [key](Creation::key) of the creation that brought it about, where the system keeps it.
    pub creation: Option<String>,
}

/// A record to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The system's name of the object.
    pub object: String,
    /// The same for every attempt at this record: the id of its link.
    pub key: String,
    /// The fields that make its natural key, for systems that find records by it.
    pub natural_key: Vec<FieldName>,
    /// Its fields.
    pub fields: Fields<Native>,
}

/// Fields to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordUpdate {
    /// The record.
    pub record: CrmRecord,
    /// The fields, and nothing else.
    pub fields: Fields<Native>,
    /// The version that was read.
    pub expect: Option<VersionToken>,
}

/// A record to be taken out of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The record.
    pub record: CrmRecord,
    /// The version that was read.
    pub expect: Option<VersionToken>,
}

/// What a system acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteReceipt {
    /// The record.
    pub id: ForeignId,
    /// Its version after the write, where the system tells.
    pub version: Option<VersionToken>,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangesPage {
    /// Records to look at.
    pub records: Vec<ForeignId>,
    /// Where to go on.
    pub cursor: String,
    /// More is waiting behind the cursor now.
    pub more: bool,
}

forward_to_pointee!(CrmSink {
    fn capability(&self) -> CrmCapability {
        (**self).capability()
    }
    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        (**self).read(record, fields).await
    }
    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        (**self).find(object, values).await
    }
    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        (**self).create(creation).await
    }
    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        (**self).update(update).await
    }
    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        (**self).remove(removal).await
    }
    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        (**self).restore(record).await
    }
    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        (**self).changes(object, cursor, items_max).await
    }
});
