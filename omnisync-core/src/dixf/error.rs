//! What can go wrong. No error carries payload text other than order numbers, column names and
//! the names of XML elements.

use std::{fmt, io};

use thiserror::Error;

use super::problem::ProblemKind;
use crate::id::OrderId;

/// Why an XML document cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum XmlError {
    /// The document is too large.
    #[error("document has more than {bytes_max} bytes")]
    TooLarge {
        /// Largest document in bytes.
        bytes_max: usize,
    },
    /// Elements are nested too deeply.
    #[error("elements are nested more than {depth_max} deep")]
    TooDeep {
        /// Deepest nesting.
        depth_max: usize,
    },
    /// The document has too many elements.
    #[error("document has more than {elements_max} elements")]
    TooManyElements {
        /// Largest number of elements.
        elements_max: usize,
    },
    /// The document is neither UTF-16LE with byte order mark nor UTF-8, or claims another
    /// encoding.
    #[error("document is neither utf-16le with byte order mark nor utf-8")]
    Encoding,
    /// The document has a document type declaration.
    #[error("document has a document type declaration")]
    DocumentType,
    /// The document is not well-formed.
    #[error("document is not well-formed near byte {position}")]
    Malformed {
        /// Position in the document as UTF-8.
        position: u64,
    },
    /// A text to write holds a character that XML 1.0 cannot carry.
    #[error("text holds a character that xml cannot carry")]
    Character,
    /// A name to write is no XML name.
    #[error("name is no xml name")]
    Name,
    /// An element does not belong where it is, or holds what it should not.
    #[error("element {element} is unexpected")]
    Unexpected {
        /// Name of the element.
        element: String,
    },
    /// An element is out of ordinal order or there twice: the ERP would skip it silently.
    #[error("element {element} is out of order")]
    MemberOrder {
        /// Name of the element.
        element: String,
    },
    /// The text of an element is not of its type.
    #[error("element {element} has a malformed value")]
    Value {
        /// Name of the element.
        element: String,
    },
}

/// Why a field map cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "entity and column name the place, the variant says the rest"
)]
pub enum FieldMapError {
    /// Headers and lines share their name or their file.
    #[error("headers and lines share the name or file of {entity:?}")]
    SameEntity { entity: String },
    /// The name or target of the entity is blank, too long or holds control characters; layout
    /// `Seed` has no target.
    #[error("name or target of entity {entity:?} is malformed")]
    EntityName { entity: String },
    /// The file name is not a plain name with the extension of the layout, or is reserved.
    #[error("file name of entity {entity:?} is malformed or reserved")]
    FileName { entity: String },
    /// The entity has no columns.
    #[error("entity {entity:?} has no columns")]
    EmptyEntity { entity: String },
    /// The entity has too many columns.
    #[error("entity {entity:?} has more than {columns_max} columns")]
    TooManyColumns { entity: String, columns_max: usize },
    /// The entity has no key.
    #[error("entity {entity:?} has no key")]
    NoKey { entity: String },
    /// A key column is not mapped.
    #[error("key column {column:?} of entity {entity:?} is not mapped")]
    KeyMissing { entity: String, column: String },
    /// A builder method named a column that does not exist.
    #[error("entity {entity:?} has no column {column:?} to change")]
    UnknownColumn { entity: String, column: String },
    /// The name is not one that the layout can have.
    #[error("column name {column:?} of entity {entity:?} is malformed")]
    ColumnName { entity: String, column: String },
    /// Two columns have the same name, ignoring case.
    #[error("column {column:?} of entity {entity:?} is mapped twice")]
    DuplicateColumn { entity: String, column: String },
    /// A header column takes its value from a line.
    #[error("header column {column:?} of entity {entity:?} takes its value from a line")]
    LineSource { entity: String, column: String },
    /// The source is an empty list, mixes kinds, is nested too deeply or holds U+0000.
    #[error("source of column {column:?} of entity {entity:?} is malformed")]
    Source { entity: String, column: String },
    /// The format does not fit the source, or the length limit is zero.
    #[error("format of column {column:?} of entity {entity:?} does not fit its source")]
    Format { entity: String, column: String },
}

/// Why an order cannot be mapped: every field that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapError {
    /// The order.
    pub order: OrderId,
    /// The fields, at most [`MapError::FIELDS_MAX`], never none.
    pub fields: Vec<FieldError>,
}

impl MapError {
    /// Largest number of fields that are named.
    pub const FIELDS_MAX: usize = 100;
}

