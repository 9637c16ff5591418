use std::fmt;

/// Where a value lies within an order. Places live on the stack while an order is read, and
/// become text only for violations.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'p> {
    /// The order itself.
    Root,
    /// A member of an object.
    Member(&'p Self, &'p str),
    /// An element of an array.
    Element(&'p Self, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(outer, name) => write!(f, "{outer}/{name}"),
            Self::Element(outer, index) => write!(f, "{outer}/{index}"),
        }
    }
}
