use std::error::Error;
use std::fmt;

use super::Pointer;

/// Why bytes were refused by [`parse`](super::parse).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// More bytes than [`Limits::bytes_max`](super::Limits::bytes_max).
    TooLarge,
    /// Objects and arrays are nested deeper than [`Limits::depth_max`](super::Limits::depth_max).
    TooDeep,
    /// More values than [`Limits::values_max`](super::Limits::values_max).
    TooManyValues,
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The text does not follow the grammar.
    Syntax,
    /// The text ends inside a value.
    Truncated,
    /// Something follows the value.
    TrailingText,
    /// A string escapes half of a surrogate pair.
    LoneSurrogate,
    /// An object has two members of the same name.
    DuplicateName,
}

impl JsonErrorKind {
    /// True when the document is not wrong but larger than this reader was told to take.
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::TooLarge | Self::TooDeep | Self::TooManyValues)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::TooLarge => "document is larger than allowed",
            Self::TooDeep => "nested deeper than allowed",
            Self::TooManyValues => "more values than allowed",
            Self::InvalidUtf8 => "not utf-8",
            Self::Syntax => "syntax error",
            Self::Truncated => "document ends too early",
            Self::TrailingText => "text after the end of the document",
            Self::LoneSurrogate => "lone surrogate in a string",
            Self::DuplicateName => "member name occurs twice",
        }
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A place in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Bytes before the place.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Byte within the line, from 1.
    pub column: usize,
}

impl Position {
    pub(super) fn of(bytes: &[u8], offset: usize) -> Self {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        Self {
            offset: before.len(),
            line: before.split(|byte| *byte == b'\n').count(),
            column: 1 + before.len() - line_start,
        }
    }
}

/// Bytes that are not acceptable JSON: what is wrong and where, without a piece of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    kind: JsonErrorKind,
    pointer: Pointer,
    position: Option<Position>,
}

impl JsonError {
    pub(super) const fn new(kind: JsonErrorKind, position: Option<Position>) -> Self {
        Self {
            kind,
            pointer: Pointer::root(),
            position,
        }
    }

    /// Puts the place below `outer`, when the error unwinds through a container.
    pub(super) fn within(mut self, outer: &Pointer) -> Self {
        self.pointer = self.pointer.within(outer);
        self
    }

    /// What is wrong.
    pub const fn kind(&self) -> JsonErrorKind {
        self.kind
    }

    /// The value that is wrong; the root where the text could not be read that far. For a
    /// duplicate name it is the second member.
    pub const fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// Where in the bytes it is wrong. `None` when the document as a whole is too large.
    pub const fn position(&self) -> Option<Position> {
        self.position
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if !self.pointer.is_root() {
            write!(f, " at {}", self.pointer)?;
        }
        if let Some(Position {
            offset,
            line,
            column,
        }) = self.position
        {
            write!(f, " (line {line}, column {column}, byte {offset})")?;
        }
        Ok(())
    }
}

impl Error for JsonError {}
