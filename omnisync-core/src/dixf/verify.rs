//! Checks a package: structure, columns, keys, agreement of headers and lines, and totals.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use rust_decimal::Decimal;

use super::check::{Check, Places, hash};
use super::error::ReadError;
use super::field_map::Layout;
use super::limits::ReadLimits;
use super::problem::{Problem, ProblemKind};
use super::reader::{Package, PackageEntity};
use crate::order::Currency;

/// Columns that say which order and which line a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumns {
    /// Number of the order, in headers and lines.
    pub order_number: String,
    /// Key of a line. An entity with these columns is taken for the lines.
    pub line_key: Vec<String>,
    /// Amount of a line.
    pub line_amount: String,
    /// Currency of an order.
    pub currency: String,
}

impl KeyColumns {
    /// The columns of the map that [`FieldMap::dmf`](super::FieldMap::dmf) or
    /// [`FieldMap::seed`](super::FieldMap::seed) starts from.
    pub fn of(layout: Layout) -> Self {
        let (order_number, line_key, line_amount, currency): (_, &[&str], _, _) = match layout {
            Layout::Dmf => (
                "SALESORDERNUMBER",
                &["INVENTORYLOTID"],
                "LINEAMOUNT",
                "CURRENCYCODE",
            ),
            Layout::Seed => (
                "salesOrderNumber",
                &["salesOrderNumber", "lineNumber"],
                "lineAmount",
                "currency",
            ),
        };
        Self {
            order_number: order_number.to_owned(),
            line_key: line_key.iter().map(|&name| name.to_owned()).collect(),
            line_amount: line_amount.to_owned(),
            currency: currency.to_owned(),
        }
    }
}

/// What a package holds, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageReport {
    /// Form of the package.
    pub layout: Layout,
    /// Name of the data project. Layout `Seed` has none.
    pub definition_group: Option<String>,
    /// The entities in the order in which the package names them.
    pub entities: Vec<EntityReport>,
    /// Number of header rows.
    pub orders: u64,
    /// Number of line rows.
    pub lines: u64,
    /// Sum of the line amounts by the currency of their order.
    pub amounts: BTreeMap<Currency, Decimal>,
    /// Size of the package in bytes.
    pub bytes: u64,
    /// Size of the entries as they came out, in bytes.
    pub unpacked_bytes: u64,
    /// What is wrong, as far as [`ReadLimits::problems_max`] allows.
    pub problems: Vec<Problem>,
    /// How much is wrong.
    pub problems_total: u64,
}

impl PackageReport {
    /// True when nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems_total == 0
    }
}

/// An entity of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityReport {
    /// Name or label.
    pub name: String,
    /// Name of the data file.
    pub file: String,
    /// Columns of the file in order. Empty when the file could not be read.
    pub columns: Vec<String>,
    /// Number of rows that could be read.
    pub rows: u64,
}

/// Reads a package of either layout and checks all of it.
///
/// # Errors
/// Refuses what [`Package::open`] refuses, entries that are corrupt, and packages over `limits`.
/// Anything else that is wrong is listed in the report.
pub fn read_package<R: Read + Seek>(
    reader: R,
    limits: ReadLimits,
) -> Result<PackageReport, ReadError> {
    let mut package = Package::open(reader, limits)?;
    let columns = KeyColumns::of(package.layout());
    package.verify(&columns)
}

