//! The forms in which events are handed over, told apart by what is in them.

mod body;
mod bytes;
mod plain;

use omnisync_core::json::{self, Json, JsonError, Pointer};
use thiserror::Error;

use super::avro::DecodeLimits;
use super::error::DecodeError;
use super::event::ChangeEvent;
use super::header::HeaderOnly;
use super::replay_id::ReplayId;
use super::schema::EventSchema;

/// Why an event was not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// The text is not JSON, or larger than the limits.
    #[error("the events are not json")]
    Json(#[source] JsonError),
    /// The text within an event is not JSON.
    #[error("the text at `{pointer}` is not json")]
    InnerJson {
        /// Where the text is.
        pointer: Pointer,
        /// What is wrong with it.
        source: JsonError,
    },
    /// A member is missing or something else.
    #[error("`{pointer}` is not {expected}")]
    Shape {
        /// The member.
        pointer: Pointer,
        /// What it should be.
        expected: &'static str,
    },
    /// The header of an event makes no sense.
    #[error("the event at `{pointer}` has no usable header")]
    Header {
        /// The event.
        pointer: Pointer,
        /// What is wrong with it.
        source: DecodeError,
    },
}

/// An event that was handed over.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// With the payload as the Pub/Sub API sends it.
    Encoded(EncodedEvent),
    /// With the payload decoded by somebody else.
    Plain(Box<PlainEvent>),
}

/// An event as the Pub/Sub API sends it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedEvent {
    /// The same for an event that is delivered twice: what duplicates are known by.
    pub id: Option<String>,
    /// The schema that the payload was written with.
    pub schema_id: String,
    /// Place in the stream.
    pub replay_id: Option<ReplayId>,
    /// The event in Avro.
    pub payload: Vec<u8>,
}

impl EncodedEvent {
    /// Reads the event with the schema of [`schema_id`](Self::schema_id).
    ///
    /// # Errors
    /// As [`EventSchema::decode`].
    pub fn decode(
        &self,
        schema: &EventSchema,
        limits: &DecodeLimits,
    ) -> Result<ChangeEvent, DecodeError> {
        schema.decode(&self.payload, limits)
    }

    /// Reads what can be read without a schema.
    ///
    /// # Errors
    /// As [`HeaderOnly::decode`].
    pub fn decode_header(&self, limits: &DecodeLimits) -> Result<HeaderOnly, DecodeError> {
        HeaderOnly::decode(&self.payload, limits)
    }
}

/// Leaves the payload out: records hold personal data.
impl std::fmt::Debug for EncodedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodedEvent")
            .field("id", &self.id)
            .field("schema_id", &self.schema_id)
            .field("replay_id", &self.replay_id)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// An event that somebody else decoded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlainEvent {
    /// The same for an event that is delivered twice.
    pub id: Option<String>,
    /// The schema that the payload was written with.
    pub schema_id: Option<String>,
    /// Place in the stream. A client that shows it as a number has cut it to eight bytes.
    pub replay_id: Option<ReplayId>,
    /// What it says.
    pub event: ChangeEvent,
}

/// Reads the events of a JSON document, each for itself: one that cannot be read takes none of the
/// others with it.
///
/// | form | known by |
/// |---|---|
/// | a `FetchResponse` of the Pub/Sub API as proto3 JSON, or a list of its events | `events`, `event` with a text as `payload` |
/// | what salesforce-pubsub-api-client yields | `payload` with a `ChangeEventHeader` |
/// | a CloudEvent that carries that as text | `data` with `message` |
/// | a message of the Streaming API (`CometD`) | `data` with `payload` |
///
/// # Errors
/// The document is not JSON, or is none of these and no list of them.
pub fn read_events(
    document: &[u8],
    limits: &json::Limits,
) -> Result<Vec<Result<Received, InputError>>, InputError> {
    let document = json::parse(document, limits).map_err(InputError::Json)?;
    let root = Pointer::root();
    let (events, place) = if let Some(events) = document.as_array() {
        (events, root)
    } else if let Some(events) = document.get("events") {
        let place = root.child("events");
        let events = events.as_array();
        (
            events.ok_or_else(|| wrong(&place, "a list of events"))?,
            place,
        )
    } else if is_answer_without_events(&document) {
        return Ok(Vec::new());
    } else {
        return Ok(vec![received(&document, &root, limits)]);
    };
    let read = |(index, event)| received(event, &place.index(index), limits);
    Ok(events.iter().enumerate().map(read).collect())
}

/// A `FetchResponse` that only says that the stream is alive leaves its empty list out.
fn is_answer_without_events(document: &Json<'_>) -> bool {
    let has = |name| document.get(name).is_some();
    has("rpcId") || has("latestReplayId") || has("rpc_id") || has("latest_replay_id")
}

fn received(event: &Json<'_>, at: &Pointer, limits: &json::Limits) -> Result<Received, InputError> {
    if let Some(inner) = event
        .get("event")
        .filter(|inner| inner.get("payload").is_some())
    {
        return encoded(event, inner, at).map(Received::Encoded);
    }
    if let Some(data) = event.get("data") {
        let at = at.child("data");
        return match data.get("message") {
            Some(message) => plain::in_text(message, &at.child("message"), limits),
            None => plain::streaming(data, &at),
        };
    }
    if event.get("payload").is_some() {
        return plain::of_client(event, at);
    }
    Err(wrong(
        at,
        "a change event in one of the forms that are read",
    ))
}

fn encoded(event: &Json<'_>, inner: &Json<'_>, at: &Pointer) -> Result<EncodedEvent, InputError> {
    let place = at.child("event");
    let text = |name: &str, other: &str| {
        let member = either(inner, name, other).filter(|member| !member.is_null());
        let read = |member: &Json<'_>| {
            let text = member.as_str().map(str::to_owned);
            text.ok_or_else(|| wrong(&place.child(name), "a text"))
        };
        member.map(read).transpose()
    };
    let payload = inner.get("payload").and_then(bytes::of_json);
    Ok(EncodedEvent {
        id: text("id", "id")?,
        schema_id: text("schemaId", "schema_id")?
            .filter(|id| !id.is_empty())
            .ok_or_else(|| wrong(&place.child("schemaId"), "a text"))?,
        replay_id: bytes::replay_id(either(event, "replayId", "replay_id"), at)?,
        payload: payload.ok_or_else(|| wrong(&place.child("payload"), "bytes in base64"))?,
    })
}

/// Proto3 JSON has two spellings for a member.
fn either<'j, 'a>(json: &'j Json<'a>, name: &str, other: &str) -> Option<&'j Json<'a>> {
    json.get(name).or_else(|| json.get(other))
}

fn wrong(at: &Pointer, expected: &'static str) -> InputError {
    InputError::Shape {
        pointer: at.clone(),
        expected,
    }
}
