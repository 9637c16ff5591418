//! The port.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;
use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    ChangesPage, Creation, CrmCapability, CrmRecord, CrmSink, RecordUpdate, Removal, Sight,
    WriteReceipt,
};

use super::FakeCrm;
use super::engine::Engine;
use super::log::ChangeCause;
use super::record::Standing;
use super::wish::{Actor, Wish};

#[async_trait]
impl CrmSink for FakeCrm {
    fn capability(&self) -> CrmCapability {
        self.options.capability
    }

    async fn read(&self, record: &CrmRecord, fields: &[FieldName]) -> Result<Sight, PortError> {
        self.call("crm_sink.read", |engine| {
            engine.knows(engine.object(&record.object)?, fields.iter())?;
            let known = engine.named(record)?;
            Ok(known.map_or(Sight::Missing, |known| known.read(fields)))
        })
    }

    async fn find(
        &self,
        object: &str,
        values: &Fields<Native>,
    ) -> Result<Vec<ForeignId>, PortError> {
        self.call("crm_sink.find", |engine| {
            engine.knows(engine.object(object)?, values.names())?;
            let records = engine.inner.records.iter();
            let found = records.filter(|(_, record)| {
                let holds = |(name, value): (&FieldName, _)| {
                    record.now.fields.get(name.as_str()) == Some(value)
                };
                record.object == object && record.is_in_use() && values.iter().all(holds)
            });
            Ok(found.map(|(id, _)| id.clone()).collect())
        })
    }

    async fn create(&self, creation: Creation) -> Result<WriteReceipt, PortError> {
        self.call("crm_sink.create", |engine| {
            let object = engine.object(&creation.object)?;
            engine.knows(object, creation.natural_key.iter())?;
            let once = (creation.object.clone(), creation.key.clone());
            let first = engine.inner.created.get(&once);
            if let Some(first) = first.filter(|_| engine.options.capability.creates_once) {
                return Ok(first.clone());
            }
            let key = creation.key.clone();
            let cause = ChangeCause::Create { key: creation.key };
            let actor = ours(engine, cause);
            let id = engine.create(&creation.object, creation.fields, &actor)?;
            if engine.options.capability.creates_once
                && let Some(record) = engine.inner.records.get_mut(&id)
            {
                record.creation = Some(key);
            }
            let receipt = engine.receipt(&id);
            engine
                .inner
                .created
                .entry(once)
                .or_insert_with(|| receipt.clone());
            Ok(receipt)
        })
    }

    async fn update(&self, update: RecordUpdate) -> Result<WriteReceipt, PortError> {
        self.call("crm_sink.update", |engine| {
            let RecordUpdate {
                record,
                fields,
                expect,
            } = update;
            engine.knows(engine.object(&record.object)?, fields.names())?;
            let known = engine.named(&record)?;
            if !known.is_some_and(|known| known.is_in_use()) {
                return Err(engine.refusal(ErrorKind::NotFound, record.id.to_string()));
            }
            engine.unlock(&record.id)?;
            engine.expect(&record.id, expect.as_ref())?;
            let actor = ours(engine, ChangeCause::Update);
            engine.change(&record.id, Wish::update(fields), &actor)?;
            Ok(engine.receipt(&record.id))
        })
    }

    async fn remove(&self, removal: Removal) -> Result<WriteReceipt, PortError> {
        self.call("crm_sink.remove", |engine| {
            let Removal { record, expect } = removal;
            let Some(known) = engine.named(&record)? else {
                return Err(engine.refusal(ErrorKind::NotFound, record.id.to_string()));
            };
            if known.is_in_use() {
                engine.unlock(&record.id)?;
                engine.expect(&record.id, expect.as_ref())?;
                let actor = ours(engine, ChangeCause::Remove);
                let wish = Wish::delete(engine.removed());
                engine.change(&record.id, wish, &actor)?;
            }
            Ok(engine.receipt(&record.id))
        })
    }

