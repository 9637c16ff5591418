//! The rules by which the ERP takes the records of a package.

mod dixf;
mod plain;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use omnisync_core::id::Sha256;
use omnisync_core::port::{FailureClass, ImportStatus};
use rust_decimal::Decimal;

use super::OrderFailure;
use super::execution::{Entity, Fate, ImportedRecord, Outcome, Part, RecordFailure};
use super::tables::{ErpTables, line_key};
use crate::fake::plain_format::is_plain;

/// What the ERP says of an order that is to fail.
type Judge<'j> = &'j mut dyn FnMut(&str) -> Option<OrderFailure>;

/// Imports a package: how that ended, with the fate of every record. A package that cannot be
/// read to its end imports nothing.
pub(super) fn import(content: Bytes, tables: &ErpTables, judge: Judge<'_>) -> Outcome {
    if is_plain(&content) {
        return plain::import(&content, tables, judge);
    }
    dixf::import(content, tables, judge).unwrap_or_else(|_| Outcome::empty(&ImportStatus::Failed))
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

/// The outcome of an import that did this with the records.
fn outcome(headers: Entity, lines: Entity, records: Vec<ImportedRecord>) -> Outcome {
    let taken = records
        .iter()
        .filter(|record| matches!(record.fate, Fate::Taken(_)))
        .count();
    let status = match taken {
        0 => ImportStatus::Failed,
        taken if taken == records.len() => ImportStatus::Succeeded,
        _ => ImportStatus::PartiallySucceeded,
    };
    Outcome {
        headers,
        lines,
        records,
        ..Outcome::empty(&status)
    }
}

/// The header of an order, as its package holds it.
struct HeaderRecord {
    order: String,
    /// Values of the key columns.
    key: Vec<String>,
    currency: String,
    /// What is wrong with its form.
    failure: Option<RecordFailure>,
}

/// A line of an order, as its package holds it.
struct LineRecord {
    order: String,
    key: Vec<String>,
    /// `None` when it is no number.
    amount: Option<Decimal>,
    failure: Option<RecordFailure>,
}

/// An import on its way. Headers come first: a line needs one that is here or was there before.
struct Import<'i> {
    tables: &'i ErpTables,
    judge: Judge<'i>,
    /// What is planned for the orders that came so far.
    failures: HashMap<String, Option<OrderFailure>>,
    /// Orders whose header this import took.
    headers: HashSet<String>,
    /// Keys of the records of the current entity.
    seen: HashSet<String>,
    next_rec_id: u64,
}

impl<'i> Import<'i> {
    fn new(tables: &'i ErpTables, judge: Judge<'i>) -> Self {
        Self {
            tables,
            judge,
            failures: HashMap::new(),
            headers: HashSet::new(),
            seen: HashSet::new(),
            next_rec_id: tables.next_rec_id(),
        }
    }

    fn header(&mut self, record: HeaderRecord) -> ImportedRecord {
        let HeaderRecord {
            order,
            key,
            currency,
            failure,
        } = record;
        let planned = self.planned(&order, true);
        let failure = failure
            .or_else(|| duplicate(self.seen.insert(line_key(&key))))
            .or(planned);
        if failure.is_none() {
            self.headers.insert(order.clone());
        }
        let known = self.tables.header(&order).map(|row| row.rec_id);
        ImportedRecord {
            fate: self.fate(failure, known),
            part: Part::Header { currency },
            key,
            order,
        }
    }

    fn end_of_headers(&mut self) {
        self.seen.clear();
    }

    fn line(&mut self, record: LineRecord) -> ImportedRecord {
        let LineRecord {
            order,
            key,
            amount,
            failure,
        } = record;
        let identity = line_key(&key);
        let known = self.tables.line(&identity).map(|row| row.rec_id);
        let has_header = self.headers.contains(&order) || self.tables.header(&order).is_some();
        let planned = self.planned(&order, false);
        let failure = failure
            .or_else(|| amount.is_none().then(no_amount))
            .or_else(|| duplicate(self.seen.insert(identity)))
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
