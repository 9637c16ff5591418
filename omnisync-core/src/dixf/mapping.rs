//! Maps an order to rows of text, before any byte of a package is written.

use rust_decimal::Decimal;
use sha2::Digest as _;

use super::compile::{CompiledColumn, CompiledEntity, CompiledMap};
use super::error::{FieldError, FieldErrorKind, MapError};
use super::unicode;
use super::value::{Context, Line, Value};
use crate::id::OrderId;
use crate::order::{Currency, Order};

/// Stable key of a line: `L` and 19 base-32 digits of the SHA-256 of order number and item
/// number, 95 bits in all.
///
/// The ERP identifies lines by a lot id and would number them itself; the key is kept to 20
/// characters.
/// With a key that depends on nothing but the line's identity, sending an order again updates its
/// lines instead of adding them a second time.
pub fn line_key(order: &OrderId, item_number: u32) -> String {
    String::from_utf8_lossy(&line_key_bytes(order, item_number)).into_owned()
}

fn line_key_bytes(order: &OrderId, item_number: u32) -> [u8; 20] {
    const DIGITS: [u8; 32] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut hash = sha2::Sha256::new();
    hash.update(order.as_str());
    // An order number has no control characters, so the separator makes the input unambiguous.
    hash.update([0]);
    hash.update(item_number.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut key = [b'L'; 20];
    let mut bits = digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_be_bytes(*bytes));
    for slot in key.iter_mut().skip(1) {
        let digit = usize::try_from(bits >> 123).unwrap_or_default();
        *slot = DIGITS.get(digit).copied().unwrap_or_default();
        bits <<= 5;
    }
    key
}

/// An order as rows of text. Reuse one value for many orders: its buffers stay allocated.
#[derive(Debug, Clone, Default)]
pub struct MappedOrder {
    text: String,
    fields: Vec<Field>,
    header_columns: usize,
    line_columns: usize,
    lines: usize,
    identity: Option<(OrderId, Currency)>,
    amount: Decimal,
    /// Largest size of all rows in either layout, in bytes, without what the columns add.
    pub(super) encoded_bytes_max: usize,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    end: usize,
    is_absent: bool,
}

impl MappedOrder {
    /// The order. `None` before anything was mapped, or when mapping failed.
    pub fn order_id(&self) -> Option<&OrderId> {
        self.identity.as_ref().map(|(order, _)| order)
    }

    /// Currency of the amounts. `None` before anything was mapped, or when mapping failed.
    pub fn currency(&self) -> Option<Currency> {
        self.identity.as_ref().map(|(_, currency)| *currency)
    }

    /// Sum of the line amounts.
    pub fn amount(&self) -> Decimal {
        self.amount
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Values of the header row in column order, `None` where the order has none.
    pub fn header(&self) -> impl Iterator<Item = Option<&str>> {
        self.row(0, self.header_columns)
    }

    /// Values of the line with this zero-based position, in column order.
    pub fn line(&self, position: usize) -> impl Iterator<Item = Option<&str>> {
        self.row(
            self.header_columns + position * self.line_columns,
            self.line_columns,
        )
    }

    pub(super) fn columns(&self) -> (usize, usize) {
        (self.header_columns, self.line_columns)
    }

    fn row(&self, first: usize, count: usize) -> impl Iterator<Item = Option<&str>> {
        let before = first
            .checked_sub(1)
            .and_then(|index| self.fields.get(index));
        let mut start = before.map_or(0, |field| field.end);
        self.fields
            .iter()
            .skip(first)
            .take(count)
            .map(move |field| {
                let text = self.text.get(start..field.end);
                start = field.end;
                if field.is_absent { None } else { text }
            })
    }
}

impl CompiledMap {
    /// Maps an order.
    ///
    /// # Errors
    /// Names every field that stands in the way.
    pub fn map(&self, order: &Order) -> Result<MappedOrder, MapError> {
        let mut mapped = MappedOrder::default();
        self.map_into(order, &mut mapped)?;
        Ok(mapped)
    }

