use std::fmt;

use serde::Serialize;

/// Most significant digits of a number: what every JSON store gives back exactly, those that
/// keep numbers as IEEE 754 doubles included.
pub const SIGNIFICANT_DIGITS_MAX: usize = 15;

/// One broken rule: where and which, never what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON pointer into `data`.
    pub pointer: String,
    /// The rule.
    pub rule: Rule,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(f, "{pointer}: {}", self.rule)
    }
}

/// A rule that an order breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase", tag = "name")]
#[non_exhaustive]
pub enum Rule {
    /// The member has to be there.
    Missing,
    /// The member has another JSON type.
    WrongType {
        /// What it has to be.
        expected: &'static str,
    },
    /// The text is empty or blank.
    Empty,
    /// The text is too long.
    TooLong {
        /// Largest size; characters for codes, bytes for texts.
        max: usize,
    },
    /// The text contains a character that cannot be stored or sent.
    Character,
    /// The number is not written in plain decimal digits (no exponent).
    NotPlainDecimal,
    /// The number has too many digits.
    TooPrecise {
        /// Most digits after the decimal point.
        scale_max: u32,
    },
    /// The number has to be an integer.
    NotInteger,
    /// The number is smaller than allowed.
    TooSmall,
    /// The number is larger than allowed.
    TooLarge,
    /// The date does not exist or is not written `YYYY-MM-DD`.
    NotADate,
    /// The date is outside the years that are allowed.
    YearOutOfRange,
    /// Not an active ISO 4217 code.
    UnknownCurrency,
    /// Not two upper-case letters.
    BadCountry,
    /// The order has no lines.
    NoLines,
    /// The order has too many lines.
    TooManyLines {
        /// Most lines.
        max: usize,
    },
    /// Another line has the same number.
    DuplicateItemNumber,
    /// The total does not match the lines.
    TotalMismatch,
    /// An update has to say which revision it is, by `revision` or by the event's `time`.
    NoRevision,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::WrongType { expected } => write!(f, "has to be {expected}"),
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { max } => write!(f, "is longer than {max}"),
            Self::Character => f.write_str("contains a character that is not allowed"),
            Self::NotPlainDecimal => f.write_str("is not a plain decimal number"),
            Self::TooPrecise { scale_max } => {
                write!(
                    f,
                    "has more than {scale_max} digits after the point or more than \
                     {SIGNIFICANT_DIGITS_MAX} in all"
                )
            }
            Self::NotInteger => f.write_str("has to be an integer"),
            Self::TooSmall => f.write_str("is too small"),
            Self::TooLarge => f.write_str("is too large"),
            Self::NotADate => f.write_str("is not a date that exists"),
            Self::YearOutOfRange => f.write_str("has a year outside those that are allowed"),
            Self::UnknownCurrency => f.write_str("is not an ISO 4217 currency"),
            Self::BadCountry => f.write_str("is not an ISO 3166 two-letter country"),
            Self::NoLines => f.write_str("has no lines"),
            Self::TooManyLines { max } => write!(f, "has more than {max} lines"),
            Self::DuplicateItemNumber => f.write_str("has the number of another line"),
            Self::TotalMismatch => f.write_str("does not match the sum of the lines"),
            Self::NoRevision => {
                f.write_str("has to say which revision it is, by `revision` or the event's time")
            }
        }
    }
}