/// A field that cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the column.
    pub column: String,
    /// Number of the line, `None` for a header column.
    pub line: Option<u32>,
    /// What is wrong.
    pub kind: FieldErrorKind,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldErrorKind {
    /// The column is required and the order has no value for it.
    #[error("missing")]
    Missing,
    /// The value is too long.
    #[error("longer than {chars_max} characters")]
    TooLong {
        /// Longest value in UTF-16 code units.
        chars_max: usize,
    },
    /// The country code is not assigned.
    #[error("unassigned country")]
    Country,
    /// The value map has no replacement.
    #[error("no replacement")]
    Unmapped,
    /// The member is an object or an array.
    #[error("not a single value")]
    NotScalar,
    /// The text holds U+0000.
    #[error("character that cannot be carried")]
    Character,
    /// The amount is larger than 28 digits can hold.
    #[error("amount out of range")]
    OutOfRange,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {} cannot be mapped", self.order)?;
        for (index, field) in self.fields.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            f.write_str(&field.column)?;
            if let Some(line) = field.line {
                write!(f, " of line {line}")?;
            }
            write!(f, " ({})", field.kind)?;
        }
        Ok(())
    }
}

impl std::error::Error for MapError {}

/// Why a package cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The order cannot be mapped. Nothing of it was written: the writer stays usable.
    #[error("order cannot be mapped")]
    Map(#[from] MapError),
    /// The order is already in the package. The writer stays usable.
    #[error("order {order} is already in the package")]
    DuplicateOrder {
        /// The order.
        order: OrderId,
    },
    /// The order comes before one that is already in the package, and orders were to come sorted.
    /// The writer stays usable.
    #[error("order {order} comes out of order: this package takes sorted orders only")]
    NotSorted {
        /// The order.
        order: OrderId,
    },
    /// The package is full: the order does not fit. Nothing of it was written: finish the
    /// package and start another one.
    #[error("order {order} does not fit into the package ({limit})")]
    Full {
        /// The order.
        order: OrderId,
        /// Name of the limit.
        limit: &'static str,
    },
    /// The order was mapped by a map with other columns. The writer stays usable.
    #[error("order {order} was mapped for other columns")]
    OtherMap {
        /// The order.
        order: OrderId,
    },
    /// The package has no orders: the ERP refuses empty files.
    #[error("package has no orders")]
    Empty,
    /// The name of the data project or the description cannot be written.
    #[error("manifest cannot be written")]
    Manifest(#[source] XmlError),
    /// Writing failed earlier: the package is incomplete.
    #[error("package is incomplete after an earlier error")]
    Broken,
    /// Compressing or writing failed.
    #[error("package cannot be written")]
    Io(#[source] io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<zip::result::ZipError> for WriteError {
    fn from(error: zip::result::ZipError) -> Self {
        Self::Io(error.into())
    }
}

/// Why a file cannot be read as a package at all. What is wrong inside a readable package is a
/// [`Problem`](super::Problem).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file is no zip archive, or its structure contradicts itself.
    #[error("file is no consistent zip archive")]
    NotZip(#[source] Option<zip::result::ZipError>),
    /// A limit is exceeded.
    #[error("package exceeds the limit {limit} of {max}")]
    Limit {
        /// Name of the member of [`ReadLimits`](super::ReadLimits).
        limit: &'static str,
        /// The limit.
        max: u64,
    },
    /// An entry is of a kind that packages cannot have.
    #[error("entry {entry} is refused: {reason}")]
    Refused {
        /// Zero-based position in the archive's directory.
        entry: usize,
        /// What it is.
        reason: Refusal,
    },
    /// Two entries have the same name, ignoring case.
    #[error("two entries have the same name")]
    DuplicateName,
    /// The bytes of an entry are not what was written.
    #[error("entry {entry} is corrupt")]
    Corrupt {
        /// Zero-based position in the archive's directory.
        entry: usize,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The archive has neither a manifest nor the files of layout `Seed`.
    #[error("archive is no data package")]
    NotPackage,
    /// The package has no such entity, or no file for it.
    #[error("package has no such entity")]
    NoEntity,
    /// The rows of the entity cannot be read any further.
    #[error("data file is unreadable: {0}")]
    Content(ProblemKind),
    /// The bytes could not be read.
    #[error("package cannot be read")]
    Io(#[source] io::Error),
}

/// Why an entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is a folder or lies in one.
    #[error("folder")]
    Folder,
    /// It is a symbolic link.
    #[error("symbolic link")]
    Symlink,
    /// It is encrypted.
    #[error("encrypted")]
    Encrypted,
    /// It is an archive itself.
    #[error("nested archive")]
    Nested,
    /// It is neither stored nor deflated.
    #[error("unknown compression")]
    Compression,
    /// Its name is not UTF-8 or holds control characters.
    #[error("malformed name")]
    Name,
}
