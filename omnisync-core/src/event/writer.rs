use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

use serde_json::value::RawValue;

use super::attribute::{
    DATA, DATA_BASE64, DATACONTENTTYPE, DATASCHEMA, ID, SOURCE, SPECVERSION, SUBJECT, TIME, TYPE,
};
use super::reader::raw_value;
use super::{CloudEvent, EventData, EventError, ExtensionValue};
use crate::json::write_string;

/// Bytes of member names and punctuation in an event, about.
const OVERHEAD_BYTES: usize = 192;

impl CloudEvent {
    /// The event in JSON. Reading it gives an equal event.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.size_hint());
        self.write_json(&mut out);
        out
    }

    /// Appends the event in JSON to `out`: core attributes, extensions by name, data.
    ///
    /// There is no white space except in JSON data, which is written as it was read.
    pub fn write_json(&self, out: &mut String) {
        out.push('{');
        write_string(out, SPECVERSION);
        out.push(':');
        write_string(out, Self::SPECVERSION);
        self.for_each_attribute(|name, value| {
            write_name(out, name);
            match value {
                AttributeRef::Text(text) => write_string(out, text),
                AttributeRef::Extension(ExtensionValue::String(text)) => write_string(out, text),
                AttributeRef::Extension(value) => out.push_str(&value.to_string()),
            }
        });
        match &self.data {
            EventData::None => {}
            EventData::Json(json) => {
                write_name(out, DATA);
                out.push_str(json.get());
            }
            EventData::Text(text) => {
                write_name(out, DATA);
                write_string(out, text);
            }
            EventData::Binary(bytes) => {
                write_name(out, DATA_BASE64);
                out.push('"');
                STANDARD.encode_string(bytes, out);
                out.push('"');
            }
        }
        out.push('}');
    }

    /// The event in JSON, to be embedded in a stored document.
    ///
    /// # Errors
    /// Only by a bug: what [`CloudEvent::write_json`] writes is JSON.
    pub fn to_raw_value(&self) -> Result<Box<RawValue>, EventError> {
        raw_value(self.to_json())
    }

    /// Calls `each` for every attribute that is present, `specversion` excepted, in the order in
    /// which events are written.
    pub(super) fn for_each_attribute<'a>(
        &'a self,
        mut each: impl FnMut(&'a str, AttributeRef<'a>),
    ) {
        let core = [
            (ID, Some(self.id())),
            (SOURCE, Some(self.source())),
            (TYPE, Some(self.event_type())),
            (SUBJECT, self.subject()),
            (TIME, self.time().map(super::Timestamp::as_str)),
            (DATACONTENTTYPE, self.datacontenttype()),
            (DATASCHEMA, self.dataschema()),
        ];
        for (name, text) in core {
            if let Some(text) = text {
                each(name, AttributeRef::Text(text));
            }
        }
        for (name, value) in self.extensions() {
            each(name, AttributeRef::Extension(value));
        }
    }

    fn size_hint(&self) -> usize {
        let mut bytes = OVERHEAD_BYTES + self.data.as_bytes().len();
        if let EventData::Binary(data) = &self.data {
            bytes += data.len().div_ceil(3);
        }
        self.for_each_attribute(|name, value| {
            bytes += name.len() + value.as_text().map_or(12, str::len);
        });
        bytes
    }
}

/// Value of an attribute of an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum AttributeRef<'a> {
    Text(&'a str),
    Extension(&'a ExtensionValue),
}

impl<'a> AttributeRef<'a> {
    fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Extension(value) => value.as_str(),
        }
    }
}

impl fmt::Display for AttributeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Extension(value) => value.fmt(f),
        }
    }
}

/// A batch in JSON. [`parse_batch`](super::parse_batch) gives equal events.
pub fn batch_to_json<'a>(events: impl IntoIterator<Item = &'a CloudEvent>) -> String {
    let mut out = String::new();
    write_batch(events, &mut out);
    out
}

/// Appends a batch in JSON to `out`.
pub fn write_batch<'a>(events: impl IntoIterator<Item = &'a CloudEvent>, out: &mut String) {
    out.push('[');
    for (position, event) in events.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        event.write_json(out);
    }
    out.push(']');
}

/// Names of attributes need no escapes.
fn write_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}
