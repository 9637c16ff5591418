use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::value::RawValue;

use crate::id::OrderId;

/// Members that the order system sent and this crate does not know, as JSON text. They are part
/// of the content hash and stay in the stored event.
pub type Unknown = BTreeMap<String, Box<RawValue>>;

/// An order that passed validation: every field is present, in range and typed.
#[derive(Debug, Clone)]
pub struct Order {
    /// Number in the order system.
    pub order_id: OrderId,
    /// Customer account in the order system.
    pub customer_id: String,
    /// Business date, as written by the order system.
    pub order_date: NaiveDate,
    /// Date on which the customer wants the goods to leave.
    pub requested_shipping_date: Option<NaiveDate>,
    /// What the customer pays, in `currency`.
    pub total_amount: Decimal,
    /// Currency of every amount.
    pub currency: Currency,
    /// Freight charge in `currency`, where the order system names it.
    pub freight: Option<Decimal>,
    /// Lines, at least one, with distinct item numbers.
    pub line_items: Vec<LineItem>,
    /// Where the goods go.
    pub shipping_address: Address,
    /// Unknown members of the order object.
    pub unknown: Unknown,
}

/// One line of an order.
#[derive(Debug, Clone)]
pub struct LineItem {
    /// Number of the line within the order.
    pub item_number: u32,
    /// Product in the order system.
    pub product_code: String,
    /// Quantity in sales units, greater than zero.
    pub quantity: Decimal,
    /// Price of one unit before discount, in the order's currency.
    pub unit_price: Decimal,
    /// Discount as a fraction of the line, `0..=1`.
    pub discount: Option<Decimal>,
    /// Unknown members of the line object.
    pub unknown: Unknown,
}

/// Where goods go.
#[derive(Debug, Clone)]
pub struct Address {
    /// Name of the recipient.
    pub name: Option<String>,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// State, province or region.
    pub state: Option<String>,
    /// Postal code: text, since leading zeros matter.
    pub zip: Option<String>,
    /// Country.
    pub country: Country,
    /// Unknown members of the address object.
    pub unknown: Unknown,
}

impl Order {
    /// Amount of a line in the order's currency: quantity × price × (1 − discount), rounded half
    /// to even to the currency's minor unit. This is the amount that the package carries.
    pub fn line_amount(&self, line: &LineItem) -> Decimal {
        self.checked_line_amount(line).unwrap_or(Decimal::MAX)
    }

    /// [`line_amount`](Self::line_amount); `None` where 28 digits do not suffice.
    pub(crate) fn checked_line_amount(&self, line: &LineItem) -> Option<Decimal> {
        let gross = line.quantity.checked_mul(line.unit_price)?;
        let net = match line.discount {
            Some(discount) => gross.checked_mul(Decimal::ONE.checked_sub(discount)?)?,
            None => gross,
        };
        let digits = self.currency.minor_digits();
        if net.scale() <= digits {
            return Some(net);
        }
        Some(net.round_dp_with_strategy(digits, RoundingStrategy::MidpointNearestEven))
    }

    /// Sum of the line amounts.
    pub fn lines_total(&self) -> Decimal {
        self.line_items.iter().fold(Decimal::ZERO, |sum, line| {
            sum.saturating_add(self.line_amount(line))
        })
    }
}

/// ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    minor_digits: u8,
}

/// Active ISO 4217 codes that do not have two minor digits, sorted.
const MINOR_DIGITS: &[(&[u8; 3], u8)] = &[
    (b"BHD", 3),
    (b"BIF", 0),
    (b"CLF", 4),
    (b"CLP", 0),
    (b"DJF", 0),
    (b"GNF", 0),
    (b"IQD", 3),
    (b"ISK", 0),
    (b"JOD", 3),
    (b"JPY", 0),
    (b"KMF", 0),
    (b"KRW", 0),
    (b"KWD", 3),
    (b"LYD", 3),
    (b"OMR", 3),
    (b"PYG", 0),
    (b"RWF", 0),
    (b"TND", 3),
    (b"UGX", 0),
    (b"UYI", 0),
    (b"UYW", 4),
    (b"VND", 0),
    (b"VUV", 0),
    (b"XAF", 0),
    (b"XOF", 0),
    (b"XPF", 0),
];

/// Active ISO 4217 codes with two minor digits, sorted, four bytes each.
const TWO_DIGITS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL \
    BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB \
    EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW \
    KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD \
    NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE \
    SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST \
    XCD XCG YER ZAR ZMW ZWG ";

impl Currency {
    /// Parses an active ISO 4217 code in upper case.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        let odd = MINOR_DIGITS.binary_search_by(|(code, _)| (*code).cmp(&bytes));
        let minor_digits = if let Some((_, digits)) = MINOR_DIGITS.get(odd.unwrap_or(usize::MAX)) {
            *digits
        } else {
            let (two_digits, _) = TWO_DIGITS.as_bytes().as_chunks::<4>();
            two_digits
                .binary_search_by(|[a, b, c, _]| [*a, *b, *c].cmp(&bytes))
                .ok()?;
            2
        };
        Some(Self {
            code: bytes,
            minor_digits,
        })
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// Number of digits of the minor unit: 2 for USD, 0 for JPY.
    pub fn minor_digits(self) -> u32 {
        self.minor_digits.into()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// ISO 3166-1 alpha-2 country code in upper case. Whether the code is assigned is decided by
/// the country table of the field map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Parses two upper-case letters.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 2] = code.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_uppercase)
            .then_some(Self(bytes))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_found_in_their_tables() {
        assert!(MINOR_DIGITS.is_sorted_by(|(a, _), (b, _)| a < b));
        let two_digits: Vec<&str> = TWO_DIGITS.split_ascii_whitespace().collect();
        assert!(two_digits.is_sorted_by(|a, b| a < b));
        assert_eq!(TWO_DIGITS.len(), 4 * two_digits.len());
        for code in two_digits {
            assert_eq!(Currency::parse(code).map(Currency::minor_digits), Some(2));
        }
        for (code, digits) in MINOR_DIGITS {
            let code = std::str::from_utf8(*code).unwrap();
            assert_eq!(
                Currency::parse(code).map(Currency::minor_digits),
                Some(u32::from(*digits))
            );
        }
        for code in ["", "EU", "EUROS", "eur", "AAA", "ZZZ", "XXX", "D A", "D AF"] {
            assert_eq!(Currency::parse(code), None, "{code:?}");
        }
    }
}
