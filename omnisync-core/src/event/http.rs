use std::fmt;

use super::attribute::{self, DATA, DATACONTENTTYPE, SPECVERSION};
use super::draft::Draft;
use super::reader::{parse_batch_each_with, raw_value};
use super::{
    CloudEvent, EventData, EventError, EventLimits, ExtensionValue, Reason, header, media_type,
    write_batch,
};
use crate::json::{self, Pointer};

const CONTENT_TYPE: &str = "content-type";
const PREFIX: &str = "ce-";

/// The parts of an HTTP message that carry events.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpMessage {
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpMessage {
    /// Leaves the body out: it holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMessage")
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What an HTTP message carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// One event: attributes in headers, data in the body.
    Binary(Box<CloudEvent>),
    /// One event in the body.
    Structured(Box<CloudEvent>),
    /// A batch in the body, read as by [`parse_batch_each`](super::parse_batch_each).
    Batched(Vec<Result<CloudEvent, EventError>>),
}

impl Decoded {
    /// Every event, in the order of the message.
    pub fn into_each(self) -> Vec<Result<CloudEvent, EventError>> {
        match self {
            Self::Binary(event) | Self::Structured(event) => vec![Ok(*event)],
            Self::Batched(events) => events,
        }
    }

    /// Every event.
    ///
    /// # Errors
    /// The error of the first wrong event of a batch.
    pub fn into_events(self) -> Result<Vec<CloudEvent>, EventError> {
        self.into_each().into_iter().collect()
    }
}

/// Reads an HTTP message within the default [`EventLimits`].
///
/// The mode follows from `Content-Type`: `application/cloudevents-batch…` is batched, another
/// `application/cloudevents…` is structured, anything else is binary. Header names may be in any
/// case. In binary mode every extension is a string, since headers have no types, and an empty
/// body is no data; a body that is neither JSON nor text in UTF-8 by its media type is bytes.
///
/// # Errors
/// As [`CloudEvent::from_json`]; and of headers [`Reason::BadEncoding`], [`Reason::Repeated`],
/// [`Reason::Forbidden`] (`ce-datacontenttype`), [`Reason::UnsupportedFormat`].
pub fn decode_http<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: impl IntoIterator<Item = (N, V)>,
    body: &[u8],
) -> Result<Decoded, EventError> {
    decode_http_with(headers, body, &EventLimits::default())
}

/// [`decode_http`] within `limits`.
///
/// # Errors
/// As [`decode_http`].
pub fn decode_http_with<N: AsRef<str>, V: AsRef<[u8]>>(
    headers: impl IntoIterator<Item = (N, V)>,
    body: &[u8],
    limits: &EventLimits,
) -> Result<Decoded, EventError> {
    let mut content_type = None;
    let mut attributes = Vec::new();
    for (name, value) in headers {
        let lower_name = name.as_ref().to_ascii_lowercase();
        if lower_name == CONTENT_TYPE {
            let value = read_content_type(value.as_ref())?;
            if content_type.replace(value).is_some() {
                return Err(EventError::about(Reason::Repeated, DATACONTENTTYPE));
            }
        } else if let Some(attribute) = lower_name.strip_prefix(PREFIX) {
            attributes.push((attribute.to_owned(), value));
        }
    }
    match &content_type {
        Some(found) if media_type::starts_with(found, media_type::BATCH_PREFIX) => {
            check_format(found, media_type::BATCH_JSON)?;
            parse_batch_each_with(body, limits).map(Decoded::Batched)
        }
        Some(found) if media_type::starts_with(found, media_type::EVENT_PREFIX) => {
            check_format(found, media_type::EVENT_JSON)?;
            let event = CloudEvent::from_json_with(body, limits)?;
            Ok(Decoded::Structured(Box::new(event)))
        }
        _ => {
            let event = decode_binary(content_type, attributes, body, limits)?;
            Ok(Decoded::Binary(Box::new(event)))
        }
    }
}

