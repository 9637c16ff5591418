//! Reads plain packages.

use omnisync_core::port::ImportStatus;
use rust_decimal::Decimal;

use super::super::execution::{Entity, Outcome};
use super::super::tables::ErpTables;
use super::{HeaderRecord, Import, Judge, LineRecord, outcome};
use crate::fake::PlainFormat;
use crate::fake::plain_format::{self, PlainRecord};

pub(super) fn import(content: &[u8], tables: &ErpTables, judge: Judge<'_>) -> Outcome {
    let Some(package) = plain_format::read(content) else {
        return Outcome::empty(&ImportStatus::Failed);
    };
    let mut import = Import::new(tables, judge);
    let mut records = Vec::with_capacity(package.len());
    for record in &package {
        if let PlainRecord::Header { order, currency } = *record {
            records.push(import.header(HeaderRecord {
                order: order.to_owned(),
                key: vec![order.to_owned()],
                currency: currency.to_owned(),
                failure: None,
            }));
        }
    }
    import.end_of_headers();
    for record in &package {
        if let PlainRecord::Line { key, order, amount } = *record {
            records.push(import.line(LineRecord {
                order: order.to_owned(),
                key: vec![key.to_owned()],
                amount: Decimal::from_str_exact(amount).ok(),
                failure: None,
            }));
        }
    }
    let entity = |label: &str, key: &str| Entity {
        label: label.to_owned(),
        key: vec![key.to_owned()],
    };
    let headers = entity(PlainFormat::HEADERS, PlainFormat::HEADER_KEY);
    let lines = entity(PlainFormat::LINES, PlainFormat::LINE_KEY);
    outcome(headers, lines, records)
}
