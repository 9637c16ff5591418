//! Frames: a header of eight bytes, a performative, and for transfers a piece of a message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use fe2o3_amqp_types::performatives::{Performative, Transfer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_amqp::Value;
use serde_amqp::primitives::Symbol;

use super::error::AmqpError;
use super::guard::{Malformed, value_len};

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 8;

/// Announces SASL, and AMQP itself.
pub(super) const SASL_PROTOCOL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
pub(super) const AMQP_PROTOCOL: [u8; 8] = *b"AMQP\x00\x01\x00\x00";

/// Room for the performative of a transfer, with a tag of 32 bytes.
const TRANSFER_BYTES_MAX: usize = 80;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameType {
    Amqp = 0,
    Sasl = 1,
}

/// A frame that came, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawFrame {
    pub(super) kind: u8,
    pub(super) channel: u16,
    pub(super) body: Bytes,
}

/// Takes the next frame of at most `frame_bytes_max` off `buffer`, once it is there as a whole.
pub(super) fn take(
    buffer: &mut BytesMut,
    frame_bytes_max: usize,
) -> Result<Option<RawFrame>, Malformed> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let [a, b, c, d, offset, kind, high, low] = *header;
    let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| Malformed::Frame)?;
    let offset = usize::from(offset) * 4;
    if size > frame_bytes_max || offset < HEADER_BYTES || offset > size {
        return Err(Malformed::Frame);
    }
    if buffer.len() < size {
        buffer.reserve(size - buffer.len());
        return Ok(None);
    }
    let mut frame = buffer.split_to(size).freeze();
    frame.advance(offset);
    Ok(Some(RawFrame {
        kind,
        channel: u16::from_be_bytes([high, low]),
        body: frame,
    }))
}

/// The performative of a frame and what follows it; `None` for a heartbeat.
pub(super) fn performative(frame: &RawFrame) -> Result<Option<(Performative, Bytes)>, Malformed> {
    if frame.body.is_empty() {
        return Ok(None);
    }
    let end = value_len(&frame.body)?;
    let body = frame.body.get(..end).unwrap_or_default();
    let performative = decode(body).or_else(|_| decode_loosely(body))?;
    Ok(Some((performative, frame.body.slice(end..))))
}

/// Decodes one value that fills `bytes`, whatever they are.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    if value_len(bytes)? != bytes.len() {
        return Err(Malformed::Length);
    }
    serde_amqp::from_slice(bytes).map_err(|_| Malformed::Type)
}

/// Decodes a performative whose maps have strings for keys, where symbols belong: that is how some
/// write the details of an error.
fn decode_loosely(bytes: &[u8]) -> Result<Performative, Malformed> {
    let mut value: Value = decode(bytes)?;
    make_symbols(&mut value);
    let bytes = serde_amqp::to_vec(&value).map_err(|_| Malformed::Type)?;
    decode(&bytes)
}

fn make_symbols(value: &mut Value) {
    match value {
        Value::Described(described) => make_symbols(&mut described.value),
        Value::List(items) => items.iter_mut().for_each(make_symbols),
        Value::Map(map) => {
            let pairs = std::mem::take(map).into_iter();
            *map = pairs
                .map(|(key, value)| match key {
                    Value::String(key) => (Value::Symbol(Symbol::from(key)), value),
                    key => (key, value),
                })
                .collect();
        }
        _ => {}
    }
}

/// Writes a frame.
pub(super) fn put(
    out: &mut BytesMut,
    kind: FrameType,
    channel: u16,
    performative: &impl Serialize,
    payload: &[u8],
) -> Result<(), AmqpError> {
    let body = serde_amqp::to_vec(performative).map_err(|_| AmqpError::Encode)?;
    let size = HEADER_BYTES + body.len() + payload.len();
    out.reserve(size);
    out.put_u32(u32::try_from(size).map_err(|_| AmqpError::TooLarge)?);
    out.put_u8(2);
    out.put_u8(kind as u8);
    out.put_u16(channel);
    out.put_slice(&body);
    out.put_slice(payload);
    Ok(())
}

/// Writes a frame without a body, which says that we are there.
pub(super) fn put_heartbeat(out: &mut BytesMut) {
    out.put_slice(&[0, 0, 0, 8, 2, 0, 0, 0]);
}

