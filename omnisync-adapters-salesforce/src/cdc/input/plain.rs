//! Events that somebody else decoded.

use omnisync_core::json::{self, Json, Pointer};

use super::{InputError, PlainEvent, Received, body, bytes, either, wrong};
use crate::cdc::bitmap;
use crate::cdc::event::{ChangeEvent, FieldPath, Lists};
use crate::cdc::header::{EventHeader, HEADER, HeaderFields};

/// `{id, schemaId, replayId, payload}` with names in the lists of the header.
pub(super) fn of_client(event: &Json<'_>, at: &Pointer) -> Result<Received, InputError> {
    let (header, payload) = payload(event, at)?;
    // Who leaves bitmaps as they are says nothing without the schema.
    let names = |elements: &[String]| {
        let is_unread = elements.iter().any(|element| bitmap::is_bitmap(element));
        let names = elements.iter().filter(|_| !is_unread);
        names.map(|name| FieldPath::of_text(name)).collect()
    };
    let lists = Lists {
        changed: names(&header.changed_fields),
        nulled: names(&header.nulled_fields),
        diff: names(&header.diff_fields),
    };
    let leaves = body::leaves(payload);
    Ok(Received::Plain(Box::new(PlainEvent {
        id: text(event.get("id")),
        schema_id: text(either(event, "schemaId", "schema_id")),
        replay_id: bytes::replay_id(either(event, "replayId", "replay_id"), at)?,
        event: ChangeEvent::of_client(header, lists, leaves),
    })))
}

/// The same as a text within a CloudEvent.
pub(super) fn in_text(
    message: &Json<'_>,
    at: &Pointer,
    limits: &json::Limits,
) -> Result<Received, InputError> {
    let text = message.as_str().ok_or_else(|| wrong(at, "a text"))?;
    let event = json::parse(text.as_bytes(), limits).map_err(|source| InputError::InnerJson {
        pointer: at.clone(),
        source,
    })?;
    of_client(&event, at)
}

/// `{schema, payload, event: {replayId}}`, the `data` of a message of the Streaming API.
pub(super) fn streaming(data: &Json<'_>, at: &Pointer) -> Result<Received, InputError> {
    let (header, payload) = payload(data, at)?;
    let place = at.child("event");
    let event = data.get("event");
    let member = |name| event.and_then(|event| event.get(name));
    Ok(Received::Plain(Box::new(PlainEvent {
        id: text(member("EventUuid")).or_else(|| text(member("id"))),
        schema_id: text(data.get("schema")),
        replay_id: bytes::replay_id(member("replayId"), &place)?,
        event: ChangeEvent::of_streaming(header, body::leaves(payload)),
    })))
}

fn payload<'j, 'a>(
    event: &'j Json<'a>,
    at: &Pointer,
) -> Result<(EventHeader, &'j Json<'a>), InputError> {
    let place = at.child("payload");
    let payload = event.get("payload");
    let payload = payload.ok_or_else(|| wrong(&place, "the payload of an event"))?;
    let place = place.child(HEADER);
    let header = payload
        .get(HEADER)
        .filter(|header| header.as_object().is_some());
    let header = header.ok_or_else(|| wrong(&place, "the header of a change event"))?;
    let header = EventHeader::new(header_fields(header, &place)?);
    let header = header.map_err(|source| InputError::Header {
        pointer: at.clone(),
        source,
    })?;
    Ok((header, payload))
}

fn header_fields(header: &Json<'_>, at: &Pointer) -> Result<HeaderFields, InputError> {
    let texts = |name: &str| match header.get(name).filter(|list| !list.is_null()) {
        None => Ok(Vec::new()),
        Some(list) => list
            .as_array()
            .and_then(|items| items.iter().map(|item| text(Some(item))).collect())
            .ok_or_else(|| wrong(&at.child(name), "a list of texts")),
    };
    // Numbers that JavaScript cannot hold come as texts.
    let integer = |name: &str| match header.get(name).filter(|number| !number.is_null()) {
        None => Ok(None),
        Some(number) => number
            .as_number()
            .or_else(|| number.as_str())
            .and_then(|number| number.parse().ok())
            .map(Some)
            .ok_or_else(|| wrong(&at.child(name), "a whole number")),
    };
    Ok(HeaderFields {
        entity_name: text(header.get("entityName")),
        record_ids: texts("recordIds")?,
        change_type: text(header.get("changeType")),
        change_origin: text(header.get("changeOrigin")),
        transaction_key: text(header.get("transactionKey")),
        sequence_number: integer("sequenceNumber")?,
        commit_timestamp: integer("commitTimestamp")?,
        commit_number: integer("commitNumber")?,
        commit_user: text(header.get("commitUser")),
        nulled_fields: texts("nulledFields")?,
        diff_fields: texts("diffFields")?,
        changed_fields: texts("changedFields")?,
    })
}

fn text(json: Option<&Json<'_>>) -> Option<String> {
    json.and_then(Json::as_str).map(str::to_owned)
}
