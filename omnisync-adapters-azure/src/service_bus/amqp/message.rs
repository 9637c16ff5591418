//! Messages as sections: read one by one, so that what is not known does no harm, and a body
//! stays where it came.

use bytes::{BufMut as _, Bytes, BytesMut};
use fe2o3_amqp_types::messaging::{MessageId, Properties};
use serde::Serialize;
use serde_amqp::Value;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{OrderedMap, Symbol};

use super::error::AmqpError;
use super::frame::decode;
use super::guard::{Malformed, value_len};

/// A message is one of its sections after another.
pub(crate) const PLAIN_FORMAT: u32 = 0;

/// Every data section is a message of its own.
pub(crate) const BATCH_FORMAT: u32 = 0x8001_3700;

const HEADER: u64 = 0x70;
const DELIVERY_ANNOTATIONS: u64 = 0x71;
const MESSAGE_ANNOTATIONS: u64 = 0x72;
const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const VALUE: u64 = 0x77;

/// A map in the order of the wire.
pub(crate) type Pairs = Vec<(Value, Value)>;

/// The sections of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Message {
    /// How often it was delivered before, of the header.
    pub(crate) delivery_count: u32,
    /// How long it may live, in milliseconds, of the header.
    pub(crate) ttl_ms: Option<u32>,
    pub(crate) annotations: Pairs,
    pub(crate) properties: Properties,
    pub(crate) application: Pairs,
    pub(crate) body: Body,
}

/// What a message says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Body {
    #[default]
    None,
    Data(Bytes),
    Value(Value),
    Sequence(Vec<Value>),
}

impl Message {
    /// A message of these bytes.
    pub(crate) fn of_data(body: impl Into<Bytes>) -> Self {
        Self {
            body: Body::Data(body.into()),
            ..Self::default()
        }
    }

    /// Reads a message. Sections that nobody here knows are passed over.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut message = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let end = at + value_len(rest)?;
            message.section(&bytes.slice(at..end))?;
            at = end;
        }
        Ok(message)
    }

    fn section(&mut self, bytes: &Bytes) -> Result<(), Malformed> {
        let (code, content) = described(bytes)?;
        match code {
            HEADER => {
                if let Value::List(fields) = decode::<Value>(&content)? {
                    self.delivery_count = match fields.get(4) {
                        Some(Value::Uint(count)) => *count,
                        _ => 0,
                    };
                    self.ttl_ms = match fields.get(2) {
                        Some(Value::Uint(ttl)) => Some(*ttl),
                        _ => None,
                    };
                }
            }
            MESSAGE_ANNOTATIONS => self.annotations = pairs(&content)?,
            PROPERTIES => self.properties = decode(bytes)?,
            APPLICATION_PROPERTIES => self.application = pairs(&content)?,
            DATA => self.add_data(binary(&content)?),
            VALUE => self.body = Body::Value(decode(&content)?),
            SEQUENCE => {
                let Value::List(items) = decode(&content)? else {
                    return Err(Malformed::Type);
                };
                match &mut self.body {
                    Body::Sequence(all) => all.extend(items),
                    body => *body = Body::Sequence(items),
                }
            }
            // The footer, delivery annotations, and what may be invented one day.
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, bytes: Bytes) {
        self.body = match std::mem::take(&mut self.body) {
            Body::Data(before) if !before.is_empty() => {
                let mut all = BytesMut::with_capacity(before.len() + bytes.len());
                all.put_slice(&before);
                all.put_slice(&bytes);
                Body::Data(all.freeze())
            }
            _ => Body::Data(bytes),
        };
    }

    /// Writes the message. How often it was delivered is for the broker to say.
    pub(crate) fn encode(&self) -> Result<Bytes, AmqpError> {
        let mut out = BytesMut::new();
        self.put_head(&mut out)?;
        match &self.body {
            Body::None => put_data(&mut out, &[])?,
            Body::Data(bytes) => put_data(&mut out, bytes)?,
            Body::Value(value) => put_section(&mut out, VALUE, value.clone())?,
            Body::Sequence(items) => {
                put_section(&mut out, SEQUENCE, Value::List(items.clone()))?;
            }
        }
        Ok(out.freeze())
    }

    /// All but the body.
    fn put_head(&self, out: &mut BytesMut) -> Result<(), AmqpError> {
        if let Some(ttl) = self.ttl_ms {
            let header = vec![Value::Bool(true), Value::Null, Value::Uint(ttl)];
            put_section(out, HEADER, Value::List(header))?;
        }
        if !self.annotations.is_empty() {
            put_section(out, MESSAGE_ANNOTATIONS, map(&self.annotations))?;
        }
        if self.properties != Properties::default() {
            put(out, &self.properties)?;
        }
        if !self.application.is_empty() {
            put_section(out, APPLICATION_PROPERTIES, map(&self.application))?;
        }
        Ok(())
    }

    /// The message around others, encoded already, in place of its body.
    pub(crate) fn encode_around(&self, messages: &[Bytes]) -> Result<Bytes, AmqpError> {
        let mut out = BytesMut::new();
        self.put_head(&mut out)?;
        for message in messages {
            put_data(&mut out, message)?;
        }
        Ok(out.freeze())
    }

    /// The annotation of this name.
    pub(crate) fn annotation(&self, name: &str) -> Option<&Value> {
        find(&self.annotations, name)
    }

    /// The application property of this name.
    pub(crate) fn property(&self, name: &str) -> Option<&Value> {
        find(&self.application, name)
    }

    /// Sets an application property, in place of one of that name.
    pub(crate) fn set_property(&mut self, name: &str, value: Value) {
        self.application
            .retain(|(key, _)| name_of(key) != Some(name));
        self.application
            .push((Value::String(name.to_owned()), value));
    }

    /// The message id, as text.
    pub(crate) fn message_id(&self) -> Option<String> {
        self.properties.message_id.as_ref().map(id_text)
    }
}

