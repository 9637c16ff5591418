use std::borrow::Cow;
use std::fmt;

/// A JSON value together with the text that it was read from.
#[derive(Clone)]
pub struct Json<'a> {
    /// The exact text of the value, without white space around it.
    pub raw: &'a str,
    /// The value.
    pub value: Value<'a>,
}

/// A JSON value. Texts without escapes borrow from the input.
#[derive(Clone)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(&'a str),
    /// A string, without escapes.
    String(Cow<'a, str>),
    /// The elements in their order.
    Array(Vec<Json<'a>>),
    /// The members in their order. Names are distinct.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let members = self.as_object()?;
        members
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// True for `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value of a boolean.
    pub const fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The text of a number, as it was written.
    pub const fn as_number(&self) -> Option<&'a str> {
        match self.value {
            Value::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members of an object, in their order.
    pub fn as_object(&self) -> Option<&[(Cow<'a, str>, Self)]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// What the value is, as a word for messages.
    pub const fn kind_name(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }
}

impl fmt::Debug for Json<'_> {
    /// Leaves the content out: payloads hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json")
            .field("kind", &self.kind_name())
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Value<'_> {
    /// Leaves the content out: payloads hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool(..)"),
            Self::Number(_) => f.write_str("Number(..)"),
            Self::String(text) => write!(f, "String({} bytes)", text.len()),
            Self::Array(elements) => write!(f, "Array({} elements)", elements.len()),
            Self::Object(members) => write!(f, "Object({} members)", members.len()),
        }
    }
}
