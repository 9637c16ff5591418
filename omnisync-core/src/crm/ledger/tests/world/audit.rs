//! What is asserted of a world.

use super::systems::rewrite;
use super::{FIELDS, World};
use crate::crm::Value;
use crate::crm::ledger::LinkRecord;

impl World {
    pub(super) fn note_agreed(&mut self) {
        for (position, field) in FIELDS.iter().enumerate() {
            if let Some(base) = self.link.fields.get(field) {
                let value = match &base.value {
                    Some(Value::Text(text)) => Some(text.to_string()),
                    _ => None,
                };
                self.agreed.insert((position, value));
            }
        }
    }

    pub(in super::super) fn audit(&mut self) -> Result<(), String> {
        if let Some(lost) = self.lost.take() {
            return Err(format!("silently overwritten: {lost}"));
        }
        for (at, system) in self.systems.iter().enumerate() {
            let Some(record) = &system.record else {
                if !self.link.life.alive {
                    continue;
                }
                return Err(format!("s{at} has no record"));
            };
            if record.alive != self.link.life.alive {
                return Err(format!("s{at} is alive {}", record.alive));
            }
            if !record.alive {
                continue;
            }
            for (field, cell) in FIELDS.iter().zip(&record.cells) {
                let agreed = match &self.link.fields.get(field).unwrap().value {
                    Some(Value::Text(text)) => Some(text.to_string()),
                    _ => None,
                };
                let expected = agreed.clone().map(|text| rewrite(system.rewrites, &text));
                if cell.value != expected && cell.value != agreed {
                    return Err(format!(
                        "s{at} has {:?} in {field}, agreed is {agreed:?}",
                        cell.value
                    ));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn in_conflict(link: &LinkRecord, field: &str, value: Option<&str>) -> bool {
    use crate::crm::ledger::{ConflictSubject as Subject, Verdict};
    let is_value = |shown: &Option<Value>| match shown {
        Some(Value::Text(text)) => Some(text.as_str()) == value,
        _ => value.is_none(),
    };
    let decided = link.decisions.iter().flat_map(|decision| &decision.fields);
    // What is put back by rule stands in the decision.
    let mut overruled = decided.filter(|one| {
        one.field.as_str() == field && matches!(one.verdict, Verdict::Overruled { .. })
    });
    if overruled.any(|one| is_value(&one.observed)) {
        return true;
    }
    link.conflicts.iter().any(|conflict| {
        let about = matches!(
            &conflict.subject,
            Subject::Field { field: one } | Subject::Oscillation { field: one } if one.as_str() == field
        );
        about
            && conflict.sides.iter().any(|side| is_value(&side.value))
    })
}