/// An id, as text.
pub(crate) fn id_text(id: &MessageId) -> String {
    match id {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(id) => uuid::Uuid::from_bytes(*id.as_inner()).to_string(),
        MessageId::Binary(bytes) => {
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes.as_slice())
        }
        MessageId::String(text) => text.clone(),
    }
}

/// The value of `name`, whose key is a string or a symbol.
pub(crate) fn find<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a Value> {
    let found = pairs.iter().find(|(key, _)| name_of(key) == Some(name));
    found.map(|(_, value)| value)
}

/// The text of a string or symbol.
pub(crate) fn name_of(key: &Value) -> Option<&str> {
    match key {
        Value::String(text) => Some(text),
        Value::Symbol(name) => Some(name.as_str()),
        _ => None,
    }
}

/// An annotation, whose key is a symbol.
pub(crate) fn annotation(name: &str, value: Value) -> (Value, Value) {
    (Value::Symbol(Symbol::from(name)), value)
}

/// A map of strings.
pub(crate) fn map(pairs: &Pairs) -> Value {
    Value::Map(pairs.iter().cloned().collect::<OrderedMap<_, _>>())
}

fn pairs(content: &[u8]) -> Result<Pairs, Malformed> {
    match decode::<Value>(content)? {
        Value::Map(map) => Ok(map.into_iter().collect()),
        Value::Null => Ok(Vec::new()),
        _ => Err(Malformed::Type),
    }
}

/// Code and content of a section.
fn described(bytes: &Bytes) -> Result<(u64, Bytes), Malformed> {
    if bytes.first() != Some(&0) {
        return Err(Malformed::Type);
    }
    let rest = bytes.slice(1..);
    let end = value_len(&rest)?;
    let code = match decode::<Value>(rest.get(..end).unwrap_or_default())? {
        Value::Ulong(code) => code,
        Value::Symbol(name) => code_of(name.as_str()),
        _ => return Err(Malformed::Type),
    };
    Ok((code, rest.slice(end..)))
}

fn code_of(name: &str) -> u64 {
    match name {
        "amqp:header:list" => HEADER,
        "amqp:delivery-annotations:map" => DELIVERY_ANNOTATIONS,
        "amqp:message-annotations:map" => MESSAGE_ANNOTATIONS,
        "amqp:properties:list" => PROPERTIES,
        "amqp:application-properties:map" => APPLICATION_PROPERTIES,
        "amqp:data:binary" => DATA,
        "amqp:amqp-sequence:list" => SEQUENCE,
        "amqp:amqp-value:*" => VALUE,
        _ => 0,
    }
}

