use std::collections::BTreeMap;
use std::collections::HashMap;

use omnisync_core::id::ExecutionId;
use rust_decimal::Decimal;

use super::execution::ImportedRecord;

/// First row identity that the ERP gives.
const REC_ID_FIRST: u64 = 5_637_144_576;

/// What the ERP holds.
#[derive(Debug, Clone, Default)]
pub struct ErpTables {
    headers: HashMap<Box<str>, HeaderRow>,
    lines: HashMap<Box<str>, LineRow>,
    rec_ids: u64,
}

/// A sales order header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRow {
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

    /// The lines of an order, with their keys, sorted by key.
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

    /// Keys of all lines with how often each was imported.
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

    pub(super) fn has_header(&self, order: &str) -> bool {
        self.headers.contains_key(order)
    }

    /// Row identity of the `n`-th record that the next import takes.
    pub(super) fn rec_id(&self, n: u64) -> u64 {
        REC_ID_FIRST + self.rec_ids + n
    }

    /// Writes what an import took.
    pub(super) fn apply(&mut self, execution: ExecutionId, records: &[ImportedRecord]) {
        for record in records.iter().filter(|record| record.failure.is_none()) {
            self.rec_ids += 1;
            if let Some(amount) = &record.amount {
                let key: Vec<&str> = record.key.iter().map(|(_, value)| value.as_str()).collect();
                let amount = Decimal::from_str_exact(amount).unwrap_or_default();
                let row = self
                    .lines
                    .entry(key.join("/").into())
                    .or_insert_with(|| LineRow {
                        order: record.order.as_str().into(),
                        amount,
                        imports: 0,
                    });
                row.amount = amount;
                row.imports += 1;
            } else {
                let currency = record.currency.clone().unwrap_or_default();
                let row = self
                    .headers
                    .entry(record.order.as_str().into())
                    .or_insert_with(|| HeaderRow {
                        currency: currency.clone(),
                        imports: 0,
                        execution,
                    });
                row.currency = currency;
                row.execution = execution;
                row.imports += 1;
            }
        }
    }
}
