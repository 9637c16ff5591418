//! The records, and how a transaction changes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::crm::{
    ChangeKind, FieldName, Fields, ForeignId, Hint, HintScope, Native, Origin, VersionToken,
};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{CrmRecord, Precondition, WriteReceipt};

use super::automation::Pending;
use super::feed::Feed;
use super::log::{CrmChange, FieldChange};
use super::object::CrmObject;
use super::options::{CrmOptions, Removing};
use super::record::{CrmState, Record, Standing};
use super::wish::{Actor, Wish};
use crate::clock::later;

/// All that lasts.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) records: BTreeMap<ForeignId, Record>,
    /// The receipts of creations, by object and key.
    pub(super) created: BTreeMap<(String, String), WriteReceipt>,
    pub(super) log: Vec<CrmChange>,
    /// Cursors of changes before this one are too old.
    pub(super) changes_from: usize,
    pub(super) feed: Feed,
    /// Calls that fail: with what, and after which time to come again.
    pub(super) failures: VecDeque<(ErrorKind, Option<Duration>)>,
    pub(super) operations: u64,
    issued: u64,
    pub(super) pending: Vec<Pending>,
    pub(super) automations_are_off: bool,
}

impl Inner {
    /// Nothing, in a system that gave out so many versions before.
    pub(super) fn after(issued: u64) -> Self {
        Self {
            issued,
            ..Self::default()
        }
    }

    pub(super) const fn versions_issued(&self) -> u64 {
        self.issued
    }
}

/// The system during one call.
pub(super) struct Engine<'a> {
    pub(super) options: &'a CrmOptions,
    pub(super) now: DateTime<Utc>,
    pub(super) operation: &'static str,
    pub(super) inner: &'a mut Inner,
}