    async fn restore(&self, record: &CrmRecord) -> Result<WriteReceipt, PortError> {
        self.call("crm_sink.restore", |engine| {
            if !engine.options.capability.restores {
                return Err(PortError::new(ErrorKind::Unsupported, "crm_sink.restore"));
            }
            let known = engine.named(record)?;
            match known.map(|known| &known.now.standing) {
                Some(Standing::Active) => {}
                Some(Standing::Inactive | Standing::Deleted) => {
                    engine.unlock(&record.id)?;
                    let actor = ours(engine, ChangeCause::Restore);
                    engine.change(&record.id, Wish::undelete(), &actor)?;
                }
                Some(Standing::Merged { .. }) | None => {
                    return Err(engine.refusal(ErrorKind::NotFound, record.id.to_string()));
                }
            }
            Ok(engine.receipt(&record.id))
        })
    }

    async fn changes(
        &self,
        object: &str,
        cursor: Option<&str>,
        items_max: usize,
    ) -> Result<ChangesPage, PortError> {
        self.call("crm_sink.changes", |engine| {
            engine.object(object)?;
            let items_max = items_max.max(1);
            match place_of(engine, cursor)? {
                Place::All { since, after } => Ok(all(engine, object, since, after, items_max)),
                Place::Log(from) if engine.is_too_old(from) => {
                    Err(engine.refusal(ErrorKind::NotFound, "the cursor is too old"))
                }
                Place::Log(from) => Ok(changed(engine, object, from, items_max)),
            }
        })
    }
}

fn ours(engine: &Engine<'_>, cause: ChangeCause) -> Actor {
    Actor {
        user: engine.options.user.clone(),
        cause,
    }
}

/// Where a cursor stands.
enum Place {
    /// Among all records, behind this one; the log is then read from `since` on.
    All {
        since: usize,
        after: Option<ForeignId>,
    },
    /// Behind so many changes.
    Log(usize),
}

/// Cursors are `12`, behind 12 changes, or `12/crm-7`, behind this record among all.
fn place_of(engine: &Engine<'_>, cursor: Option<&str>) -> Result<Place, PortError> {
    let Some(cursor) = cursor else {
        let since = engine.inner.log.len();
        return Ok(Place::All { since, after: None });
    };
    let known = |number: &str| {
        let number = number.parse().ok();
        number.filter(|number| *number <= engine.inner.log.len())
    };
    let place = match cursor.split_once('/') {
        None => known(cursor).map(Place::Log),
        Some((since, after)) => {
            known(since)
                .zip(ForeignId::new(after).ok())
                .map(|(since, after)| Place::All {
                    since,
                    after: Some(after),
                })
        }
    };
    place.ok_or_else(|| engine.refusal(ErrorKind::Invalid, "no cursor of this system"))
}

/// A page of all records that are there, in use or not.
fn all(
    engine: &Engine<'_>,
    object: &str,
    since: usize,
    after: Option<ForeignId>,
    items_max: usize,
) -> ChangesPage {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let records = engine.inner.records.range((from, Bound::Unbounded));
    let mut there = records
        .filter(|(_, record)| {
            let is_there = matches!(record.now.standing, Standing::Active | Standing::Inactive);
            record.object == object && is_there
        })
        .map(|(id, _)| id.clone());
    let page: Vec<ForeignId> = there.by_ref().take(items_max).collect();
    let more = there.next().is_some();
    let cursor = match page.last() {
        Some(last) if more => format!("{since}/{last}"),
        _ => since.to_string(),
    };
    let more = more || concerns(engine, object, since);
    ChangesPage {
        records: page,
        cursor,
        more,
    }
}

/// A page of records that were changed.
fn changed(engine: &Engine<'_>, object: &str, from: usize, items_max: usize) -> ChangesPage {
    let mut seen = BTreeSet::new();
    let mut records = Vec::new();
    let mut cursor = from;
    for change in engine.inner.log.iter().skip(from) {
        if change.record.object == object && !seen.contains(&change.record.id) {
            if records.len() == items_max {
                break;
            }
            seen.insert(&change.record.id);
            records.push(change.record.id.clone());
        }
        cursor += 1;
    }
    ChangesPage {
        records,
        cursor: cursor.to_string(),
        more: concerns(engine, object, cursor),
    }
}

/// Something behind the cursor is about the object.
fn concerns(engine: &Engine<'_>, object: &str, from: usize) -> bool {
    let mut behind = engine.inner.log.iter().skip(from);
    behind.any(|change| change.record.object == object)
}
