use std::fmt;

use chrono::{DateTime, Utc};

use super::{LIMITS, LegacyError, date};
use crate::json::{self, Json, Pointer, Value};

/// The fields of an envelope, in their order. A name occurs once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyValues(Vec<(String, LegacyValue)>);

/// The value of a field.
#[derive(Clone, PartialEq, Eq)]
pub enum LegacyValue {
    /// Text; empty for nothing. What is no text when it is read becomes one, but for whole numbers:
    /// `true`, `0.5`, and null, which is empty.
    Text(String),
    /// A bare whole number, as `ClassID` and `SizeUnitMeasureID` of products; −1 is unknown.
    Integer(i64),
}

/// The system that sent an envelope, by the id of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacySource<'v> {
    /// Salesforce: `SalesForceId`.
    Salesforce(&'v str),
    /// Dynamics 365: `D365Id`.
    Dynamics(&'v str),
}

impl LegacyValues {
    /// No field.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LegacyValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of a field, as it was sent.
    pub fn get(&self, name: &str) -> Option<&LegacyValue> {
        let mut fields = self.iter();
        fields.find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The text of a field; `None` where it is missing, blank or a number.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            LegacyValue::Text(text) if !text.trim().is_empty() => Some(text),
            LegacyValue::Text(_) | LegacyValue::Integer(_) => None,
        }
    }

    /// The whole number of a field, bare or as text; `None` where it is missing, something else or
    /// −1, which stands for unknown.
    pub fn integer(&self, name: &str) -> Option<i64> {
        let number = match self.get(name)? {
            LegacyValue::Integer(number) => *number,
            LegacyValue::Text(text) => text.trim().parse().ok()?,
        };
        (number != -1).then_some(number)
    }

    /// The date of a field; `None` where it is missing or blank.
    ///
    /// # Errors
    /// [`LegacyError::Date`].
    pub fn date(&self, name: &str) -> Result<Option<DateTime<Utc>>, LegacyError> {
        let date = match self.get(name) {
            None => return Ok(None),
            Some(LegacyValue::Text(text)) if text.trim().is_empty() => return Ok(None),
            Some(LegacyValue::Text(text)) => date::parse(text),
            Some(LegacyValue::Integer(number)) => DateTime::from_timestamp_millis(*number),
        };
        let pointer = || Pointer::root().child("Values").child(name);
        date.map(Some)
            .ok_or_else(|| LegacyError::Date { pointer: pointer() })
    }

    /// Which system sent it, if it says so and names one system only.
    pub fn source(&self) -> Option<LegacySource<'_>> {
        match (self.text("SalesForceId"), self.text("D365Id")) {
            (Some(id), None) => Some(LegacySource::Salesforce(id.trim())),
            (None, Some(id)) => Some(LegacySource::Dynamics(id.trim())),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// Sets a field; a new one goes to the end.
    pub fn insert(&mut self, name: impl Into<String>, value: LegacyValue) {
        let name = name.into();
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// The same with a field of text.
    #[must_use]
    pub fn with_text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.insert(name, LegacyValue::Text(text.into()));
        self
    }

    /// The same with a field that is a bare whole number.
    #[must_use]
    pub fn with_integer(mut self, name: impl Into<String>, number: i64) -> Self {
        self.insert(name, LegacyValue::Integer(number));
        self
    }

    pub(super) fn read(text: &str) -> Result<Self, LegacyError> {
        let document = json::parse(text.as_bytes(), &LIMITS).map_err(LegacyError::Values)?;
        let unexpected = |expected, name: Option<&str>| {
            let values = Pointer::root().child("Values");
            LegacyError::Unexpected {
                expected,
                pointer: name.map_or_else(|| values.clone(), |name| values.child(name)),
            }
        };
        let members = document
            .as_object()
            .ok_or_else(|| unexpected("an object", None))?;
        let fields = members.iter().map(|(name, member)| {
            let value = LegacyValue::of(member).ok_or_else(|| unexpected("a text", Some(name)))?;
            Ok((name.clone().into_owned(), value))
        });
        fields.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (position, (name, value)) in self.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            json::write_string(&mut out, name);
            out.push(':');
            match value {
                LegacyValue::Text(text) => json::write_string(&mut out, text),
                LegacyValue::Integer(number) => out.push_str(&number.to_string()),
            }
        }
        out.push('}');
        out
    }
}

impl LegacyValue {
    fn of(json: &Json<'_>) -> Option<Self> {
        Some(match &json.value {
            Value::Null => Self::Text(String::new()),
            Value::Bool(_) => Self::Text(json.raw.to_owned()),
            Value::Number(text) => text
                .parse()
                .map_or_else(|_| Self::Text((*text).to_owned()), Self::Integer),
            Value::String(text) => Self::Text(text.clone().into_owned()),
            Value::Array(_) | Value::Object(_) => return None,
        })
    }
}

/// Leaves the content out: records hold personal data.
impl fmt::Debug for LegacyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Integer(_) => f.write_str("Integer(..)"),
        }
    }
}
