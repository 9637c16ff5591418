use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use uuid::Builder;

use super::places::{COUNTRIES, Country, Place};
use super::words::{AWKWARD, DISCOUNTS, PRODUCTS};
use crate::rng::SplitMix64;

/// 2026-01-05T06:00:00Z: the first order.
const FIRST_ORDER_SECONDS: i64 = 1_767_592_800;

/// Orders come at this distance.
const ORDER_DISTANCE_SECONDS: i64 = 7;

/// Length of the longest text.
const LONG_TEXT_CHARS: usize = 250;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventType {
    Created,
    Updated,
    Cancelled,
}

impl EventType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "OMS.Order.Created",
            Self::Updated => "OMS.Order.Updated",
            Self::Cancelled => "OMS.Order.Cancelled",
        }
    }
}

/// What an event says about itself.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub(super) event_type: EventType,
    id: String,
    time: DateTime<Utc>,
}

impl Stamp {
    pub(super) fn of_order(number: u64, rng: &mut SplitMix64) -> Self {
        let seconds = i64::try_from(number).unwrap_or_default() * ORDER_DISTANCE_SECONDS;
        let time = DateTime::from_timestamp(FIRST_ORDER_SECONDS + seconds, 0).unwrap_or_default()
            + TimeDelta::milliseconds(i64::from(rng.below(1_000)));
        Self {
            event_type: EventType::Created,
            id: event_id(rng),
            time,
        }
    }

    /// The next event of the same order.
    pub(super) fn later(&self, event_type: EventType, rng: &mut SplitMix64) -> Self {
        let time = self.time + TimeDelta::seconds(1 + i64::from(rng.below(3_600)));
        Self {
            event_type,
            id: event_id(rng),
            time,
        }
    }

    /// The same event, sent a second time by a system that gave it a new id.
    pub(super) fn under_new_id(&self, rng: &mut SplitMix64) -> Self {
        Self {
            id: event_id(rng),
            ..self.clone()
        }
    }
}

fn event_id(rng: &mut SplitMix64) -> String {
    let bits = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    Builder::from_custom_bytes(bits.to_be_bytes())
        .into_uuid()
        .to_string()
}

/// An order that is valid.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) order_id: String,
    customer_id: String,
    order_date: NaiveDate,
    requested_shipping_date: Option<NaiveDate>,
    country: &'static Country,
    freight: Option<Decimal>,
    lines: Vec<Line>,
    name: Option<String>,
    street: String,
    city: &'static str,
    state: Option<&'static str>,
    zip: Option<String>,
}

#[derive(Debug, Clone)]
struct Line {
    product: &'static str,
    quantity: Decimal,
    unit_price: Decimal,
    discount: Option<Decimal>,
}

impl Draft {
    pub(super) fn new(
        order_id: String,
        stamp: &Stamp,
        awkward: bool,
        rng: &mut SplitMix64,
    ) -> Self {
        let country = rng.pick(COUNTRIES).unwrap_or(&Country::FALLBACK);
        let place = rng.pick(country.places).unwrap_or(&Place::FALLBACK);
        let order_date = stamp.time.date_naive();
        let days = Days::new(2 + u64::from(rng.below(12)));
        let requested = order_date.checked_add_days(days);
        let lines = 1 + rng.below(5);
        let mut draft = Self {
            order_id,
            customer_id: format!("CUST-{:06}", 1 + rng.below(50_000)),
            order_date,
            requested_shipping_date: if rng.chance(700) { requested } else { None },
            country,
            freight: if rng.chance(400) {
                Some(price(country, rng))
            } else {
                None
            },
            lines: (0..lines).map(|_| Line::new(country, rng)).collect(),
            name: rng.pick(country.recipients).map(|name| (*name).to_owned()),
            street: street(country, rng),
            city: place.city,
            state: place.state,
            zip: place.zip.map(|pattern| zip(pattern, rng)),
        };
        if rng.chance(50) {
            draft.name = None;
        }
        if awkward {
            draft.make_awkward(rng);
        }
        draft
    }

    /// What a customer changes after ordering.
    pub(super) fn amend(&mut self, rng: &mut SplitMix64) {
        if let Some(line) = self.lines.last_mut() {
            line.quantity += Decimal::ONE;
        }
        if rng.chance(300) {
            self.street = street(self.country, rng);
        }
        if rng.chance(300) {
            self.lines.push(Line::new(self.country, rng));
        }
    }

    fn make_awkward(&mut self, rng: &mut SplitMix64) {
        let word = rng.pick(AWKWARD).copied().unwrap_or_default();
        match rng.below(4) {
            0 => self.name = Some(word.to_owned()),
            1 => self.street = format!("{} {word}", self.street),
            2 => {
                let long = word
                    .chars()
                    .chain(" ".chars())
                    .cycle()
                    .take(LONG_TEXT_CHARS - 1);
                self.street = long.chain(".".chars()).collect();
            }
            _ => {
                self.name = Some(format!("{word} {word}"));
                self.street = format!("{word}, {}", self.street);
            }
        }
    }

