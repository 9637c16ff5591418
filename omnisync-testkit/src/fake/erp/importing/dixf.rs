//! Reads data packages.

use std::io::Cursor;

use bytes::Bytes;
use omnisync_core::dixf::{KeyColumns, Layout, Package, ReadError, ReadLimits, Row};
use omnisync_core::port::FailureClass;
use rust_decimal::Decimal;

use super::super::execution::{Entity, Outcome, RecordFailure};
use super::super::tables::ErpTables;
use super::{HeaderRecord, Import, Judge, LineRecord, outcome};

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

pub(super) fn import(
    content: Bytes,
    tables: &ErpTables,
    judge: Judge<'_>,
) -> Result<Outcome, ReadError> {
    let mut package = Package::open(Cursor::new(content), ReadLimits::default())?;
    let (headers, lines) = entities(&mut package)?;
    let rules = Rules {
        columns: KeyColumns::of(package.layout()),
        insists: package.layout() == Layout::Dmf,
    };
    let mut import = Import::new(tables, judge);
    let mut records = Vec::new();
    for row in package.rows(&headers.label)? {
        records.push(import.header(rules.header(&row?, &headers.key)));
    }
    import.end_of_headers();
    for row in package.rows(&lines.label)? {
        records.push(import.line(rules.line(&row?, &lines.key)));
    }
    Ok(outcome(headers, lines, records))
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

/// How rows become records.
struct Rules {
    columns: KeyColumns,
    /// The ERP insists on its required fields. Layout `Seed` is not one of Finance & Operations
    /// and has none.
    insists: bool,
}

impl Rules {
    fn header(&self, row: &Row, key: &[String]) -> HeaderRecord {
        HeaderRecord {
            order: text(row, &self.columns.order_number),
            key: key_of(row, key),
            currency: text(row, &self.columns.currency),
            failure: form_failure(row, self.required(&HEADER_REQUIRED)),
        }
    }

    fn line(&self, row: &Row, key: &[String]) -> LineRecord {
        let amount = match row.get(&self.columns.line_amount).unwrap_or_default() {
            "" => Some(Decimal::ZERO),
            amount => Decimal::from_str_exact(amount).ok(),
        };
        LineRecord {
            order: text(row, &self.columns.order_number),
            key: key_of(row, key),
            amount,
            failure: form_failure(row, self.required(&LINE_REQUIRED)),
        }
    }

    fn required<'c>(&self, columns: &'c [&'c str]) -> &'c [&'c str] {
        if self.insists { columns } else { &[] }
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
