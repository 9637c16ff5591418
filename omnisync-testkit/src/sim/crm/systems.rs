//! The systems of a run: what they hold, and what they make of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use omnisync_core::crm::ledger::{ConflictSubject, LinkRecord};
use omnisync_core::crm::{
    EntityName, FieldName, Fields, ForeignId, Native, Patch, Reference, ReferenceTarget, Text,
    Value,
};

use super::blueprint::SystemPlan;
use crate::fake::FakeCrm;
use crate::fake::crm::{CrmRow, Standing};

/// What is shared.
pub(super) const ENTITY: &str = "Thing";
pub(super) const CODE: &str = "code";
pub(super) const CITY: &str = "city";
pub(super) const CREDIT: &str = "credit";
/// Another record of the same kind.
pub(super) const PARENT: &str = "parent";
/// The same, as the systems call it.
pub(super) const NATIVE_CODE: &str = "Code";
pub(super) const NATIVE_CITY: &str = "City";
pub(super) const NATIVE_CREDIT: &str = "Credit";
pub(super) const NATIVE_PARENT: &str = "Parent";
/// A field that no map speaks of.
pub(super) const NATIVE_NOTE: &str = "Note";
/// A field that says when a person has something to decide.
pub(super) const NATIVE_STATUS: &str = "Status";

/// How an obstacle ends that nobody but a person takes away.
const KEY_IS_TAKEN: &str = "another record with the natural key";

/// What the systems make of what is written to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Nothing.
    Keep,
    /// The second one writes in capitals, without space around, and with one digit.
    OneNormalises {
        /// Its map says so.
        is_known: bool,
    },
    /// The first one writes in small letters, the second in capitals, and no map knows.
    TwoDisagree,
}

/// A system in a run.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) plan: Arc<SystemPlan>,
    pub(super) crm: FakeCrm,
    /// A system of the same making that shows what it makes of a value.
    pub(super) sample: FakeCrm,
}

impl System {
    /// What is in the record with this key, the one in use before those that are not.
    pub(super) fn row(&self, code: &str) -> Option<CrmRow> {
        let mut rows = self.rows(code);
        rows.sort_by_key(|row| row.state.standing != Standing::Active);
        rows.into_iter().next()
    }

    /// Every record with this key.
    pub(super) fn rows(&self, code: &str) -> Vec<CrmRow> {
        let rows = self.crm.records().into_iter();
        rows.filter(|row| row.state.fields.get(NATIVE_CODE).and_then(Native::as_text) == Some(code))
            .collect()
    }

    /// What a native field says, in the form that belongs to no system; what points at a record names
    /// its key. `Absent` where the map cannot read it.
    pub(super) fn read(&self, native: &FieldName, value: &Native) -> Patch<Value> {
        let one = [(native.clone(), value.clone())].into_iter().collect();
        let read = self.plan.compiled.get(&one).into_iter().next();
        let read = read.and_then(|(_, value)| value.ok());
        read.map_or(Patch::Absent, |value| {
            Patch::from(value.map(|one| self.by_key(one)))
        })
    }

    /// The key of a record.
    pub(super) fn code(&self, id: &ForeignId) -> Option<Text> {
        let row = self.crm.snapshot(id)?;
        Some(row.state.fields.get(NATIVE_CODE)?.as_text()?.into())
    }

    /// The id of a record is nobody else's: its key is.
    pub(super) fn by_key(&self, value: Value) -> Value {
        let Value::Reference(reference) = &value else {
            return value;
        };
        let ReferenceTarget::Foreign { id, .. } = &reference.target else {
            return value;
        };
        let keyed = self
            .code(id)
            .map(|code| pointing_at(&reference.entity, code));
        keyed.unwrap_or(value)
    }

    /// What the system shows of a value that was written to it.
    pub(super) fn shows(&self, field: &FieldName, value: Option<&Value>) -> Patch<Value> {
        if points(value) {
            return Patch::from(value.cloned());
        }
        self.sampled(field, value).unwrap_or_default()
    }

    fn sampled(&self, field: &FieldName, value: Option<&Value>) -> Option<Patch<Value>> {
        let map = &self.plan.compiled;
        let values = [(field.clone(), value.cloned())].into_iter().collect();
        let mut fields = map.put(&values, &Fields::new()).ok()?;
        let native = map.natives_of(field.as_str()).next()?.clone();
        let code = format!("sample {}", self.sample.records().len());
        if native.as_str() != NATIVE_CODE {
            fields.insert(self::field(NATIVE_CODE), Native::Text(code));
        }
        let id = self.sample.create_by("sample", &self.plan.object, fields);
        let row = self.sample.snapshot(&id.ok()?)?;
        Some(self.read(&native, row.state.fields.get(native.as_str())?))
    }

    /// The same as the map foresees it.
    pub(super) fn foreseen(&self, field: &FieldName, value: Option<&Value>) -> Patch<Value> {
        if points(value) {
            return Patch::from(value.cloned());
        }
        let normal = self.plan.compiled.normal(field.as_str(), &value.cloned());
        normal.map_or(Patch::Absent, Patch::from)
    }

    /// The shared field that a native field stands for.
    pub(super) fn field_of(&self, native: &FieldName) -> Option<FieldName> {
        let mut fields = self.plan.compiled.fields();
        fields
            .find(|field| {
                let natives = self.plan.compiled.natives_of(field.as_str());
                natives.into_iter().any(|one| one == native)
            })
            .cloned()
    }

