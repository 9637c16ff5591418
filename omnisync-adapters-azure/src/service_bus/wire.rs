//! Messages of the wire as deliveries of the port, and copies of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use fe2o3_amqp_types::messaging::{MessageId, Properties};
use omnisync_core::port::DeliveryToken;
use serde_amqp::Value;
use serde_amqp::primitives::{Array, Timestamp};
use serde_json::Value as Json;
use uuid::Uuid;

use super::amqp::{Body, Message, annotation, id_text, name_of};
use super::copies::{
    self, ATTEMPTS, CopyOf, ORIGINAL_ID, ORIGINAL_SEQUENCE, RETRIED_ID, RETRY_FOR,
};

const SCHEDULED: &str = "x-opt-scheduled-enqueue-time";
const SEQUENCE: &str = "x-opt-sequence-number";
const LOCKED_UNTIL: &str = "x-opt-locked-until";

/// Annotations of the broker that a copy takes along.
const KEPT_ANNOTATIONS: [&str; 1] = ["x-opt-partition-key"];

const DEAD_LETTER_REASON: &str = "DeadLetterReason";
const DEAD_LETTER_DESCRIPTION: &str = "DeadLetterErrorDescription";

/// What the broker says about a message, beside the message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) sequence: i64,
    pub(super) locked_until: Option<DateTime<Utc>>,
    /// Beginning with 1, over all copies.
    pub(super) attempt: u32,
    pub(super) session: Option<String>,
}

pub(super) fn facts(message: &Message) -> Facts {
    let before = match message.property(ATTEMPTS) {
        Some(Value::Uint(count)) => *count,
        Some(Value::Int(count)) => u32::try_from(*count).unwrap_or(0),
        Some(Value::Long(count)) => u32::try_from(*count).unwrap_or(0),
        Some(Value::String(count)) => count.parse().unwrap_or(0),
        _ => 0,
    };
    let attempt = before
        .saturating_add(message.delivery_count)
        .saturating_add(1);
    Facts {
        sequence: match message.annotation(SEQUENCE) {
            Some(Value::Long(number)) => *number,
            _ => 0,
        },
        locked_until: match message.annotation(LOCKED_UNTIL) {
            Some(Value::Timestamp(at)) => instant(at.milliseconds()),
            _ => None,
        },
        attempt,
        session: message.properties.group_id.clone(),
    }
}

pub(super) fn instant(milliseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds)
}

/// The lock token of a delivery: its tag, whose first three fields are in the order of .NET.
pub(super) fn lock_of(tag: &[u8]) -> Option<Uuid> {
    <[u8; 16]>::try_from(tag).ok().map(Uuid::from_bytes_le)
}

pub(super) fn token(sequence: i64, lock: Uuid) -> DeliveryToken {
    DeliveryToken(format!("{sequence}.{lock}"))
}

/// The headers of a delivery: those of the protocol first, then the application's, each name once
/// and in lower case. Attributes of CloudEvents are called as in HTTP.
pub(super) fn headers(message: &Message) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let Properties {
        to,
        subject,
        reply_to,
        correlation_id,
        content_type,
        content_encoding,
        group_id,
        ..
    } = &message.properties;
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            headers.push((name.to_owned(), value));
        }
    };
    put("message-id", shown_id(message));
    put(
        "content-type",
        content_type.as_ref().map(|v| v.as_str().to_owned()),
    );
    put(
        "content-encoding",
        content_encoding.as_ref().map(|v| v.as_str().to_owned()),
    );
    put("correlation-id", correlation_id.as_ref().map(id_text));
    put("session-id", group_id.clone());
    put("subject", subject.clone());
    put("to", to.clone());
    put("reply-to", reply_to.clone());
    let text_of = |name| message.annotation(name).and_then(text);
    put("enqueued-time", text_of("x-opt-enqueued-time"));
    put("dead-letter-source", text_of("x-opt-deadletter-source"));
    for (key, value) in &message.application {
        if let Some((name, value)) = name_of(key).zip(text(value)) {
            let (name, value) = copies::header(name, value);
            put_once(&mut headers, name, value);
        }
    }
    copies::trace(&mut headers);
    headers
}

fn shown_id(message: &Message) -> Option<String> {
    let find = |name: &str| message.property(name).and_then(text);
    copies::shown_id(find, message.message_id())
}

fn put_once(headers: &mut Vec<(String, String)>, name: String, value: String) {
    if headers.iter().all(|(known, _)| *known != name) {
        headers.push((name, value));
    }
}

