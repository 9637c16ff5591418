//! AMQP values: bytes in, bytes out. What the codec would decode without a bound, or would write
//! otherwise than the service does, is looked at or written here.

use chrono::{DateTime, Utc};
use serde_amqp::Value;
use serde_amqp::primitives::{Array, OrderedMap, Symbol, Timestamp};
use serde_bytes::ByteBuf;
use uuid::Uuid;

/// Values within values; more than any client sends, and few enough for any stack.
const DEPTH_MAX: usize = 16;

/// Bytes that are no AMQP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// The length of the value at the start of some bytes. Nothing in it is nested too deeply, and
/// everything in it lies within it.
pub(crate) fn length(bytes: &[u8]) -> Result<usize, Malformed> {
    let rest = skip(bytes, 0)?;
    Ok(bytes.len() - rest.len())
}

fn skip(bytes: &[u8], depth: usize) -> Result<&[u8], Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed("values are nested too deeply"));
    }
    let (code, rest) = bytes.split_first().ok_or(Malformed("a value is missing"))?;
    if *code == 0 {
        let rest = skip(rest, depth + 1)?;
        return skip(rest, depth + 1);
    }
    skip_body(*code, rest, depth)
}

fn skip_body(code: u8, bytes: &[u8], depth: usize) -> Result<&[u8], Malformed> {
    match code >> 4 {
        0x4 => Ok(bytes),
        0x5 => after(bytes, 1),
        0x6 => after(bytes, 2),
        0x7 => after(bytes, 4),
        0x8 => after(bytes, 8),
        0x9 => after(bytes, 16),
        0xA => variable(bytes, 1).map(|(_, rest)| rest),
        0xB => variable(bytes, 4).map(|(_, rest)| rest),
        0xC => compound(bytes, 1, depth),
        0xD => compound(bytes, 4, depth),
        0xE => array(bytes, 1, depth),
        0xF => array(bytes, 4, depth),
        _ => Err(Malformed("a format code is unknown")),
    }
}

fn after(bytes: &[u8], length: usize) -> Result<&[u8], Malformed> {
    bytes.get(length..).ok_or(Malformed("a value is cut off"))
}

fn number(bytes: &[u8], width: usize) -> Result<(usize, &[u8]), Malformed> {
    let cut = Malformed("a length is cut off");
    let (head, rest) = bytes.split_at_checked(width).ok_or(cut)?;
    let number = head
        .iter()
        .fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
    Ok((number, rest))
}

/// The content behind a length, and what follows it.
fn variable(bytes: &[u8], width: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let (length, rest) = number(bytes, width)?;
    rest.split_at_checked(length)
        .ok_or(Malformed("a value is cut off"))
}

fn compound(bytes: &[u8], width: usize, depth: usize) -> Result<&[u8], Malformed> {
    let (content, rest) = variable(bytes, width)?;
    let (count, mut content) = number(content, width)?;
    if count > content.len() {
        return Err(Malformed("a count is greater than its content"));
    }
    for _ in 0..count {
        content = skip(content, depth + 1)?;
    }
    Ok(rest)
}

fn array(bytes: &[u8], width: usize, depth: usize) -> Result<&[u8], Malformed> {
    let (content, rest) = variable(bytes, width)?;
    let (count, content) = number(content, width)?;
    if count == 0 {
        return Ok(rest);
    }
    let missing = Malformed("an array has no element type");
    let (mut code, mut content) = content.split_first().ok_or(missing)?;
    if *code == 0 {
        content = skip(content, depth + 1)?;
        (code, content) = content.split_first().ok_or(missing)?;
    }
    if code >> 4 != 0x4 && count > content.len() {
        return Err(Malformed("a count is greater than its content"));
    }
    if code >> 4 == 0x4 && count > 65_536 {
        return Err(Malformed("an array has too many elements"));
    }
    for _ in 0..count {
        content = skip_body(*code, content, depth + 1)?;
    }
    Ok(rest)
}

/// The value at the start of some bytes, and the bytes after it.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Value, &[u8]), Malformed> {
    let (value, rest) = split(bytes)?;
    let value = serde_amqp::from_slice(value).map_err(|_| Malformed("a value cannot be read"))?;
    Ok((value, rest))
}

/// The bytes of the value at the start, and the bytes after it.
pub(crate) fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let length = length(bytes)?;
    bytes
        .split_at_checked(length)
        .ok_or(Malformed("a value is cut off"))
}

/// The bytes of something, which are those of null should it have none.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_amqp::to_vec(value).unwrap_or_else(|_| vec![0x40])
}

/// A described value: the code of a section, and what it holds in its encoded form.
pub(crate) fn section(code: u8, content: &[u8]) -> Vec<u8> {
    [&[0x00, 0x53, code], content].concat()
}

