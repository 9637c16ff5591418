//! The natural key as one text.

use super::lens::Case;
use crate::crm::{EntityDefinition, FieldName, Fields, ReferenceTarget, Value};

/// Stands between the parts of a key.
const SEPARATOR: char = '|';
/// Stands before a separator, and before itself, within a part.
const ESCAPE: char = '~';

/// How the natural key becomes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRule {
    pub(super) fields: Vec<FieldName>,
    pub(super) case: Case,
}

impl KeyRule {
    pub(super) fn new(entity: &EntityDefinition, case: Case) -> Self {
        Self {
            fields: entity.natural_key.clone(),
            case,
        }
    }

    pub(super) fn of(&self, values: &Fields<Option<Value>>) -> Option<String> {
        let mut parts = self.fields.iter().map(|field| {
            let value = values.get(field.as_str())?.as_ref()?;
            let text = self.case.fold(text_of(value)?.trim());
            Some(text).filter(|text| !text.is_empty())
        });
        match parts.len() {
            0 => None,
            // People should find a code as they know it.
            1 => parts.next()?,
            _ => {
                let parts: Option<Vec<String>> =
                    parts.map(|part| part.map(|text| escaped(&text))).collect();
                Some(parts?.join(&SEPARATOR.to_string()))
            }
        }
    }
}

fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Text(text) | Value::Choice(text) => text.to_string(),
        Value::Decimal(number) => number.normalize().to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Date(date) => date.to_string(),
        Value::Instant(at) => at.to_rfc3339(),
        Value::Reference(reference) => match &reference.target {
            ReferenceTarget::Link(link) => link.to_string(),
            ReferenceTarget::Key(key) => key.to_string(),
            // Another system has another id for the same record.
            ReferenceTarget::Foreign { .. } => return None,
        },
        Value::Choices(options) => {
            let options: Vec<String> = options.iter().map(|option| escaped(option)).collect();
            options.join(";")
        }
    })
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, SEPARATOR | ESCAPE) {
            escaped.push(ESCAPE);
        }
        escaped.push(c);
    }
    escaped
}
