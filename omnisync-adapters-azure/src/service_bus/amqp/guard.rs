//! Looks at encoded values before they are decoded: lengths that agree, counts that the bytes can
//! hold, nesting that a stack can take. What passes is safe to hand to a recursive decoder.

use thiserror::Error;

/// Deepest nesting of a value. Messages of Service Bus need 6.
const DEPTH_MAX: u32 = 32;

/// Most elements of an array whose elements take no bytes.
const EMPTY_ELEMENTS_MAX: usize = 1_024;

/// Bytes that are no AMQP value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    #[error("the bytes end too early")]
    Short,
    #[error("an encoding is unknown")]
    Code,
    #[error("a length or count does not fit its value")]
    Length,
    #[error("values are nested too deeply")]
    Depth,
    #[error("a frame is larger than agreed or smaller than its header")]
    Frame,
    #[error("a value is not of the type that belongs there")]
    Type,
}

/// How many bytes the first value of `bytes` takes.
pub(super) fn value_len(bytes: &[u8]) -> Result<usize, Malformed> {
    value(bytes, 0, 0)
}

fn value(bytes: &[u8], at: usize, depth: u32) -> Result<usize, Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed::Depth);
    }
    match byte(bytes, at)? {
        0 => {
            let described = value(bytes, at + 1, depth + 1)?;
            value(bytes, described, depth + 1)
        }
        code => content(bytes, code, at + 1, depth),
    }
}

/// The end of what follows the code of an encoding.
fn content(bytes: &[u8], code: u8, at: usize, depth: u32) -> Result<usize, Malformed> {
    let end = match code {
        0x40..=0x45 => at,
        0x50..=0x56 => at + 1,
        0x60 | 0x61 => at + 2,
        0x70..=0x74 => at + 4,
        0x80..=0x84 => at + 8,
        0x94 | 0x98 => at + 16,
        0xa0 | 0xa1 | 0xa3 => add(at + 1, narrow(bytes, at)?)?,
        0xb0 | 0xb1 | 0xb3 => add(at + 4, wide(bytes, at)?)?,
        0xc0 | 0xc1 => return sequence(bytes, code, (at + 1, narrow(bytes, at)?), 1, depth),
        0xd0 | 0xd1 => return sequence(bytes, code, (at + 4, wide(bytes, at)?), 4, depth),
        0xe0 => return array(bytes, (at + 1, narrow(bytes, at)?), 1, depth),
        0xf0 => return array(bytes, (at + 4, wide(bytes, at)?), 4, depth),
        _ => return Err(Malformed::Code),
    };
    within(bytes, end)
}

/// A list or map: what counts its items begins at `at` and is `width` bytes long.
fn sequence(
    bytes: &[u8],
    code: u8,
    (at, size): (usize, usize),
    width: usize,
    depth: u32,
) -> Result<usize, Malformed> {
    let end = within(bytes, add(at, size)?)?;
    let count = count(bytes, at, width)?;
    let is_map = matches!(code, 0xc1 | 0xd1);
    if size < width || (is_map && count % 2 != 0) {
        return Err(Malformed::Length);
    }
    let mut next = at + width;
    for _ in 0..count {
        if next >= end {
            return Err(Malformed::Length);
        }
        next = value(bytes, next, depth + 1)?;
    }
    (next == end).then_some(end).ok_or(Malformed::Length)
}

fn array(
    bytes: &[u8],
    (at, size): (usize, usize),
    width: usize,
    depth: u32,
) -> Result<usize, Malformed> {
    let end = within(bytes, add(at, size)?)?;
    let count = count(bytes, at, width)?;
    let mut next = at + width;
    if size < width || (next == end && count > 0) {
        return Err(Malformed::Length);
    }
    if next == end {
        return Ok(end);
    }
    if depth >= DEPTH_MAX {
        return Err(Malformed::Depth);
    }
    let mut code = byte(bytes, next)?;
    next += 1;
    if code == 0 {
        next = value(bytes, next, depth + 1)?;
        code = byte(bytes, next)?;
        next += 1;
    }
    if matches!(code, 0x40..=0x45) && count > EMPTY_ELEMENTS_MAX {
        return Err(Malformed::Length);
    }
    for _ in 0..count {
        next = content(bytes, code, next, depth + 1)?;
        if next > end {
            return Err(Malformed::Length);
        }
    }
    (next == end).then_some(end).ok_or(Malformed::Length)
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, Malformed> {
    bytes.get(at).copied().ok_or(Malformed::Short)
}

fn count(bytes: &[u8], at: usize, width: usize) -> Result<usize, Malformed> {
    if width == 1 {
        narrow(bytes, at)
    } else {
        wide(bytes, at)
    }
}

fn narrow(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    byte(bytes, at).map(usize::from)
}

fn wide(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    let number = four.map(|four| u32::from_be_bytes(*four));
    usize::try_from(number.ok_or(Malformed::Short)?).map_err(|_| Malformed::Length)
}

fn add(at: usize, size: usize) -> Result<usize, Malformed> {
    at.checked_add(size).ok_or(Malformed::Length)
}

fn within(bytes: &[u8], end: usize) -> Result<usize, Malformed> {
    (end <= bytes.len()).then_some(end).ok_or(Malformed::Short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_as_long_as_it_says() {
        for (bytes, len) in [
            (&[0x40][..], 1),
            (&[0x53, 7, 0xff], 2),
            (&[0xa1, 3, b'a', b'b', b'c', 0], 5),
            (&[0x00, 0x53, 0x75, 0xa0, 1, 0xff, 9], 6),
            (&[0xc0, 3, 2, 0x40, 0x41], 5),
            (&[0xe0, 4, 2, 0x50, 1, 2], 6),
            (&[0xd0, 0, 0, 0, 5, 0, 0, 0, 1, 0x40], 10),
            (&[0x45], 1),
        ] {
            assert_eq!(value_len(bytes), Ok(len), "{bytes:x?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let deep = [0; 2_000];
        for (bytes, error) in [
            (&[][..], Malformed::Short),
            (&[0xa1, 3, b'a'], Malformed::Short),
            (&[0xc0, 3, 9, 0x40, 0x41], Malformed::Length),
            (&[0xc1, 2, 1, 0x40], Malformed::Length),
            (&[0x99], Malformed::Code),
            (
                &[0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x41],
                Malformed::Length,
            ),
            (&[0xb0, 0xff, 0xff, 0xff, 0xff], Malformed::Short),
            (&deep, Malformed::Depth),
        ] {
            assert_eq!(value_len(bytes), Err(error), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(bytes: Vec<u8>) {
            if let Ok(len) = value_len(&bytes) {
                prop_assert!(len <= bytes.len());
                drop(serde_amqp::from_slice::<serde_amqp::Value>(&bytes));
            }
        }
    }
}
