use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::json::{Json, Value as JsonValue};

/// A value as the interface of a system has it, without meaning.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Native {
    /// No value.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A number, exactly.
    Number(Decimal),
    /// Text; also what stands for dates, ids and picklist values.
    Text(String),
    /// Several values.
    List(Vec<Self>),
}

/// Why a JSON value is no native value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotNative {
    /// The number has more digits than can be kept exactly (28).
    #[error("a number has more digits than can be kept exactly")]
    Number,
    /// An object: which of its members are fields is for the adapter to say.
    #[error("an object where a value belongs")]
    Object,
}

impl Native {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, as a word for messages.
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::List(_) => "list",
        }
    }
}

/// Leaves the content out: records hold personal data.
impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Boolean(_) => f.write_str("Boolean(..)"),
            Self::Number(_) => f.write_str("Number(..)"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::List(elements) => write!(f, "List({} elements)", elements.len()),
        }
    }
}

impl TryFrom<&Json<'_>> for Native {
    type Error = NotNative;

    fn try_from(json: &Json<'_>) -> Result<Self, NotNative> {
        Ok(match &json.value {
            JsonValue::Null => Self::Null,
            JsonValue::Bool(value) => Self::Boolean(*value),
            JsonValue::Number(text) => Self::Number(exact(text).ok_or(NotNative::Number)?),
            JsonValue::String(text) => Self::Text(text.clone().into_owned()),
            JsonValue::Array(elements) => {
                let elements: Result<_, _> = elements.iter().map(Self::try_from).collect();
                Self::List(elements?)
            }
            JsonValue::Object(_) => return Err(NotNative::Object),
        })
    }
}

/// A number without rounding.
fn exact(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    Decimal::from_str_exact(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn read(text: &str) -> Result<Native, NotNative> {
        Native::try_from(&parse(text.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn numbers_are_exact_or_refused() {
        let number = |text: &str| Native::Number(text.parse().unwrap());
        assert_eq!(read("0.1"), Ok(number("0.1")));
        assert_eq!(read("1.5e3"), Ok(number("1500")));
        assert_eq!(read("9007199254740993"), Ok(number("9007199254740993")));
        assert_eq!(read(&"9".repeat(40)), Err(NotNative::Number));
        assert_eq!(
            read("0.12345678901234567890123456789"),
            Err(NotNative::Number)
        );
    }

    #[test]
    fn lists_are_values_and_objects_are_not() {
        let text = |text: &str| Native::Text(text.to_owned());
        assert_eq!(
            read(r#"["a",null]"#),
            Ok(Native::List(vec![text("a"), Native::Null]))
        );
        assert_eq!(read("[{}]"), Err(NotNative::Object));
    }

    #[test]
    fn what_people_wrote_is_not_shown() {
        assert_eq!(
            format!("{:?}", read(r#""secret""#).unwrap()),
            "Text(6 bytes)"
        );
    }
}