/// The bytes of a body. What is no bytes and no text is written as JSON.
pub(super) fn body(message: &Message) -> Bytes {
    match &message.body {
        Body::None | Body::Value(Value::Null) => Bytes::new(),
        Body::Data(bytes) => bytes.clone(),
        Body::Value(Value::Binary(bytes)) => Bytes::copy_from_slice(bytes),
        Body::Value(Value::String(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Body::Value(value) => json(value).to_string().into(),
        Body::Sequence(items) => Json::Array(items.iter().map(json).collect())
            .to_string()
            .into(),
    }
}

/// A value as the text of a header.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Symbol(name) => name.as_str().to_owned(),
        Value::Timestamp(at) => time_text(at),
        Value::Uuid(id) => Uuid::from_bytes(*id.as_inner()).to_string(),
        Value::Binary(bytes) => STANDARD.encode(bytes),
        Value::Char(c) => c.to_string(),
        other => json(other).to_string(),
    })
}

fn time_text(at: &Timestamp) -> String {
    instant(at.milliseconds()).map_or_else(
        || at.milliseconds().to_string(),
        |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    )
}

fn json(value: &Value) -> Json {
    match value {
        Value::Described(described) => json(&described.value),
        Value::Bool(value) => (*value).into(),
        Value::Ubyte(value) => (*value).into(),
        Value::Ushort(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Ulong(value) => (*value).into(),
        Value::Byte(value) => (*value).into(),
        Value::Short(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Long(value) => (*value).into(),
        Value::Float(value) => value.0.into(),
        Value::Double(value) => value.0.into(),
        Value::List(items) | Value::Array(Array(items)) => {
            Json::Array(items.iter().map(json).collect())
        }
        Value::Map(map) => Json::Object(
            map.iter()
                .map(|(key, value)| (text(key).unwrap_or_default(), json(value)))
                .collect(),
        ),
        Value::Null | Value::Decimal32(_) | Value::Decimal64(_) | Value::Decimal128(_) => {
            Json::Null
        }
        other => text(other).map_or(Json::Null, Json::String),
    }
}

/// A copy of a message, as it is sent again.
pub(super) fn copy(original: &Message, of: &CopyOf<'_>) -> Message {
    let mut copy = original.clone();
    let is_kept = |key: &Value| {
        name_of(key)
            .is_some_and(|name| !name.starts_with("x-opt-") || KEPT_ANNOTATIONS.contains(&name))
    };
    copy.annotations.retain(|(key, _)| is_kept(key));
    let original_id = original.message_id();
    let new_id = of.message_id(original_id.as_deref());
    copy.properties.message_id = Some(MessageId::String(new_id));
    // The broker counts the time to live anew.
    copy.properties.absolute_expiry_time = None;
    copy.properties.creation_time = None;
    let (known, shown) = (
        original.property(ORIGINAL_ID).and_then(text),
        shown_id(original),
    );
    let (first, retried) = of.names(known.as_deref(), shown.as_deref());
    for (name, id) in [(ORIGINAL_ID, first), (RETRIED_ID, retried)] {
        match id {
            Some(id) => copy.set_property(name, Value::String(id.to_owned())),
            None => remove(&mut copy, name),
        }
    }
    if copy.property(ORIGINAL_SEQUENCE).is_none() {
        copy.set_property(ORIGINAL_SEQUENCE, Value::Long(of.sequence));
    }
    match of.attempts {
        Some(attempts) => copy.set_property(ATTEMPTS, Value::Uint(attempts)),
        None => remove(&mut copy, ATTEMPTS),
    }
    match of.subscription {
        Some(name) => copy.set_property(RETRY_FOR, Value::String(name.to_owned())),
        None => remove(&mut copy, RETRY_FOR),
    }
    if let Some(at) = of.scheduled_at {
        schedule(&mut copy, at);
    }
    remove(&mut copy, DEAD_LETTER_REASON);
    remove(&mut copy, DEAD_LETTER_DESCRIPTION);
    copy
}

fn remove(message: &mut Message, name: &str) {
    message
        .application
        .retain(|(key, _)| name_of(key) != Some(name));
}

/// For which subscription alone a message is, when it is a copy that a topic gave to all.
pub(super) fn retry_for(message: &Message) -> Option<&str> {
    message.property(RETRY_FOR).and_then(name_of)
}

/// When a message is to come.
pub(super) fn schedule(message: &mut Message, at: DateTime<Utc>) {
    let at = Timestamp::from(at.timestamp_millis());
    message
        .annotations
        .push(annotation(SCHEDULED, Value::Timestamp(at)));
}

#[cfg(test)]
mod tests {
    use super::super::copies::Purpose;
    use super::*;

    fn received() -> Message {
        let mut message = Message::of_data("{}");
        message.delivery_count = 2;
        message.properties.message_id = Some(MessageId::String("m-1".to_owned()));
        message.annotations = vec![
            annotation(SEQUENCE, Value::Long(42)),
            annotation(LOCKED_UNTIL, Value::Timestamp(Timestamp::from(1_000))),
            annotation("x-opt-partition-key", Value::String("p".to_owned())),
            annotation("own", Value::Int(1)),
        ];
        message
    }

    #[test]
    fn the_lock_token_is_the_tag_in_the_order_of_net() {
        let tag: Vec<u8> = (0..16).collect();
        let lock = lock_of(&tag).unwrap();
        assert_eq!(lock.to_string(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(lock_of(&[1, 2]), None);
    }

    #[test]
    fn attempts_count_over_copies() {
        let mut message = received();
        assert_eq!(facts(&message).attempt, 3);
        message.set_property(ATTEMPTS, Value::Uint(4));
        assert_eq!(facts(&message).attempt, 7);
        message.set_property(ATTEMPTS, Value::String("junk".to_owned()));
        assert_eq!(facts(&message).attempt, 3);
    }

    #[test]
    fn cloud_events_are_called_as_in_http() {
        let mut message = received();
        message.properties.content_type = Some("application/json".into());
        for (name, value) in [
            ("cloudEvents:id", Value::String("é 1".to_owned())),
            (
                "cloudEvents_type",
                Value::String("order.created".to_owned()),
            ),
            (
                "cloudEvents:time",
                Value::Timestamp(Timestamp::from(1_700_000_000_123)),
            ),
            ("Content-Type", Value::String("text/plain".to_owned())),
            ("Count", Value::Int(3)),
            ("Diagnostic-Id", Value::String("00-a-b-01".to_owned())),
        ] {
            message.set_property(name, value);
        }
        let headers = headers(&message);
        let get = |name: &str| {
            let mut all = headers.iter().filter(|(known, _)| known == name);
            let found = all.next().map(|(_, value)| value.as_str());
            assert_eq!(all.next(), None, "{name} comes once");
            found
        };
        assert_eq!(get("ce-id"), Some("%C3%A9%201"));
        assert_eq!(get("ce-type"), Some("order.created"));
        assert_eq!(get("ce-time"), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(get("content-type"), Some("application/json"));
        assert_eq!(get("count"), Some("3"));
        assert_eq!(get("traceparent"), Some("00-a-b-01"));
        assert_eq!(get("message-id"), Some("m-1"));
    }

    #[test]
    fn a_copy_has_a_name_of_its_own_and_counts_on() {
        let original = received();
        let of = CopyOf {
            purpose: Purpose::Retry,
            path: "orders",
            sequence: 42,
            attempts: Some(3),
            scheduled_at: instant(9_000),
            subscription: None,
        };
        let first = copy(&original, &of);
        assert_eq!(first, copy(&original, &of), "the same whenever it is made");
        assert_ne!(first.message_id(), original.message_id());
        assert!(first.message_id().unwrap().len() <= 128);
        assert_eq!(
            first.property(ORIGINAL_ID),
            Some(&Value::String("m-1".into()))
        );
        assert_eq!(first.property(ORIGINAL_SEQUENCE), Some(&Value::Long(42)));
        assert_eq!(first.annotation(SEQUENCE), None);
        assert!(first.annotation("own").is_some());
        assert!(first.annotation("x-opt-partition-key").is_some());
        assert_eq!(
            facts(&first).attempt,
            6,
            "three before, two deliveries, and this"
        );
        let again = copy(&first, &CopyOf { sequence: 43, ..of });
        assert_eq!(
            again.property(ORIGINAL_ID),
            Some(&Value::String("m-1".into()))
        );
        assert_ne!(again.message_id(), first.message_id());
    }

    #[test]
    fn a_retry_shows_the_message_id_that_was_shown_before() {
        let retry = CopyOf {
            purpose: Purpose::Retry,
            path: "orders",
            sequence: 42,
            attempts: Some(3),
            scheduled_at: None,
            subscription: None,
        };
        let resubmit = CopyOf {
            purpose: Purpose::Resubmit,
            attempts: None,
            ..retry
        };
        let mut message = received();
        for id in [Some("m-1"), None] {
            message.properties.message_id = id.map(|id| MessageId::String(id.to_owned()));
            let twice = copy(&copy(&message, &retry), &retry);
            assert_eq!(shown_id(&twice).as_deref(), id);
            let again = copy(&twice, &resubmit);
            assert_ne!(shown_id(&again).as_deref(), id, "sent again under a new id");
            let of_again = copy(&copy(&again, &retry), &retry);
            assert_eq!(shown_id(&of_again), shown_id(&again));
        }
    }

    #[test]
    fn bodies_that_are_no_bytes_are_tolerated() {
        for (value, want) in [
            (Body::Value(Value::String("text".into())), "text"),
            (Body::Value(Value::Binary(b"bin".to_vec().into())), "bin"),
            (Body::Value(Value::Null), ""),
            (Body::Value(Value::Int(7)), "7"),
            (
                Body::Sequence(vec![Value::Bool(true), Value::Null]),
                "[true,null]",
            ),
            (Body::None, ""),
        ] {
            let message = Message {
                body: value,
                ..Message::default()
            };
            assert_eq!(body(&message), want);
        }
    }
}
