//! Field maps as data: which column takes its value from where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compile::{self, CompiledMap};
use super::error::FieldMapError;

/// Form of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Layout {
    /// What Finance & Operations imports: `Manifest.xml`, `PackageHeader.xml` and delimited text
    /// in UTF-16LE.
    Dmf,
    /// `header.json`, `package.yaml` and two JSON files, for readers of that form. Finance &
    /// Operations cannot import it.
    Seed,
}

/// How orders become the rows of a package: data, not code. [`compile`](Self::compile) checks it
/// once; see [`FieldMap::dmf`] and [`FieldMap::seed`] for the maps to start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldMap {
    /// Form of the package.
    pub layout: Layout,
    /// One row an order.
    pub headers: EntityFieldMap,
    /// One row a line.
    pub lines: EntityFieldMap,
}

/// The columns of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntityFieldMap {
    /// Label of the entity in the language of the environment (`Dmf`) or its name (`Seed`).
    pub entity_name: String,
    /// Name of the entity in the application object tree. Layout `Seed` ignores it.
    pub target_entity: String,
    /// Name of the data file in the package.
    pub file_name: String,
    /// Level in the execution unit: the next level waits for the one before. Layout `Seed`
    /// ignores it.
    pub level: i32,
    /// Columns that identify a row. They must be mapped, and are required in every row.
    pub key: Vec<String>,
    /// Columns in the order of the file.
    pub columns: Vec<Column>,
    /// Names given to builder methods that no column has.
    #[serde(skip)]
    pub(super) unknown_columns: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Column {
    /// Name in the file: upper-case staging field for `Dmf`, member for `Seed`.
    pub name: String,
    /// Where the value comes from.
    pub source: Source,
    /// How the value is written.
    #[serde(default)]
    pub format: Format,
    /// True to refuse orders without a value. A blank text is no value.
    #[serde(default)]
    pub required: bool,
    /// Text to write when the order has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Longest value in UTF-16 code units. A longer one is refused, never cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chars_max: Option<usize>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Source {
    /// Number of the order.
    OrderId,
    /// Customer account.
    CustomerId,
    /// Business date.
    OrderDate,
    /// Date on which the goods are to leave; optional in an order.
    RequestedShippingDate,
    /// What the customer pays.
    TotalAmount,
    /// Currency code.
    Currency,
    /// Freight charge; optional.
    Freight,
    /// Name of the recipient; optional.
    AddressName,
    /// Street and number.
    AddressStreet,
    /// City.
    AddressCity,
    /// State, province or region; optional.
    AddressState,
    /// Postal code; optional.
    AddressZip,
    /// Country code, two letters.
    AddressCountry,
    /// Stable key of the line; see [`line_key`](super::line_key). Lines only.
    LineKey,
    /// Number of the line. Lines only.
    ItemNumber,
    /// Product. Lines only.
    ProductCode,
    /// Quantity in sales units. Lines only.
    Quantity,
    /// Price of a unit before discount. Lines only.
    UnitPrice,
    /// Discount as a fraction of the line; optional. Lines only.
    Discount,
    /// Net amount of the line. Lines only.
    LineAmount,
    /// A fixed text.
    Constant(String),
    /// The first of several sources that has a value which is not blank.
    FirstOf(Vec<Self>),
    /// Several sources joined; those without a value are left out.
    Concat {
        /// Sources in order.
        parts: Vec<Self>,
        /// Text between two parts.
        #[serde(default)]
        separator: String,
    },
    /// A member of the order object that this crate does not know.
    OrderMember(String),
    /// A member of the address object that this crate does not know.
    AddressMember(String),
    /// A member of the line object that this crate does not know. Lines only.
    LineMember(String),
}

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Format {
    /// Text as it is, dates as `yyyy-MM-dd`, numbers with the digits that the order has, a point
    /// as separator and no exponent.
    #[default]
    Plain,
    /// Dates in another form.
    Date(DateFormat),
    /// Numbers rounded half to even to so many decimals, at most 28.
    Decimals(u32),
    /// Numbers rounded half to even to the minor digits of the order's currency.
    Money,
    /// Two-letter country codes as three letters. An unassigned code is refused.
    CountryAlpha3,
    /// Texts replaced by others, such as the symbols of units.
    Values {
        /// Replacements by text.
        values: BTreeMap<String, String>,
        /// What to do with a text that has no replacement.
        #[serde(default)]
        otherwise: Otherwise,
    },
}

/// Form of a date. The time zone of the source data format must be UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum DateFormat {
    /// `2026-03-14`
    Iso,
    /// `2026-03-14T00:00:00`
    IsoDateTime,
    /// `03/14/2026`, the form of `en-us` source data formats.
    MonthDayYear,
}

/// What happens to a text without replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Otherwise {
    /// The order is refused.
    #[default]
    Refuse,
    /// The text is written as it is.
    Keep,
}

impl FieldMap {
    /// Checks the map once and makes it ready to use.
    ///
    /// # Errors
    /// Names the first thing that is wrong. Column names that the environment does not have
    /// cannot be found here.
    pub fn compile(self) -> Result<CompiledMap, FieldMapError> {
        compile::compile(self)
    }

    /// Changes the header entity.
    #[must_use]
    pub fn with_headers(self, change: impl FnOnce(EntityFieldMap) -> EntityFieldMap) -> Self {
        Self {
            headers: change(self.headers),
            ..self
        }
    }

    /// Changes the line entity.
    #[must_use]
    pub fn with_lines(self, change: impl FnOnce(EntityFieldMap) -> EntityFieldMap) -> Self {
        Self {
            lines: change(self.lines),
            ..self
        }
    }
}

impl EntityFieldMap {
    /// Adds a column at the end.
    #[must_use]
    pub fn with_column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// Replaces the column of the same name. Compiling fails when there is none.
    #[must_use]
    pub fn with_replaced(mut self, column: Column) -> Self {
        match self.find(&column.name) {
            Some(old) => *old = column,
            None => self.unknown_columns.push(column.name),
        }
        self
    }

    /// Removes a column. Compiling fails when there is none of this name, or when it is a key.
    #[must_use]
    pub fn without_column(mut self, name: &str) -> Self {
        if self.find(name).is_none() {
            self.unknown_columns.push(name.to_owned());
        }
        self.columns.retain(|column| column.name != name);
        self
    }

    /// Renames a column, in the key as well. Compiling fails when there is none of this name.
    #[must_use]
    pub fn with_renamed(mut self, from: &str, to: &str) -> Self {
        match self.find(from) {
            Some(column) => to.clone_into(&mut column.name),
            None => self.unknown_columns.push(from.to_owned()),
        }
        for key in self.key.iter_mut().filter(|key| *key == from) {
            to.clone_into(key);
        }
        self
    }

    fn find(&mut self, name: &str) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name == name)
    }
}

impl Column {
    /// An optional column with the plain format.
    pub fn new(name: impl Into<String>, source: Source) -> Self {
        Self {
            name: name.into(),
            source,
            format: Format::Plain,
            required: false,
            default: None,
            chars_max: None,
        }
    }

    /// A column with a fixed text.
    pub fn constant(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(name, Source::Constant(text.into()))
    }

    /// Refuses orders without a value.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets how the value is written.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets the text to write when the order has no value.
    #[must_use]
    pub fn with_default(mut self, text: impl Into<String>) -> Self {
        self.default = Some(text.into());
        self
    }

    /// Sets the longest value in UTF-16 code units.
    #[must_use]
    pub fn with_chars_max(mut self, chars_max: usize) -> Self {
        self.chars_max = Some(chars_max);
        self
    }
}
