//! A message: its sections, taken apart as far as a broker has to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_amqp::Value;

use super::codec::{self, Malformed, string, symbol, text};

/// Message format of many messages in one transfer.
pub(crate) const BATCH_FORMAT: u32 = 0x8001_3700;

const MESSAGE_ID: usize = 0;
const TO: usize = 2;
const SUBJECT: usize = 3;
const REPLY_TO: usize = 4;
const CORRELATION_ID: usize = 5;
const CONTENT_TYPE: usize = 6;
const GROUP_ID: usize = 10;
const PROPERTIES: usize = 13;

/// Annotation of a message that is to be seen later.
const SCHEDULED: &str = "x-opt-scheduled-enqueue-time";

/// What a message says. Everything in it keeps the type it came with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Content {
    durable: Option<bool>,
    priority: Option<u8>,
    pub(crate) ttl_ms: Option<u32>,
    annotations: Vec<(Value, Value)>,
    properties: Vec<Value>,
    application: Vec<(Value, Value)>,
    /// The sections of the body as they came.
    body: Vec<u8>,
}

/// What a broker adds to a message that it hands out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stamp {
    pub(crate) delivery_count: u32,
    pub(crate) annotations: Vec<(Value, Value)>,
    pub(crate) lock_token: Option<uuid::Uuid>,
}

/// A section's code, what it holds, all of it, and what follows it.
struct Section<'b> {
    code: u64,
    content: &'b [u8],
    whole: &'b [u8],
    rest: &'b [u8],
}

fn next_section(bytes: &[u8]) -> Result<Section<'_>, Malformed> {
    let (whole, rest) = codec::split(bytes)?;
    let Some((0, described)) = whole.split_first().map(|(first, rest)| (*first, rest)) else {
        return Err(Malformed("a message holds something that is no section"));
    };
    let (descriptor, content) = codec::decode(described)?;
    Ok(Section {
        code: codec::section_code(&descriptor).ok_or(Malformed("a section is unknown"))?,
        content,
        whole,
        rest,
    })
}

