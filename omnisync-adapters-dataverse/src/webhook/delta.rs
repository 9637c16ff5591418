use std::fmt;

use omnisync_core::crm::{ChangeKind, FieldName, Hint, HintScope, Origin, VersionToken};
use omnisync_core::json::{Json, Limits};
use uuid::Uuid;

use super::error::DecodeError;
use super::read;
use super::row::{self, RowColumns};

/// What is read of a page at most: 5,000 rows, with annotations.
pub const DELTA_LIMITS: Limits = Limits {
    bytes_max: 64 * 1024 * 1024,
    depth_max: 16,
    values_max: 4_000_000,
};

const CONTEXT: &str = "@odata.context";
const ETAG: &str = "@odata.etag";
const NEXT_LINK: &str = "@odata.nextLink";
const DELTA_LINK: &str = "@odata.deltaLink";

/// One page of the answer of change tracking.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeltaPage {
    /// The rows, in their order: changed ones first as a rule, deleted ones last.
    pub rows: Vec<DeltaRow>,
    /// Where to go on; `None` where tracking was not asked for.
    pub next: Option<NextLink>,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaRow {
    /// The row was created or changed: nothing tells which.
    Changed {
        /// Which record.
        record: Uuid,
        /// Its version, as `If-Match` takes it.
        version: Option<VersionToken>,
        /// The columns that were selected, changed or not.
        columns: RowColumns,
    },
    /// The row is gone. It may be one that was never seen.
    Removed {
        /// Which record.
        record: Uuid,
        /// True where it says `deleted`; else the row is out of sight for another reason.
        is_deleted: bool,
    },
}

/// Where the answer goes on: opaque, to be requested as it is. A client checks that it leads to its
/// own environment before it sends a token there.
#[derive(Clone, PartialEq, Eq)]
pub enum NextLink {
    /// There are more rows.
    Page(String),
    /// That was all; later changes are there. Good for seven days unless the organization says
    /// otherwise.
    Delta(String),
}

impl DeltaPage {
    /// Reads a page of a table whose key is `id_column`, by [`DELTA_LIMITS`].
    ///
    /// # Errors
    /// [`DecodeError::Json`]; [`DecodeError::Unexpected`] where a row does not name its record: was
    /// the key among the selected columns?
    pub fn read(body: &[u8], id_column: &str) -> Result<Self, DecodeError> {
        Self::read_within(body, id_column, &DELTA_LIMITS)
    }

    /// The same within other limits.
    ///
    /// # Errors
    /// As [`DeltaPage::read`].
    pub fn read_within(body: &[u8], id_column: &str, limits: &Limits) -> Result<Self, DecodeError> {
        Self::from_json(&read::document(body, limits)?, Some(id_column))
    }

    /// True for bodies that are meant to be of this form.
    pub(super) fn is_meant(document: &Json<'_>) -> bool {
        document.get(CONTEXT).is_some() && document.get("value").is_some()
    }

    /// Without a column the key is looked for.
    pub(super) fn from_json(
        document: &Json<'_>,
        id_column: Option<&str>,
    ) -> Result<Self, DecodeError> {
        read::members(document)?;
        let rows = document
            .get("value")
            .ok_or_else(|| DecodeError::expected("an array").below("value"))?;
        let rows = rows
            .as_array()
            .ok_or_else(|| DecodeError::expected("an array").below("value"))?;
        let rows = rows.iter().enumerate().map(|(index, row)| {
            DeltaRow::read(row, id_column).map_err(|error| error.below_index(index).below("value"))
        });
        let link = |name: &str| match document.get(name) {
            Some(link) => read::filled_text(link).map_err(|error| error.below(name)),
            None => Ok(None),
        };
        let rows = rows.collect::<Result<_, _>>()?;
        let next = match link(NEXT_LINK)? {
            Some(page) => Some(NextLink::Page(page)),
            None => link(DELTA_LINK)?.map(NextLink::Delta),
        };
        Ok(Self { rows, next })
    }

    /// What the rows say about the records of the table `object`, in their order.
    ///
    /// # Errors
    /// [`DecodeError::NoRecord`] where `object` is no logical name.
    pub fn hints(&self, object: &str) -> Result<Vec<Hint>, DecodeError> {
        FieldName::new(object).map_err(|_| DecodeError::NoRecord)?;
        self.rows.iter().map(|row| row.hint(object)).collect()
    }
}

impl DeltaRow {
    /// Which record it is about.
    pub const fn record(&self) -> Uuid {
        match self {
            Self::Changed { record, .. } | Self::Removed { record, .. } => *record,
        }
    }

    fn read(row: &Json<'_>, id_column: Option<&str>) -> Result<Self, DecodeError> {
        let members = read::members(row)?;
        let context = row.get(CONTEXT).and_then(Json::as_str).unwrap_or_default();
        if context.ends_with("/$deletedEntity") {
            let record = row.get("id").and_then(Json::as_str).and_then(removed_id);
            let reason = row.get("reason").and_then(Json::as_str);
            return Ok(Self::Removed {
                record: record
                    .ok_or_else(|| DecodeError::expected("the guid of the record").below("id"))?,
                is_deleted: reason == Some("deleted"),
            });
        }
        let columns = RowColumns::read(members, &[]);
        let record = match id_column {
            Some(column) => row::member_guid(row, column),
            None => key_of(&columns),
        };
        let missing = || {
            let error = DecodeError::expected("the guid of the record");
            id_column.map_or_else(|| error.clone(), |column| error.clone().below(column))
        };
        let version = row.get(ETAG).and_then(Json::as_str);
        Ok(Self::Changed {
            record: record.ok_or_else(missing)?,
            version: version.and_then(|etag| VersionToken::new(etag).ok()),
            columns,
        })
    }

    fn hint(&self, object: &str) -> Result<Hint, DecodeError> {
        let (kind, origin, at) = match self {
            Self::Changed { columns, .. } => {
                (ChangeKind::Update, columns.origin(), columns.modified())
            }
            Self::Removed {
                is_deleted: true, ..
            } => (ChangeKind::Delete, Origin::default(), None),
            Self::Removed { .. } => (ChangeKind::Unknown, Origin::default(), None),
        };
        Ok(Hint {
            object: object.to_owned(),
            scope: HintScope::Records(vec![read::record_id(self.record())?]),
            kind,
            origin,
            at,
            fields: Vec::new(),
        })
    }
}

/// The id of a row that is gone, bare or as `accounts(<guid>)`.
fn removed_id(text: &str) -> Option<Uuid> {
    let inner = text
        .rsplit_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(text);
    row::guid(inner)
}

/// The key of a row of an unknown table: the first column that holds a GUID and is no lookup.
fn key_of(columns: &RowColumns) -> Option<Uuid> {
    columns
        .iter()
        .filter(|(name, _)| !name.starts_with('_') && name.ends_with("id"))
        .find_map(|(_, value)| row::guid(value.as_text()?))
}

/// Leaves the link out: it says where the environment is and what may be read there.
impl fmt::Debug for NextLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(_) => f.write_str("Page(..)"),
            Self::Delta(_) => f.write_str("Delta(..)"),
        }
    }
}
