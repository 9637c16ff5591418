//! Frames: a length, a channel, a performative and its payload.

use bytes::{Bytes, BytesMut};
use fe2o3_amqp_types::definitions::{Error, ErrorCondition, Fields, Role};
use fe2o3_amqp_types::messaging::{
    Accepted, DeliveryState, Modified, Received, Rejected, Released,
};
use fe2o3_amqp_types::performatives::{Disposition, Performative};
use serde_amqp::Value;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::Symbol;

use super::codec::{self, Malformed};

/// Length of a frame's head without extended header.
pub(crate) const HEAD_BYTES: usize = 8;

/// How a disposition begins.
const DISPOSITION: &[u8] = &[0x00, 0x53, 0x15];

/// A frame as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// 0 is AMQP, 1 is SASL.
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) body: Bytes,
}

/// Takes a frame of at most so many bytes off the front; `None` while it is not all there.
pub(crate) fn take(
    buffer: &mut BytesMut,
    frame_bytes_max: u32,
) -> Result<Option<Frame>, Malformed> {
    let Some(head) = buffer.first_chunk::<HEAD_BYTES>() else {
        return Ok(None);
    };
    let [size @ .., offset, kind, high, low] = *head;
    let size = u32::from_be_bytes(size);
    let offset = usize::from(offset) * 4;
    if size > frame_bytes_max {
        return Err(Malformed("a frame is longer than agreed"));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if offset < HEAD_BYTES || size < offset {
        return Err(Malformed("the head of a frame contradicts itself"));
    }
    if buffer.len() < size {
        return Ok(None);
    }
    let body = buffer.split_to(size).split_off(offset).freeze();
    Ok(Some(Frame {
        kind,
        channel: u16::from_be_bytes([high, low]),
        body,
    }))
}

/// The performative of a frame, and its payload.
pub(crate) fn performative(body: &[u8]) -> Result<(Performative, &[u8]), Malformed> {
    let (head, payload) = codec::split(body)?;
    if head.starts_with(DISPOSITION) {
        let disposition = disposition(&codec::decode(head)?.0);
        let disposition = disposition.ok_or(Malformed("a disposition cannot be read"))?;
        return Ok((Performative::Disposition(disposition), payload));
    }
    let unreadable = |_| Malformed("a performative cannot be read");
    let performative = serde_amqp::from_slice(head).map_err(unreadable)?;
    Ok((performative, payload))
}

/// Reads a disposition. Clients write the keys of what they say about it as text, where the
/// codec's own type wants symbols.
fn disposition(value: &Value) -> Option<Disposition> {
    let fields = list(codec::plain(value))?;
    let Some(Value::Bool(receiver)) = fields.first() else {
        return None;
    };
    let number = |index: usize| {
        let number = codec::integer(fields.get(index)?)?;
        u32::try_from(number).ok()
    };
    let state = fields.get(4).filter(|state| **state != Value::Null);
    Some(Disposition {
        role: Role::from(*receiver),
        first: number(1)?,
        last: number(2),
        settled: matches!(fields.get(3), Some(Value::Bool(true))),
        state: match state {
            Some(state) => Some(delivery_state(state)?),
            None => None,
        },
        batchable: false,
    })
}

fn delivery_state(value: &Value) -> Option<DeliveryState> {
    let Value::Described(described) = value else {
        return None;
    };
    let name = match &described.descriptor {
        Descriptor::Code(code) => *code,
        Descriptor::Name(name) => match name.as_str() {
            "amqp:accepted:list" => 0x24,
            "amqp:rejected:list" => 0x25,
            "amqp:released:list" => 0x26,
            "amqp:modified:list" => 0x27,
            _ => return None,
        },
    };
    let parts = list(&described.value)?;
    let flag = |index: usize| match parts.get(index) {
        Some(Value::Bool(flag)) => Some(*flag),
        _ => None,
    };
    Some(match name {
        0x23 => DeliveryState::Received(Received {
            section_number: 0,
            section_offset: 0,
        }),
        0x24 => DeliveryState::Accepted(Accepted {}),
        0x25 => DeliveryState::Rejected(Rejected {
            error: parts.first().and_then(error),
        }),
        0x26 => DeliveryState::Released(Released {}),
        0x27 => DeliveryState::Modified(Modified {
            delivery_failed: flag(0),
            undeliverable_here: flag(1),
            message_annotations: parts.get(2).and_then(named),
        }),
        _ => return None,
    })
}

fn error(value: &Value) -> Option<Error> {
    let parts = list(codec::plain(value))?;
    let description = parts.get(1).and_then(codec::text);
    Some(Error {
        condition: ErrorCondition::Custom(Symbol::from(codec::text(parts.first()?)?)),
        description: description.map(str::to_owned),
        info: parts.get(2).and_then(named).map(Box::new),
    })
}

fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(values) => Some(values),
        _ => None,
    }
}

fn named(value: &Value) -> Option<Fields> {
    let Value::Map(entries) = value else {
        return None;
    };
    let entries = entries.iter();
    let named = entries.filter_map(|(key, value)| {
        let key = Symbol::from(codec::text(key)?);
        Some((key, value.clone()))
    });
    Some(named.collect())
}

/// A frame on its way out.
pub(crate) fn write(kind: u8, channel: u16, head: &[u8], payload: &[u8]) -> Vec<u8> {
    let size = HEAD_BYTES + head.len() + payload.len();
    let mut frame = Vec::with_capacity(size);
    frame.extend(u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend([2, kind]);
    frame.extend(channel.to_be_bytes());
    frame.extend(head);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_when_it_is_all_there() {
        let bytes = write(0, 7, &[0x40], b"xyz");
        let mut buffer = BytesMut::from(&bytes[..bytes.len() - 1]);
        assert_eq!(take(&mut buffer, 512), Ok(None));
        buffer.extend(&bytes[bytes.len() - 1..]);
        let frame = take(&mut buffer, 512).unwrap().unwrap();
        assert_eq!((frame.kind, frame.channel), (0, 7));
        assert_eq!(frame.body, [&[0x40][..], b"xyz"].concat());
        assert!(buffer.is_empty());
    }

    #[test]
    fn heads_that_cannot_be_are_refused() {
        for head in [
            [0, 0, 0, 4, 2, 0, 0, 0],
            [0, 0, 0, 8, 1, 0, 0, 0],
            [0, 0, 0, 8, 3, 0, 0, 0],
            [0, 1, 0, 0, 2, 0, 0, 0],
        ] {
            assert!(
                take(&mut BytesMut::from(&head[..]), 512).is_err(),
                "{head:?}"
            );
        }
    }
}
