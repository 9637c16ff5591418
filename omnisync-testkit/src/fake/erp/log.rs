//! What each import did with each order.

use std::collections::HashMap;

use omnisync_core::id::ExecutionId;
use rust_decimal::Decimal;

use super::execution::{Fate, ImportedRecord, Part};

/// What an import did with an order that its package held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedOrder {
    /// The import.
    pub execution: ExecutionId,
    /// Number of the order.
    pub order: Box<str>,
    /// Currency by the order's header in the package; empty without one.
    pub currency: Box<str>,
    /// Sum of the amounts of the lines that were taken.
    pub amount: Decimal,
    /// Records that were taken, the header among them.
    pub taken: u32,
    /// Records that were refused.
    pub refused: u32,
}

impl ImportedOrder {
    /// The import took every record that its package held of the order.
    pub fn is_whole(&self) -> bool {
        self.taken > 0 && self.refused == 0
    }
}

/// What an import did, order by order as they came in its package.
pub(super) fn orders_of(execution: ExecutionId, records: &[ImportedRecord]) -> Vec<ImportedOrder> {
    let mut orders: Vec<ImportedOrder> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for record in records {
        let position = *positions.entry(&record.order).or_insert_with(|| {
            orders.push(ImportedOrder {
                execution,
                order: record.order.as_str().into(),
                currency: Box::default(),
                amount: Decimal::ZERO,
                taken: 0,
                refused: 0,
            });
            orders.len() - 1
        });
        let Some(order) = orders.get_mut(position) else {
            continue;
        };
        if let Part::Header { currency } = &record.part {
            order.currency = currency.as_str().into();
        }
        match (&record.fate, &record.part) {
            (Fate::Taken(_), Part::Line { amount }) => {
                order.taken += 1;
                order.amount += *amount;
            }
            (Fate::Taken(_), Part::Header { .. }) => order.taken += 1,
            (Fate::Refused(_), _) => order.refused += 1,
        }
    }
    orders
}