/// Writes the next piece of a message that fits into a frame, and says how long it is.
pub(super) fn put_piece(
    out: &mut BytesMut,
    channel: u16,
    transfer: &mut Transfer,
    rest: &[u8],
    frame_bytes_max: usize,
) -> Result<usize, AmqpError> {
    let room = frame_bytes_max.saturating_sub(HEADER_BYTES + TRANSFER_BYTES_MAX);
    let len = rest.len().min(room);
    transfer.more = len < rest.len();
    let piece = rest.get(..len).unwrap_or_default();
    put(out, FrameType::Amqp, channel, transfer, piece)?;
    Ok(len)
}

#[cfg(test)]
mod tests {
    use fe2o3_amqp_types::definitions::Role;
    use fe2o3_amqp_types::messaging::{Accepted, DeliveryState};
    use fe2o3_amqp_types::performatives::Disposition;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_settlement_has_the_bytes_of_the_specification() {
        let disposition = Performative::Disposition(Disposition {
            role: Role::Receiver,
            first: 7,
            last: None,
            settled: false,
            state: Some(DeliveryState::Accepted(Accepted {})),
            batchable: false,
        });
        let mut out = BytesMut::new();
        put(&mut out, FrameType::Amqp, 1, &disposition, &[]).unwrap();
        let golden = [
            0, 0, 0, 0x19, 2, 0, 0, 1, // header
            0x00, 0x53, 0x15, 0xc0, 0x0c, 5, // disposition, five fields
            0x41, 0x52, 7, 0x40, 0x42, // receiver, delivery 7, not settled
            0x00, 0x53, 0x24, 0xc0, 1, 0, // accepted
        ];
        let as_list0 = [0x00, 0x53, 0x24, 0x45];
        assert!(
            out.as_ref() == golden || out.ends_with(&as_list0),
            "{out:02x?}"
        );
        let frame = take(&mut out, 512).unwrap().unwrap();
        let (back, payload) = performative(&frame).unwrap().unwrap();
        assert_eq!(back, disposition);
        assert!(payload.is_empty() && out.is_empty() && frame.channel == 1);
    }

    /// As Microsoft's client for JavaScript sends a dead letter.
    #[test]
    fn details_of_an_error_may_have_strings_for_keys() {
        let rejected = [
            &[0x00, 0x53, 0x15, 0xc0, 0x2f, 5, 0x41, 0x43, 0x43, 0x42][..],
            &[0x00, 0x53, 0x25, 0xc0, 0x25, 1],
            &[
                0x00, 0x53, 0x1d, 0xc0, 0x1f, 3, 0xa3, 3, b'a', b':', b'b', 0x40,
            ],
            &[0xc1, 0x16, 2, 0xa1, 16],
            b"DeadLetterReason",
            &[0xa1, 1, b'x'],
        ]
        .concat();
        let mut rejected = rejected;
        for at in [4, 14, 20, 29] {
            // Sizes follow from what is behind them.
            rejected[at] = u8::try_from(rejected.len() - at - 1).unwrap();
        }
        let frame = RawFrame {
            kind: 0,
            channel: 0,
            body: rejected.into(),
        };
        let (body, _) = performative(&frame).unwrap().unwrap();
        let Performative::Disposition(disposition) = body else {
            panic!("a disposition was sent");
        };
        let Some(DeliveryState::Rejected(rejected)) = disposition.state else {
            panic!("a rejection was sent");
        };
        let info = rejected.error.unwrap().info.unwrap();
        assert!(info.contains_key(&Symbol::from("DeadLetterReason")));
    }

    #[test]
    fn a_frame_is_taken_once_it_is_whole_and_not_larger_than_agreed() {
        let mut whole = BytesMut::new();
        put_heartbeat(&mut whole);
        let mut buffer = BytesMut::from(&whole[..5]);
        assert_eq!(take(&mut buffer, 512), Ok(None));
        buffer.extend_from_slice(&whole[5..]);
        let frame = take(&mut buffer, 512).unwrap().unwrap();
        assert_eq!(performative(&frame), Ok(None));
        for header in [
            [0, 0, 2, 1, 2, 0, 0, 0],
            [0, 0, 0, 7, 2, 0, 0, 0],
            [0, 0, 0, 8, 1, 0, 0, 0],
            [0, 0, 0, 8, 3, 0, 0, 0],
        ] {
            let mut buffer = BytesMut::from(&header[..]);
            assert_eq!(take(&mut buffer, 512), Err(Malformed::Frame), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn bad_frames_are_refused_without_a_panic(body: Vec<u8>) {
            let frame = RawFrame { kind: 0, channel: 0, body: body.into() };
            drop(performative(&frame));
        }
    }
}
