//! Lines of the dead-letter file and the content of the checkpoint file.

use std::borrow::Cow;

use omnisync_core::id::Sha256;
use serde::{Deserialize, Serialize};

/// Bytes at the start of an input that tell it from other inputs.
pub(super) const PREFIX_BYTES_MAX: u64 = 64 * 1_024;

/// Fingerprint of an input: the hash of so many bytes at its start. The count grows with the
/// place in the input up to [`PREFIX_BYTES_MAX`], so it can be told from what has been read, and
/// an input that grew at its end is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prefix {
    pub(super) bytes: u64,
    pub(super) sha256: Sha256,
}

/// A place between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Bytes before the place.
    pub(super) offset: u64,
    /// Lines before the place.
    pub(super) line: u64,
    /// What the input was like up to here.
    pub(super) input: Prefix,
}

/// One line of the dead-letter file.
#[derive(Debug, Serialize)]
pub(super) struct DeadLetter<'a> {
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) reason: &'static str,
    pub(super) description: &'a str,
    pub(super) sha256: Sha256,
    pub(super) input: Prefix,
    /// Length of the whole line when only its beginning was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) truncated_from_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body_base64: Option<Cow<'a, str>>,
}

/// What makes a dead letter the same as one that was written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct DeadLetterKey {
    pub(super) line: u64,
    pub(super) sha256: Sha256,
    pub(super) input: Prefix,
}

impl DeadLetterKey {
    /// The key in the space of one hash.
    pub(super) fn digest(&self) -> Sha256 {
        let mut bytes = [0_u8; 80];
        let parts = [
            &self.line.to_be_bytes()[..],
            self.sha256.as_bytes(),
            &self.input.bytes.to_be_bytes(),
            self.input.sha256.as_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        Sha256::of(&bytes)
    }
}

/// The body as text where it is text, else in base64.
pub(super) fn body_fields(body: &[u8]) -> (Option<&str>, Option<Cow<'_, str>>) {
    match std::str::from_utf8(body) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(base64(body).into())),
    }
}

/// Standard base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, place| {
            bits << 8 | u32::from(chunk.get(place).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let sextet = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = ALPHABET.get(sextet).copied().unwrap_or(b'=');
            text.push(if place > chunk.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_vectors_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let key = DeadLetterKey {
            line: 1,
            sha256: Sha256::of(b"a"),
            input: Prefix {
                bytes: 2,
                sha256: Sha256::of(b"b"),
            },
        };
        let others = [
            DeadLetterKey { line: 2, ..key },
            DeadLetterKey {
                sha256: Sha256::of(b"c"),
                ..key
            },
            DeadLetterKey {
                input: Prefix {
                    bytes: 3,
                    ..key.input
                },
                ..key
            },
            DeadLetterKey {
                input: Prefix {
                    sha256: Sha256::of(b"c"),
                    ..key.input
                },
                ..key
            },
        ];
        assert!(others.iter().all(|other| other.digest() != key.digest()));
    }
}