/// Code of a descriptor of a message section, which may be its name.
pub(crate) fn section_code(descriptor: &Value) -> Option<u64> {
    let Value::Symbol(name) = descriptor else {
        return match descriptor {
            Value::Ulong(code) => Some(*code),
            _ => None,
        };
    };
    Some(match name.as_str() {
        "amqp:header:list" => 0x70,
        "amqp:delivery-annotations:map" => 0x71,
        "amqp:message-annotations:map" => 0x72,
        "amqp:properties:list" => 0x73,
        "amqp:application-properties:map" => 0x74,
        "amqp:data:binary" => 0x75,
        "amqp:amqp-sequence:list" => 0x76,
        "amqp:amqp-value:*" => 0x77,
        "amqp:footer:map" => 0x78,
        _ => return None,
    })
}

pub(crate) fn symbol(text: impl Into<String>) -> Value {
    Value::Symbol(Symbol::from(text.into()))
}

pub(crate) fn string(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

pub(crate) fn binary(bytes: Vec<u8>) -> Value {
    Value::Binary(ByteBuf::from(bytes))
}

pub(crate) fn uuid(id: Uuid) -> Value {
    Value::Uuid(id.into_bytes().into())
}

pub(crate) fn timestamp(instant: DateTime<Utc>) -> Value {
    Value::Timestamp(Timestamp::from_milliseconds(instant.timestamp_millis()))
}

pub(crate) fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
    let mut map = OrderedMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    Value::Map(map)
}

/// An array of values of one type.
pub(crate) fn array_of(values: Vec<Value>) -> Value {
    Value::Array(Array(values))
}

/// Text of a string or a symbol.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        _ => None,
    }
}

/// Any whole number.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Ubyte(number) => Some(i64::from(*number)),
        Value::Ushort(number) => Some(i64::from(*number)),
        Value::Uint(number) => Some(i64::from(*number)),
        Value::Ulong(number) => i64::try_from(*number).ok(),
        Value::Byte(number) => Some(i64::from(*number)),
        Value::Short(number) => Some(i64::from(*number)),
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        _ => None,
    }
}

pub(crate) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Timestamp(timestamp) => DateTime::from_timestamp_millis(timestamp.milliseconds()),
        _ => None,
    }
}

pub(crate) fn guid(value: &Value) -> Option<Uuid> {
    match value {
        Value::Uuid(id) => Some(Uuid::from_bytes(*id.as_inner())),
        _ => None,
    }
}

/// Elements of a list or an array, or the value itself.
pub(crate) fn elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(values) => values.iter().collect(),
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        value => vec![value],
    }
}

/// A value of a map whose keys are strings or symbols.
pub(crate) fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let Value::Map(entries) = value else {
        return None;
    };
    let found = entries.iter().find(|(name, _)| text(name) == Some(key))?.1;
    (!matches!(found, Value::Null)).then_some(found)
}

/// What a described value describes, or the value itself.
pub(crate) fn plain(value: &Value) -> &Value {
    match value {
        Value::Described(described) => &described.value,
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_carry_the_type_of_their_elements() {
        let id = Uuid::from_u128(7);
        let bytes = encode(&array_of(vec![uuid(id), uuid(id)]));
        assert_eq!(bytes[0], 0xE0);
        assert_eq!(bytes[3], 0x98);
        assert_eq!(bytes.len(), 4 + 32);
        let now = DateTime::from_timestamp_millis(1_767_225_600_123).unwrap();
        let bytes = encode(&array_of(vec![timestamp(now)]));
        assert_eq!(bytes[3], 0x83);
        let (value, rest) = decode(&bytes).unwrap();
        assert!(rest.is_empty());
        assert_eq!(instant(elements(&value)[0]), Some(now));
        let bytes = encode(&array_of(vec![Value::Long(1), Value::Long(70_000)]));
        let (value, _) = decode(&bytes).unwrap();
        let numbers: Vec<_> = elements(&value).into_iter().map(integer).collect();
        assert_eq!(numbers, [Some(1), Some(70_000)]);
    }

    #[test]
    fn a_value_ends_where_it_says() {
        let value = map([(symbol("a"), Value::List(vec![string("b"), Value::Null]))]);
        let mut bytes = encode(&value);
        let length = bytes.len();
        bytes.extend([1, 2, 3]);
        let (read, rest) = decode(&bytes).unwrap();
        assert_eq!((read, rest), (value, &[1, 2, 3][..]));
        for cut in 0..length {
            assert!(decode(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn nothing_is_nested_without_end() {
        let mut bytes = vec![0x40];
        for _ in 0..40 {
            let size = u8::try_from(bytes.len() + 1).unwrap();
            bytes = [&[0xC0, size, 1], &bytes[..]].concat();
        }
        assert_eq!(
            length(&bytes),
            Err(Malformed("values are nested too deeply"))
        );
        assert!(length(&[0x00; 300]).is_err());
    }
}
