//! What is wrong inside a package that can be read.

use std::fmt;

use thiserror::Error;

use super::error::XmlError;

/// A finding with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the entity, `None` when the package as a whole is concerned.
    pub entity: Option<String>,
    /// Number of the row, counted from 1 behind the column names.
    pub row: Option<u64>,
    /// Key of the row, cut to [`Problem::KEY_CHARS_MAX`].
    pub key: Option<String>,
    /// Name of the column.
    pub column: Option<String>,
    /// What is wrong.
    pub kind: ProblemKind,
}

impl Problem {
    /// Largest number of characters of a key.
    pub const KEY_CHARS_MAX: usize = 64;

    pub(super) fn new(kind: ProblemKind) -> Self {
        Self {
            entity: None,
            row: None,
            key: None,
            column: None,
            kind,
        }
    }

    pub(super) fn of(entity: &str, kind: ProblemKind) -> Self {
        Self {
            entity: Some(entity.to_owned()),
            ..Self::new(kind)
        }
    }

    pub(super) fn at_row(self, row: u64) -> Self {
        Self {
            row: Some(row),
            ..self
        }
    }

    pub(super) fn with_key(self, key: &str) -> Self {
        Self {
            key: Some(key.chars().take(Self::KEY_CHARS_MAX).collect()),
            ..self
        }
    }

    pub(super) fn in_column(self, column: &str) -> Self {
        Self {
            column: Some(column.to_owned()),
            ..self
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entity) = &self.entity {
            write!(f, "entity {entity:?}, ")?;
        }
        if let Some(row) = self.row {
            write!(f, "row {row}, ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "key {key:?}, ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column {column:?}, ")?;
        }
        write!(f, "{}", self.kind)
    }
}

/// What is wrong. Comments name the error that Finance & Operations reports for it, where one is
/// documented.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// `Manifest.xml` cannot be read: the ERP imports nothing and reports nothing.
    #[error("manifest is unreadable: {0}")]
    Manifest(XmlError),
    /// `PackageHeader.xml` is missing.
    #[error("package header is missing")]
    PackageHeaderMissing,
    /// `PackageHeader.xml` cannot be read.
    #[error("package header is unreadable: {0}")]
    PackageHeader(XmlError),
    /// `PackageHeader.xml` names another type of package or manifest.
    #[error("package header names another type of package")]
    PackageType,
    /// `header.json` is missing or unreadable.
    #[error("batch header is missing or unreadable")]
    BatchHeader,
    /// `header.json` names another number of orders.
    #[error("batch header names {listed} orders")]
    BatchSize {
        /// Number of orders that the batch header names.
        listed: u64,
    },
    /// `package.yaml` is missing or unreadable.
    #[error("list of entities is missing or unreadable")]
    EntityList,
    /// The package names no entities.
    #[error("package names no entities")]
    NoEntities,
    /// An entity has no name.
    #[error("entity has no name")]
    EntityName,
    /// Two entities have the same name or file.
    #[error("entity or its file is named twice")]
    EntityTwice,
    /// The file of the entity is not in the package.
    #[error("file is missing")]
    FileMissing,
    /// A file of the package belongs to no entity.
    #[error("file {entry} belongs to no entity")]
    FileNotListed {
        /// Zero-based position in the archive's directory.
        entry: usize,
    },
    /// The source format is not one that can be checked.
    #[error("source format is not csv-unicode")]
    SourceFormat,
    /// The entity has no field maps: the ERP imports nothing and reports nothing.
    #[error("entity has no field maps")]
    NoFieldMap,
    /// A field map names a column that the file does not have (DMF1966, DMF2022, DMF2060).
    #[error("mapped column is not in the file")]
    ColumnMissing,
    /// A column of the file is in no field map.
    #[error("column is not mapped")]
    ColumnNotMapped,
    /// A column is in the file or in the field maps twice.
    #[error("column is there twice")]
    ColumnTwice,
    /// The file has no rows (DMF2053), or no column names (FF004).
    #[error("file has no rows")]
    Empty,
    /// The file is not in the encoding of its form ("Selected file is not Unicode").
    #[error("file is not unicode")]
    NotUnicode,
    /// The file is no array of flat JSON objects.
    #[error("file is no array of flat objects")]
    Json,
    /// A line is blank (DMF2050).
    #[error("line is blank")]
    BlankLine,
    /// A row ends in something else than CR LF. Reported once a file.
    #[error("row does not end in cr lf")]
    LineEnd,
    /// Quotes of a row are out of place.
    #[error("quotes are out of place")]
    Quoting,
    /// A row has another number of values than there are columns (DMF2050).
    #[error("row has {found} values instead of {expected}")]
    UnevenColumns {
        /// Number of columns.
        expected: usize,
        /// Number of values.
        found: usize,
    },
    /// A key column is blank.
    #[error("key is blank")]
    KeyBlank,
    /// Two rows have the same key (DMF1959, DMF2057).
    #[error("key is there twice")]
    KeyTwice,
    /// A line names an order that has no header row.
    #[error("line has no header")]
    LineWithoutHeader,
    /// An order has no lines.
    #[error("header has no lines")]
    HeaderWithoutLines,
    /// A value is not of the type of its column (DMF1855).
    #[error("value is malformed")]
    Value,
    /// The amounts add up to more than 28 digits.
    #[error("sum of amounts is out of range")]
    AmountRange,
}
