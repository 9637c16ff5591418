use std::fmt;

use omnisync_core::id::{BlobName, ExecutionId};
use omnisync_core::port::{Collection, CrmRecord, DocumentKey};

/// What a call is about, for people and for comparing runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// Nothing in particular.
    Nothing,
    /// Documents: the first of them, and how many there are.
    Documents {
        /// The first.
        first: DocumentKey,
        /// All of them.
        count: usize,
    },
    /// A collection.
    Collection(Collection),
    /// A blob.
    Blob(BlobName),
    /// Blobs whose name begins so.
    Blobs(String),
    /// Deliveries, at most so many.
    Deliveries(usize),
    /// A delivery, and what becomes of it.
    Delivery {
        /// Its place in the source.
        cursor: String,
        /// A word.
        ending: &'static str,
    },
    /// An import.
    Execution(ExecutionId),
    /// A record of a CRM.
    Record(CrmRecord),
    /// A record that a CRM shall have.
    Creation {
        /// The CRM's name of the object.
        object: String,
        /// The same for every attempt.
        key: String,
    },
    /// All records of an object of a CRM.
    Object(String),
}

impl Subject {
    pub(super) fn documents(first: Option<&DocumentKey>, count: usize) -> Self {
        first.map_or(Self::Nothing, |first| Self::Documents {
            first: first.clone(),
            count,
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Documents { first, count: 1 } => write!(f, "{first}"),
            Self::Documents { first, count } => write!(f, "{first} and {} more", count - 1),
            Self::Collection(collection) => write!(f, "{collection}"),
            Self::Blob(name) => write!(f, "{name}"),
            Self::Blobs(prefix) => f.write_str(prefix),
            Self::Deliveries(max) => write!(f, "up to {max}"),
            Self::Delivery { cursor, ending } => write!(f, "{cursor} {ending}"),
            Self::Execution(execution) => write!(f, "{execution}"),
            Self::Record(record) => write!(f, "{} {}", record.object, record.id),
            Self::Creation { object, key } => write!(f, "new {object} {key}"),
            Self::Object(object) => f.write_str(object),
        }
    }
}
