//! The laws on given records. Each returns what is wrong, in words.

use omnisync_core::crm::{FieldName, Fields, Native, Value};

use super::mapping::Mapping;

pub(super) type Values = Fields<Option<Value>>;
pub(super) type Natives = Fields<Native>;
type Verdict = Result<(), String>;

/// The part of `values` that can be put, and what the put writes.
fn accepted(mapping: &dyn Mapping, values: &Values, current: &Natives) -> (Values, Natives) {
    let mut values = values.clone();
    values.retain(|field, value| {
        mapping.writable(field.as_str()) && mapping.normal(field.as_str(), value).is_ok()
    });
    loop {
        match mapping.put(&values, current) {
            Ok(writes) => return (values, writes),
            Err(refusals) => {
                let before = values.len();
                values.retain(|field, _| !refusals.iter().any(|refusal| refusal.field == *field));
                if values.len() == before {
                    return (Values::new(), Natives::new());
                }
            }
        }
    }
}

fn written(current: &Natives, writes: &Natives) -> Natives {
    let both = current.iter().chain(writes.iter());
    both.map(|(name, native)| (name.clone(), native.clone()))
        .collect()
}

/// What can be read, of what can be written.
fn read(mapping: &dyn Mapping, current: &Natives) -> Values {
    let fields = mapping.get(current).into_iter();
    fields
        .filter_map(|(field, value)| Some((field, value.ok()?)))
        .filter(|(field, _)| mapping.writable(field.as_str()))
        .collect()
}

pub(super) fn get_put(mapping: &dyn Mapping, current: &Natives) -> Verdict {
    let writes = mapping
        .put(&read(mapping, current), current)
        .map_err(|refusals| format!("what was read is refused: {refusals:?}"))?;
    match writes
        .iter()
        .find(|(name, native)| current.get(name.as_str()) != Some(native))
    {
        Some((name, _)) => Err(format!("putting back what was read changes {name}")),
        None => Ok(()),
    }
}

pub(super) fn reading_is_normal(mapping: &dyn Mapping, current: &Natives) -> Verdict {
    for (field, value) in &read(mapping, current).into_iter().collect::<Vec<_>>() {
        let normal = mapping.normal(field.as_str(), value);
        let is_normal = normal.is_err() || normal.as_ref() == Ok(value);
        if mapping.reads_back(field.as_str()) && !is_normal {
            return Err(format!(
                "{field} is read as {value:?} and held as {normal:?}"
            ));
        }
    }
    Ok(())
}

/// Tells `tried` the fields that were really put and read.
pub(super) fn put_get(
    mapping: &dyn Mapping,
    values: &Values,
    current: &Natives,
    mut tried: impl FnMut(&FieldName),
) -> Verdict {
    let (values, writes) = accepted(mapping, values, current);
    let read = mapping.get(&written(current, &writes));
    for (field, value) in values.iter() {
        if !mapping.reads_back(field.as_str()) {
            continue;
        }
        tried(field);
        let normal = mapping.normal(field.as_str(), value);
        let held = read.get(field.as_str());
        // A link is put as something else, which the mapping cannot know.
        if held != Some(&normal) {
            return Err(format!(
                "{field} was put as {value:?}, should be held as {normal:?} and is read as {held:?}"
            ));
        }
    }
    Ok(())
}

pub(super) fn normal_is_stable(mapping: &dyn Mapping, values: &Values) -> Verdict {
    for (field, value) in values.iter() {
        let Ok(once) = mapping.normal(field.as_str(), value) else {
            continue;
        };
        let twice = mapping.normal(field.as_str(), &once);
        if twice.as_ref() != Ok(&once) {
            return Err(format!(
                "{field}: {value:?} becomes {once:?}, and that becomes {twice:?}"
            ));
        }
    }
    Ok(())
}

pub(super) fn put_put(
    mapping: &dyn Mapping,
    first: &Values,
    second: &Values,
    current: &Natives,
) -> Verdict {
    let (second, direct) = accepted(mapping, second, current);
    let mut first = first.clone();
    first.retain(|field, _| second.contains(field.as_str()));
    let (_, before) = accepted(mapping, &first, current);
    let between = written(current, &before);
    let after = mapping
        .put(&second, &between)
        .map_err(|refusals| format!("refused after another put: {refusals:?}"))?;
    let (one, other) = (
        mapping.get(&written(current, &direct)),
        mapping.get(&written(&between, &after)),
    );
    if one == other {
        return Ok(());
    }
    Err(format!(
        "the first of two puts shows: {one:?} without it, {other:?} with it"
    ))
}

pub(super) fn isolation(mapping: &dyn Mapping, values: &Values, current: &Natives) -> Verdict {
    let (values, writes) = accepted(mapping, values, current);
    let own: Vec<FieldName> = values
        .names()
        .flat_map(|field| mapping.natives_of(field.as_str()))
        .collect();
    if let Some(name) = writes.names().find(|name| !own.contains(name)) {
        return Err(format!(
            "{name} is written, and no field that was put owns it"
        ));
    }
    let (before, after) = (
        mapping.get(current),
        mapping.get(&written(current, &writes)),
    );
    for (field, value) in after.iter() {
        let was = before.get(field.as_str());
        // A native field that was not there at all comes with empty parts.
        let appeared = was.is_none() && *value == Ok(None);
        if !values.contains(field.as_str()) && was != Some(value) && !appeared {
            return Err(format!("{field} was not put and changes"));
        }
    }
    Ok(())
}

/// One value on its way through both systems, twice. `tried` says that it came through. A value
/// that is refused the second time is at rest as well: it goes nowhere.
pub(super) fn round_trip(
    here: &dyn Mapping,
    there: &dyn Mapping,
    values: &Values,
    mut tried: impl FnMut(&FieldName),
) -> Verdict {
    for (field, value) in values.iter() {
        let alone: Values = [(field.clone(), value.clone())].into_iter().collect();
        let trip = |values: &Values| through(there, &through(here, values)?);
        let Some(once) = trip(&alone) else {
            continue;
        };
        tried(field);
        let twice = trip(&once);
        if twice.as_ref().is_some_and(|twice| *twice != once) {
            return Err(format!(
                "{value:?} comes back as {once:?}, and that as {twice:?}"
            ));
        }
    }
    Ok(())
}

/// One field after one system has held it. `None` if it cannot.
fn through(mapping: &dyn Mapping, value: &Values) -> Option<Values> {
    let field = value.names().next()?;
    if !mapping.reads_back(field.as_str()) {
        return None;
    }
    let writes = mapping.put(value, &Natives::new()).ok()?;
    let held = mapping.get(&writes).remove(field.as_str())?.ok()?;
    Some([(field.clone(), held)].into_iter().collect())
}
