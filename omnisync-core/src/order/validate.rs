//! Reads an order from JSON: every violation is reported, none stops the search for others.

use chrono::{DateTime, Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::model::{Address, Country, Currency, LineItem, Order, Unknown};
use super::place::Place;
use super::revision::REVISION_MEMBER;
use super::rule::{Rule, SIGNIFICANT_DIGITS_MAX, Violation};
use super::total::{TotalPolicy, check_total};
use crate::id::{IdError, OrderId};
use crate::json::{Json, Value};

/// Limits of an order. The defaults are meant to be wide enough for any real order; narrow them
/// to what your ERP can hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderRules {
    /// Largest number of lines. Default 10,000.
    pub lines_max: usize,
    /// Largest quantity of one line, in sales units. Default 1,000,000.
    pub quantity_max: Decimal,
    /// Largest amount or price, in the order's currency. Default 1,000,000,000,000.
    pub amount_max: Decimal,
    /// Most digits after the decimal point of prices, quantities and discounts. Default 6.
    pub scale_max: u32,
    /// Longest code (customer, product, postal code), in characters. Default 64.
    pub code_chars_max: usize,
    /// Longest text (name, street, city, state), in bytes. Default 32,768.
    pub text_bytes_max: usize,
    /// First year of a date. Default 1900.
    pub year_min: i32,
    /// Last year of a date. Default 2154.
    pub year_max: i32,
    /// Whether the total has to match the lines.
    pub total: TotalPolicy,
}

impl Default for OrderRules {
    fn default() -> Self {
        Self {
            lines_max: 10_000,
            quantity_max: Decimal::from(1_000_000),
            amount_max: Decimal::from(1_000_000_000_000_u64),
            scale_max: 6,
            code_chars_max: 64,
            text_bytes_max: 32 * 1024,
            year_min: 1900,
            year_max: 2154,
            total: TotalPolicy::default(),
        }
    }
}

/// A valid order and what is odd about it.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The order.
    pub order: Order,
    /// Rules that are set to warn.
    pub warnings: Vec<Violation>,
}

/// Reads `data` as an order.
///
/// # Errors
/// Every violation, in document order.
pub fn validate(data: &Json<'_>, rules: &OrderRules) -> Result<Validated, Vec<Violation>> {
    let mut reader = Reader {
        rules,
        violations: Vec::new(),
    };
    let order = reader.order(data);
    let Reader { mut violations, .. } = reader;
    let mut warnings = Vec::new();
    if let Some(order) = &order
        && let Some(mismatch) = check_total(order, &rules.total)
    {
        if mismatch.enforced {
            violations.push(mismatch.violation);
        } else {
            warnings.push(mismatch.violation);
        }
    }
    match order {
        Some(order) if violations.is_empty() => Ok(Validated { order, warnings }),
        _ => Err(violations),
    }
}

/// Reads only the order number, which is all that a cancellation has to carry.
///
/// # Errors
/// The violations of the order number.
pub fn validate_order_id(data: &Json<'_>) -> Result<OrderId, Vec<Violation>> {
    let rules = OrderRules::default();
    let mut reader = Reader {
        rules: &rules,
        violations: Vec::new(),
    };
    let order_id = reader
        .members(data, Place::Root)
        .and_then(|members| members.order_id(&mut reader));
    order_id.ok_or(reader.violations)
}

/// The explicit revision number, where the order system sends one.
///
/// # Errors
/// The violation when it is not a non-negative integer.
pub fn explicit_revision(data: &Json<'_>) -> Result<Option<u64>, Violation> {
    let Some(member) = data.get(REVISION_MEMBER) else {
        return Ok(None);
    };
    let violation = |rule| Violation {
        pointer: format!("/{REVISION_MEMBER}"),
        rule,
    };
    match &member.value {
        Value::Null => Ok(None),
        Value::Number(text) => text
            .parse()
            .map(Some)
            .map_err(|_| violation(Rule::NotInteger)),
        _ => Err(violation(Rule::WrongType {
            expected: "a number",
        })),
    }
}

struct Reader<'r> {
    rules: &'r OrderRules,
    violations: Vec<Violation>,
}

/// The members of one object and where it lies.
struct Members<'j, 'a, 'p> {
    object: &'j [(std::borrow::Cow<'a, str>, Json<'a>)],
    place: Place<'p>,
}

