//! The rules by which the ERP takes the rows of a package.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use omnisync_core::dixf::{KeyColumns, Layout, Package, ReadError, ReadLimits, Row};
use omnisync_core::id::Sha256;
use omnisync_core::port::{FailureClass, ImportStatus};

use super::OrderFailure;
use super::execution::{ImportedRecord, RecordFailure};
use super::tables::ErpTables;

/// Columns that Finance & Operations insists on, by what the entity is.
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

/// Imports a package: a status, and the fate of every record.
pub(super) fn import(
    content: Bytes,
    tables: &ErpTables,
    judge: Judge<'_>,
) -> (ImportStatus, Vec<ImportedRecord>) {
    let Ok(records) = records_of(content, tables, judge) else {
        // A package that cannot be read imports nothing.
        return (ImportStatus::Failed, Vec::new());
    };
    let failed = records
        .iter()
        .filter(|record| record.failure.is_some())
        .count();
    let status = if records.is_empty() || failed == records.len() {
        ImportStatus::Failed
    } else if failed > 0 {
        ImportStatus::PartiallySucceeded
    } else {
        ImportStatus::Succeeded
    };
    (status, records)
}

/// Orders that a share of all is refused by: always the same ones.
pub(super) fn refused_by_share(order: &str, share: f64) -> Option<OrderFailure> {
    let hash = Sha256::of(order.as_bytes());
    let head = hash
        .as_bytes()
        .first_chunk::<4>()
        .map_or(0, |head| u32::from_be_bytes(*head));
    let position = f64::from(head) / f64::from(u32::MAX);
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

struct Roles {
    headers: String,
    lines: String,
    header_key: Vec<String>,
    columns: KeyColumns,
    is_dmf: bool,
}

fn roles(package: &mut Package<Cursor<Bytes>>) -> Result<Roles, ReadError> {
    let columns = KeyColumns::of(package.layout());
    let is_dmf = package.layout() == Layout::Dmf;
    let names: Vec<String> = package
        .entities()
        .iter()
        .map(|entity| entity.name.clone())
        .collect();
    let mut found = BTreeMap::new();
    for name in names {
        let rows = package.rows(&name)?;
        let has = |column: &String| rows.columns().contains(column);
        let role = if columns.line_key.iter().all(has) {
            "lines"
        } else {
            "headers"
        };
        found.entry(role).or_insert(name);
    }
    Ok(Roles {
        headers: found.remove("headers").ok_or(ReadError::NoEntity)?,
        lines: found.remove("lines").ok_or(ReadError::NoEntity)?,
        header_key: vec![columns.order_number.clone()],
        columns,
        is_dmf,
    })
}

fn records_of(
    content: Bytes,
    tables: &ErpTables,
    judge: Judge<'_>,
) -> Result<Vec<ImportedRecord>, ReadError> {
    let mut package = Package::open(Cursor::new(content), ReadLimits::default())?;
    let roles = roles(&mut package)?;
    let mut records = Vec::new();
    let mut failures: HashMap<String, OrderFailure> = HashMap::new();
    let mut taken: HashSet<String> = HashSet::new();
    let mut seen = HashSet::new();
    let entity: Arc<str> = roles.headers.as_str().into();
    let key_names = names(&roles.header_key);
    for row in package.rows(&roles.headers)? {
        let row = row?;
        let order = row
            .get(&roles.columns.order_number)
            .unwrap_or_default()
            .to_owned();
        if let Some(failure) = judge(&order) {
            failures.insert(order.clone(), failure);
        }
        let failure = form_failure(&row, required(&roles, &HEADER_REQUIRED))
            .or_else(|| duplicate(seen.insert(order.clone())))
            .or_else(|| planned(failures.get(&order), true));
        let number = u64::try_from(records.len()).unwrap_or(u64::MAX);
        if failure.is_none() {
            taken.insert(order.clone());
        }
        records.push(ImportedRecord {
            entity: Arc::clone(&entity),
            key: key_of(&row, &key_names),
            amount: None,
            currency: row.get(&roles.columns.currency).map(str::to_owned),
            rec_id: failure.is_none().then(|| tables.rec_id(number)),
            failure,
            order,
        });
    }
    let entity: Arc<str> = roles.lines.as_str().into();
    let key_names = names(&roles.columns.line_key);
    let mut seen = HashSet::new();
    for row in package.rows(&roles.lines)? {
        let row = row?;
        let order = row
            .get(&roles.columns.order_number)
            .unwrap_or_default()
            .to_owned();
        let key = key_of(&row, &key_names);
        let identity: Vec<&str> = key.iter().map(|(_, value)| value.as_str()).collect();
        // Headers come first: a line needs one that is here or was there before.
        let has_header = taken.contains(&order) || tables.has_header(&order);
        let failure = form_failure(&row, required(&roles, &LINE_REQUIRED))
            .or_else(|| duplicate(seen.insert(identity.join("/"))))
            .or_else(|| planned(failures.get(&order), false))
            .or_else(|| (!has_header).then(no_header));
        let number = u64::try_from(records.len()).unwrap_or(u64::MAX);
        records.push(ImportedRecord {
            entity: Arc::clone(&entity),
            amount: Some(
                row.get(&roles.columns.line_amount)
                    .unwrap_or("0")
                    .to_owned(),
            ),
            currency: None,
            rec_id: failure.is_none().then(|| tables.rec_id(number)),
            key,
            failure,
            order,
        });
    }
    Ok(records)
}

fn required<'c>(roles: &Roles, columns: &'c [&'c str]) -> &'c [&'c str] {
    if roles.is_dmf { columns } else { &[] }
}

fn names(columns: &[String]) -> Vec<Arc<str>> {
    columns
        .iter()
        .map(|name| Arc::from(name.as_str()))
        .collect()
}

fn key_of(row: &Row, names: &[Arc<str>]) -> Vec<(Arc<str>, String)> {
    names
        .iter()
        .map(|name| {
            (
                Arc::clone(name),
                row.get(name).unwrap_or_default().to_owned(),
            )
        })
        .collect()
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

fn planned(failure: Option<&OrderFailure>, is_header: bool) -> Option<RecordFailure> {
    let failure = failure.filter(|failure| !(is_header && failure.lines_only))?;
    Some(RecordFailure::new(
        failure.code.as_deref(),
        &failure.message,
        failure.class,
    ))
}

fn no_header() -> RecordFailure {
    RecordFailure::new(None, "Sales order does not exist.", FailureClass::Data)
}
