use omnisync_core::json::{JsonError, Pointer};
use thiserror::Error;

/// Why bytes cannot be read. No message quotes them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They are no JSON, or more of it than is taken.
    #[error(
        "the event is not acceptable json: register the endpoint for json, and see the cause for \
         the place"
    )]
    Json(#[source] JsonError),
    /// A value of another kind stands where a known one belongs.
    #[error("expected {expected} at {pointer:?} of the event")]
    Unexpected {
        /// What belongs there.
        expected: &'static str,
        /// Where.
        pointer: Pointer,
    },
    /// Operations are nested deeper than any that the platform runs.
    #[error("more than {levels_max} parent contexts at {pointer:?} of the event")]
    TooManyParents {
        /// How many are read.
        levels_max: usize,
        /// Where.
        pointer: Pointer,
    },
    /// The event says which record it is about in none of the known places.
    #[error("the event names no record: take the step on its message out of the registration")]
    NoRecord,
}

impl DecodeError {
    pub(super) const fn expected(expected: &'static str) -> Self {
        Self::Unexpected {
            expected,
            pointer: Pointer::root(),
        }
    }

    /// Puts the place below the member `name`, when the error unwinds through an object.
    pub(super) fn below(self, name: &str) -> Self {
        self.within(&Pointer::root().child(name))
    }

    /// Puts the place below the element `index`, when the error unwinds through an array.
    pub(super) fn below_index(self, index: usize) -> Self {
        self.within(&Pointer::root().index(index))
    }

    fn within(self, outer: &Pointer) -> Self {
        match self {
            Self::Unexpected { expected, pointer } => Self::Unexpected {
                expected,
                pointer: pointer.within(outer),
            },
            Self::TooManyParents {
                levels_max,
                pointer,
            } => Self::TooManyParents {
                levels_max,
                pointer: pointer.within(outer),
            },
            Self::Json(_) | Self::NoRecord => self,
        }
    }
}
