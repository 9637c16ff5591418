use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::{EventBuilder, ExtensionValue, Timestamp};

/// An event by CloudEvents 1.0.2 that keeps every rule of it.
///
/// Read one with [`CloudEvent::from_json`] or make one with [`CloudEvent::builder`]. `source` and
/// `id` together identify it: the same pair is the same event. `Debug` leaves the data out.
#[derive(Clone, PartialEq, Eq)]
pub struct CloudEvent {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) event_type: String,
    pub(super) subject: Option<String>,
    pub(super) time: Option<Timestamp>,
    pub(super) datacontenttype: Option<String>,
    pub(super) dataschema: Option<String>,
    pub(super) extensions: BTreeMap<String, ExtensionValue>,
    pub(super) data: EventData,
}

impl CloudEvent {
    /// The `specversion` of every event.
    pub const SPECVERSION: &'static str = "1.0";

    /// Begins an event with its required attributes.
    pub fn builder(
        id: impl Into<String>,
        source: impl Into<String>,
        event_type: impl Into<String>,
    ) -> EventBuilder {
        EventBuilder::new(id.into(), source.into(), event_type.into())
    }

    /// Identifies the event within its source.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the event happened: a URI or a relative reference.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What happened: the attribute `type`.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The version of the specification: always `1.0`.
    pub const fn specversion(&self) -> &'static str {
        Self::SPECVERSION
    }

    /// What it happened to, within the source.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it happened.
    pub const fn time(&self) -> Option<&Timestamp> {
        self.time.as_ref()
    }

    /// Media type of the data. JSON when absent.
    pub fn datacontenttype(&self) -> Option<&str> {
        self.datacontenttype.as_deref()
    }

    /// URI of the schema that the data follows.
    pub fn dataschema(&self) -> Option<&str> {
        self.dataschema.as_deref()
    }

    /// All extensions by name.
    pub const fn extensions(&self) -> &BTreeMap<String, ExtensionValue> {
        &self.extensions
    }

    /// The extension `name`.
    pub fn extension(&self, name: &str) -> Option<&ExtensionValue> {
        self.extensions.get(name)
    }

    /// The data.
    pub const fn data(&self) -> &EventData {
        &self.data
    }

    /// The data, without the envelope.
    pub fn into_data(self) -> EventData {
        self.data
    }
}

impl fmt::Debug for CloudEvent {
    /// Leaves the data out: it holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudEvent")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("type", &self.event_type)
            .field("subject", &self.subject)
            .field("time", &self.time)
            .field("datacontenttype", &self.datacontenttype)
            .field("dataschema", &self.dataschema)
            .field("extensions", &self.extensions)
            .field("data", &self.data)
            .finish()
    }
}

/// What an event carries.
#[derive(Clone, Default)]
pub enum EventData {
    /// Nothing.
    #[default]
    None,
    /// A JSON value with its exact text. `null` is a value: it differs from [`EventData::None`].
    Json(Box<RawValue>),
    /// A text in the media type of the event, which is not JSON.
    Text(String),
    /// Bytes in the media type of the event.
    Binary(Vec<u8>),
}

impl EventData {
    /// True when the event carries nothing.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The text of a JSON value.
    pub fn as_json(&self) -> Option<&str> {
        match self {
            Self::Json(json) => Some(json.get()),
            _ => None,
        }
    }

    /// The text of data that is not JSON.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The data as it travels in the body of a message; empty for no data.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Json(json) => json.get().as_bytes(),
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl PartialEq for EventData {
    /// Compares JSON by its text.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Json(a), Self::Json(b)) => a.get() == b.get(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::None | Self::Json(_) | Self::Text(_) | Self::Binary(_), _) => false,
        }
    }
}

impl Eq for EventData {}

impl fmt::Debug for EventData {
    /// Shows what kind of data it is, and how much.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::None => return f.write_str("None"),
            Self::Json(_) => "Json",
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        write!(f, "{kind}({} bytes)", self.as_bytes().len())
    }
}
