use thiserror::Error;

use super::avro::AvroProblem;
use super::bitmap::BitmapProblem;

/// Why a payload was not decoded. Most of these say that it was not written with the schema it was
/// read with: ask for the schema that the event itself names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not fit the schema.
    #[error("the payload does not fit the schema at byte {offset} in {}: {problem}", place(.field))]
    Payload {
        /// Bytes before the value that does not fit.
        offset: usize,
        /// The field it belongs to: `ChangeEventHeader.recordIds`.
        field: String,
        /// What is wrong with it.
        problem: AvroProblem,
    },
    /// The schema is used up, the payload is not.
    #[error(
        "{bytes} bytes of the payload are left over, from byte {offset} on: the schema is not the one it was written with"
    )]
    LeftOver {
        /// Bytes that were read.
        offset: usize,
        /// Bytes after them.
        bytes: usize,
    },
    /// The schema is that of another object.
    #[error("the event is about {entity}, the schema is {schema}")]
    Entity {
        /// What the event says.
        entity: String,
        /// Name of the record in the schema.
        schema: String,
    },
    /// A member of the header is missing or makes no sense.
    #[error("the header has no usable `{0}`")]
    Header(&'static str),
    /// A list of fields in the header is no bitmap of this schema.
    #[error("`{list}` does not fit the schema: {problem}")]
    Bitmap {
        /// The list.
        list: &'static str,
        /// What is wrong with it.
        problem: BitmapProblem,
    },
    /// A field that is said to have no value any more has one.
    #[error(
        "{field} is said to be nulled and has a value: the schema is not the one it was written with"
    )]
    NulledWithValue {
        /// The field.
        field: String,
    },
}

impl DecodeError {
    /// Puts the place below `name`, when the error unwinds through a record.
    pub(super) fn within(mut self, name: &str) -> Self {
        if let Self::Payload { field, .. } = &mut self {
            if !field.is_empty() {
                field.insert(0, '.');
            }
            field.insert_str(0, name);
        }
        self
    }

    /// True when the event is not wrong but larger than the limits.
    pub const fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::Payload {
                problem: AvroProblem::TooLarge
                    | AvroProblem::TooManyItems
                    | AvroProblem::TooDeep
                    | AvroProblem::TooManyValues,
                ..
            }
        )
    }
}

const fn place(field: &str) -> &str {
    if field.is_empty() {
        "the record"
    } else {
        field
    }
}