    /// The link says that something is in the way here.
    pub(super) fn is_hindered(&self, link: &LinkRecord) -> bool {
        let member = link.members.get(&self.plan.name);
        member.is_some_and(|member| member.obstacle.is_some() || !member.refused.is_empty())
    }

    /// The key of a link is held by a record that is out of use here, or that people know of as
    /// another one with the key, and nothing but that is noted to be in the way.
    pub(super) fn is_taken(&self, link: &LinkRecord) -> bool {
        let member = link.members.get(&self.plan.name);
        let obstacle = member.and_then(|member| member.obstacle.as_ref());
        let is_noted = obstacle.is_some_and(|one| one.reason.ends_with(KEY_IS_TAKEN));
        is_noted && self.has_another(link, &BTreeSet::new())
    }

    /// The same of a record that is to get the key: whatever else there is of it is written.
    /// Of the records in `asked` people know by a conflict of another link.
    pub(super) fn is_key_taken(&self, link: &LinkRecord, asked: &BTreeSet<ForeignId>) -> bool {
        let Some(member) = link.members.get(&self.plan.name) else {
            return false;
        };
        let mut refused = member.refused.names();
        member.obstacle.is_none()
            && refused.len() > 0
            && refused.all(|field| field.as_str() == CODE)
            && self.has_another(link, asked)
    }

    /// A record that is out of use here, or that people know of, has the key of the link.
    fn has_another(&self, link: &LinkRecord, asked: &BTreeSet<ForeignId>) -> bool {
        let member = link.members.get(&self.plan.name);
        let id = member.and_then(|member| member.id.as_ref());
        let rows = link.natural_key.as_deref().map(|key| self.rows(key));
        let mut rows = rows.into_iter().flatten();
        let is_told = |row: &CrmRow| {
            let mut conflicts = link.conflicts.iter();
            asked.contains(&row.record.id)
                || link.is_apart(&self.plan.name, &row.record.id)
                || conflicts.any(|one| {
                    matches!(&one.subject, ConflictSubject::DuplicateKey { id, .. }
                        if *id == row.record.id)
                })
        };
        rows.any(|row| {
            (row.state.standing == Standing::Inactive || is_told(&row))
                && Some(&row.record.id) != id
        })
    }

    /// Whatever the link waits for here is a record that is out of use.
    pub(super) fn waits_for_records(
        &self,
        link: &LinkRecord,
        links: &[LinkRecord],
        systems: &[Self],
    ) -> bool {
        let Some(member) = link.members.get(&self.plan.name) else {
            return true;
        };
        let awaited = member.awaited().map(|(field, _)| field);
        awaited
            .chain(member.refused.names())
            .all(|field| self.waits_for_a_record(link, field, links, systems))
    }

    /// A field of the link points at a record that is out of use, or that a person has to decide about:
    /// here, if this system speaks of it and nobody knows it; or everywhere, if it has to get here.
    pub(super) fn waits_for_a_record(
        &self,
        link: &LinkRecord,
        field: &FieldName,
        links: &[LinkRecord],
        systems: &[Self],
    ) -> bool {
        let Some(member) = link.members.get(&self.plan.name) else {
            return false;
        };
        if let Some(awaited) = member.awaiting.get(field.as_str()) {
            return match &awaited.reference.target {
                ReferenceTarget::Foreign { id, .. } => !self.is_in_use(id),
                _ => false,
            };
        }
        let Some(base) = link.fields.get(field.as_str()) else {
            return false;
        };
        let Some(Value::Reference(reference)) = &base.value else {
            return false;
        };
        let mut targets = links.iter();
        match targets.find(|one| reference.target == ReferenceTarget::Link(one.link)) {
            Some(target) => {
                let here = target.members.get(&self.plan.name);
                let is_contested = target.open_conflicts().next().is_some();
                (is_contested || !target.life.alive)
                    && here.is_none_or(|member| member.id.is_none())
            }
            // It was removed before its link was stored.
            None => systems
                .iter()
                .filter(|system| system.plan.name == base.origin)
                .all(|system| !system.points_at_one_in_use(link)),
        }
    }

    /// The record of the link points at one in use.
    fn points_at_one_in_use(&self, link: &LinkRecord) -> bool {
        let member = link.members.get(&self.plan.name);
        let id = member.and_then(|member| member.id.as_ref());
        let row = id.and_then(|id| self.crm.snapshot(id));
        let parent = row.and_then(|row| {
            let parent = row.state.fields.get(NATIVE_PARENT)?;
            ForeignId::new(parent.as_text()?).ok()
        });
        parent.is_some_and(|parent| self.is_in_use(&parent))
    }

    pub(super) fn is_in_use(&self, id: &ForeignId) -> bool {
        let row = self.crm.snapshot(id);
        row.is_some_and(|row| row.state.standing == Standing::Active)
    }
}

/// No system makes anything of what points at a record.
const fn points(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Reference(_)))
}

/// What points at the record with this key.
pub(super) fn pointing_at(entity: &EntityName, code: Text) -> Value {
    Value::from(Reference {
        entity: entity.clone(),
        target: ReferenceTarget::Key(code),
    })
}

#[expect(clippy::expect_used, reason = "the names of the scenario are names")]
pub(super) fn field(name: &str) -> FieldName {
    FieldName::new(name).expect("a short name in ASCII")
}

#[expect(clippy::expect_used, reason = "the name of the entity is a name")]
pub(super) fn entity_name() -> EntityName {
    EntityName::new(ENTITY).expect("a short name in ASCII")
}
