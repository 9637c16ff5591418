//! Whether a package holds the rows of the events, whoever wrote it.
//!
//! Names are compared without case and underscores, numbers at two decimals: serializers differ
//! in their naming, and some peers multiply binary fractions. The order of rows does not count.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use rust_decimal::Decimal;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::Digest as _;
use zip::ZipArchive;

use crate::error::Error;

/// The data file with a row for each order.
pub(crate) const HEADERS: &str = "sales_orders.json";
/// The data file with a row for each line.
pub(crate) const LINES: &str = "sales_order_lines.json";

/// Rows without their order: how many, and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Rows {
    count: u64,
    sum: u128,
}

impl Rows {
    fn add(&mut self, mut fields: Vec<(String, String)>) {
        fields.sort();
        let mut hash = sha2::Sha256::new();
        for (name, value) in &fields {
            hash.update(format!("{name}={value}\n"));
        }
        let digest: [u8; 32] = hash.finalize().into();
        let start = digest.first_chunk().copied().unwrap_or_default();
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(start));
        self.count += 1;
    }
}

pub(crate) fn verify(input: &Path, package: &Path) -> Result<(), Error> {
    let (headers, lines) = expected(input)?;
    let file = File::open(package).map_err(Error::file(package))?;
    let not_a_package = |source| Error::NotAPackage {
        path: package.to_owned(),
        source,
    };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(not_a_package)?;
    for (name, what, expected) in [
        (HEADERS, "the order rows", headers),
        (LINES, "the line rows", lines),
    ] {
        let entry = archive.by_name(name).map_err(not_a_package)?;
        let found = read(entry).map_err(Error::file(package))?;
        if found != expected {
            return Err(Error::OtherRows {
                what,
                path: package.to_owned(),
            });
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Event {
    data: Order,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "these are the names on the wire")]
struct Order {
    order_id: String,
    customer_id: String,
    order_date: String,
    total_amount: Box<RawValue>,
    currency: String,
    line_items: Vec<Item>,
    shipping_address: Address,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "these are the names on the wire")]
struct Item {
    item_number: u32,
    product_code: String,
    quantity: Box<RawValue>,
    unit_price: Box<RawValue>,
}

#[derive(Deserialize)]
struct Address {
    street: String,
    city: String,
    state: String,
    zip: String,
    country: String,
}

/// The rows that the events call for, worked out without any code of ours that packs.
fn expected(input: &Path) -> Result<(Rows, Rows), Error> {
    let failed = Error::file(input);
    let (mut headers, mut lines) = (Rows::default(), Rows::default());
    for (index, line) in BufReader::new(File::open(input).map_err(&failed)?)
        .lines()
        .enumerate()
    {
        let line = line.map_err(&failed)?;
        let event: Event = serde_json::from_str(&line).map_err(|source| Error::NotAnOrder {
            path: input.to_owned(),
            number: index + 1,
            source: source.into(),
        })?;
        let order = event.data;
        let address = order.shipping_address;
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let number = |name: &str, value: Decimal| (name.to_owned(), money(value));
        headers.add(vec![
            text("salesordernumber", &order.order_id),
            text("customeraccount", &order.customer_id),
            text("requesteddate", &order.order_date),
            text("currency", &order.currency),
            number("total", decimal(order.total_amount.get())),
            text("deliverystreet", &address.street),
            text("deliverycity", &address.city),
            text("deliverystate", &address.state),
            text("deliveryzip", &address.zip),
            text("deliverycountry", &address.country),
        ]);
        for item in order.line_items {
            let (quantity, price) = (decimal(item.quantity.get()), decimal(item.unit_price.get()));
            lines.add(vec![
                text("salesordernumber", &order.order_id),
                number("linenumber", item.item_number.into()),
                text("itemnumber", &item.product_code),
                number("quantity", quantity),
                number("unitprice", price),
                number("lineamount", quantity * price),
            ]);
        }
    }
    Ok((headers, lines))
}

/// Reads an array of objects, one at a time.
fn read(mut file: impl Read) -> std::io::Result<Rows> {
    let mut start = [0; 3];
    file.read_exact(&mut start)?;
    let without_mark: &[u8] = if start == [0xef, 0xbb, 0xbf] {
        &[]
    } else {
        &start
    };
    let reader = BufReader::new(without_mark.chain(file));
    let mut rows = Rows::default();
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    Each(&mut rows).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(rows)
}

struct Each<'r>(&'r mut Rows);

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Map<String, Value>>()? {
            self.0.add(row.into_iter().map(folded).collect());
        }
        Ok(())
    }
}

fn folded((name, value): (String, Value)) -> (String, String) {
    let name = name.replace('_', "").to_lowercase();
    let value = match value {
        Value::String(text) => text,
        Value::Number(number) => money(decimal(&number.to_string())),
        other => other.to_string(),
    };
    (name, value)
}

fn decimal(text: &str) -> Decimal {
    let scientific = || Decimal::from_scientific(text).ok();
    text.parse().ok().or_else(scientific).unwrap_or_default()
}

fn money(value: Decimal) -> String {
    let mut rounded = value.round_dp(2);
    rounded.rescale(2);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn rows_are_the_same_in_any_order_under_any_naming() {
        let ours = rows(r#"[{"lineAmount": 1.10, "itemNumber": "A"}, {"lineAmount": 2}]"#);
        let theirs = rows(
            "\u{feff}[{\"LineAmount\":2.00},{\"item_number\":\"A\",\"line_amount\":1.1000000000000001}]",
        );
        assert_eq!(ours, theirs);
        assert_eq!(ours.count, 2);
    }

    #[test]
    fn rows_that_differ_in_a_cent_or_a_name_differ() {
        let row = rows(r#"[{"lineAmount": 1.10}]"#);
        for other in [
            r#"[{"lineAmount": 1.11}]"#,
            r#"[{"amount": 1.10}]"#,
            r#"[{"lineAmount": 1.10}, {"lineAmount": 1.10}]"#,
            r#"[{"lineAmount": null}]"#,
        ] {
            assert_ne!(row, rows(other), "{other}");
        }
    }
}
