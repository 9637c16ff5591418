//! A form of package that costs next to nothing, for tests that pack often.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use bytes::Bytes;
use omnisync_core::id::{OrderId, Sha256};
use omnisync_core::order::{Currency, LineItem, Order};
use omnisync_core::package::{
    FormatError, PackageBuilder, PackageFormat, PackageInfo, PackageTotals,
};
use omnisync_core::port::RecordKey;
use rust_decimal::Decimal;
use thiserror::Error;

/// First line of every package.
const MAGIC: &str = "OMNISYNC PLAIN 1\n";

/// Packages as lines of text, which a [`FakeErp`](super::FakeErp) imports like any other.
///
/// Fields are separated by tabs. The first line is the word of the form, the second (`B`) names
/// the batch. Each order is a line `H` with its number and currency, and after it one line `L`
/// with key and amount for each of its lines; the key is the order's number, `/`, and the number
/// of the line. No field can break a line, since order ids hold no control characters.
///
/// The facts of a package other than its batch are not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainFormat {
    /// Largest number of orders in a package.
    pub orders_max: usize,
}

impl PlainFormat {
    /// A country that may be written but that nobody assigned. Orders to it cannot be packed, as
    /// a field map has no value for their country.
    pub const NOWHERE: &'static str = "QQ";
    /// Entity label of header records.
    pub const HEADERS: &'static str = "Plain orders";
    /// Key column of header records: the order's number.
    pub const HEADER_KEY: &'static str = "ORDER";
    /// Entity label of line records.
    pub const LINES: &'static str = "Plain order lines";
    /// Key column of line records.
    pub const LINE_KEY: &'static str = "LINE";
}

impl Default for PlainFormat {
    fn default() -> Self {
        Self {
            orders_max: 500_000,
        }
    }
}

/// Why an order or a package is refused.
#[derive(Debug, Error)]
enum PlainError {
    #[error("country {country} of order {order} is not assigned")]
    Nowhere { order: OrderId, country: String },
    #[error("order {order} is in the package already")]
    Duplicate { order: OrderId },
    #[error("order {order} does not fit: the package has reached {limit}")]
    Full { order: OrderId, limit: &'static str },
    #[error("the package has no orders")]
    Empty,
}

impl PackageFormat for PlainFormat {
    fn orders_max(&self) -> usize {
        self.orders_max
    }

    fn check(&self, order: &Order) -> Result<(), FormatError> {
        Ok(check(order)?)
    }

    fn record_keys(&self, order: &Order) -> Result<(RecordKey, Vec<RecordKey>), FormatError> {
        check(order)?;
        let key = |entity: &str, column: &str, value| RecordKey {
            entity: entity.to_owned(),
            columns: vec![(column.to_owned(), value)],
        };
        let header = order.order_id.as_str().to_owned();
        let lines = order.line_items.iter().map(|line| {
            let value = format!("{}/{}", order.order_id, line.item_number);
            key(Self::LINES, Self::LINE_KEY, value)
        });
        let lines = lines.collect();
        Ok((key(Self::HEADERS, Self::HEADER_KEY, header), lines))
    }

    fn begin(&self, info: PackageInfo) -> Result<Box<dyn PackageBuilder + '_>, FormatError> {
        let mut text = String::with_capacity(256);
        text.push_str(MAGIC);
        push(&mut text, format_args!("B\t{}\n", info.batch_id));
        Ok(Box::new(PlainBuilder {
            orders_max: self.orders_max,
            text,
            seen: HashSet::new(),
            lines: 0,
            amounts: BTreeMap::new(),
        }))
    }
}

struct PlainBuilder {
    orders_max: usize,
    text: String,
    seen: HashSet<OrderId>,
    lines: u64,
    amounts: BTreeMap<Currency, Decimal>,
}

impl PlainBuilder {
    fn add(&mut self, order: &Order) -> Result<(), PlainError> {
        check(order)?;
        let full = |limit| PlainError::Full {
            order: order.order_id.clone(),
            limit,
        };
        if self.seen.len() >= self.orders_max {
            return Err(full("orders_max"));
        }
        let amount = |line: &LineItem| order.line_amount(line);
        let before = self.amounts.get(&order.currency).copied();
        let sum = order
            .line_items
            .iter()
            .map(amount)
            .try_fold(before.unwrap_or_default(), Decimal::checked_add)
            .ok_or_else(|| full("the largest amount"))?;
        if !self.seen.insert(order.order_id.clone()) {
            return Err(PlainError::Duplicate {
                order: order.order_id.clone(),
            });
        }
        self.amounts.insert(order.currency, sum);
        let (id, text) = (&order.order_id, &mut self.text);
        push(text, format_args!("H\t{id}\t{}\n", order.currency));
        for line in &order.line_items {
            let number = line.item_number;
            push(text, format_args!("L\t{id}/{number}\t{}\n", amount(line)));
            self.lines += 1;
        }
        Ok(())
    }
}

impl PackageBuilder for PlainBuilder {
    fn append(&mut self, order: &Order) -> Result<(), FormatError> {
        Ok(self.add(order)?)
    }

    fn finish(self: Box<Self>) -> Result<(Bytes, PackageTotals), FormatError> {
        if self.seen.is_empty() {
            return Err(PlainError::Empty.into());
        }
        let totals = PackageTotals {
            orders: self.seen.len().try_into().unwrap_or(u64::MAX),
            lines: self.lines,
            amounts: self.amounts,
            bytes: self.text.len().try_into().unwrap_or(u64::MAX),
            sha256: Sha256::of(self.text.as_bytes()),
        };
        Ok((self.text.into(), totals))
    }
}

/// A record of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainRecord<'p> {
    Header {
        order: &'p str,
        currency: &'p str,
    },
    Line {
        key: &'p str,
        order: &'p str,
        amount: &'p str,
    },
}

/// Whether a package has this form.
pub(super) fn is_plain(content: &[u8]) -> bool {
    content.starts_with(MAGIC.as_bytes())
}

/// The records of a package; `None` when it cannot be read to its end.
pub(super) fn read(content: &[u8]) -> Option<Vec<PlainRecord<'_>>> {
    let text = std::str::from_utf8(content).ok()?;
    // A package that was cut within a line is none.
    let text = text.strip_prefix(MAGIC)?.strip_suffix('\n')?;
    let mut lines = text.split('\n');
    lines.next()?.strip_prefix("B\t")?;
    lines.map(record).collect()
}

fn record(line: &str) -> Option<PlainRecord<'_>> {
    let (kind, fields) = line.split_once('\t')?;
    let (key, value) = fields.split_once('\t')?;
    match kind {
        "H" => Some(PlainRecord::Header {
            order: key,
            currency: value,
        }),
        "L" => Some(PlainRecord::Line {
            key,
            order: key.split_once('/')?.0,
            amount: value,
        }),
        _ => None,
    }
}

fn check(order: &Order) -> Result<(), PlainError> {
    let country = order.shipping_address.country;
    if country.as_str() == PlainFormat::NOWHERE {
        return Err(PlainError::Nowhere {
            order: order.order_id.clone(),
            country: country.to_string(),
        });
    }
    Ok(())
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(line);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}
