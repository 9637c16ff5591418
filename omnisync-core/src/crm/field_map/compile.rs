//! Checks a field map once, so that reading and writing need not.

use std::collections::{BTreeMap, BTreeSet};

use super::compiled::CompiledFieldMap;
use super::error::MapError;
use super::lens::FieldLens;
use super::map::{Direction, FieldMap, Join, Rule};
use super::slot::{CompiledField, OwnSlot, Slot};
use crate::crm::{EntityDefinition, FieldKind, FieldName, Fields, SystemName};

pub(super) fn compile(
    map: FieldMap,
    entity: &EntityDefinition,
    system: &SystemName,
) -> Result<CompiledFieldMap, Vec<MapError>> {
    let mut errors = Vec::new();
    check_names(&map, entity, &mut errors);
    check_natives(&map, &mut errors);
    let fields = places(&map, entity, &mut errors);
    check_key(&fields, entity, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(CompiledFieldMap::new(map, entity, system, fields))
}

fn check_names(map: &FieldMap, entity: &EntityDefinition, errors: &mut Vec<MapError>) {
    if let Err(error) = entity.check() {
        errors.push(MapError::Entity(error));
    }
    let bad_names = map.rules.iter().flat_map(|rule| &rule.bad_names);
    for name in map.bad_names.iter().chain(bad_names) {
        errors.push(MapError::Name { name: name.clone() });
    }
    if map.entity != entity.name {
        errors.push(MapError::OtherEntity {
            map: map.entity.clone(),
            entity: entity.name.clone(),
        });
    }
    if map.object.trim().is_empty() {
        errors.push(MapError::NoObject);
    }
}

/// How often a native field is read and written, and by how many rules.
#[derive(Default)]
struct Use {
    rules: usize,
    reads: usize,
    writes: usize,
}

/// A native field that one rule writes belongs to that rule: what another would read there, or
/// write, would change with it.
fn check_natives(map: &FieldMap, errors: &mut Vec<MapError>) {
    let mut natives: BTreeMap<&FieldName, Use> = BTreeMap::new();
    let rules = map.rules.iter().map(|rule| (&rule.native, rule.direction));
    let joins = map.joins.iter().map(|join| (&join.native, join.direction));
    for (native, direction) in rules.chain(joins) {
        let used = natives.entry(native).or_default();
        used.rules += 1;
        used.reads += usize::from(direction.reads());
        used.writes += usize::from(direction.writes());
    }
    for constant in &map.constants {
        natives.entry(&constant.native).or_default().writes += 1;
    }
    for (native, used) in natives {
        let native = || native.clone();
        if used.writes > 1 {
            errors.push(MapError::WrittenTwice { native: native() });
        } else if used.writes == 1 && used.reads > 0 && used.rules > 1 {
            errors.push(MapError::Shared { native: native() });
        }
    }
}

/// Where every field is read and written.
fn places(
    map: &FieldMap,
    entity: &EntityDefinition,
    errors: &mut Vec<MapError>,
) -> Fields<CompiledField> {
    let mut fields = Fields::new();
    for rule in &map.rules {
        place_rule(&mut fields, rule, entity, errors);
    }
    for (at, join) in map.joins.iter().enumerate() {
        check_join(join, errors);
        for (part, field) in join.fields.iter().enumerate() {
            match entity.fields.get(field.as_str()).map(|known| &known.kind) {
                Some(FieldKind::Text | FieldKind::AddressPart) => {}
                Some(other) => errors.push(MapError::Kind {
                    field: field.clone(),
                    kind: other.value_kind(),
                }),
                None => errors.push(unknown(field)),
            }
            let slot = Slot::Part { join: at, part };
            place(&mut fields, field, slot, join.direction, errors);
        }
    }
    fields
}

fn place_rule(
    fields: &mut Fields<CompiledField>,
    rule: &Rule,
    entity: &EntityDefinition,
    errors: &mut Vec<MapError>,
) {
    let Some(known) = entity.fields.get(rule.field.as_str()) else {
        return errors.push(unknown(&rule.field));
    };
    let lens = FieldLens::new(rule.lens.clone(), &rule.field, &known.kind, errors);
    if lens.cuts() && entity.natural_key.contains(&rule.field) {
        errors.push(MapError::KeyTruncated {
            field: rule.field.clone(),
        });
    }
    let slot = Slot::Own(Box::new(OwnSlot {
        native: rule.native.clone(),
        lens,
    }));
    place(fields, &rule.field, slot, rule.direction, errors);
}

fn place(
    fields: &mut Fields<CompiledField>,
    field: &FieldName,
    slot: Slot,
    direction: Direction,
    errors: &mut Vec<MapError>,
) {
    if !fields.contains(field.as_str()) {
        fields.insert(field.clone(), CompiledField::default());
    }
    let Some(compiled) = fields.get_mut(field.as_str()) else {
        return;
    };
    if direction.reads() && compiled.reader.is_some() {
        errors.push(MapError::ReadTwice {
            field: field.clone(),
        });
    }
    if direction.reads() {
        compiled.reader = Some(slot.clone());
    }
    match direction {
        Direction::Both => compiled.writers.insert(0, slot),
        Direction::WriteOnly => compiled.writers.push(slot),
        Direction::ReadOnly => {}
    }
}

fn check_join(join: &Join, errors: &mut Vec<MapError>) {
    let native = || join.native.clone();
    let different: BTreeSet<&FieldName> = join.fields.iter().collect();
    if join.fields.len() < 2 || different.len() < join.fields.len() {
        errors.push(MapError::Parts { native: native() });
    }
    if !is_separator(&join.separator) {
        errors.push(MapError::Separator { native: native() });
    }
    if join.chars_max == Some(0) {
        errors.push(MapError::CharsMax { native: native() });
    }
}

/// True if no beginning of the text is also an end of it. Only then a separator is found where it
/// was written, whatever stands around it.
fn is_separator(text: &str) -> bool {
    let is_border =
        |(at, _): (usize, char)| at > 0 && text.get(at..).is_some_and(|end| text.starts_with(end));
    !text.is_empty() && !text.char_indices().any(is_border)
}

/// Whoever looks for a record by its key reads the key; whoever creates it writes the key.
fn check_key(
    fields: &Fields<CompiledField>,
    entity: &EntityDefinition,
    errors: &mut Vec<MapError>,
) {
    for field in &entity.natural_key {
        let is_both = fields
            .get(field.as_str())
            .is_some_and(|compiled| compiled.reader.is_some() && !compiled.writers.is_empty());
        if !is_both {
            errors.push(MapError::KeyOneWay {
                field: field.clone(),
            });
        }
    }
}

fn unknown(field: &FieldName) -> MapError {
    MapError::UnknownField {
        field: field.clone(),
    }
}
