//! The rules by which the ERP takes the rows of a package.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;

use bytes::Bytes;
use omnisync_core::dixf::{KeyColumns, Layout, Package, ReadError, ReadLimits, Row};
use omnisync_core::id::Sha256;
use omnisync_core::port::{FailureClass, ImportStatus};
use rust_decimal::Decimal;

use super::OrderFailure;
use super::execution::{Entity, Fate, ImportedRecord, Outcome, Part, RecordFailure};
use super::tables::{ErpTables, line_key};

/// Columns that Finance & Operations insists on in headers and in lines.
const HEADER_REQUIRED: [&str; 4] = [
    "SALESORDERNUMBER",
    "ORDERINGCUSTOMERACCOUNTNUMBER",
    "INVOICECUSTOMERACCOUNTNUMBER",
    "REQUESTEDSHIPPINGDATE",
];
const LINE_REQUIRED: [&str; 4] = [
    "INVENTORYLOTID",
    "SALESORDERNUMBER",
    "ITEMNUMBER",
    "REQUESTEDSHIPPINGDATE",
];

/// What the ERP says of an order that is to fail.
type Judge<'j> = &'j mut dyn FnMut(&str) -> Option<OrderFailure>;

/// Imports a package: how that ended, with the fate of every record. A package that cannot be
/// read to its end imports nothing.
pub(super) fn import(content: Bytes, tables: &ErpTables, judge: Judge<'_>) -> Outcome {
    outcome_of(content, tables, judge).unwrap_or_else(|_| Outcome::empty(&ImportStatus::Failed))
}

/// Orders that a share of all is refused by: always the same ones.
pub(super) fn refused_by_share(order: &str, share: f64) -> Option<OrderFailure> {
    if share <= 0.0 {
        return None;
    }
    let hash = Sha256::of(order.as_bytes());
    let head = hash
        .as_bytes()
        .first_chunk::<4>()
        .map_or(0, |head| u32::from_be_bytes(*head));
    let position = f64::from(head) / (f64::from(u32::MAX) + 1.0);
    let (message, code) = match head % 3 {
        0 => ("Customer account does not exist.", "CustomerNotFound"),
        1 => ("Item is stopped for sales.", "ItemStopped"),
        _ => ("Customer is on hold.", "CustomerOnHold"),
    };
    (position < share).then(|| OrderFailure {
        code: Some(code.to_owned()),
        ..OrderFailure::data(message)
    })
}

fn outcome_of(content: Bytes, tables: &ErpTables, judge: Judge<'_>) -> Result<Outcome, ReadError> {
    let mut package = Package::open(Cursor::new(content), ReadLimits::default())?;
    let (headers, lines) = entities(&mut package)?;
    let mut import = Import {
        columns: KeyColumns::of(package.layout()),
        insists: package.layout() == Layout::Dmf,
        tables,
        judge,
        failures: HashMap::new(),
        headers: HashSet::new(),
        next_rec_id: tables.next_rec_id(),
    };
    // Headers come first: a line needs one that is here or was there before.
    let mut records = Vec::new();
    let mut seen = HashSet::new();
    for row in package.rows(&headers.label)? {
        records.push(import.header(&row?, &headers.key, &mut seen));
    }
    seen.clear();
    for row in package.rows(&lines.label)? {
        records.push(import.line(&row?, &lines.key, &mut seen));
    }
    let taken = records
        .iter()
        .filter(|record| matches!(record.fate, Fate::Taken(_)))
        .count();
    let status = match taken {
        0 => ImportStatus::Failed,
        taken if taken == records.len() => ImportStatus::Succeeded,
        _ => ImportStatus::PartiallySucceeded,
    };
    Ok(Outcome {
        headers,
        lines,
        records,
        ..Outcome::empty(&status)
    })
}

/// The entities of headers and of lines. Those of lines have the columns of a line's key.
fn entities(package: &mut Package<Cursor<Bytes>>) -> Result<(Entity, Entity), ReadError> {
    let columns = KeyColumns::of(package.layout());
    let labels: Vec<String> = package
        .entities()
        .iter()
        .map(|entity| entity.name.clone())
        .collect();
    let (mut headers, mut lines) = (None, None);
    for label in labels {
        let rows = package.rows(&label)?;
        let has = |column: &String| rows.columns().contains(column);
        let (found, key) = if columns.line_key.iter().all(has) {
            (&mut lines, columns.line_key.clone())
        } else {
            (&mut headers, vec![columns.order_number.clone()])
        };
        found.get_or_insert(Entity { label, key });
    }
    let headers = headers.ok_or(ReadError::NoEntity)?;
    Ok((headers, lines.ok_or(ReadError::NoEntity)?))
}

