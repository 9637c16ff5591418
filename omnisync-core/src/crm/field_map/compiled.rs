use std::collections::BTreeSet;

use super::error::{FieldRefusal, RefusalReason};
use super::key::KeyRule;
use super::lens::Case;
use super::map::{Constant, FieldMap, Join};
use super::slot::{CompiledField, Slot};
use crate::crm::{EntityDefinition, EntityName, FieldName, Fields, Native, SystemName, Value};

/// A field map that passed its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledFieldMap {
    entity: EntityName,
    object: String,
    system: SystemName,
    fields: Fields<CompiledField>,
    joins: Vec<Join>,
    natives: Vec<FieldName>,
    constants: Vec<Constant>,
    key: KeyRule,
}

/// What a put is going to write.
#[derive(Default)]
struct Writes {
    natives: Fields<Native>,
    /// Joins with a part that changes.
    joins: BTreeSet<usize>,
}

impl CompiledFieldMap {
    pub(super) fn new(
        map: FieldMap,
        entity: &EntityDefinition,
        system: &SystemName,
        fields: Fields<CompiledField>,
    ) -> Self {
        let mut natives: BTreeSet<FieldName> = fields
            .iter()
            .filter_map(|(_, field)| field.reader.as_ref())
            .filter_map(|slot| native_of(slot, &map.joins))
            .cloned()
            .collect();
        let checked = map.constants.iter().filter(|constant| constant.check);
        natives.extend(checked.map(|constant| constant.native.clone()));
        Self {
            entity: map.entity,
            object: map.object,
            system: system.clone(),
            fields,
            joins: map.joins,
            natives: natives.into_iter().collect(),
            constants: map.constants,
            key: KeyRule::new(entity, map.key_case),
        }
    }

    /// The entity.
    pub fn entity(&self) -> &EntityName {
        &self.entity
    }

    /// The system's own name of the object.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The system.
    pub fn system(&self) -> &SystemName {
        &self.system
    }

    /// The native fields that a read has to ask for, sorted.
    pub fn native_fields(&self) -> &[FieldName] {
        &self.natives
    }

    /// True if the native field is read or written by a rule, a join or a constant.
    pub fn speaks_of(&self, native: &str) -> bool {
        let written = self.fields.iter().flat_map(|(_, field)| &field.writers);
        let mut written = written.filter_map(|slot| native_of(slot, &self.joins));
        written.any(|one| one.as_str() == native)
            || self.natives.iter().any(|one| one.as_str() == native)
            || (self.constants.iter()).any(|one| one.native.as_str() == native)
    }

    /// The fields of the entity that the map speaks of.
    pub fn fields(&self) -> impl Iterator<Item = &FieldName> {
        self.fields.names()
    }

    /// The native fields that a put of `field` may write.
    pub fn natives_of(&self, field: &str) -> impl Iterator<Item = &FieldName> {
        self.fields
            .get(field)
            .into_iter()
            .flat_map(|compiled| &compiled.writers)
            .filter_map(|slot| native_of(slot, &self.joins))
    }

    /// True if the field can be written.
    pub fn writable(&self, field: &str) -> bool {
        self.fields
            .get(field)
            .is_some_and(|compiled| !compiled.writers.is_empty())
    }