    fn total(&self) -> Decimal {
        self.lines
            .iter()
            .map(|line| line.amount(self.country.minor_digits))
            .sum()
    }

    /// The event on one line.
    pub(super) fn render(&self, stamp: &Stamp) -> String {
        let mut out = String::with_capacity(512 + 128 * self.lines.len());
        out.push_str("{\"specversion\":\"1.0\",\"type\":\"");
        out.push_str(stamp.event_type.as_str());
        out.push_str("\",\"source\":\"https://oms.contoso.example/orders\",\"id\":\"");
        out.push_str(&stamp.id);
        out.push_str("\",\"time\":\"");
        out.push_str(&stamp.time.to_rfc3339_opts(SecondsFormat::Millis, true));
        out.push_str("\",\"datacontenttype\":\"application/json\",\"data\":{\"orderId\":");
        quote(&mut out, &self.order_id);
        out.push_str(",\"customerId\":");
        quote(&mut out, &self.customer_id);
        member(&mut out, "orderDate", &self.order_date, true);
        if let Some(date) = &self.requested_shipping_date {
            member(&mut out, "requestedShippingDate", date, true);
        }
        member(&mut out, "totalAmount", &self.total(), false);
        member(&mut out, "currency", &self.country.currency, true);
        if let Some(freight) = &self.freight {
            member(&mut out, "freight", freight, false);
        }
        out.push_str(",\"lineItems\":[");
        for (number, line) in (1..).zip(&self.lines) {
            line.render(&mut out, number);
        }
        out.push_str("],\"shippingAddress\":{\"street\":");
        quote(&mut out, &self.street);
        let texts = [
            ("name", self.name.as_deref()),
            ("city", Some(self.city)),
            ("state", self.state),
            ("zip", self.zip.as_deref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                out.push_str(",\"");
                out.push_str(name);
                out.push_str("\":");
                quote(&mut out, text);
            }
        }
        member(&mut out, "country", &self.country.code, true);
        out.push_str("}}}");
        out
    }
}

impl Line {
    fn new(country: &Country, rng: &mut SplitMix64) -> Self {
        let quantity = match rng.below(20) {
            0 => Decimal::new(1 + i64::from(rng.below(99)), 1),
            1 => Decimal::new(25 * (1 + i64::from(rng.below(40))), 2),
            _ => Decimal::from(1 + rng.below(24)),
        };
        let discount = if rng.chance(300) {
            rng.pick(DISCOUNTS).copied()
        } else {
            None
        };
        Self {
            product: rng.pick(PRODUCTS).copied().unwrap_or_default(),
            quantity,
            unit_price: price(country, rng),
            discount: discount.map(|per_mille| Decimal::new(per_mille, 3).normalize()),
        }
    }

    fn amount(&self, minor_digits: u32) -> Decimal {
        let rest = Decimal::ONE - self.discount.unwrap_or_default();
        let amount = self.quantity * self.unit_price * rest;
        amount.round_dp_with_strategy(minor_digits, RoundingStrategy::MidpointNearestEven)
    }

    fn render(&self, out: &mut String, number: u32) {
        out.push_str(if number == 1 {
            "{\"itemNumber\":"
        } else {
            ",{\"itemNumber\":"
        });
        out.push_str(&number.to_string());
        member(out, "productCode", &self.product, true);
        member(out, "quantity", &self.quantity, false);
        member(out, "unitPrice", &self.unit_price, false);
        if let Some(discount) = &self.discount {
            member(out, "discount", discount, false);
        }
        out.push('}');
    }
}

/// A price with the currency's own number of digits.
fn price(country: &Country, rng: &mut SplitMix64) -> Decimal {
    let whole = i64::from(1 + rng.below(400)) * i64::from(country.price_level);
    let minor = i64::from(10_u32.pow(country.minor_digits));
    let fraction = i64::from(rng.below(10_u32.pow(country.minor_digits)));
    Decimal::new(whole * minor + fraction, country.minor_digits)
}

fn street(country: &Country, rng: &mut SplitMix64) -> String {
    let name = rng.pick(country.streets).copied().unwrap_or_default();
    let number = (1 + rng.below(180)).to_string();
    name.replace('#', &number)
}

/// Fills `#` with a digit, `+` with a digit above zero, and `@` with a letter that the postal
/// systems concerned use.
fn zip(pattern: &str, rng: &mut SplitMix64) -> String {
    let fill = |c| match c {
        '#' => char::from_digit(rng.below(10), 10).unwrap_or(c),
        '+' => char::from_digit(1 + rng.below(9), 10).unwrap_or(c),
        '@' => rng
            .pick(b"AEHNPRTWXY")
            .map_or(c, |letter| char::from(*letter)),
        other => other,
    };
    pattern.chars().map(fill).collect()
}

/// A member behind another one. `value` needs no escapes.
fn member(out: &mut String, name: &str, value: &impl ToString, quoted: bool) {
    let quote = if quoted { "\"" } else { "" };
    for part in [",\"", name, "\":", quote, &value.to_string(), quote] {
        out.push_str(part);
    }
}

fn quote(out: &mut String, text: &str) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
