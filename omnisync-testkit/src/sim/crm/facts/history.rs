//! Who changed what when, across all systems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use omnisync_core::crm::{FieldName, ForeignId, Native, Patch, Value};

use super::super::systems::{CITY, CREDIT, NATIVE_CODE, System};
use crate::fake::crm::{ChangeCause, CrmChange, Standing};

/// Values that some conflict names, by record and field.
pub(super) type Contested = BTreeSet<(ForeignId, FieldName, Option<Value>)>;

/// What a system makes of a value of a field.
type Shown = BTreeMap<(usize, FieldName, Option<Value>), Patch<Value>>;

/// Every change of a shared field in any system, in the order in which they were made.
pub(super) struct History {
    systems: Vec<System>,
    facts: Vec<Fact>,
    /// Changes of each system that are in it.
    read: Vec<usize>,
    /// Writes of the host.
    pub(super) writes: usize,
    /// What systems make of values: asked again and again.
    shown: Mutex<Shown>,
}

/// A change of one field.
struct Fact {
    system: usize,
    record: ForeignId,
    /// The key of the record.
    code: String,
    by_person: bool,
    is_ours: bool,
    field: FieldName,
    /// What was written; nothing where the system changed it by itself.
    asked: Patch<Value>,
    /// What the field shows since.
    to: Option<Value>,
}

impl History {
    pub(super) fn new(systems: Vec<System>) -> Self {
        Self {
            read: vec![0; systems.len()],
            systems,
            facts: Vec::new(),
            writes: 0,
            shown: Mutex::default(),
        }
    }

    /// Takes in what happened since the last time. Gives the places of what the host did.
    pub(super) fn catch_up(&mut self) -> Vec<usize> {
        let mut ours = Vec::new();
        for at in 0..self.systems.len() {
            let (Some(system), Some(read)) = (self.systems.get(at), self.read.get_mut(at)) else {
                continue;
            };
            let fresh = system.crm.changes_log(*read);
            *read += fresh.len();
            for change in fresh {
                self.writes += usize::from(change.cause.is_ours());
                for fact in facts(at, system, &change) {
                    if fact.is_ours {
                        ours.push(self.facts.len());
                    }
                    self.facts.push(fact);
                }
            }
        }
        ours
    }

    /// The value of a person that the change at this place took away silently, if it did.
    pub(super) fn overwritten(&self, at: usize, contested: &Contested) -> Option<String> {
        let write = self.facts.get(at)?;
        let mut before = self.facts.iter().take(at).rev();
        let earlier = before.find(|one| {
            (one.system, &one.record, &one.field) == (write.system, &write.record, &write.field)
        })?;
        // An emptied field is not counted as a value.
        let lost = earlier.to.as_ref().filter(|_| earlier.by_person)?;
        let same = |value: Option<&Value>, shown: Option<&Value>| {
            self.is_same(write.system, &write.field, value, shown)
        };
        let lost = Some(lost);
        // Told as it was, or as whatever took its place knowingly before that lost.
        let heirs = self.heirs(at, lost);
        let is_told = || {
            let of_field = contested
                .iter()
                .filter(|(_, field, _)| *field == write.field);
            of_field.into_iter().any(|(record, _, value)| {
                let as_it_was = *record == write.record && same(value.as_ref(), lost);
                as_it_was || heirs.contains(value)
            })
        };
        if same(lost, write.to.as_ref()) || self.knew(at, &heirs) || is_told() {
            return None;
        }
        Some(format!(
            "{} of {} was {lost:?} and became {:?}",
            write.field, write.record, write.to
        ))
    }

    /// The values that took its place before the change at this place, set by somebody who had seen
    /// it or one of them; each in the spellings of the systems.
    fn heirs(&self, at: usize, value: Option<&Value>) -> Vec<Option<Value>> {
        let mut known: Vec<Option<Value>> = vec![value.cloned()];
        let Some(write) = self.facts.get(at) else {
            return Vec::new();
        };
        let earlier = self.facts.iter().take(at);
        let earlier = earlier.filter(|one| (&one.code, &one.field) == (&write.code, &write.field));
        // Whoever saw what the system had made it of saw the value too.
        let made_of = earlier
            .clone()
            .filter(|one| one.is_ours && one.system == write.system && one.to.as_ref() == value);
        known.extend(made_of.filter_map(|one| one.asked.clone().said()));
        let itself = known.len();
        let mut showed = vec![false; self.systems.len()];
        for fact in earlier {
            let Some(has_shown) = showed.get_mut(fact.system) else {
                continue;
            };
            let asked = fact.asked.clone().said();
            let is_spelling = asked.as_ref().is_some_and(|asked| known.contains(asked));
            if fact.by_person && *has_shown {
                known.push(fact.to.clone());
                known.extend(asked);
            } else if fact.is_ours && is_spelling {
                known.push(fact.to.clone());
            }
            let shows = |one: &Option<Value>| {
                self.is_same(fact.system, &fact.field, one.as_ref(), fact.to.as_ref())
            };
            *has_shown |= known.iter().any(shows);
        }
        known.split_off(itself)
    }

