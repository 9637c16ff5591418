//! Values of JSON by the kind that belongs in their place. Null is nothing everywhere.

use std::borrow::Cow;

use omnisync_core::crm::ForeignId;
use omnisync_core::json::{self, Json, Limits, Value};
use uuid::Uuid;

use super::date::ClrDate;
use super::error::DecodeError;

pub(super) type Member<'a> = (Cow<'a, str>, Json<'a>);

pub(super) fn document<'a>(body: &'a [u8], limits: &Limits) -> Result<Json<'a>, DecodeError> {
    json::parse(body, limits).map_err(DecodeError::Json)
}

pub(super) fn members<'j, 'a>(json: &'j Json<'a>) -> Result<&'j [Member<'a>], DecodeError> {
    json.as_object().ok_or(DecodeError::expected("an object"))
}

/// The elements of an array; none for null.
pub(super) fn elements<'j, 'a>(json: &'j Json<'a>) -> Result<&'j [Json<'a>], DecodeError> {
    match &json.value {
        Value::Null => Ok(&[]),
        Value::Array(elements) => Ok(elements),
        _ => Err(DecodeError::expected("an array")),
    }
}

pub(super) fn text(json: &Json<'_>) -> Result<Option<String>, DecodeError> {
    match &json.value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_owned())),
        _ => Err(DecodeError::expected("a string")),
    }
}

/// The text of a string that is not empty.
pub(super) fn filled_text(json: &Json<'_>) -> Result<Option<String>, DecodeError> {
    Ok(text(json)?.filter(|text| !text.is_empty()))
}

/// A version, which is digits in a text; bare digits do as well.
pub(super) fn version(json: &Json<'_>) -> Result<Option<String>, DecodeError> {
    match json.as_number() {
        Some(number) => Ok(Some(number.to_owned())),
        None => filled_text(json),
    }
}

/// The name of a table; `none` is what the platform writes for no table.
pub(super) fn table(json: &Json<'_>) -> Result<Option<String>, DecodeError> {
    Ok(filled_text(json)?.filter(|text| text != "none"))
}

/// A GUID, with or without braces and in any case; nothing where it is empty or all zero.
pub(super) fn guid(json: &Json<'_>) -> Result<Option<Uuid>, DecodeError> {
    let expected = DecodeError::expected("a guid");
    match &json.value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => {
            let id = Uuid::try_parse(text.trim()).map_err(|_| expected)?;
            Ok((!id.is_nil()).then_some(id))
        }
        _ => Err(expected),
    }
}

pub(super) fn integer(json: &Json<'_>) -> Result<Option<i64>, DecodeError> {
    match &json.value {
        Value::Null => Ok(None),
        Value::Number(text) => {
            let number = text.parse();
            number
                .map(Some)
                .map_err(|_| DecodeError::expected("a whole number"))
        }
        _ => Err(DecodeError::expected("a whole number")),
    }
}

pub(super) fn boolean(json: &Json<'_>) -> Result<Option<bool>, DecodeError> {
    match &json.value {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        _ => Err(DecodeError::expected("a boolean")),
    }
}

pub(super) fn date(json: &Json<'_>) -> Result<Option<ClrDate>, DecodeError> {
    match &json.value {
        Value::Null => Ok(None),
        Value::String(text) => {
            let date = ClrDate::parse(text);
            date.map(Some)
                .ok_or(DecodeError::expected("a date as /Date(ms)/"))
        }
        _ => Err(DecodeError::expected("a date as /Date(ms)/")),
    }
}

/// The id of a record in the one form in which ids are compared: lower case, without braces.
pub(super) fn record_id(id: Uuid) -> Result<ForeignId, DecodeError> {
    ForeignId::new(id.as_hyphenated().to_string()).map_err(|_| DecodeError::NoRecord)
}