    /// True if the field shares a native field with others, so that a put has to know what they hold.
    pub fn needs_current(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|compiled| {
            let mut writers = compiled.writers.iter();
            writers.any(|slot| matches!(slot, Slot::Part { .. }))
        })
    }

    /// True if the field can be read.
    pub fn readable(&self, field: &str) -> bool {
        self.fields
            .get(field)
            .is_some_and(|compiled| compiled.reader.is_some())
    }

    /// The fields that make the natural key.
    pub fn key_fields(&self) -> &[FieldName] {
        &self.key.fields
    }

    /// The native fields that make the natural key.
    pub fn key_natives(&self) -> Vec<FieldName> {
        let fields = self.key.fields.iter();
        fields
            .flat_map(|field| self.natives_of(field.as_str()))
            .cloned()
            .collect()
    }

    /// True if the field is read from where it is written, so that a put can be read back at once.
    pub fn reads_back(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|compiled| {
            compiled.reader.is_some() && compiled.reader.as_ref() == compiled.writers.first()
        })
    }

    /// Letters of the natural key that count as one.
    pub fn key_case(&self) -> Case {
        self.key.case
    }

    /// The values of a record. A field whose native field is missing in `native` is missing in the
    /// result; one that cannot be understood is a refusal of its own.
    pub fn get(&self, native: &Fields<Native>) -> Fields<Result<Option<Value>, FieldRefusal>> {
        self.fields
            .iter()
            .filter_map(|(name, field)| {
                let read = self.read(field.reader.as_ref()?, native)?;
                let read = read.map_err(|reason| self.refusal(name, reason));
                Some((name.clone(), read))
            })
            .collect()
    }

    /// What has to be written so that exactly these fields have these values.
    ///
    /// A native field that `current` has and that reads as the value already, or as its
    /// [`normal`](Self::normal) form, is left out: putting back what was read writes nothing. The
    /// other parts of a joined native field come from `current`.
    ///
    /// # Errors
    /// One refusal for each field that cannot be written; then nothing should be.
    pub fn put(
        &self,
        values: &Fields<Option<Value>>,
        current: &Fields<Native>,
    ) -> Result<Fields<Native>, Vec<FieldRefusal>> {
        let mut writes = Writes::default();
        let mut refusals = Vec::new();
        for (name, value) in values.iter() {
            if let Err(reason) = self.put_field(name, value.as_ref(), current, &mut writes) {
                refusals.push(self.refusal(name, reason));
            }
        }
        for join in writes.joins.iter().filter_map(|at| self.joins.get(*at)) {
            match self.joined(join, values, current) {
                Ok(native) => {
                    writes.natives.insert(join.native.clone(), native);
                }
                Err(reason) => {
                    let given = join
                        .fields
                        .iter()
                        .filter(|field| values.contains(field.as_str()));
                    refusals.extend(given.map(|field| self.refusal(field, reason)));
                }
            }
        }
        if refusals.is_empty() {
            Ok(writes.natives)
        } else {
            Err(refusals)
        }
    }

    /// What is left of `value` once this system has held it: rounded, trimmed, cut. Applying it
    /// twice changes nothing more. A reference by link is as it was: every system has its own word
    /// for it.
    ///
    /// # Errors
    /// The system cannot hold the value, or the field.
    pub fn normal(
        &self,
        field: &str,
        value: &Option<Value>,
    ) -> Result<Option<Value>, FieldRefusal> {
        let refusal = |reason| FieldRefusal {
            field: FieldName::new(field).unwrap_or_else(|_| FieldName::known("unnamed")),
            system: self.system.clone(),
            reason,
        };
        let compiled = self
            .fields
            .get(field)
            .ok_or_else(|| refusal(RefusalReason::NotMapped))?;
        self.normal_of(compiled, value.as_ref()).map_err(refusal)
    }

    /// What a new record gets besides.
    pub fn constants(&self) -> Fields<Native> {
        self.constants
            .iter()
            .map(|constant| (constant.native.clone(), constant.value.clone()))
            .collect()
    }

    /// The native fields of checked constants that hold something else: the record may not be one
    /// of those that the map is for.
    pub fn departures(&self, native: &Fields<Native>) -> Vec<FieldName> {
        let departs = |constant: &&Constant| {
            native
                .get(constant.native.as_str())
                .is_some_and(|held| *held != constant.value)
        };
        self.constants
            .iter()
            .filter(|constant| constant.check)
            .filter(departs)
            .map(|constant| constant.native.clone())
            .collect()
    }

    /// The natural key as text, without white space at the ends of its parts: the same in every
    /// system. `None` where a part is missing, where the entity has no natural key, or where a
    /// reference in it is not by link or by key.
    pub fn key_of(&self, values: &Fields<Option<Value>>) -> Option<String> {
        self.key.of(values)
    }

    fn refusal(&self, field: &FieldName, reason: RefusalReason) -> FieldRefusal {
        FieldRefusal {
            field: field.clone(),
            system: self.system.clone(),
            reason,
        }
    }

    /// `None` where `native` does not have what the field is read from.
    fn read(
        &self,
        slot: &Slot,
        native: &Fields<Native>,
    ) -> Option<Result<Option<Value>, RefusalReason>> {
        match slot {
            Slot::Own(own) => {
                let held = native.get(own.native.as_str())?;
                Some(own.lens.read(held, &self.system))
            }
            Slot::Part { join, part } => {
                let join = self.joins.get(*join)?;
                let held = native.get(join.native.as_str())?;
                Some(join.split(held).map(|mut parts| {
                    let text = parts.get_mut(*part).and_then(Option::take);
                    text.map(|text| Value::Text(text.into()))
                }))
            }
        }
    }

    fn read_field(
        &self,
        field: &FieldName,
        native: &Fields<Native>,
    ) -> Option<Result<Option<Value>, RefusalReason>> {
        let compiled = self.fields.get(field.as_str())?;
        self.read(compiled.reader.as_ref()?, native)
    }

    fn put_field(
        &self,
        name: &FieldName,
        value: Option<&Value>,
        current: &Fields<Native>,
        writes: &mut Writes,
    ) -> Result<(), RefusalReason> {
        let field = self
            .fields
            .get(name.as_str())
            .ok_or(RefusalReason::NotMapped)?;
        if field.writers.is_empty() {
            return Err(RefusalReason::ReadOnly);
        }
        let held = self.read_field(name, current).and_then(Result::ok);
        if held.as_ref().map(Option::as_ref) == Some(value) {
            return Ok(());
        }
        let normal = self.normal_of(field, value)?;
        // A link is no value that could be written: it has to become an id first.
        let mut natives = Vec::new();
        for slot in &field.writers {
            if let Slot::Own(own) = slot {
                let (native, _) = own.lens.written(value, &self.system)?;
                natives.push((own.native.clone(), native));
            }
        }
        if held == Some(normal) {
            return Ok(());
        }
        for (name, native) in natives {
            writes.natives.insert(name, native);
        }
        writes.joins.extend(field.writers.iter().filter_map(|slot| {
            if let Slot::Part { join, .. } = slot {
                return Some(*join);
            }
            None
        }));
        Ok(())
    }

    fn normal_of(
        &self,
        field: &CompiledField,
        value: Option<&Value>,
    ) -> Result<Option<Value>, RefusalReason> {
        let mut normal = None;
        for slot in &field.writers {
            let held = match slot {
                Slot::Own(own) => own.normal(value, &self.system)?,
                Slot::Part { join, part } => match self.joins.get(*join) {
                    Some(join) => join.normal(*part, value)?,
                    None => continue,
                },
            };
            normal.get_or_insert(held);
        }
        normal.ok_or(RefusalReason::ReadOnly)
    }

    /// The whole of a join: parts that are given, and the others as they are read now.
    fn joined(
        &self,
        join: &Join,
        values: &Fields<Option<Value>>,
        current: &Fields<Native>,
    ) -> Result<Native, RefusalReason> {
        let mut parts = Vec::with_capacity(join.fields.len());
        for field in &join.fields {
            let part = if let Some(value) = values.get(field.as_str()) {
                join.part(value.as_ref())?
            } else {
                let held = self.read_field(field, current).unwrap_or(Ok(None));
                let held = held.map_err(|_| RefusalReason::OtherPartsUnknown)?;
                join.part(held.as_ref())?
            };
            parts.push(part);
        }
        join.whole(&parts)
    }
}

fn native_of<'a>(slot: &'a Slot, joins: &'a [Join]) -> Option<&'a FieldName> {
    match slot {
        Slot::Own(own) => Some(&own.native),
        Slot::Part { join, .. } => joins.get(*join).map(|join| &join.native),
    }
}
