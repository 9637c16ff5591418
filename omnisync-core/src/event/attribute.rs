use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

use super::time::Timestamp;
use super::{Reason, uri};

pub(super) const SPECVERSION: &str = "specversion";
pub(super) const ID: &str = "id";
pub(super) const SOURCE: &str = "source";
pub(super) const TYPE: &str = "type";
pub(super) const SUBJECT: &str = "subject";
pub(super) const TIME: &str = "time";
pub(super) const DATACONTENTTYPE: &str = "datacontenttype";
pub(super) const DATASCHEMA: &str = "dataschema";
pub(super) const DATA: &str = "data";
pub(super) const DATA_BASE64: &str = "data_base64";

/// Value of an extension attribute.
///
/// JSON carries booleans and integers as such; URIs, times and binaries arrive as strings and
/// are converted on request. HTTP headers carry every value as a string.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ExtensionValue {
    /// A boolean.
    Boolean(bool),
    /// A signed 32-bit integer.
    Integer(i32),
    /// A text without control characters and noncharacters.
    String(String),
}

impl ExtensionValue {
    /// The boolean, also when it came as `true` or `false` in a text.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::String(text) => text.parse().ok(),
            Self::Integer(_) => None,
        }
    }

    /// The integer, also when it came in a text.
    pub fn as_integer(&self) -> Option<i32> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::String(text) if !text.starts_with('+') => text.parse().ok(),
            Self::String(_) | Self::Boolean(_) => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Boolean(_) | Self::Integer(_) => None,
        }
    }

    /// The text, if it is a URI with a scheme.
    pub fn as_uri(&self) -> Option<&str> {
        self.as_str().filter(|text| uri::is_uri(text))
    }

    /// The text, if it is a URI or a relative reference.
    pub fn as_uri_reference(&self) -> Option<&str> {
        self.as_str().filter(|text| uri::is_uri_reference(text))
    }

    /// The text as a time, if it follows RFC 3339.
    pub fn to_timestamp(&self) -> Option<Timestamp> {
        self.as_str().and_then(|text| Timestamp::parse(text).ok())
    }

    /// The bytes of a text in base64.
    pub fn to_binary(&self) -> Option<Vec<u8>> {
        self.as_str().and_then(|text| STANDARD.decode(text).ok())
    }

    pub(super) fn check(&self) -> Result<(), Reason> {
        self.as_str().map_or(Ok(()), check_text)
    }
}

impl fmt::Display for ExtensionValue {
    /// The canonical string form, as HTTP headers carry it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::String(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ExtensionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::String(text) => text.fmt(f),
        }
    }
}

impl From<bool> for ExtensionValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for ExtensionValue {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for ExtensionValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<&str> for ExtensionValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<&[u8]> for ExtensionValue {
    /// The bytes in base64.
    fn from(bytes: &[u8]) -> Self {
        Self::String(STANDARD.encode(bytes))
    }
}

impl From<&Timestamp> for ExtensionValue {
    fn from(time: &Timestamp) -> Self {
        Self::String(time.as_str().to_owned())
    }
}

/// True for the name of an attribute: lower-case letters and digits, and not the reserved
/// `data`. Names longer than twenty characters are unwise but legal.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name != DATA
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// True for the attributes that the specification itself defines. All of them are texts.
pub(super) fn is_core(name: &str) -> bool {
    matches!(
        name,
        SPECVERSION | ID | SOURCE | TYPE | SUBJECT | TIME | DATACONTENTTYPE | DATASCHEMA
    )
}

/// Checks the characters of a text attribute.
pub(super) fn check_text(text: &str) -> Result<(), Reason> {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte);
    if text.bytes().all(plain) || !text.chars().any(is_forbidden) {
        Ok(())
    } else {
        Err(Reason::BadCharacter)
    }
}

/// Control characters and noncharacters. Surrogates cannot occur in a Rust text.
fn is_forbidden(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}
