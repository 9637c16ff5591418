//! Rows of a package into tables.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::entity::{Entity, HEADERS, Kind, LOCATION, ORDER};
use super::package::Package;
use super::package::contract::PackageEntity;
use super::package::data::{FileError, Table, read_csv_unicode};
use super::rule::{RowError, Rule, RuleRow};

/// A row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRow {
    /// Values by staging column.
    pub columns: BTreeMap<String, String>,
    /// How often the row was written.
    pub imports: u32,
}

impl TableRow {
    /// A value; empty when the row has no such column.
    pub fn get(&self, column: &str) -> &str {
        self.columns.get(column).map_or("", String::as_str)
    }
}

/// Rows by entity label, company and key.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    rows: BTreeMap<(String, String), BTreeMap<String, TableRow>>,
    lots: u64,
}

impl Tables {
    pub(crate) fn of(&self, entity: &str, company: &str) -> BTreeMap<String, TableRow> {
        let table = (entity.to_owned(), company.to_owned());
        self.rows.get(&table).cloned().unwrap_or_default()
    }

    pub(crate) fn row(&self, entity: &str, company: &str, key: &str) -> Option<&TableRow> {
        let table = (entity.to_owned(), company.to_owned());
        self.rows.get(&table)?.get(key)
    }

    /// True when the row is new.
    fn upsert(
        &mut self,
        entity: &str,
        company: &str,
        key: &str,
        columns: BTreeMap<String, String>,
    ) -> bool {
        let table = (entity.to_owned(), company.to_owned());
        let row = self
            .rows
            .entry(table)
            .or_default()
            .entry(key.to_owned())
            .or_default();
        row.imports += 1;
        row.columns.extend(columns);
        row.imports == 1
    }

    fn next_lot(&mut self) -> String {
        self.lots += 1;
        format!("LOT-{:08}", self.lots)
    }
}

/// What an import needs to know besides its package.
pub(crate) struct Circumstances<'c> {
    pub(crate) company: &'c str,
    pub(crate) rule: Option<&'c Rule>,
    pub(crate) requires_location: bool,
}

/// What became of an entity of a package.
#[derive(Debug, Clone, Default)]
pub(crate) struct EntityOutcome {
    pub(crate) label: String,
    pub(crate) key: &'static str,
    /// Why no row of the file could be read.
    pub(crate) file_error: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<RowOutcome>,
}

/// What became of a row.
#[derive(Debug, Clone)]
pub(crate) struct RowOutcome {
    pub(crate) key: String,
    pub(crate) cells: Vec<String>,
    pub(crate) fate: Fate,
}

/// Where a row ended.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    Created,
    Updated,
    /// It did not get into the staging table.
    NotStaged(RowError),
    /// The target refused it.
    Refused(RowError),
}

impl Fate {
    pub(crate) fn error(&self) -> Option<&RowError> {
        match self {
            Self::Created | Self::Updated => None,
            Self::NotStaged(error) | Self::Refused(error) => Some(error),
        }
    }
}

impl EntityOutcome {
    pub(crate) fn count(&self, of: impl Fn(&Fate) -> bool) -> usize {
        self.rows.iter().filter(|row| of(&row.fate)).count()
    }

    pub(crate) fn failures(&self) -> usize {
        self.count(|fate| fate.error().is_some())
    }

    pub(crate) fn staged(&self) -> usize {
        self.count(|fate| !matches!(fate, Fate::NotStaged(_)))
    }
}