    /// True if what the change at this place wrote is one of the heirs, and not the value itself.
    fn knew(&self, at: usize, heirs: &[Option<Value>]) -> bool {
        let Some(write) = self.facts.get(at) else {
            return false;
        };
        let asked = write.asked.clone().said();
        heirs.iter().any(|one| {
            Some(one) == asked.as_ref()
                || self.is_same(write.system, &write.field, one.as_ref(), write.to.as_ref())
        })
    }

    /// Where the systems do not hold what they make of one value.
    pub(super) fn diverged(&self, codes: &[String]) -> Option<String> {
        codes.iter().find_map(|code| self.diverges(code))
    }

    fn diverges(&self, code: &str) -> Option<String> {
        let in_use = self.systems.iter().map(|system| {
            let rows = system.rows(code).into_iter();
            let rows = rows.filter(|row| row.state.standing == Standing::Active);
            rows.collect::<Vec<_>>()
        });
        let in_use: Vec<_> = in_use.collect();
        if in_use.iter().all(Vec::is_empty) {
            return None;
        }
        let mut rows = Vec::new();
        for found in &in_use {
            let [row] = found.as_slice() else {
                return Some(format!("a system has {} records {code}", found.len()));
            };
            rows.push(row);
        }
        for name in [CITY, CREDIT] {
            let field = super::super::systems::field(name);
            let held = self.systems.iter().zip(&rows).map(|(system, row)| {
                let native = system.plan.compiled.natives_of(name).next()?;
                let value = row.state.fields.get(native.as_str())?;
                system.read(native, value).said()
            });
            let Some(held) = held.collect::<Option<Vec<_>>>() else {
                return Some(format!("{name} of {code} cannot be read"));
            };
            let mut common: BTreeSet<Option<Value>> = held.iter().cloned().collect();
            let of_field = |fact: &&Fact| fact.code == code && fact.field == field;
            for fact in self.facts.iter().filter(of_field) {
                common.insert(fact.to.clone());
                common.extend(fact.asked.clone().said());
            }
            let fits = |value: &Option<Value>| {
                let mut held = held.iter().enumerate();
                held.all(|(at, held)| self.is_same(at, &field, value.as_ref(), held.as_ref()))
            };
            if !common.iter().any(fits) {
                return Some(format!("{name} of {code} is {held:?}"));
            }
        }
        None
    }

    /// What the system shows is the value, or what it makes of it.
    fn is_same(
        &self,
        at: usize,
        field: &FieldName,
        value: Option<&Value>,
        shown: Option<&Value>,
    ) -> bool {
        if value == shown {
            return true;
        }
        let Some(system) = self.systems.get(at) else {
            return false;
        };
        let shown = Patch::from(shown.cloned());
        let mut known = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (at, field.clone(), value.cloned());
        let made = known
            .entry(key)
            .or_insert_with(|| system.shows(field, value));
        *made == shown || system.foreseen(field, value) == shown
    }
}

/// What a change did to the fields that are shared.
fn facts(at: usize, system: &System, change: &CrmChange) -> Vec<Fact> {
    let row = system.crm.snapshot(&change.record.id);
    let code = row.and_then(|row| {
        let code = row.state.fields.get(NATIVE_CODE).and_then(Native::as_text);
        code.map(ToOwned::to_owned)
    });
    let code = code.unwrap_or_default();
    let touched = change.changed().filter_map(|touched| {
        let read = |value: &Native| system.read(&touched.field, value);
        Some(Fact {
            system: at,
            record: change.record.id.clone(),
            code: code.clone(),
            by_person: change.cause == ChangeCause::Person,
            is_ours: change.cause.is_ours(),
            field: system.field_of(&touched.field)?,
            asked: touched.asked.as_ref().map(read).unwrap_or_default(),
            to: read(&touched.to).said()?,
        })
    });
    touched.collect()
}
