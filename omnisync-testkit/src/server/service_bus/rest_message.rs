//! Messages as REST writes them: a body, properties of the broker, and headers for the rest.

use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use serde_amqp::Value as Amqp;
use serde_json::{Map, Number, Value, json};

use super::codec::string;
use super::message::Content;
use super::queue::{Handed, Standing};
use super::rest::{Answer, header};

/// Content type of many messages in one request.
const BATCH: &str = "application/vnd.microsoft.servicebus.json";

/// Headers that are no properties of a message.
const STANDARD: [&str; 17] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "brokerproperties",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "origin",
    "transfer-encoding",
    "user-agent",
    "via",
];

/// The messages of a request; `None` when they cannot be read.
pub(crate) fn read(parts: &Parts, body: &[u8]) -> Option<Vec<Content>> {
    let kind = header(parts, "content-type");
    if kind.is_some_and(|kind| kind.starts_with(BATCH)) {
        let batch: Vec<Value> = serde_json::from_slice(body).ok()?;
        return batch.iter().map(read_entry).collect();
    }
    let mut content = Content::of_data(body);
    if let Some(kind) = kind {
        content.set_content_type(kind);
    }
    if let Some(properties) = header(parts, "brokerproperties") {
        read_properties(&mut content, &serde_json::from_str(properties).ok()?)?;
    }
    for (name, value) in &parts.headers {
        let name = name.as_str();
        if STANDARD.contains(&name) || name.starts_with("x-ms-") {
            continue;
        }
        let value = value.to_str().ok()?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        content.put(name, amqp(&value)?);
    }
    Some(vec![content])
}

/// A message of a batch.
fn read_entry(entry: &Value) -> Option<Content> {
    let mut content = Content::of_data(entry.get("Body")?.as_str()?.as_bytes());
    if let Some(properties) = entry.get("BrokerProperties") {
        read_properties(&mut content, properties.as_object()?)?;
    }
    let own = entry.get("UserProperties").and_then(Value::as_object);
    for (name, value) in own.into_iter().flatten() {
        content.put(name, amqp(value)?);
    }
    Some(content)
}

fn read_properties(content: &mut Content, properties: &Map<String, Value>) -> Option<()> {
    for (name, value) in properties {
        match name.as_str() {
            "MessageId" => content.set_message_id(value.as_str()?),
            "CorrelationId" => content.set_correlation_id(string(value.as_str()?)),
            "SessionId" => content.set_session_id(value.as_str()?),
            "Label" => content.set_subject(value.as_str()?),
            "ReplyTo" => content.set_reply_to(value.as_str()?),
            "To" => content.set_to(value.as_str()?),
            "ContentType" => content.set_content_type(value.as_str()?),
            "TimeToLive" | "TimeToLiveTimeSpan" => {
                let ttl = std::time::Duration::try_from_secs_f64(value.as_f64()?).ok()?;
                content.ttl_ms = Some(u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX));
            }
            "ScheduledEnqueueTimeUtc" => {
                let at = DateTime::parse_from_rfc2822(value.as_str()?).ok()?;
                content.schedule(at.with_timezone(&Utc));
            }
            _ => {}
        }
    }
    Some(())
}

fn amqp(value: &Value) -> Option<Amqp> {
    Some(match value {
        Value::Bool(truth) => Amqp::Bool(*truth),
        Value::String(text) => string(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Amqp::Long(whole),
            None => Amqp::Double(number.as_f64()?.into()),
        },
        Value::Null => Amqp::Null,
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn json_of(value: &Amqp) -> Value {
    match value {
        Amqp::Bool(truth) => json!(truth),
        Amqp::Double(number) => Number::from_f64(number.0).map_or(Value::Null, Value::Number),
        value => match (super::codec::integer(value), super::codec::text(value)) {
            (Some(number), _) => json!(number),
            (_, Some(text)) => json!(text),
            _ => json!(value.to_string()),
        },
    }
}

/// A message that was handed out.
pub(crate) fn write(handed: &Handed, host: &str, path: &str) -> Answer {
    let stored = &handed.stored;
    let content = &stored.content;
    let mut properties = json!({
        // Over REST the delivery that is under way counts as well.
        "DeliveryCount": stored.deliveries.saturating_add(1),
        "EnqueuedSequenceNumber": stored.enqueued_sequence,
        "EnqueuedTimeUtc": date(stored.enqueued),
        "SequenceNumber": stored.sequence,
        "State": match stored.standing {
            Standing::Active => "Active",
            Standing::Deferred => "Deferred",
            Standing::Scheduled(_) => "Scheduled",
        },
    });
    let mut say = |name: &str, value: Option<String>| {
        if let (Some(value), Some(properties)) = (value, properties.as_object_mut()) {
            properties.insert(name.to_owned(), Value::String(value));
        }
    };
    say("MessageId", content.message_id());
    say("CorrelationId", content.correlation_id());
    say("SessionId", content.session_id());
    say("Label", content.subject());
    say("ReplyTo", content.reply_to());
    say("To", content.to());
    say("LockToken", handed.token.map(|token| token.to_string()));
    say("LockedUntilUtc", handed.locked_until.map(date));
    if let (Some(ttl_ms), Some(properties)) = (content.ttl_ms, properties.as_object_mut()) {
        let seconds = json!(f64::from(ttl_ms) / 1_000.0);
        properties.insert("TimeToLive".to_owned(), seconds);
    }
    let mut headers = vec![("brokerproperties".to_owned(), properties.to_string())];
    if let Some(kind) = content.content_type() {
        headers.push(("content-type".to_owned(), kind));
    }
    if let Some(token) = handed.token {
        let id = content
            .message_id()
            .filter(|id| id.chars().all(|it| it.is_ascii_alphanumeric() || it == '-'));
        let id = id.unwrap_or_else(|| stored.sequence.to_string());
        let (folder, _) = path.rsplit_once('/').unwrap_or((path, ""));
        headers.push((
            "location".to_owned(),
            format!("http://{host}{folder}/{id}/{token}"),
        ));
    }
    for (name, value) in content.application_values() {
        headers.push((name, json_of(value).to_string()));
    }
    Answer {
        status: if handed.token.is_some() { 201 } else { 200 },
        headers,
        body: content.data(),
    }
}

/// A date as headers have it.
pub(crate) fn date(instant: DateTime<Utc>) -> String {
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