impl CloudEvent {
    /// The event in binary mode. Data without a media type is marked as `application/json`.
    ///
    /// # Errors
    /// An event that binary mode cannot carry; structured mode can. [`Reason::Forbidden`]: its
    /// media type would be taken for another mode. [`Reason::UnsupportedFormat`]: its data is a
    /// text in a charset that is not UTF-8.
    pub fn to_http_binary(&self) -> Result<HttpMessage, EventError> {
        let mut headers = Vec::with_capacity(8 + self.extensions().len());
        match (self.datacontenttype(), self.data()) {
            (Some(found), _) if media_type::starts_with(found, media_type::EVENT_PREFIX) => {
                return Err(EventError::about(Reason::Forbidden, DATACONTENTTYPE));
            }
            (Some(found), EventData::Text(_)) if !media_type::is_utf8(found) => {
                return Err(EventError::about(
                    Reason::UnsupportedFormat,
                    DATACONTENTTYPE,
                ));
            }
            (Some(found), _) => headers.push(content_type(found)),
            (None, EventData::Json(_)) => headers.push(content_type(media_type::JSON)),
            (None, _) => {}
        }
        headers.push((
            format!("{PREFIX}{SPECVERSION}"),
            Self::SPECVERSION.to_owned(),
        ));
        self.for_each_attribute(|name, value| {
            if name != DATACONTENTTYPE {
                headers.push((
                    format!("{PREFIX}{name}"),
                    header::encode(&value.to_string()),
                ));
            }
        });
        Ok(HttpMessage {
            headers,
            body: self.data().as_bytes().to_vec(),
        })
    }

    /// The event in structured mode.
    pub fn to_http_structured(&self) -> HttpMessage {
        HttpMessage {
            headers: vec![content_type(media_type::EVENT_JSON)],
            body: self.to_json().into_bytes(),
        }
    }
}

/// A batch of events. Send one only to a receiver that asked for batches.
pub fn batch_to_http<'a>(events: impl IntoIterator<Item = &'a CloudEvent>) -> HttpMessage {
    let mut body = String::new();
    write_batch(events, &mut body);
    HttpMessage {
        headers: vec![content_type(media_type::BATCH_JSON)],
        body: body.into_bytes(),
    }
}

fn content_type(value: &str) -> (String, String) {
    (CONTENT_TYPE.to_owned(), value.to_owned())
}

/// Media types are ASCII and not percent-encoded.
fn read_content_type(value: &[u8]) -> Result<String, EventError> {
    let text = std::str::from_utf8(value.trim_ascii())
        .ok()
        .filter(|text| text.is_ascii());
    text.map(str::to_owned)
        .ok_or_else(|| EventError::about(Reason::BadMediaType, DATACONTENTTYPE))
}

fn check_format(found: &str, expected: &str) -> Result<(), EventError> {
    let matches = media_type::is_essence(found, expected) && media_type::is_utf8(found);
    matches
        .then_some(())
        .ok_or(EventError::new(Reason::UnsupportedFormat))
}

fn decode_binary<V: AsRef<[u8]>>(
    content_type: Option<String>,
    attributes: Vec<(String, V)>,
    body: &[u8],
    limits: &EventLimits,
) -> Result<CloudEvent, EventError> {
    let header_bytes: usize = attributes
        .iter()
        .map(|(name, value)| name.len() + value.as_ref().len())
        .sum();
    if header_bytes.saturating_add(body.len()) > limits.event_bytes_max {
        return Err(EventError::new(Reason::TooLarge));
    }
    let mut draft = Draft {
        datacontenttype: content_type,
        ..Draft::default()
    };
    for (name, value) in attributes {
        if name == DATACONTENTTYPE {
            return Err(EventError::about(Reason::Forbidden, DATACONTENTTYPE));
        }
        if !attribute::is_name(&name) {
            return Err(EventError::at_name(Reason::BadName, &name));
        }
        let text = header::decode(value.as_ref())
            .ok_or_else(|| EventError::about(Reason::BadEncoding, &name))?;
        draft.set(&name, ExtensionValue::String(text))?;
    }
    let mut event = draft.finish(limits.attributes_max)?;
    event.data = read_body(body, event.datacontenttype(), limits)?;
    Ok(event)
}

fn read_body(
    body: &[u8],
    content_type: Option<&str>,
    limits: &EventLimits,
) -> Result<EventData, EventError> {
    if body.is_empty() {
        return Ok(EventData::None);
    }
    if content_type.is_some_and(media_type::is_json) {
        let json = json::parse(body, &limits.of_data())
            .map_err(|error| EventError::json(error, &Pointer::root().child(DATA)))?;
        return raw_value(json.raw.to_owned()).map(EventData::Json);
    }
    let is_text = content_type.is_some_and(media_type::is_utf8_text);
    match std::str::from_utf8(body) {
        Ok(text) if is_text => Ok(EventData::Text(text.to_owned())),
        _ => Ok(EventData::Binary(body.to_vec())),
    }
}
