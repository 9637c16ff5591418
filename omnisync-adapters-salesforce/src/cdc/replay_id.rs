use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest that is taken; those of today have 10.
const BYTES_MAX: usize = 64;

const HEX: u32 = 16;

/// Place of an event in the stream of its topic. Opaque: it is given back as it was received,
/// neither counted with nor compared by size, and means nothing in the stream of another day after
/// an org was moved. Shown, and read back, in hex.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ReplayId(Vec<u8>);

/// The text or the bytes are no replay id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a replay id has between 1 and {BYTES_MAX} bytes, each in two hex digits")]
pub struct NotAReplayId;

impl ReplayId {
    /// The id that was received.
    ///
    /// # Errors
    /// No byte, or more than 64.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, NotAReplayId> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > BYTES_MAX {
            return Err(NotAReplayId);
        }
        Ok(Self(bytes))
    }

    /// The id of a client that takes its first eight bytes for a number.
    pub(super) fn from_number(number: u64) -> Self {
        Self(number.to_be_bytes().to_vec())
    }

    /// The id as it goes back to the server.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayId({self})")
    }
}

impl FromStr for ReplayId {
    type Err = NotAReplayId;

    fn from_str(text: &str) -> Result<Self, NotAReplayId> {
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(HEX)).collect();
        let digits = digits.ok_or(NotAReplayId)?;
        let byte = |pair: &[u32]| match pair {
            [high, low] => u8::try_from(high * HEX + low).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        Self::from_bytes(bytes.ok_or(NotAReplayId)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_and_read_in_hex() {
        let id = ReplayId::from_bytes([0, 0x17, 0x90, 0x29, 0, 0]).unwrap();
        assert_eq!(id.to_string(), "001790290000");
        assert_eq!("001790290000".parse(), Ok(id));
        assert_eq!(ReplayId::from_number(258).to_string(), "0000000000000102");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "0", "0g", "012", &"00".repeat(65)] {
            assert_eq!(text.parse::<ReplayId>(), Err(NotAReplayId), "{text}");
        }
        assert_eq!(ReplayId::from_bytes([]), Err(NotAReplayId));
    }
}