/// The bytes of a binary, where they are.
fn binary(content: &Bytes) -> Result<Bytes, Malformed> {
    match content.first() {
        Some(0xa0) => Ok(content.slice(2..)),
        Some(0xb0) => Ok(content.slice(5..)),
        _ => Err(Malformed::Type),
    }
}

fn put_data(out: &mut BytesMut, bytes: &[u8]) -> Result<(), AmqpError> {
    out.put_slice(&[0x00, 0x53, 0x75]);
    if let Ok(len) = u8::try_from(bytes.len()) {
        out.put_slice(&[0xa0, len]);
    } else {
        out.put_u8(0xb0);
        out.put_u32(u32::try_from(bytes.len()).map_err(|_| AmqpError::TooLarge)?);
    }
    out.put_slice(bytes);
    Ok(())
}

fn put_section(out: &mut BytesMut, code: u64, value: Value) -> Result<(), AmqpError> {
    let section = Described {
        descriptor: Descriptor::Code(code),
        value,
    };
    put(out, &Value::Described(Box::new(section)))
}

fn put(out: &mut BytesMut, value: &impl Serialize) -> Result<(), AmqpError> {
    let bytes = serde_amqp::to_vec(value).map_err(|_| AmqpError::Encode)?;
    out.put_slice(&bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_amqp::primitives::Timestamp;

    use super::*;

    fn message(body: Body) -> Message {
        Message {
            delivery_count: 0,
            ttl_ms: Some(70_000),
            annotations: vec![annotation(
                "x-opt-scheduled-enqueue-time",
                Value::Timestamp(Timestamp::from(7)),
            )],
            properties: Properties {
                message_id: Some(MessageId::String("m-1".to_owned())),
                content_type: Some(Symbol::from("application/json")),
                ..Properties::default()
            },
            application: vec![(
                Value::String("city".to_owned()),
                Value::String("Zürich".to_owned()),
            )],
            body,
        }
    }

    #[test]
    fn a_message_survives_with_any_body() {
        for body in [
            Body::Data(Bytes::from_static(b"{}")),
            Body::Data(Bytes::from(vec![7; 300])),
            Body::Data(Bytes::new()),
            Body::Value(Value::String("text".to_owned())),
            Body::Sequence(vec![Value::Int(1), Value::Null]),
        ] {
            let message = message(body);
            let bytes = message.encode().unwrap();
            assert_eq!(Message::decode(&bytes), Ok(message));
        }
    }

    #[test]
    fn a_message_has_the_bytes_of_the_specification() {
        let bytes = Message::of_data("hi").encode().unwrap();
        assert_eq!(bytes.as_ref(), [0x00, 0x53, 0x75, 0xa0, 2, b'h', b'i']);
        // A header whose delivery count is 2, two data sections and a footer.
        let wire: &[u8] = &[
            0x00, 0x53, 0x70, 0xc0, 7, 5, 0x42, 0x50, 4, 0x40, 0x42, 0x52, 2, //
            0x00, 0x53, 0x75, 0xa0, 1, b'a', //
            0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x75, 0xb0, 0, 0, 0, 1, b'b', //
            0x00, 0x53, 0x78, 0xc1, 1, 0,
        ];
        let mut wire = wire.to_vec();
        wire[4] = 8;
        let message = Message::decode(&wire.into()).unwrap();
        assert_eq!(message.delivery_count, 2);
        assert_eq!(message.body, Body::Data(Bytes::from_static(b"ab")));
    }

    #[test]
    fn a_batch_is_a_data_section_a_message() {
        let one = Message::of_data("a").encode().unwrap();
        let batch = Message::default()
            .encode_around(&[one.clone(), one.clone()])
            .unwrap();
        let twice = [one.as_ref(), one.as_ref()].concat();
        let read = Message::decode(&batch).unwrap();
        assert_eq!(read.body, Body::Data(twice.into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            drop(Message::decode(&bytes.into()));
        }
    }
}