/// Imports the entities of a package level by level.
pub(crate) fn run(
    package: &Package,
    tables: &mut Tables,
    around: &Circumstances<'_>,
) -> Vec<EntityOutcome> {
    let mut entities: Vec<_> = package
        .manifest
        .entities
        .iter()
        .filter(|entity| !entity.disabled)
        .collect();
    entities.sort_by_key(|entity| (entity.execution_unit, entity.level, entity.sequence));
    let mut outcomes = Vec::new();
    // The unit that failed, and from which level on it does not run.
    let mut failed: Option<(i64, i64)> = None;
    for mapped in entities {
        let Some(entity) = Entity::of_label(&mapped.label) else {
            continue;
        };
        let place = (mapped.execution_unit, mapped.level);
        if failed.is_some_and(|(unit, level)| place.0 == unit && place.1 >= level) {
            continue;
        }
        let outcome = match stage(entity, mapped, package) {
            Ok(Some(table)) => load(entity, mapped, table, tables, around),
            Ok(None) => nothing(entity, None),
            Err(error) => nothing(entity, Some(error)),
        };
        if outcome.failures() > 0 || outcome.file_error.is_some() {
            if mapped.fails_unit {
                failed = Some(place);
            } else if mapped.fails_level {
                failed = Some((place.0, place.1.saturating_add(1)));
            }
        }
        outcomes.push(outcome);
    }
    outcomes
}

fn nothing(entity: &Entity, file_error: Option<String>) -> EntityOutcome {
    EntityOutcome {
        label: entity.label.to_owned(),
        key: entity.key,
        file_error,
        ..EntityOutcome::default()
    }
}

/// Reads the file of an entity and checks its mapping; `None` for an entity without one, of which
/// nothing is imported and nobody hears.
fn stage(
    entity: &Entity,
    mapped: &PackageEntity,
    package: &Package,
) -> Result<Option<Table>, String> {
    if mapped.maps.is_empty() {
        return Ok(None);
    }
    for mapping in &mapped.maps {
        if entity.kind(&mapping.field).is_none() {
            return Err(incorrect_mapping(entity, &mapping.field));
        }
    }
    match mapped.source_format.as_str() {
        "CSV-Unicode" => {}
        "EXCEL" => {
            return Err(format!(
                "the workbook of entity {} cannot be read: this environment has no Excel driver",
                entity.label
            ));
        }
        other => return Err(format!("the source data format '{other}' does not exist")),
    }
    let file = package
        .files
        .get(&mapped.file)
        .ok_or_else(|| format!("the package has no file '{}'", mapped.file))?;
    let table = read_csv_unicode(file).map_err(|error| match error {
        FileError::Mapping => incorrect_mapping(entity, "{5A1E3A0C-7B1D-4C0E-9F61-3D2B7A90C4E8}"),
        FileError::Text(text) => text,
    })?;
    check_columns(mapped, &table)?;
    Ok(Some(table))
}

fn incorrect_mapping(entity: &Entity, field: &str) -> String {
    format!(
        "the mapping is incorrect for entity {} and field {field}",
        entity.label
    )
}

fn check_columns(mapped: &PackageEntity, table: &Table) -> Result<(), String> {
    let differ = |what: &str, column: &str| {
        format!("DMF1966: mapped columns and columns of the file differ: '{column}' {what}")
    };
    let mut seen = BTreeSet::new();
    for column in &table.columns {
        if !seen.insert(column) {
            return Err(differ("stands in the file twice", column));
        }
        if !mapped.maps.iter().any(|mapping| mapping.column == *column) {
            return Err(differ("is not mapped", column));
        }
    }
    for mapping in &mapped.maps {
        if !mapping.generated && !table.columns.contains(&mapping.column) {
            return Err(differ("is not in the file", &mapping.column));
        }
    }
    Ok(())
}

