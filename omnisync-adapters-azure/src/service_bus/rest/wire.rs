//! Messages as requests and answers of HTTP.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::copies;

/// The header that carries what the service knows of a message.
pub(super) const BROKER_PROPERTIES: &str = "brokerproperties";

/// Headers of the protocol: all others are properties of the application.
const PROTOCOL: [&str; 16] = [
    "brokerproperties",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "expires",
    "keep-alive",
    "location",
    "pragma",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "via",
    "x-content-type-options",
];

/// Headers that say something about a request. A property of such a name is not sent along with
/// a copy: anybody who may send a message could change what is asked with it.
const OF_REQUESTS: [&str; 19] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

const PREFIXES_OF_REQUESTS: [&str; 5] = ["if-", "proxy-", "sec-", "x-forwarded-", "x-ms-"];

/// True where a property of this name may be sent.
pub(super) fn may_be_sent(name: &HeaderName) -> bool {
    let name = name.as_str();
    let mut prefixes = PREFIXES_OF_REQUESTS.iter();
    !OF_REQUESTS.contains(&name)
        && !PROTOCOL.contains(&name)
        && !prefixes.any(|prefix| name.starts_with(prefix))
}

/// What the service says about a message, and what it is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct BrokerProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheduled_enqueue_time_utc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_to_live: Option<f64>,
    #[serde(skip_serializing)]
    pub(super) delivery_count: Option<u32>,
    #[serde(skip_serializing)]
    pub(super) lock_token: Option<String>,
    #[serde(skip_serializing)]
    pub(super) locked_until_utc: Option<String>,
    #[serde(skip_serializing)]
    pub(super) sequence_number: Option<i64>,
    #[serde(skip_serializing)]
    pub(super) enqueued_time_utc: Option<String>,
    #[serde(skip_serializing)]
    pub(super) dead_letter_source: Option<String>,
}

impl BrokerProperties {
    /// Those of an answer; `None` when they cannot be read.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(BROKER_PROPERTIES)?;
        serde_json::from_slice(header.as_bytes()).ok()
    }

    pub(super) fn locked_until(&self) -> Option<DateTime<Utc>> {
        let text = self.locked_until_utc.as_deref()?;
        let read =
            DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text));
        read.ok().map(|at| at.with_timezone(&Utc))
    }

    /// As a header: ASCII alone.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let text = serde_json::to_string(self).ok()?;
        HeaderValue::from_str(&ascii_json(&text)).ok()
    }
}

/// An instant as the service takes it, to the second and no earlier.
pub(super) fn scheduled(at: DateTime<Utc>) -> String {
    let up = i64::from(at.timestamp_subsec_nanos() > 0);
    let whole = DateTime::from_timestamp(at.timestamp().saturating_add(up), 0);
    let whole = whole.unwrap_or(DateTime::<Utc>::MAX_UTC);
    whole.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The properties of the application, as they are named and quoted on the wire.
pub(super) fn properties(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let own = headers
        .iter()
        .filter(|(name, _)| !PROTOCOL.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The text of a property: texts are quoted as in JSON.
pub(super) fn property_text(value: &HeaderValue) -> String {
    match serde_json::from_slice::<Json>(value.as_bytes()) {
        Ok(Json::String(text)) => text,
        _ => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    }
}

/// The text of the property of this name.
pub(super) fn find(properties: &[(HeaderName, HeaderValue)], name: &str) -> Option<String> {
    let found = properties.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| property_text(value))
}

/// A property as a header.
pub(super) fn property(text: &str) -> Option<HeaderValue> {
    let quoted = Json::String(text.to_owned()).to_string();
    HeaderValue::from_str(&ascii_json(&quoted)).ok()
}

/// A property that came, as it may be sent: the service itself may write other than ASCII.
pub(super) fn as_ascii(value: &HeaderValue) -> Option<HeaderValue> {
    match value.to_str() {
        Ok(_) => Some(value.clone()),
        Err(_) => property(&property_text(value)),
    }
}

/// JSON whose other characters are escaped.
fn ascii_json(json: &str) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a text does not fail.
            write!(out, "\\u{unit:04x}").ok();
        }
    }
    out
}

/// The headers of a delivery: those of the service first, each name once and in lower case.
pub(super) fn headers(
    broker: &BrokerProperties,
    content_type: Option<&HeaderValue>,
    properties: &[(HeaderName, HeaderValue)],
) -> Vec<(String, String)> {
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let find = |name: &str| find(properties, name);
    let message_id = copies::shown_id(find, broker.message_id.clone());
    let known = [
        ("message-id", message_id.as_deref()),
        ("content-type", content_type),
        ("correlation-id", broker.correlation_id.as_deref()),
        ("session-id", broker.session_id.as_deref()),
        ("subject", broker.label.as_deref()),
        ("to", broker.to.as_deref()),
        ("reply-to", broker.reply_to.as_deref()),
        ("enqueued-time", broker.enqueued_time_utc.as_deref()),
        ("dead-letter-source", broker.dead_letter_source.as_deref()),
    ];
    let mut headers: Vec<(String, String)> = known
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    for (name, value) in properties {
        let (name, value) = copies::header(name.as_str(), property_text(value));
        if headers.iter().all(|(known, _)| *known != name) {
            headers.push((name, value));
        }
    }
    copies::trace(&mut headers);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_quoted_and_ascii() {
        for text in ["", "Zürich", "a \"b\" \\ 😀", "line\nline"] {
            let header = property(text).unwrap();
            assert!(header.to_str().is_ok());
            assert_eq!(property_text(&header), text);
        }
        let raw = HeaderValue::from_bytes("\"Zürich\"".as_bytes()).unwrap();
        assert_eq!(as_ascii(&raw), property("Zürich"));
        assert_eq!(property_text(&HeaderValue::from_static("12")), "12");
        assert_eq!(property_text(&HeaderValue::from_static("plain")), "plain");
    }

    #[test]
    fn no_property_of_a_message_says_anything_about_a_request() {
        for name in [
            "host",
            "expect",
            "content-encoding",
            "if-match",
            "x-ms-date",
            "te",
        ] {
            assert!(!may_be_sent(&HeaderName::from_static(name)), "{name}");
        }
        for name in [
            "city",
            "ce-id",
            "traceparent",
            "message-id",
            "omnisync-attempts",
        ] {
            assert!(may_be_sent(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn schedules_are_rounded_up() {
        let at = DateTime::from_timestamp_millis(784_111_777_001).unwrap();
        assert_eq!(scheduled(at), "Sun, 06 Nov 1994 08:49:38 GMT");
    }

    #[test]
    fn broker_properties_are_read_and_only_those_of_a_sender_written() {
        let mut headers = HeaderMap::new();
        headers.insert(
            BROKER_PROPERTIES,
            HeaderValue::from_static(
                "{\"DeliveryCount\":2,\"LockToken\":\"x\",\"MessageId\":\"m\",\
                 \"LockedUntilUtc\":\"Sun, 06 Nov 1994 08:49:37 GMT\",\"SequenceNumber\":7,\
                 \"State\":\"Active\"}",
            ),
        );
        let read = BrokerProperties::read(&headers).unwrap();
        assert_eq!(read.sequence_number, Some(7));
        assert_eq!(read.locked_until().unwrap().timestamp(), 784_111_777);
        assert_eq!(read.header().unwrap(), "{\"MessageId\":\"m\"}");
    }
}
