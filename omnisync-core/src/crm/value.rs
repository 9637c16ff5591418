use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::name::{EntityName, ForeignId, LinkId, SystemName};

/// The value of a field, in the form that belongs to no system. A field without a value has no
/// `Value`: it is `None`, never an empty text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Value {
    /// Text that is not empty.
    Text(Text),
    /// An exact decimal number. `1.0` and `1.00` are the same value.
    Decimal(Decimal),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A day without a time zone.
    Date(NaiveDate),
    /// A point in time.
    #[serde(with = "crate::instant")]
    Instant(DateTime<Utc>),
    /// One of a list, by its canonical name.
    Choice(Text),
    /// Any of a list, as a set.
    Choices(BTreeSet<String>),
    /// Another record.
    Reference(Box<Reference>),
}

/// Text of a value. Every system's ledger holds it, and most is short: up to 23 bytes are part of the
/// value itself, a longer text is shared by its copies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(SmolStr);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(SmolStr::new(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(SmolStr::from(text))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ValueKind {
    /// [`Value::Text`]
    Text,
    /// [`Value::Decimal`]
    Decimal,
    /// [`Value::Integer`]
    Integer,
    /// [`Value::Boolean`]
    Boolean,
    /// [`Value::Date`]
    Date,
    /// [`Value::Instant`]
    Instant,
    /// [`Value::Choice`]
    Choice,
    /// [`Value::Choices`]
    Choices,
    /// [`Value::Reference`]
    Reference,
}

impl From<Reference> for Value {
    fn from(reference: Reference) -> Self {
        Self::Reference(Box::new(reference))
    }
}

impl Value {
    /// What kind of value it is.
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::Text(_) => ValueKind::Text,
            Self::Decimal(_) => ValueKind::Decimal,
            Self::Integer(_) => ValueKind::Integer,
            Self::Boolean(_) => ValueKind::Boolean,
            Self::Date(_) => ValueKind::Date,
            Self::Instant(_) => ValueKind::Instant,
            Self::Choice(_) => ValueKind::Choice,
            Self::Choices(_) => ValueKind::Choices,
            Self::Reference(_) => ValueKind::Reference,
        }
    }
}

/// Another record that a field points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// What it is.
    pub entity: EntityName,
    /// Which one.
    pub target: ReferenceTarget,
}

impl Reference {
    /// True if it means the same to every system.
    pub const fn is_resolved(&self) -> bool {
        matches!(self.target, ReferenceTarget::Link(_))
    }
}

/// How a reference names its record. Only [`Link`](Self::Link) means the same to every system; the
/// others are what a system said and are resolved before anything is decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReferenceTarget {
    /// By the identity that all systems share.
    Link(LinkId),
    /// By the id of the record in one system.
    Foreign {
        /// The system.
        system: SystemName,
        /// Its id.
        id: ForeignId,
    },
    /// By the natural key, for entities that everybody knows by a code (`EUR`).
    Key(Text),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &Value, json: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), json);
        assert_eq!(&serde_json::from_str::<Value>(json).unwrap(), value);
    }

    #[test]
    fn the_stored_form_says_the_kind_and_keeps_every_digit() {
        check(&Value::Text("a\"b".into()), r#"{"text":"a\"b"}"#);
        check(
            &Value::Decimal("79228162514264337593543950.335".parse().unwrap()),
            r#"{"decimal":"79228162514264337593543950.335"}"#,
        );
        check(
            &Value::Integer(i64::MAX),
            r#"{"integer":9223372036854775807}"#,
        );
        check(&Value::Boolean(false), r#"{"boolean":false}"#);
        check(
            &Value::Date(NaiveDate::from_ymd_opt(2026, 3, 14).unwrap()),
            r#"{"date":"2026-03-14"}"#,
        );
        check(
            &Value::Instant("2026-03-14T08:00:00Z".parse().unwrap()),
            r#"{"instant":"2026-03-14T08:00:00Z"}"#,
        );
        check(
            &Value::Choices(["b", "a"].map(str::to_owned).into()),
            r#"{"choices":["a","b"]}"#,
        );
    }

    #[test]
    fn the_scale_of_a_number_does_not_matter() {
        let one = |text: &str| Value::Decimal(text.parse().unwrap());
        assert_eq!(one("1.0"), one("1.00"));
    }
}