fn load(
    entity: &Entity,
    mapped: &PackageEntity,
    table: Table,
    tables: &mut Tables,
    around: &Circumstances<'_>,
) -> EntityOutcome {
    let rows: Vec<_> = table
        .rows
        .into_iter()
        .map(|cells| (staging_row(mapped, &table.columns, &cells), cells))
        .collect();
    let mut seen = BTreeMap::<String, u32>::new();
    for (row, _) in &rows {
        *seen.entry(value(row, entity.key).to_owned()).or_default() += 1;
    }
    let mut outcome = nothing(entity, None);
    outcome.columns = table.columns;
    for (row, cells) in rows {
        let mut key = value(&row, entity.key).to_owned();
        let repeated = !key.is_empty() && seen.get(&key).is_some_and(|count| *count > 1);
        let refusal = if cells.len() != outcome.columns.len() {
            Some(Fate::NotStaged(RowError::with_code(
                "DMF2050",
                "the row was skipped, it has another number of columns than the header row",
            )))
        } else if repeated {
            Some(Fate::NotStaged(RowError::with_code(
                "DMF1959",
                format!("the key '{key}' stands in the file more than once"),
            )))
        } else {
            unfit(entity, &row)
                .map(Fate::NotStaged)
                .or_else(|| refused(entity, &row, tables, around).map(Fate::Refused))
        };
        let fate = refusal.unwrap_or_else(|| write(entity, &mut key, row, tables, around));
        outcome.rows.push(RowOutcome { key, cells, fate });
    }
    outcome
}

fn write(
    entity: &Entity,
    key: &mut String,
    mut row: BTreeMap<String, String>,
    tables: &mut Tables,
    around: &Circumstances<'_>,
) -> Fate {
    if key.is_empty() {
        *key = tables.next_lot();
        row.insert(entity.key.to_owned(), key.clone());
    }
    if tables.upsert(entity.label, around.company, key, row) {
        Fate::Created
    } else {
        Fate::Updated
    }
}

/// Values by staging field.
fn staging_row(
    mapped: &PackageEntity,
    columns: &[String],
    cells: &[String],
) -> BTreeMap<String, String> {
    let by_column: BTreeMap<_, _> = columns.iter().zip(cells).collect();
    mapped
        .maps
        .iter()
        .filter_map(|mapping| {
            let value = by_column.get(&mapping.column)?;
            Some((mapping.field.clone(), (*value).clone()))
        })
        .collect()
}

fn value<'r>(row: &'r BTreeMap<String, String>, field: &str) -> &'r str {
    row.get(field).map_or("", String::as_str)
}

/// Why the staging table does not take a row.
fn unfit(entity: &Entity, row: &BTreeMap<String, String>) -> Option<RowError> {
    row.iter()
        .filter(|(_, value)| !value.is_empty())
        .find_map(|(field, value)| {
            let (fits, code) = match entity.kind(field)? {
                Kind::Text => (true, ""),
                Kind::Date => (
                    value.len() == 10 && NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok(),
                    "DMF2016",
                ),
                Kind::Real => (value.parse::<Decimal>().is_ok(), "DMF2018"),
                Kind::YesNo => (matches!(value.as_str(), "Yes" | "No"), "DMF1855"),
            };
            (!fits).then(|| {
                RowError::with_code(code, format!("the value of field {field} cannot be read"))
            })
        })
}

/// Why the target does not take a row.
fn refused(
    entity: &Entity,
    row: &BTreeMap<String, String>,
    tables: &Tables,
    around: &Circumstances<'_>,
) -> Option<RowError> {
    let location = (around.requires_location && entity.label != HEADERS).then_some(LOCATION);
    let missing = entity
        .required
        .iter()
        .copied()
        .chain((!entity.generates_key).then_some(entity.key))
        .chain(location)
        .find(|field| value(row, field).is_empty());
    if let Some(field) = missing {
        return Some(RowError::new(format!("Field '{field}' must be filled in.")));
    }
    let order = value(row, ORDER);
    if entity.label != HEADERS && tables.row(HEADERS, around.company, order).is_none() {
        return Some(RowError::new(format!(
            "The value '{order}' in field 'Sales order' is not found in the related table 'Sales \
             orders'."
        )));
    }
    let rule = around.rule?;
    rule(&RuleRow {
        entity: entity.label,
        company: around.company,
        columns: row,
    })
}