    /// Maps an order into the buffers of `mapped`. After an error `mapped` holds no order.
    ///
    /// # Errors
    /// Names every field that stands in the way.
    pub fn map_into(&self, order: &Order, mapped: &mut MappedOrder) -> Result<(), MapError> {
        mapped.text.clear();
        mapped.fields.clear();
        mapped.header_columns = self.headers.columns.len();
        mapped.line_columns = self.lines.columns.len();
        mapped.lines = order.line_items.len();
        mapped.identity = None;
        mapped.amount = Decimal::ZERO;
        let mut errors = Vec::new();
        if order.line_items.is_empty() {
            let column = self.headers.columns.first().map(|c| c.column.name.clone());
            let kind = FieldErrorKind::Missing;
            errors.push(FieldError {
                column: column.unwrap_or_default(),
                line: None,
                kind,
            });
        }
        map_row(
            &self.headers,
            &Context { order, line: None },
            mapped,
            &mut errors,
        );
        for item in &order.line_items {
            let amount = order.checked_line_amount(item);
            let line = Some(Line { item, amount });
            map_row(&self.lines, &Context { order, line }, mapped, &mut errors);
            if let Some(sum) = amount.and_then(|amount| mapped.amount.checked_add(amount)) {
                mapped.amount = sum;
            } else {
                let kind = FieldErrorKind::OutOfRange;
                push_error(&mut errors, "LINEAMOUNT", Some(item.item_number), kind);
            }
        }
        if !errors.is_empty() {
            return Err(MapError {
                order: order.order_id.clone(),
                fields: errors,
            });
        }
        // A byte becomes at most an escape of six (JSON); a separator and two quotes are at most
        // six bytes (UTF-16).
        mapped.encoded_bytes_max = (mapped.text.len() + mapped.fields.len()) * 6;
        mapped.identity = Some((order.order_id.clone(), order.currency));
        Ok(())
    }
}

fn push_error(errors: &mut Vec<FieldError>, column: &str, line: Option<u32>, kind: FieldErrorKind) {
    if errors.len() < MapError::FIELDS_MAX {
        errors.push(FieldError {
            column: column.to_owned(),
            line,
            kind,
        });
    }
}

fn map_row(
    entity: &CompiledEntity,
    context: &Context<'_>,
    mapped: &mut MappedOrder,
    errors: &mut Vec<FieldError>,
) {
    for column in &entity.columns {
        let is_absent = match map_field(column, context, &mut mapped.text) {
            Ok(is_absent) => is_absent,
            Err(kind) => {
                let line = context.line.map(|line| line.item.item_number);
                push_error(errors, &column.column.name, line, kind);
                true
            }
        };
        mapped.fields.push(Field {
            end: mapped.text.len(),
            is_absent,
        });
    }
}

/// Appends the value of a column. Returns true when the order has none.
fn map_field(
    compiled: &CompiledColumn,
    context: &Context<'_>,
    out: &mut String,
) -> Result<bool, FieldErrorKind> {
    let column = &compiled.column;
    let start = out.len();
    let value = context.value(&column.source)?;
    let mut is_absent = value == Value::Absent;
    context.write(value, &column.format, out)?;
    let is_blank = |out: &String| {
        // Nearly always the first character tells.
        let is_plain = |byte: &u8| byte.is_ascii_graphic();
        let text = out.get(start..).unwrap_or_default();
        !text.as_bytes().first().is_some_and(is_plain) && text.trim().is_empty()
    };
    if is_blank(out) {
        if let Some(default) = &column.default {
            out.truncate(start);
            out.push_str(default);
            is_absent = false;
        }
        if column.required && is_blank(out) {
            return Err(FieldErrorKind::Missing);
        }
    }
    let text = out.get(start..).unwrap_or_default();
    if unicode::has_forbidden(text) {
        return Err(FieldErrorKind::Character);
    }
    match column.chars_max {
        Some(chars_max) if text.len() > chars_max && text.encode_utf16().count() > chars_max => {
            Err(FieldErrorKind::TooLong { chars_max })
        }
        _ => Ok(is_absent),
    }
}
