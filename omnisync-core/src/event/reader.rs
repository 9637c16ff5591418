use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::attribute::{self, DATA, DATA_BASE64, SPECVERSION};
use super::draft::Draft;
use super::{CloudEvent, EventData, EventError, EventLimits, ExtensionValue, Reason, media_type};
use crate::json::{self, Json, Pointer, Value};

impl CloudEvent {
    /// Reads one event in JSON, within the default [`EventLimits`].
    ///
    /// # Errors
    /// [`Reason`] says which rule is broken; see [`EventError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, EventError> {
        Self::from_json_with(bytes, &EventLimits::default())
    }

    /// Reads one event in JSON, within `limits`.
    ///
    /// # Errors
    /// As [`CloudEvent::from_json`].
    pub fn from_json_with(bytes: &[u8], limits: &EventLimits) -> Result<Self, EventError> {
        let json = json::parse(bytes, &limits.of_event())
            .map_err(|error| EventError::json(error, &Pointer::root()))?;
        read_event(&json, limits)
    }
}

/// Reads a batch in JSON that is wrong as a whole when one event is wrong. An empty batch is
/// legal, and the same event may occur twice.
///
/// # Errors
/// As [`parse_batch_each`], and the error of the first wrong event with its place in the batch.
pub fn parse_batch(bytes: &[u8]) -> Result<Vec<CloudEvent>, EventError> {
    parse_batch_each(bytes)?.into_iter().collect()
}

/// Reads a batch in JSON event by event: a wrong one does not lose the others.
///
/// # Errors
/// Of the batch: not JSON, not an array ([`Reason::WrongType`]), [`Reason::TooLarge`],
/// [`Reason::TooManyEvents`]. Of an event: as [`CloudEvent::from_json`].
pub fn parse_batch_each(bytes: &[u8]) -> Result<Vec<Result<CloudEvent, EventError>>, EventError> {
    parse_batch_each_with(bytes, &EventLimits::default())
}

/// [`parse_batch_each`] within `limits`.
///
/// # Errors
/// As [`parse_batch_each`].
pub fn parse_batch_each_with(
    bytes: &[u8],
    limits: &EventLimits,
) -> Result<Vec<Result<CloudEvent, EventError>>, EventError> {
    let elements = json::split_array(bytes, limits.batch_bytes_max)
        .map_err(|error| EventError::json(error, &Pointer::root()))?
        .ok_or(EventError::new(Reason::WrongType))?;
    if elements.len() > limits.batch_events_max {
        return Err(EventError::new(Reason::TooManyEvents));
    }
    let read = |(index, element): (usize, &str)| {
        CloudEvent::from_json_with(element.as_bytes(), limits)
            .map_err(|error| error.in_element(index))
    };
    Ok(elements.into_iter().enumerate().map(read).collect())
}

/// Wraps a text that is known to be JSON.
pub(super) fn raw_value(text: String) -> Result<Box<RawValue>, EventError> {
    RawValue::from_string(text).map_err(|_| {
        debug_assert!(false, "the text was checked or made by this crate");
        EventError::new(Reason::Json)
    })
}

fn read_event(json: &Json<'_>, limits: &EventLimits) -> Result<CloudEvent, EventError> {
    let members = json.as_object().ok_or(EventError::new(Reason::WrongType))?;
    refuse_other_version(json)?;
    let (mut data, mut data_base64) = (None, None);
    let mut draft = Draft::default();
    for (name, member) in members {
        match name.as_ref() {
            DATA => data = Some(member),
            DATA_BASE64 => data_base64 = Some(member),
            name => read_attribute(&mut draft, name, member)?,
        }
    }
    let mut event = draft.finish(limits.attributes_max)?;
    event.data = match (data, data_base64) {
        (None, None) => EventData::None,
        (Some(data), None) => read_data(data, event.datacontenttype())?,
        (None, Some(data)) => read_binary(data)?,
        (Some(_), Some(_)) => return Err(EventError::about(Reason::MutuallyExclusive, DATA)),
    };
    Ok(event)
}

/// Another version has other rules: say so before saying which rules of this one it breaks.
fn refuse_other_version(json: &Json<'_>) -> Result<(), EventError> {
    match json.get(SPECVERSION).and_then(Json::as_str) {
        None | Some("" | CloudEvent::SPECVERSION) => Ok(()),
        Some(_) => Err(EventError::about(Reason::UnsupportedVersion, SPECVERSION)),
    }
}

fn read_attribute(draft: &mut Draft, name: &str, json: &Json<'_>) -> Result<(), EventError> {
    if !attribute::is_name(name) {
        return Err(EventError::at_name(Reason::BadName, name));
    }
    let value = match &json.value {
        Value::Null => return Ok(()),
        Value::String(text) => ExtensionValue::String(text.clone().into_owned()),
        _ if attribute::is_core(name) => return Err(EventError::about(Reason::WrongType, name)),
        Value::Bool(value) => ExtensionValue::Boolean(*value),
        Value::Number(text) => {
            let value = text
                .parse()
                .map_err(|_| EventError::about(Reason::NotAnInteger, name))?;
            ExtensionValue::Integer(value)
        }
        Value::Array(_) | Value::Object(_) => {
            return Err(EventError::about(Reason::WrongType, name));
        }
    };
    draft.set(name, value)
}

/// `data` is a JSON value unless the media type says that it is something else: then it is a
/// text. A string of JSON data stays a string, whatever it looks like.
fn read_data(json: &Json<'_>, media_type: Option<&str>) -> Result<EventData, EventError> {
    if media_type.is_none_or(media_type::is_json) {
        return raw_value(json.raw.to_owned()).map(EventData::Json);
    }
    let text = json
        .as_str()
        .ok_or_else(|| EventError::about(Reason::WrongType, DATA))?;
    Ok(EventData::Text(text.to_owned()))
}

fn read_binary(json: &Json<'_>) -> Result<EventData, EventError> {
    let text = json
        .as_str()
        .ok_or_else(|| EventError::at_name(Reason::WrongType, DATA_BASE64))?;
    let bytes = STANDARD.decode(text);
    bytes
        .map(EventData::Binary)
        .map_err(|_| EventError::at_name(Reason::BadBase64, DATA_BASE64))
}