/// An import on its way.
struct Import<'i> {
    columns: KeyColumns,
    /// The ERP insists on its required fields.
    insists: bool,
    tables: &'i ErpTables,
    judge: Judge<'i>,
    /// What is planned for the orders that came so far.
    failures: HashMap<String, Option<OrderFailure>>,
    /// Orders whose header this import took.
    headers: HashSet<String>,
    next_rec_id: u64,
}

impl Import<'_> {
    fn header(&mut self, row: &Row, key: &[String], seen: &mut HashSet<String>) -> ImportedRecord {
        let order = text(row, &self.columns.order_number);
        let key = key_of(row, key);
        let planned = self.planned(&order, true);
        let failure = form_failure(row, self.required(&HEADER_REQUIRED))
            .or_else(|| duplicate(seen.insert(line_key(&key))))
            .or(planned);
        if failure.is_none() {
            self.headers.insert(order.clone());
        }
        let known = self.tables.header(&order).map(|row| row.rec_id);
        ImportedRecord {
            fate: self.fate(failure, known),
            part: Part::Header {
                currency: text(row, &self.columns.currency),
            },
            key,
            order,
        }
    }

    fn line(&mut self, row: &Row, key: &[String], seen: &mut HashSet<String>) -> ImportedRecord {
        let order = text(row, &self.columns.order_number);
        let key = key_of(row, key);
        let identity = line_key(&key);
        let known = self.tables.line(&identity).map(|row| row.rec_id);
        let amount = row.get(&self.columns.line_amount).unwrap_or_default();
        let amount = match amount {
            "" => Some(Decimal::ZERO),
            amount => Decimal::from_str_exact(amount).ok(),
        };
        let has_header = self.headers.contains(&order) || self.tables.header(&order).is_some();
        let planned = self.planned(&order, false);
        let failure = form_failure(row, self.required(&LINE_REQUIRED))
            .or_else(|| amount.is_none().then(no_amount))
            .or_else(|| duplicate(seen.insert(identity)))
            .or(planned)
            .or_else(|| (!has_header).then(no_header));
        ImportedRecord {
            fate: self.fate(failure, known),
            part: Part::Line {
                amount: amount.unwrap_or_default(),
            },
            key,
            order,
        }
    }

    /// Required columns. Layout `Seed` is not one of Finance & Operations and has none.
    fn required<'c>(&self, columns: &'c [&'c str]) -> &'c [&'c str] {
        if self.insists { columns } else { &[] }
    }

    /// The failure that was planned for a record of `order`. An order is judged once an import.
    fn planned(&mut self, order: &str, is_header: bool) -> Option<RecordFailure> {
        if !self.failures.contains_key(order) {
            let judged = (self.judge)(order);
            self.failures.insert(order.to_owned(), judged);
        }
        let failure = self.failures.get(order)?.as_ref()?;
        (!(is_header && failure.lines_only))
            .then(|| RecordFailure::new(failure.code.as_deref(), &failure.message, failure.class))
    }

    /// A row that is there already keeps its identity.
    fn fate(&mut self, failure: Option<RecordFailure>, known: Option<u64>) -> Fate {
        if let Some(failure) = failure {
            return Fate::Refused(failure);
        }
        Fate::Taken(known.unwrap_or_else(|| {
            let new = self.next_rec_id;
            self.next_rec_id += 1;
            new
        }))
    }
}

fn text(row: &Row, column: &str) -> String {
    row.get(column).unwrap_or_default().to_owned()
}

fn key_of(row: &Row, columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| text(row, column)).collect()
}

fn form_failure(row: &Row, required: &[&str]) -> Option<RecordFailure> {
    if let Some(problem) = row.problem() {
        let message = problem.to_string();
        return Some(RecordFailure::new(
            Some("DMF2050"),
            &message,
            FailureClass::Packaging,
        ));
    }
    let missing = required
        .iter()
        .find(|name| row.get(name).unwrap_or_default().is_empty())?;
    let message = format!("Field '{missing}' must be filled in.");
    Some(RecordFailure::new(None, &message, FailureClass::Data))
}

fn duplicate(is_new: bool) -> Option<RecordFailure> {
    (!is_new).then(|| {
        let message = "The record already exists in the file.";
        RecordFailure::new(Some("DMF1959"), message, FailureClass::Packaging)
    })
}

fn no_amount() -> RecordFailure {
    let message = "The amount of the line is no number.";
    RecordFailure::new(Some("DMF2050"), message, FailureClass::Packaging)
}

fn no_header() -> RecordFailure {
    RecordFailure::new(None, "Sales order does not exist.", FailureClass::Data)
}
