//! Values of an order and how they become text.

use std::borrow::Cow;

use chrono::NaiveDate;
use rust_decimal::{Decimal, RoundingStrategy};

use super::countries;
use super::digits::{push_date, push_decimal, push_us_date};
use super::error::FieldErrorKind;
use super::field_map::{DateFormat, Format, Otherwise, Source};
use super::mapping::line_key;
use crate::order::{LineItem, Order, Unknown};

#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Absent,
    Text(Cow<'a, str>),
    Number(Decimal),
    Date(NaiveDate),
}

impl<'a> Value<'a> {
    fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    fn option<T>(option: Option<T>, value: impl FnOnce(T) -> Self) -> Self {
        option.map_or(Self::Absent, value)
    }

    fn is_blank(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Number(_) | Self::Date(_) => false,
        }
    }
}

pub(super) struct Context<'a> {
    pub(super) order: &'a Order,
    pub(super) line: Option<Line<'a>>,
}

/// A line with its amount, which more than one needs.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) item: &'a LineItem,
    /// `None` where 28 digits do not suffice.
    pub(super) amount: Option<Decimal>,
}

impl<'a> Context<'a> {
    pub(super) fn value<'s: 'a>(&self, source: &'s Source) -> Result<Value<'a>, FieldErrorKind> {
        let order = self.order;
        let address = &order.shipping_address;
        Ok(match source {
            Source::OrderId => Value::text(order.order_id.as_str()),
            Source::CustomerId => Value::text(&order.customer_id),
            Source::OrderDate => Value::Date(order.order_date),
            Source::RequestedShippingDate => {
                Value::option(order.requested_shipping_date, Value::Date)
            }
            Source::TotalAmount => Value::Number(order.total_amount),
            Source::Currency => Value::text(order.currency.as_str()),
            Source::Freight => Value::option(order.freight, Value::Number),
            Source::AddressName => Value::option(address.name.as_deref(), Value::text),
            Source::AddressStreet => Value::text(&address.street),
            Source::AddressCity => Value::text(&address.city),
            Source::AddressState => Value::option(address.state.as_deref(), Value::text),
            Source::AddressZip => Value::option(address.zip.as_deref(), Value::text),
            Source::AddressCountry => Value::text(address.country.as_str()),
            Source::Constant(text) => Value::text(text),
            Source::FirstOf(parts) => {
                for part in parts {
                    let value = self.value(part)?;
                    if !value.is_blank() {
                        return Ok(value);
                    }
                }
                Value::Absent
            }
            Source::Concat { parts, separator } => self.concat(parts, separator)?,
            Source::OrderMember(name) => member(&order.unknown, name)?,
            Source::AddressMember(name) => member(&address.unknown, name)?,
            source => match self.line {
                Some(line) => line_value(order, line, source)?,
                None => Value::Absent,
            },
        })
    }

    fn concat<'s: 'a>(
        &self,
        parts: &'s [Source],
        separator: &str,
    ) -> Result<Value<'a>, FieldErrorKind> {
        let mut text = String::new();
        let mut is_first = true;
        for part in parts {
            let value = self.value(part)?;
            if value.is_blank() {
                continue;
            }
            if !is_first {
                text.push_str(separator);
            }
            is_first = false;
            self.write(value, &Format::Plain, &mut text)?;
        }
        Ok(if is_first {
            Value::Absent
        } else {
            Value::Text(Cow::Owned(text))
        })
    }

    pub(super) fn write(
        &self,
        value: Value<'_>,
        format: &Format,
        out: &mut String,
    ) -> Result<(), FieldErrorKind> {
        match value {
            Value::Absent => Ok(()),
            Value::Number(number) => {
                let number = match format {
                    Format::Money => rounded(number, self.order.currency.minor_digits()),
                    Format::Decimals(digits) => rounded(number, *digits),
                    _ => number,
                };
                push_decimal(number, out);
                Ok(())
            }
            Value::Date(date) => {
                match format {
                    Format::Date(DateFormat::MonthDayYear) => push_us_date(date, out),
                    Format::Date(DateFormat::IsoDateTime) => {
                        push_date(date, out);
                        out.push_str("T00:00:00");
                    }
                    _ => push_date(date, out),
                }
                Ok(())
            }
            Value::Text(text) => {
                out.push_str(translated(&text, format)?);
                Ok(())
            }
        }
    }
}

fn translated<'t>(text: &'t str, format: &'t Format) -> Result<&'t str, FieldErrorKind> {
    match format {
        Format::CountryAlpha3 => countries::alpha3(text).ok_or(FieldErrorKind::Country),
        Format::Values { values, otherwise } => match (values.get(text), otherwise) {
            (Some(replacement), _) => Ok(replacement),
            (None, Otherwise::Keep) => Ok(text),
            (None, Otherwise::Refuse) => Err(FieldErrorKind::Unmapped),
        },
        _ => Ok(text),
    }
}

fn line_value<'a>(
    order: &Order,
    line: Line<'a>,
    source: &Source,
) -> Result<Value<'a>, FieldErrorKind> {
    let Line { item: line, amount } = line;
    Ok(match source {
        Source::LineKey => Value::Text(Cow::Owned(line_key(&order.order_id, line.item_number))),
        Source::ItemNumber => Value::Number(line.item_number.into()),
        Source::ProductCode => Value::text(&line.product_code),
        Source::Quantity => Value::Number(line.quantity),
        Source::UnitPrice => Value::Number(line.unit_price),
        Source::Discount => Value::option(line.discount, Value::Number),
        Source::LineAmount => Value::Number(amount.ok_or(FieldErrorKind::OutOfRange)?),
        Source::LineMember(name) => member(&line.unknown, name)?,
        _ => Value::Absent,
    })
}

fn member<'a>(members: &'a Unknown, name: &str) -> Result<Value<'a>, FieldErrorKind> {
    let Some(json) = members.get(name) else {
        return Ok(Value::Absent);
    };
    let json = json.get().trim();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json)
            .map(|text: String| Value::Text(Cow::Owned(text)))
            .map_err(|_| FieldErrorKind::NotScalar),
        Some(b'n') => Ok(Value::Absent),
        Some(b'{' | b'[') | None => Err(FieldErrorKind::NotScalar),
        Some(_) => Ok(Value::text(json)),
    }
}

/// Rounds half to even and writes exactly `digits` decimals, as far as 28 digits hold them.
fn rounded(number: Decimal, digits: u32) -> Decimal {
    if number.scale() == digits {
        return number;
    }
    let mut number = number.round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven);
    number.rescale(digits);
    number
}