impl<'j, 'a> Members<'j, 'a, '_> {
    fn get(&self, name: &str) -> Option<&'j Json<'a>> {
        self.object
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, member)| member)
            .filter(|member| !matches!(member.value, Value::Null))
    }

    fn at<'s>(&'s self, name: &'s str) -> Place<'s> {
        Place::Member(&self.place, name)
    }

    fn unknown(&self, known: &[&str]) -> Unknown {
        self.object
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_ref()))
            .filter_map(|(name, member)| {
                let raw = RawValue::from_string(member.raw.to_owned()).ok()?;
                Some((name.clone().into_owned(), raw))
            })
            .collect()
    }

    fn order_id(&self, reader: &mut Reader<'_>) -> Option<OrderId> {
        let text = reader.required_text(self, "orderId")?;
        match OrderId::new(text) {
            Ok(id) => Some(id),
            Err(error) => {
                let rule = match error {
                    IdError::Empty { .. } => Rule::Empty,
                    IdError::TooLong { chars_max, .. } => Rule::TooLong { max: chars_max },
                    IdError::Character { .. } | IdError::Malformed { .. } => Rule::Character,
                };
                reader.violate(self.at("orderId"), rule);
                None
            }
        }
    }
}

impl Reader<'_> {
    fn violate(&mut self, place: Place<'_>, rule: Rule) {
        let pointer = place.to_string();
        self.violations.push(Violation { pointer, rule });
    }

    fn members<'j, 'a, 'p>(
        &mut self,
        json: &'j Json<'a>,
        place: Place<'p>,
    ) -> Option<Members<'j, 'a, 'p>> {
        if let Value::Object(object) = &json.value {
            return Some(Members { object, place });
        }
        self.violate(
            place,
            Rule::WrongType {
                expected: "an object",
            },
        );
        None
    }

    fn order(&mut self, data: &Json<'_>) -> Option<Order> {
        const KNOWN: [&str; 10] = [
            "orderId",
            "customerId",
            "orderDate",
            "requestedShippingDate",
            "totalAmount",
            "currency",
            "freight",
            "lineItems",
            "shippingAddress",
            REVISION_MEMBER,
        ];
        let members = self.members(data, Place::Root)?;
        let order_id = members.order_id(self);
        let customer_id = self.code(&members, "customerId");
        let order_date = self.required(&members, "orderDate", Self::date);
        let requested = self.optional(&members, "requestedShippingDate", Self::date);
        let total_amount = self.required(&members, "totalAmount", Self::amount);
        let currency = self.required(&members, "currency", Self::currency);
        let freight = self.optional(&members, "freight", Self::amount);
        let line_items = self.lines(&members);
        let shipping_address = self.address(&members);
        if let Some(currency) = currency {
            for (name, amount) in [
                ("totalAmount", total_amount),
                ("freight", freight.flatten()),
            ] {
                let scale_max = currency.minor_digits();
                if amount.is_some_and(|amount| amount.normalize().scale() > scale_max) {
                    self.violate(members.at(name), Rule::TooPrecise { scale_max });
                }
            }
        }
        if let Err(violation) = explicit_revision(data) {
            self.violations.push(violation);
        }
        Some(Order {
            order_id: order_id?,
            customer_id: customer_id?,
            order_date: order_date?,
            requested_shipping_date: requested?,
            total_amount: total_amount?,
            currency: currency?,
            freight: freight?,
            line_items: line_items?,
            shipping_address: shipping_address?,
            unknown: members.unknown(&KNOWN),
        })
    }

    fn lines(&mut self, members: &Members<'_, '_, '_>) -> Option<Vec<LineItem>> {
        let place = members.at("lineItems");
        let Some(list) = members.get("lineItems") else {
            self.violate(place, Rule::Missing);
            return None;
        };
        let Value::Array(items) = &list.value else {
            self.violate(
                place,
                Rule::WrongType {
                    expected: "an array",
                },
            );
            return None;
        };
        if items.is_empty() {
            self.violate(place, Rule::NoLines);
            return None;
        }
        let max = self.rules.lines_max;
        if items.len() > max {
            self.violate(place, Rule::TooManyLines { max });
            return None;
        }
        let lines: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.line(item, Place::Element(&place, index)))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        for (index, line) in lines.iter().enumerate() {
            if let Some(line) = line
                && !seen.insert(line.item_number)
            {
                let line = Place::Element(&place, index);
                let number = Place::Member(&line, "itemNumber");
                self.violate(number, Rule::DuplicateItemNumber);
            }
        }
        lines.into_iter().collect()
    }

    fn line(&mut self, item: &Json<'_>, place: Place<'_>) -> Option<LineItem> {
        const KNOWN: [&str; 5] = [
            "itemNumber",
            "productCode",
            "quantity",
            "unitPrice",
            "discount",
        ];
        let members = self.members(item, place)?;
        let item_number = self.required(&members, "itemNumber", Self::item_number);
        let product_code = self.code(&members, "productCode");
        let quantity = self.required(&members, "quantity", Self::quantity);
        let unit_price = self.required(&members, "unitPrice", Self::amount);
        let discount = self.optional(&members, "discount", Self::fraction);
        Some(LineItem {
            item_number: item_number?,
            product_code: product_code?,
            quantity: quantity?,
            unit_price: unit_price?,
            discount: discount?,
            unknown: members.unknown(&KNOWN),
        })
    }

    fn address(&mut self, members: &Members<'_, '_, '_>) -> Option<Address> {
        const KNOWN: [&str; 6] = ["name", "street", "city", "state", "zip", "country"];
        let place = members.at("shippingAddress");
        let Some(address) = members.get("shippingAddress") else {
            self.violate(place, Rule::Missing);
            return None;
        };
        let members = self.members(address, place)?;
        let name = self.optional(&members, "name", Self::text);
        let street = self.required(&members, "street", Self::text);
        let city = self.required(&members, "city", Self::text);
        let state = self.optional(&members, "state", Self::text);
        let zip = self.optional(&members, "zip", Self::code_text);
        let country = self.required(&members, "country", Self::country);
        Some(Address {
            name: name?,
            street: street?,
            city: city?,
            state: state?,
            zip: zip?,
            country: country?,
            unknown: members.unknown(&KNOWN),
        })
    }

    /// A member that has to be there. `None` when a violation was noted.
    fn required<T>(
        &mut self,
        members: &Members<'_, '_, '_>,
        name: &str,
        read: impl Fn(&Self, &Json<'_>) -> Result<T, Rule>,
    ) -> Option<T> {
        let outcome = match members.get(name) {
            Some(member) => read(self, member),
            None => Err(Rule::Missing),
        };
        outcome
            .map_err(|rule| self.violate(members.at(name), rule))
            .ok()
    }

    /// A member that may be absent or null. The outer `None` means that a violation was noted.
    #[expect(clippy::option_option, reason = "absent and refused are different")]
    fn optional<T>(
        &mut self,
        members: &Members<'_, '_, '_>,
        name: &str,
        read: impl Fn(&Self, &Json<'_>) -> Result<T, Rule>,
    ) -> Option<Option<T>> {
        match members.get(name) {
            None => Some(None),
            Some(_) => self.required(members, name, read).map(Some),
        }
    }

    fn required_text<'j>(&mut self, members: &Members<'j, '_, '_>, name: &str) -> Option<&'j str> {
        let outcome = match members.get(name) {
            Some(member) => string(member),
            None => Err(Rule::Missing),
        };
        outcome
            .map_err(|rule| self.violate(members.at(name), rule))
            .ok()
    }

    fn code(&mut self, members: &Members<'_, '_, '_>, name: &str) -> Option<String> {
        self.required(members, name, Self::code_text)
    }

    fn code_text(&self, json: &Json<'_>) -> Result<String, Rule> {
        let text = string(json)?;
        let max = self.rules.code_chars_max;
        if text.trim().is_empty() {
            Err(Rule::Empty)
        } else if text.chars().count() > max {
            Err(Rule::TooLong { max })
        } else if text.chars().any(char::is_control) {
            Err(Rule::Character)
        } else {
            Ok(text.to_owned())
        }
    }

    fn text(&self, json: &Json<'_>) -> Result<String, Rule> {
        let text = string(json)?;
        let max = self.rules.text_bytes_max;
        if text.trim().is_empty() {
            Err(Rule::Empty)
        } else if text.len() > max {
            Err(Rule::TooLong { max })
        } else if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        {
            Err(Rule::Character)
        } else {
            Ok(text.to_owned())
        }
    }

    fn date(&self, json: &Json<'_>) -> Result<NaiveDate, Rule> {
        let text = string(json)?;
        let date = if text.len() == 10 {
            plain_date(text).or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        } else {
            // The business date of a timestamp is the one its own offset shows.
            DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|instant| instant.date_naive())
        };
        let date = date.ok_or(Rule::NotADate)?;
        if (self.rules.year_min..=self.rules.year_max).contains(&date.year()) {
            Ok(date)
        } else {
            Err(Rule::YearOutOfRange)
        }
    }

    fn decimal(&self, json: &Json<'_>) -> Result<Decimal, Rule> {
        let Value::Number(text) = json.value else {
            return Err(Rule::WrongType {
                expected: "a number",
            });
        };
        if text.contains(['e', 'E']) {
            return Err(Rule::NotPlainDecimal);
        }
        let scale_max = self.rules.scale_max;
        let integer_digits = text
            .split('.')
            .next()
            .unwrap_or_default()
            .trim_start_matches(['-', '0'])
            .len();
        if integer_digits > SIGNIFICANT_DIGITS_MAX {
            return Err(Rule::TooLarge);
        }
        let value = Decimal::from_str_exact(text)
            .map_err(|_| Rule::TooPrecise { scale_max })?
            .normalize();
        let magnitude = value.mantissa().unsigned_abs().checked_ilog10();
        let last_digit = usize::try_from(magnitude.unwrap_or_default()).unwrap_or(usize::MAX);
        if value.scale() > scale_max || last_digit >= SIGNIFICANT_DIGITS_MAX {
            return Err(Rule::TooPrecise { scale_max });
        }
        Ok(value)
    }

    fn amount(&self, json: &Json<'_>) -> Result<Decimal, Rule> {
        in_range(self.decimal(json)?, Decimal::ZERO, self.rules.amount_max)
    }

    fn quantity(&self, json: &Json<'_>) -> Result<Decimal, Rule> {
        let quantity = in_range(self.decimal(json)?, Decimal::ZERO, self.rules.quantity_max)?;
        if quantity.is_zero() {
            Err(Rule::TooSmall)
        } else {
            Ok(quantity)
        }
    }

    fn fraction(&self, json: &Json<'_>) -> Result<Decimal, Rule> {
        in_range(self.decimal(json)?, Decimal::ZERO, Decimal::ONE)
    }

    fn item_number(&self, json: &Json<'_>) -> Result<u32, Rule> {
        let number = self.decimal(json)?;
        if number.scale() > 0 {
            return Err(Rule::NotInteger);
        }
        let number = in_range(number, Decimal::ONE, Decimal::from(i32::MAX))?;
        u32::try_from(number.mantissa()).map_err(|_| Rule::TooLarge)
    }

    #[expect(clippy::unused_self, reason = "one signature for every kind of member")]
    fn currency(&self, json: &Json<'_>) -> Result<Currency, Rule> {
        Currency::parse(string(json)?).ok_or(Rule::UnknownCurrency)
    }

    #[expect(clippy::unused_self, reason = "one signature for every kind of member")]
    fn country(&self, json: &Json<'_>) -> Result<Country, Rule> {
        Country::parse(string(json)?).ok_or(Rule::BadCountry)
    }
}

fn string<'j>(json: &'j Json<'_>) -> Result<&'j str, Rule> {
    match &json.value {
        Value::String(text) => Ok(text),
        _ => Err(Rule::WrongType {
            expected: "a string",
        }),
    }
}

/// A date in digits, which is what orders hold: the way through a format costs ten times as much.
fn plain_date(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = rest.strip_prefix('-')?.split_once('-')?;
    let number = |digits: &str, count| {
        let plain = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let year = i32::try_from(number(year, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?)
}

fn in_range(value: Decimal, min: Decimal, max: Decimal) -> Result<Decimal, Rule> {
    if value < min {
        Err(Rule::TooSmall)
    } else if value > max {
        Err(Rule::TooLarge)
    } else {
        Ok(value)
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
