//! What a system holds, to be kept while nobody runs it.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use omnisync_core::crm::{Fields, ForeignId, Native, VersionToken};
use omnisync_core::port::{Clock, WriteReceipt};
use serde::{Deserialize, Serialize};

use super::FakeCrm;
use super::engine::Inner;
use super::options::CrmOptions;
use super::record::{CrmState, Record, Standing};

/// Everything that a [`FakeCrm`] holds, as data. Its past is not part of it: neither the versions
/// that records had, nor what happened to them, nor events that nobody took. Let automations run
/// before it is taken: those that wait are not part of it either, nor that they are switched off.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrmDump {
    versions_issued: u64,
    records: Vec<DumpedRecord>,
    created: Vec<DumpedCreation>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DumpedRecord {
    object: String,
    id: ForeignId,
    standing: DumpedStanding,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    forgotten: bool,
    version: VersionToken,
    modified_at: DateTime<Utc>,
    modified_by: String,
    fields: Fields<Native>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum DumpedStanding {
    Active,
    Inactive,
    Deleted,
    Merged { into: ForeignId },
}

/// What a creation was answered, for whoever asks again with its key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DumpedCreation {
    object: String,
    key: String,
    id: ForeignId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<VersionToken>,
}

/// Leaves the content out: records hold personal data.
impl std::fmt::Debug for CrmDump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrmDump")
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}

impl FakeCrm {
    /// What it holds now.
    pub fn dump(&self) -> CrmDump {
        let inner = self.settled();
        let records = inner.records.iter().map(|(id, record)| DumpedRecord {
            object: record.object.clone(),
            id: id.clone(),
            standing: dumped(&record.now.standing),
            forgotten: record.is_purged,
            version: record.now.version.clone(),
            modified_at: record.now.modified_at,
            modified_by: record.now.modified_by.clone(),
            fields: record.now.fields.clone(),
        });
        let created = inner.created.iter();
        let created = created.map(|((object, key), receipt)| DumpedCreation {
            object: object.clone(),
            key: key.clone(),
            id: receipt.id.clone(),
            version: receipt.version.clone(),
        });
        CrmDump {
            versions_issued: inner.versions_issued(),
            records: records.collect(),
            created: created.collect(),
        }
    }

    /// A CRM that holds what `dump` says.
    pub fn restored(clock: Arc<dyn Clock>, options: CrmOptions, dump: CrmDump) -> Self {
        let mut inner = Inner::after(dump.versions_issued);
        for dumped in dump.records {
            let now = CrmState {
                standing: standing(dumped.standing),
                fields: dumped.fields,
                version: dumped.version,
                modified_at: dumped.modified_at,
                modified_by: dumped.modified_by,
            };
            let mut record = Record::new(&dumped.object, now);
            record.is_purged = dumped.forgotten;
            inner.records.insert(dumped.id, record);
        }
        for created in dump.created {
            if options.capability.creates_once
                && let Some(record) = inner.records.get_mut(&created.id)
            {
                record.creation = Some(created.key.clone());
            }
            let receipt = WriteReceipt {
                id: created.id,
                version: created.version,
            };
            let once = (created.object, created.key);
            inner.created.insert(once, receipt);
        }
        Self {
            clock,
            options: Arc::new(options),
            inner: Arc::new(Mutex::new(inner)),
        }
    }
}

fn dumped(standing: &Standing) -> DumpedStanding {
    match standing {
        Standing::Active => DumpedStanding::Active,
        Standing::Inactive => DumpedStanding::Inactive,
        Standing::Deleted => DumpedStanding::Deleted,
        Standing::Merged { into } => DumpedStanding::Merged { into: into.clone() },
    }
}

fn standing(dumped: DumpedStanding) -> Standing {
    match dumped {
        DumpedStanding::Active => Standing::Active,
        DumpedStanding::Inactive => Standing::Inactive,
        DumpedStanding::Deleted => Standing::Deleted,
        DumpedStanding::Merged { into } => Standing::Merged { into },
    }
}

#[cfg(test)]
mod tests {
    use omnisync_core::crm::{FieldName, SystemName};

    use super::*;
    use crate::clock::ManualClock;
    use crate::fake::crm::{CrmField, CrmObject};

    fn options() -> CrmOptions {
        let name = FieldName::new("Name").unwrap();
        let object = CrmObject::new("Account").with_field(name, CrmField::text());
        CrmOptions::new(SystemName::new("crm").unwrap()).with_object(object)
    }

    fn named(name: &str) -> Fields<Native> {
        let field = FieldName::new("Name").unwrap();
        [(field, Native::Text(name.to_owned()))]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_restored_system_holds_the_same_and_goes_on_counting() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let crm = FakeCrm::new(Arc::clone(&clock), options());
        let first = crm.create_by("ann", "Account", named("A")).unwrap();
        let second = crm.create_by("ann", "Account", named("B")).unwrap();
        crm.delete_by(&second, "ann").unwrap();

        let text = serde_json::to_string(&crm.dump()).unwrap();
        let dump: CrmDump = serde_json::from_str(&text).unwrap();
        let again = FakeCrm::restored(clock, options(), dump);

        assert_eq!(again.records(), crm.records());
        assert_eq!(again.take_events(10), []);
        let known: Vec<_> = crm
            .versions(&first)
            .into_iter()
            .map(|v| v.version)
            .collect();
        let version = again.edit(&first, named("C"), "ann").unwrap();
        assert!(!known.contains(&version));
        let third = again.create_by("ann", "Account", named("D")).unwrap();
        assert!(third != first && third != second);
        again.undelete_by(&second, "ann").unwrap();
        assert_eq!(again.take_events(10).len(), 3);
    }
}
