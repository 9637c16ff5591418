//! What the ERP holds.

use std::collections::{BTreeMap, HashMap};

use omnisync_core::id::ExecutionId;
use rust_decimal::Decimal;

use super::execution::{Fate, ImportedRecord, Part};

/// First row identity that the ERP gives.
const REC_ID_FIRST: u64 = 5_637_144_576;

/// The sales orders of a [`FakeErp`](super::FakeErp): what its imports really did, whatever it
/// told the importer.
#[derive(Debug, Clone, Default)]
pub struct ErpTables {
    headers: HashMap<Box<str>, HeaderRow>,
    lines: HashMap<Box<str>, LineRow>,
    rec_ids: u64,
}

/// A sales order header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRow {
    /// Identity of the row. An import that writes it again keeps it.
    pub rec_id: u64,
    /// Currency.
    pub currency: String,
    /// How often an import wrote it: once for creation, more when it was sent again.
    pub imports: u32,
    /// The import that wrote it last.
    pub execution: ExecutionId,
}

/// A sales order line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// Identity of the row. An import that writes it again keeps it.
    pub rec_id: u64,
    /// Number of the order.
    pub order: Box<str>,
    /// Amount.
    pub amount: Decimal,
    /// How often an import wrote it.
    pub imports: u32,
}

impl ErpTables {
    /// Number of sales orders.
    pub fn orders(&self) -> usize {
        self.headers.len()
    }

    /// Number of sales order lines.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The header with this number.
    pub fn header(&self, order: &str) -> Option<&HeaderRow> {
        self.headers.get(order)
    }

    /// The line with this key: the values of its key columns, joined by `/`.
    pub fn line(&self, key: &str) -> Option<&LineRow> {
        self.lines.get(key)
    }

    /// The lines of an order by their [keys](Self::line). Looks at every line there is.
    pub fn lines_of(&self, order: &str) -> BTreeMap<&str, &LineRow> {
        self.lines
            .iter()
            .filter(|(_, line)| &*line.order == order)
            .map(|(key, line)| (&**key, line))
            .collect()
    }

    /// Numbers of all orders with how often each was imported.
    pub fn imports(&self) -> BTreeMap<&str, u32> {
        self.headers
            .iter()
            .map(|(order, row)| (&**order, row.imports))
            .collect()
    }

    /// [Keys](Self::line) of all lines with how often each was imported.
    pub fn line_imports(&self) -> BTreeMap<&str, u32> {
        self.lines
            .iter()
            .map(|(key, row)| (&**key, row.imports))
            .collect()
    }

    /// Sum of the line amounts by the currency of their order.
    pub fn amounts(&self) -> BTreeMap<String, Decimal> {
        let mut amounts = BTreeMap::new();
        for line in self.lines.values() {
            let currency = self
                .header(&line.order)
                .map_or("", |header| &header.currency);
            *amounts.entry(currency.to_owned()).or_insert(Decimal::ZERO) += line.amount;
        }
        amounts
    }

    /// Identity of the next new row.
    pub(super) fn next_rec_id(&self) -> u64 {
        REC_ID_FIRST + self.rec_ids
    }

    /// Writes what an import took.
    pub(super) fn apply(&mut self, execution: ExecutionId, records: &[ImportedRecord]) {
        for record in records {
            let Fate::Taken(rec_id) = record.fate else {
                continue;
            };
            self.rec_ids = self.rec_ids.max((rec_id + 1).saturating_sub(REC_ID_FIRST));
            match &record.part {
                Part::Header { currency } => {
                    let row = HeaderRow {
                        rec_id,
                        currency: currency.clone(),
                        imports: 1 + self.header(&record.order).map_or(0, |row| row.imports),
                        execution,
                    };
                    self.headers.insert(record.order.as_str().into(), row);
                }
                Part::Line { amount } => {
                    let key = line_key(&record.key);
                    let row = LineRow {
                        rec_id,
                        order: record.order.as_str().into(),
                        amount: *amount,
                        imports: 1 + self.line(&key).map_or(0, |row| row.imports),
                    };
                    self.lines.insert(key.into(), row);
                }
            }
        }
    }
}

/// The key of a line as one text.
pub(super) fn line_key(values: &[String]) -> String {
    values.join("/")
}
