//! Values as people enter them.

use chrono::{DateTime, Utc};
use omnisync_core::crm::{FieldKind, Reference, ReferenceTarget, Value};

use crate::error::HostError;

/// What somebody entered for a field of this kind; `None` for nothing. Whether the field can have it
/// is for the desk to say.
pub(crate) fn read(kind: &FieldKind, text: &str) -> Result<Option<Value>, HostError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (value, expected) = match kind {
        FieldKind::Decimal { .. } => (text.parse().ok().map(Value::Decimal), "a number"),
        FieldKind::Integer => (text.parse().ok().map(Value::Integer), "a whole number"),
        FieldKind::Boolean => (yes_or_no(text).map(Value::Boolean), "yes or no"),
        FieldKind::Date => (text.parse().ok().map(Value::Date), "a day as 2026-03-14"),
        FieldKind::Instant => {
            let at = DateTime::parse_from_rfc3339(text).ok();
            let at = at.map(|at| Value::Instant(at.with_timezone(&Utc)));
            (at, "a time as 2026-03-14T08:00:00Z")
        }
        FieldKind::Choice { .. } => (Some(Value::Choice(text.into())), "an option"),
        FieldKind::Choices { .. } => {
            let all = text.split(',').map(|one| one.trim().to_owned());
            (Some(Value::Choices(all.collect())), "options")
        }
        FieldKind::Reference { entity } => {
            let reference = Reference {
                entity: entity.clone(),
                target: ReferenceTarget::Key(text.into()),
            };
            (Some(Value::Reference(Box::new(reference))), "a record")
        }
        _ => (Some(Value::Text(text.into())), "text"),
    };
    let none = || HostError::NoValue {
        text: text.to_owned(),
        expected,
    };
    value.map(Some).ok_or_else(none)
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use omnisync_core::crm::EntityName;

    use super::*;

    #[track_caller]
    fn check(kind: &FieldKind, text: &str, expected: &str) {
        let value = read(kind, text).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), expected);
    }

    #[test]
    fn every_kind_of_field_is_entered_as_text() {
        let options = Vec::new;
        check(&FieldKind::Text, "a", r#"{"text":"a"}"#);
        check(
            &FieldKind::Decimal { scale: 2 },
            "1.50",
            r#"{"decimal":"1.50"}"#,
        );
        check(&FieldKind::Integer, "-7", r#"{"integer":-7}"#);
        check(&FieldKind::Boolean, "yes", r#"{"boolean":true}"#);
        check(&FieldKind::Date, "2026-03-14", r#"{"date":"2026-03-14"}"#);
        check(
            &FieldKind::Instant,
            "2026-03-14T09:00:00+01:00",
            r#"{"instant":"2026-03-14T08:00:00Z"}"#,
        );
        let choice = FieldKind::Choice { options: options() };
        check(&choice, "Red", r#"{"choice":"Red"}"#);
        let choices = FieldKind::Choices { options: options() };
        check(&choices, "b, a", r#"{"choices":["a","b"]}"#);
        let entity = EntityName::new("Currency").unwrap();
        check(
            &FieldKind::Reference { entity },
            "EUR",
            r#"{"reference":{"entity":"Currency","target":{"key":"EUR"}}}"#,
        );
        check(&FieldKind::Integer, "", "null");
    }

    #[test]
    fn what_is_no_value_is_told() {
        let error = read(&FieldKind::Integer, "many").unwrap_err();
        assert!(error.report().contains("a whole number"), "{error}");
        assert!(read(&FieldKind::Date, "yesterday").is_err());
        assert!(read(&FieldKind::Boolean, "maybe").is_err());
    }
}