impl Content {
    /// Takes a message apart.
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let mut content = Self::default();
        while !bytes.is_empty() {
            let section = next_section(bytes)?;
            match section.code {
                0x70 => content.read_header(section.content)?,
                0x71 | 0x78 => {}
                0x72 => content.annotations = entries(section.content)?,
                0x73 => content.properties = fields(section.content)?,
                0x74 => content.application = entries(section.content)?,
                0x75..=0x77 => content.body.extend(section.whole),
                _ => return Err(Malformed("a section is unknown")),
            }
            bytes = section.rest;
        }
        Ok(content)
    }

    /// A message of one data section.
    pub(crate) fn of_data(data: &[u8]) -> Self {
        let data = codec::encode(&codec::binary(data.to_vec()));
        Self {
            body: codec::section(0x75, &data),
            ..Self::default()
        }
    }

    /// A message whose body is a value.
    pub(crate) fn of_value(value: &Value) -> Self {
        Self {
            body: codec::section(0x77, &codec::encode(value)),
            ..Self::default()
        }
    }

    fn read_header(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let header = fields(bytes)?;
        if let Some(Value::Bool(durable)) = header.first() {
            self.durable = Some(*durable);
        }
        if let Some(Value::Ubyte(priority)) = header.get(1) {
            self.priority = Some(*priority);
        }
        if let Some(Value::Uint(ttl_ms)) = header.get(2) {
            self.ttl_ms = Some(*ttl_ms);
        }
        Ok(())
    }

    /// The message as it goes out.
    pub(crate) fn encode(&self, stamp: &Stamp) -> Vec<u8> {
        // The field that says how often a message was delivered is never left out: clients read
        // its absence as an error.
        let header = Value::List(vec![
            Value::Bool(self.durable.unwrap_or(false)),
            self.priority.map_or(Value::Null, Value::Ubyte),
            self.ttl_ms.map_or(Value::Null, Value::Uint),
            Value::Bool(false),
            Value::Uint(stamp.delivery_count),
        ]);
        let mut bytes = codec::section(0x70, &codec::encode(&header));
        if let Some(token) = stamp.lock_token {
            let annotation = codec::map([(symbol("x-opt-lock-token"), codec::uuid(token))]);
            bytes.extend(codec::section(0x71, &codec::encode(&annotation)));
        }
        let named: Vec<_> = stamp.annotations.iter().map(|(key, _)| key).collect();
        let own = self
            .annotations
            .iter()
            .filter(|(key, _)| !named.contains(&key));
        let annotations = codec::map(own.chain(&stamp.annotations).cloned());
        bytes.extend(codec::section(0x72, &codec::encode(&annotations)));
        if !self.properties.is_empty() {
            let properties = Value::List(self.properties.clone());
            bytes.extend(codec::section(0x73, &codec::encode(&properties)));
        }
        if !self.application.is_empty() {
            let application = codec::map(self.application.iter().cloned());
            bytes.extend(codec::section(0x74, &codec::encode(&application)));
        }
        bytes.extend(&self.body);
        bytes
    }

    /// The messages of a batch: its data sections, each a message.
    pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let batch = Self::parse(bytes)?;
        let mut messages = Vec::new();
        let mut body = batch.body.as_slice();
        while !body.is_empty() {
            let section = next_section(body)?;
            let (Value::Binary(data), _) = codec::decode(section.content)? else {
                return Err(Malformed("a batch holds something that is no message"));
            };
            messages.push(Self::parse(&data)?);
            body = section.rest;
        }
        Ok(messages)
    }

    pub(crate) fn property(&self, index: usize) -> Option<&Value> {
        let value = self.properties.get(index)?;
        (!matches!(value, Value::Null)).then_some(value)
    }

    pub(crate) fn set_property(&mut self, index: usize, value: Value) {
        if self.properties.len() <= index {
            self.properties
                .resize(PROPERTIES.min(index + 1), Value::Null);
        }
        if let Some(place) = self.properties.get_mut(index) {
            *place = value;
        }
    }

    fn property_text(&self, index: usize) -> Option<String> {
        self.property(index).map(written)
    }

    /// The id as it came.
    pub(crate) fn raw_message_id(&self) -> Option<&Value> {
        self.property(MESSAGE_ID)
    }

    pub(crate) fn message_id(&self) -> Option<String> {
        self.property_text(MESSAGE_ID)
    }

    pub(crate) fn set_message_id(&mut self, id: &str) {
        self.set_property(MESSAGE_ID, string(id));
    }

    pub(crate) fn session_id(&self) -> Option<String> {
        self.property_text(GROUP_ID)
    }

    pub(crate) fn set_session_id(&mut self, id: &str) {
        self.set_property(GROUP_ID, string(id));
    }

    pub(crate) fn correlation_id(&self) -> Option<String> {
        self.property_text(CORRELATION_ID)
    }

    pub(crate) fn set_correlation_id(&mut self, id: Value) {
        self.set_property(CORRELATION_ID, id);
    }

    pub(crate) fn reply_to(&self) -> Option<String> {
        self.property_text(REPLY_TO)
    }

    pub(crate) fn set_reply_to(&mut self, to: &str) {
        self.set_property(REPLY_TO, string(to));
    }

    pub(crate) fn to(&self) -> Option<String> {
        self.property_text(TO)
    }

    pub(crate) fn set_to(&mut self, to: &str) {
        self.set_property(TO, string(to));
    }

    pub(crate) fn subject(&self) -> Option<String> {
        self.property_text(SUBJECT)
    }

    pub(crate) fn set_subject(&mut self, subject: &str) {
        self.set_property(SUBJECT, string(subject));
    }

    pub(crate) fn content_type(&self) -> Option<String> {
        self.property_text(CONTENT_TYPE)
    }

    pub(crate) fn set_content_type(&mut self, kind: &str) {
        self.set_property(CONTENT_TYPE, symbol(kind));
    }

    /// When the message is to be seen, should it say so.
    pub(crate) fn scheduled(&self) -> Option<DateTime<Utc>> {
        self.annotation(SCHEDULED).and_then(codec::instant)
    }

    pub(crate) fn schedule(&mut self, at: DateTime<Utc>) {
        self.annotate(SCHEDULED, codec::timestamp(at));
    }

    fn annotation(&self, key: &str) -> Option<&Value> {
        let mut annotations = self.annotations.iter();
        let found = annotations.find(|(name, _)| text(name) == Some(key))?;
        Some(&found.1)
    }

    fn annotate(&mut self, key: &str, value: Value) {
        self.annotations.retain(|(name, _)| text(name) != Some(key));
        self.annotations.push((symbol(key), value));
    }

    /// A value that the application put in.
    pub(crate) fn application(&self, key: &str) -> Option<&Value> {
        let mut application = self.application.iter();
        let found = application.find(|(name, _)| text(name) == Some(key))?;
        Some(&found.1)
    }

    pub(crate) fn application_text(&self, key: &str) -> Option<String> {
        self.application(key).map(written)
    }

    /// Puts in a value, in place of the one of that name.
    pub(crate) fn put(&mut self, key: &str, value: Value) {
        self.application.retain(|(name, _)| text(name) != Some(key));
        self.application.push((string(key), value));
    }

    /// All that the application put in, written out.
    pub(crate) fn application_texts(&self) -> BTreeMap<String, String> {
        let entries = self.application.iter();
        entries
            .map(|(key, value)| (written(key), written(value)))
            .collect()
    }

    /// All that the application put in.
    pub(crate) fn application_values(&self) -> impl Iterator<Item = (String, &Value)> {
        let entries = self.application.iter();
        entries.map(|(key, value)| (written(key), value))
    }

    /// The bytes of the data sections, or of the text that a value is.
    pub(crate) fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let mut body = self.body.as_slice();
        while let Ok(section) = next_section(body) {
            match codec::decode(section.content) {
                Ok((Value::Binary(bytes), _)) => data.extend(bytes.iter()),
                Ok((value, _)) => data.extend(written(&value).bytes()),
                Err(_) => {}
            }
            body = section.rest;
        }
        data
    }

    /// The value that is the body.
    pub(crate) fn value(&self) -> Option<Value> {
        let section = next_section(&self.body).ok()?;
        let (value, _) = codec::decode(section.content).ok()?;
        (section.code == 0x77).then_some(value)
    }
}

/// A value as text: what it is, without quotes and types.
fn written(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Uuid(id) => uuid::Uuid::from_bytes(*id.as_inner()).to_string(),
        value => match (text(value), codec::integer(value)) {
            (Some(text), _) => text.to_owned(),
            (_, Some(number)) => number.to_string(),
            _ => value.to_string(),
        },
    }
}

fn fields(bytes: &[u8]) -> Result<Vec<Value>, Malformed> {
    match codec::decode(bytes)?.0 {
        Value::List(fields) => Ok(fields),
        Value::Null => Ok(Vec::new()),
        _ => Err(Malformed("a section is no list")),
    }
}

fn entries(bytes: &[u8]) -> Result<Vec<(Value, Value)>, Malformed> {
    match codec::decode(bytes)?.0 {
        Value::Map(entries) => Ok(entries.into_inner().into_iter().collect()),
        Value::Null => Ok(Vec::new()),
        _ => Err(Malformed("a section is no map")),
    }
}