impl Engine<'_> {
    pub(super) fn refusal(&self, kind: ErrorKind, detail: impl Into<String>) -> PortError {
        PortError::new(kind, self.operation).with_detail(detail)
    }

    pub(super) fn object(&self, name: &str) -> Result<&CrmObject, PortError> {
        let object = self.options.objects.get(name);
        object.ok_or_else(|| self.refusal(ErrorKind::Invalid, format!("no object {name}")))
    }

    /// Every one of `fields` has to be a field of the object.
    pub(super) fn knows<'f>(
        &self,
        object: &CrmObject,
        mut fields: impl Iterator<Item = &'f FieldName>,
    ) -> Result<(), PortError> {
        let unknown = fields.find(|field| !object.fields.contains_key(*field));
        unknown.map_or(Ok(()), |field| {
            let detail = format!("{} has no field {field}", object.name);
            Err(self.refusal(ErrorKind::Invalid, detail))
        })
    }

    /// The record, unless it is forgotten.
    pub(super) fn known(&mut self, id: &ForeignId) -> Option<&mut Record> {
        let forgets_after = self.options.forgets_after.map(delta);
        let now = self.now;
        let record = self.inner.records.get_mut(id)?;
        (!record.is_forgotten(now, forgets_after)).then_some(record)
    }

    /// The record by its object and id, unless it is forgotten.
    pub(super) fn named(&mut self, name: &CrmRecord) -> Result<Option<&mut Record>, PortError> {
        self.object(&name.object)?;
        let record = self.known(&name.id);
        Ok(record.filter(|record| record.object == name.object))
    }

    /// Checks the condition of a write.
    pub(super) fn expect(
        &mut self,
        id: &ForeignId,
        expect: Option<&VersionToken>,
    ) -> Result<(), PortError> {
        let precondition = self.options.capability.precondition;
        let unit = delta(self.options.unit);
        let (Some(expect), Some(record)) = (expect, self.known(id)) else {
            return Ok(());
        };
        let holds = match precondition {
            Precondition::Version => record.now.version == *expect,
            Precondition::Weak => record
                .instant_of(expect)
                .is_some_and(|read| units(record.now.modified_at, unit) <= units(read, unit)),
            Precondition::None => true,
        };
        if holds {
            return Ok(());
        }
        Err(self.refusal(ErrorKind::Conflict, format!("{id} has another version")))
    }

    /// A record that is locked refuses a write.
    pub(super) fn unlock(&mut self, id: &ForeignId) -> Result<(), PortError> {
        let locked = self.inner.records.get_mut(id).is_some_and(|record| {
            let locked = record.locked_writes > 0;
            record.locked_writes = record.locked_writes.saturating_sub(1);
            locked
        });
        if !locked {
            return Ok(());
        }
        let error = self.refusal(ErrorKind::Unavailable, format!("{id} is locked"));
        Err(error.without_effect())
    }

    /// What is answered to a write that left the record as it is now.
    pub(super) fn receipt(&mut self, id: &ForeignId) -> WriteReceipt {
        let version = self.inner.records.get(id);
        let version = version.map(|record| record.now.version.clone());
        WriteReceipt {
            id: id.clone(),
            version: version.filter(|_| self.options.tells_versions),
        }
    }

    pub(super) fn create(
        &mut self,
        object: &str,
        fields: Fields<Native>,
        actor: &Actor,
    ) -> Result<ForeignId, PortError> {
        let number = self.inner.records.len() + 1;
        let id = ForeignId::new(format!("{}-{number}", self.options.name));
        let id = id.map_err(|error| self.refusal(ErrorKind::Internal, "id").with_source(error))?;
        let names = self.object(object)?.fields.keys().cloned();
        let blank = CrmState {
            standing: Standing::Active,
            fields: names.map(|name| (name, Native::Null)).collect(),
            version: self.version(0)?,
            modified_at: self.now,
            modified_by: actor.user.clone(),
        };
        let wish = Wish {
            kind: ChangeKind::Create,
            ..Wish::update(fields)
        };
        self.apply(object, &id, &blank, wish, actor)?;
        Ok(id)
    }

    /// Changes a record that is there, in one transaction.
    pub(super) fn change(
        &mut self,
        id: &ForeignId,
        wish: Wish,
        actor: &Actor,
    ) -> Result<(), PortError> {
        let Some(record) = self.inner.records.get(id) else {
            return Err(self.refusal(ErrorKind::NotFound, id.to_string()));
        };
        let (object, before) = (record.object.clone(), record.now.clone());
        self.apply(&object, id, &before, wish, actor)
    }

    fn apply(
        &mut self,
        object: &str,
        id: &ForeignId,
        before: &CrmState,
        wish: Wish,
        actor: &Actor,
    ) -> Result<(), PortError> {
        let definition = self.object(object)?;
        let (values, asked) = self.values(definition, before, &wish, actor)?;
        let changes = changes_of(&before.fields, &values, &asked);
        let is_update = wish.kind == ChangeKind::Update;
        let is_idle = changes.iter().all(|change| change.from == change.to);
        if is_update && is_idle && (asked.is_empty() || self.options.ignores_equal_values) {
            return Ok(());
        }
        self.check_key(definition, id, &values, &wish.standing)?;
        self.inner.issued += 1;
        let state = CrmState {
            standing: wish.standing,
            fields: values,
            version: self.version(self.inner.issued)?,
            modified_at: self.now,
            modified_by: actor.user.clone(),
        };
        self.commit(object, id, state, wish.kind, changes, actor);
        Ok(())
    }

    /// What the fields hold after the wish and the triggers, and what was asked for.
    fn values(
        &self,
        object: &CrmObject,
        before: &CrmState,
        wish: &Wish,
        actor: &Actor,
    ) -> Result<(Fields<Native>, Fields<Native>), PortError> {
        self.knows(object, wish.fields.names())?;
        let mut values = before.fields.clone();
        let mut asked = Fields::new();
        for (name, field) in &object.fields {
            let ignored = field.is_closed && actor.cause.is_ours();
            let wished = wish.fields.get(name.as_str()).filter(|_| !ignored);
            let value = match wished {
                Some(value) => value,
                None if wish.kind == ChangeKind::Create => &Native::Null,
                None => continue,
            };
            let stored = field.stored(value).map_err(|why| {
                let detail = format!("{} {name} {why}", object.name);
                self.refusal(ErrorKind::Invalid, detail)
            })?;
            values.insert(name.clone(), stored);
            if let Some(value) = wished {
                asked.insert(name.clone(), value.clone());
            }
        }
        for trigger in &object.triggers {
            let when = trigger.when.as_str();
            if values.get(when) != before.fields.get(when) {
                let value = trigger.to.of(&trigger.sets, &values);
                set(object, &mut values, &trigger.sets, &value);
            }
        }
        Ok((values, asked))
    }

    /// A natural key is taken by one record that holds on to it.
    fn check_key(
        &self,
        object: &CrmObject,
        id: &ForeignId,
        values: &Fields<Native>,
        standing: &Standing,
    ) -> Result<(), PortError> {
        let key = |fields: &Fields<Native>| -> Option<Vec<Native>> {
            let values = object.key.iter().map(|name| fields.get(name.as_str()));
            let values = values.map(|value| value.filter(|value| **value != Native::Null));
            values.map(Option::<&Native>::cloned).collect()
        };
        if !self.options.capability.unique_keys || object.key.is_empty() || !holds_key(standing) {
            return Ok(());
        }
        let Some(wanted) = key(values) else {
            return Ok(());
        };
        let mut others = self.inner.records.iter().filter(|(other, record)| {
            *other != id && record.object == object.name && holds_key(&record.now.standing)
        });
        match others.find(|(_, record)| key(&record.now.fields).as_ref() == Some(&wanted)) {
            Some((other, _)) => {
                let detail = format!("{other} has the same key");
                Err(self.refusal(ErrorKind::AlreadyExists, detail))
            }
            None => Ok(()),
        }
    }

    fn version(&self, number: u64) -> Result<VersionToken, PortError> {
        let version = VersionToken::new(format!("v{number}"));
        version.map_err(|error| {
            self.refusal(ErrorKind::Internal, "version")
                .with_source(error)
        })
    }

    fn commit(
        &mut self,
        object: &str,
        id: &ForeignId,
        state: CrmState,
        kind: ChangeKind,
        changes: Vec<FieldChange>,
        actor: &Actor,
    ) {
        let number = u64::try_from(self.inner.log.len()).unwrap_or(u64::MAX);
        let change = CrmChange {
            number: number.saturating_add(1),
            at: self.now,
            record: CrmRecord {
                object: object.to_owned(),
                id: id.clone(),
            },
            kind,
            cause: actor.cause.clone(),
            user: actor.user.clone(),
            fields: changes,
            version: state.version.clone(),
        };
        let client = self.options.client.clone();
        let hint = Hint {
            object: object.to_owned(),
            scope: HintScope::Records(vec![id.clone()]),
            kind,
            origin: Origin {
                user: Some(actor.user.clone()),
                client: client.filter(|_| actor.cause.is_ours()),
            },
            at: Some(self.now),
            fields: change
                .fields
                .iter()
                .map(|field| field.field.clone())
                .collect(),
        };
        let after = Some(Arc::new(state.clone()));
        self.inner.feed.push(hint, after);
        self.schedule(object, &change);
        self.inner.log.push(change);
        if let Some(record) = self.inner.records.get_mut(id) {
            let before = std::mem::replace(&mut record.now, state);
            record.past.push(before);
        } else {
            let record = Record::new(object, state);
            self.inner.records.insert(id.clone(), record);
        }
    }

    /// How records are taken out of use here.
    pub(super) const fn removed(&self) -> Standing {
        match self.options.removing {
            Removing::Deactivates => Standing::Inactive,
            Removing::Deletes => Standing::Deleted,
        }
    }

    /// Whether a cursor behind so many changes is too old.
    pub(super) fn is_too_old(&self, cursor: usize) -> bool {
        let expired = |change: &CrmChange| {
            let kept = self.options.changes_kept_for;
            kept.is_some_and(|kept| later(change.at, kept) < self.now)
        };
        cursor < self.inner.changes_from || self.inner.log.get(cursor).is_some_and(expired)
    }
}

