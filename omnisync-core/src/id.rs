//! Identifiers as types: parsed once, valid ever after.

mod sha256;

pub use sha256::Sha256;

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// The kind of identifier.
        what: &'static str,
    },
    /// The text is longer than allowed.
    #[error("{what} has more than {chars_max} characters")]
    TooLong {
        /// The kind of identifier.
        what: &'static str,
        /// Largest number of characters.
        chars_max: usize,
    },
    /// The text contains a character that is not allowed.
    #[error("{what} contains a character that is not allowed at position {position}")]
    Character {
        /// The kind of identifier.
        what: &'static str,
        /// Zero-based position in characters.
        position: usize,
    },
    /// The text does not have the form of the identifier.
    #[error("{what} is malformed")]
    Malformed {
        /// The kind of identifier.
        what: &'static str,
    },
}

pub(crate) fn check(
    what: &'static str,
    text: &str,
    chars_max: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    for (position, c) in text.chars().enumerate() {
        if position >= chars_max {
            return Err(IdError::TooLong { what, chars_max });
        }
        if !allowed(c) {
            return Err(IdError::Character { what, position });
        }
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $chars_max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(smol_str::SmolStr);

        impl $name {
            /// Largest number of characters.
            pub const CHARS_MAX: usize = $chars_max;

            /// Parses `text`.
            ///
            /// # Errors
            /// Names what is wrong with the text.
            pub fn new(text: impl AsRef<str>) -> Result<Self, $crate::id::IdError> {
                let text = text.as_ref();
                $crate::id::check($what, text, Self::CHARS_MAX, $allowed)?;
                Ok(Self(smol_str::SmolStr::new(text)))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;
            fn from_str(text: &str) -> Result<Self, $crate::id::IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::id::IdError;
            fn try_from(text: String) -> Result<Self, $crate::id::IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.0.as_str()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::id::Text(std::marker::PhantomData))
            }
        }
    };
}

pub(crate) use text_id;

/// Reads an identifier from a text, without a copy of the text.
pub(crate) struct Text<T>(pub(crate) PhantomData<T>);

impl<T: FromStr<Err = IdError>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Document stores forbid these in keys (Cosmos DB: `/ \ ? #`), and no key carries control
/// characters.
fn is_key_char(c: char) -> bool {
    !c.is_control() && !matches!(c, '/' | '\\' | '?' | '#')
}

text_id!(
    /// Number of an order in the order system. It becomes a document key and a sales order number.
    OrderId, "order id", 64, is_key_char
);

text_id!(
    /// Data project (definition group) of the ERP that imports packages one at a time.
    ProjectName, "project name", 60, |c| !c.is_control()
);

text_id!(
    /// Name of a worker, unique per process and start. Leases name it as their owner.
    WorkerId, "worker id", 64, is_key_char
);

text_id!(
    /// Name of a staged package: one path segment.
    BlobName, "blob name", 128,
    |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
);

text_id!(
    /// Name of a secret at its source: what every vault takes.
    SecretName, "secret name", 127,
    |c| c.is_ascii_alphanumeric() || c == '-'
);

text_id!(
    /// Opaque version of a stored document. Compare for equality only.
    ETag, "etag", 256, |c| !c.is_control()
);

/// Identity of a batch: a hash of its members in GUID form.
///
/// The package name and the execution id derive from it, so every attempt at the same batch
/// names the same things.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(uuid::Uuid);

impl BatchId {
    /// Takes the leading 16 bytes of a hash, marked as a custom (version 8) UUID.
    pub fn from_hash(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Thirty-two lower-case hexadecimal digits.
    pub fn simple(&self) -> String {
        let mut buffer = uuid::Uuid::encode_buffer();
        self.0.as_simple().encode_lower(&mut buffer).to_owned()
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BatchId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| IdError::Malformed { what: "batch id" })
    }
}

/// Identity of an import in the ERP: always the batch id, never fresh per attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecutionId(BatchId);

impl From<BatchId> for ExecutionId {
    fn from(batch: BatchId) -> Self {
        Self(batch)
    }
}

impl ExecutionId {
    /// The batch that this execution imports.
    pub fn batch(self) -> BatchId {
        self.0
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ExecutionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_id_refuses_what_a_document_key_cannot_hold() {
        assert!(OrderId::new("ORD-20260314-001").is_ok());
        assert_eq!(OrderId::new(""), Err(IdError::Empty { what: "order id" }));
        for (text, position) in [("a/b", 1), ("a\nb", 1), ("#", 0), ("ab?", 2), ("\\", 0)] {
            assert_eq!(
                OrderId::new(text),
                Err(IdError::Character {
                    what: "order id",
                    position
                }),
                "{text:?}"
            );
        }
        assert!(matches!(
            OrderId::new("x".repeat(65)),
            Err(IdError::TooLong { .. })
        ));
    }

    #[test]
    fn a_batch_id_reads_back_what_it_prints() {
        let id = BatchId::from_hash([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.simple().len(), 32);
    }
}