impl<R: Read + Seek> Package<R> {
    /// Reads all rows and checks them.
    ///
    /// # Errors
    /// Entries that are corrupt, and packages over the limits. Anything else that is wrong is
    /// listed in the report.
    pub fn verify(&mut self, columns: &KeyColumns) -> Result<PackageReport, ReadError> {
        let mut check = Check::new(columns, self.limits.problems_max);
        self.problems
            .clone()
            .into_iter()
            .for_each(|problem| check.report(problem));
        let entities = self.entities().to_vec();
        let mut roles = Vec::with_capacity(entities.len());
        for entity in &entities {
            roles.push(self.role(entity, columns, &mut check)?);
        }
        let mut reports: Vec<EntityReport> = entities.iter().map(EntityReport::new).collect();
        // Lines refer to headers, whatever the order in which the package names them.
        for role in [Role::Headers, Role::Lines, Role::Other] {
            for ((entity, report), _) in entities
                .iter()
                .zip(&mut reports)
                .zip(&roles)
                .filter(|(_, is)| **is == Some(role))
            {
                self.check_entity(entity, role, &mut check, report)?;
            }
        }
        for (entity, _) in entities
            .iter()
            .zip(&roles)
            .filter(|(_, is)| **is == Some(Role::Headers))
        {
            self.name_headers_without_lines(entity, &mut check)?;
        }
        match self.batch_size {
            Some(listed) if listed != check.orders => {
                check.report(Problem::new(ProblemKind::BatchSize { listed }));
            }
            _ => {}
        }
        Ok(PackageReport {
            layout: self.layout(),
            definition_group: self.definition_group().map(str::to_owned),
            entities: reports,
            orders: check.orders,
            lines: check.lines,
            amounts: check.amounts,
            bytes: self.bytes(),
            unpacked_bytes: self.unpacked_bytes(),
            problems: check.problems,
            problems_total: check.problems_total,
        })
    }

    /// What the entity is, judged by the columns of its file. `None` when it cannot be read.
    fn role(
        &mut self,
        entity: &PackageEntity,
        columns: &KeyColumns,
        check: &mut Check<'_>,
    ) -> Result<Option<Role>, ReadError> {
        let rows = match self.rows(&entity.name) {
            Ok(rows) => rows,
            Err(ReadError::NoEntity) => return Ok(None),
            Err(ReadError::Content(kind)) => {
                check.report(Problem::of(&entity.name, kind));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let has = |column: &String| rows.columns().contains(column);
        Ok(Some(if !has(&columns.order_number) {
            Role::Other
        } else if columns.line_key.iter().all(has) {
            Role::Lines
        } else {
            Role::Headers
        }))
    }

    fn check_entity(
        &mut self,
        entity: &PackageEntity,
        role: Role,
        check: &mut Check<'_>,
        report: &mut EntityReport,
    ) -> Result<(), ReadError> {
        let mut rows = self.rows(&entity.name)?;
        check.columns(entity, &rows);
        rows.columns().clone_into(&mut report.columns);
        let places = Places::new(check.columns, rows.columns());
        let mut line_end_reported = false;
        loop {
            match rows.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(ReadError::Content(kind)) => {
                    check.report(Problem::of(&entity.name, kind).at_row(rows.number + 1));
                    break;
                }
                Err(error) => return Err(error),
            }
            if let Some(kind) = rows.problem.take() {
                let is_repeated =
                    kind == ProblemKind::LineEnd && std::mem::replace(&mut line_end_reported, true);
                let is_blank = kind == ProblemKind::BlankLine;
                if !is_repeated {
                    check.report(Problem::of(&entity.name, kind).at_row(rows.number));
                }
                if is_blank {
                    continue;
                }
            }
            match role {
                Role::Headers => check.header(entity, &places, &rows),
                Role::Lines => check.line(entity, &places, &rows),
                Role::Other => {}
            }
        }
        report.rows = rows.number;
        if rows.number == 0 {
            check.report(Problem::of(&entity.name, ProblemKind::Empty));
        }
        Ok(())
    }

    /// Reads the headers once more, if any lacks lines: only hashes were kept.
    fn name_headers_without_lines(
        &mut self,
        entity: &PackageEntity,
        check: &mut Check<'_>,
    ) -> Result<(), ReadError> {
        if check.headers.values().all(|header| header.has_lines) {
            return Ok(());
        }
        let mut rows = self.rows(&entity.name)?;
        let places = Places::new(check.columns, rows.columns());
        while matches!(rows.advance(), Ok(true)) {
            let Some(key) = places.order_number.and_then(|place| rows.record.get(place)) else {
                continue;
            };
            let number = rows.number;
            let header = check.headers.get(&hash([key]));
            if header.is_some_and(|header| header.row == number && !header.has_lines) {
                let problem = Problem::of(&entity.name, ProblemKind::HeaderWithoutLines);
                check.report(problem.at_row(number).with_key(key));
            }
        }
        Ok(())
    }
}

impl EntityReport {
    fn new(entity: &PackageEntity) -> Self {
        let PackageEntity { name, file, .. } = entity.clone();
        Self {
            name,
            file,
            columns: Vec::new(),
            rows: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Headers,
    Lines,
    Other,
}