/// Deactivated records keep their keys.
const fn holds_key(standing: &Standing) -> bool {
    matches!(standing, Standing::Active | Standing::Inactive)
}

/// A trigger's value goes through the field as any other; one that does not fit is dropped.
fn set(object: &CrmObject, values: &mut Fields<Native>, field: &FieldName, value: &Native) {
    let definition = object.fields.get(field);
    if let Some(Ok(stored)) = definition.map(|definition| definition.stored(value)) {
        values.insert(field.clone(), stored);
    }
}

/// What was written or changed.
fn changes_of(
    before: &Fields<Native>,
    after: &Fields<Native>,
    asked: &Fields<Native>,
) -> Vec<FieldChange> {
    let touched = after.iter().map(|(name, to)| FieldChange {
        field: name.clone(),
        asked: asked.get(name.as_str()).cloned(),
        from: before.get(name.as_str()).cloned().unwrap_or(Native::Null),
        to: to.clone(),
    });
    touched
        .filter(|change| change.asked.is_some() || change.from != change.to)
        .collect()
}

/// Which unit of the system's clock an instant falls into.
fn units(instant: DateTime<Utc>, unit: TimeDelta) -> i64 {
    let unit = unit.num_milliseconds().max(1);
    instant.timestamp_millis().div_euclid(unit)
}

fn delta(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}
