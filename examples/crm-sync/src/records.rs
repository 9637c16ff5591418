//! The records that a run begins with: of files, or made up.

use std::fs;
use std::path::Path;

use omnisync_core::crm::{EntityName, FieldName, Fields, Reference, ReferenceTarget, Value};
use omnisync_core::id::IdError;
use omnisync_testkit::rng::SplitMix64;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::error::HostError;
use crate::words;

/// Accounts that are made up.
const ACCOUNTS: u32 = 60;

/// Products that are made up.
const PRODUCTS: u32 = 40;

/// Currencies that both systems have from the beginning.
const CURRENCIES: [(&str, &str); 3] = [("CHF", "0.95"), ("EUR", "1"), ("USD", "1.08")];

/// A record in the form that belongs to no system.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) entity: EntityName,
    /// What identifies it among people.
    pub(crate) key: String,
    pub(crate) values: Fields<Option<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Customer {
    account_number: String,
    name: String,
    contact_name: Option<String>,
    contact_title: Option<String>,
    street: Option<String>,
    city: Option<String>,
    region: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    fax: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(rename = "productCode")]
    code: String,
    name: String,
    category: Option<String>,
    quantity_per_unit: Option<String>,
    unit_price: Decimal,
    discontinued: bool,
}

/// The currencies that products refer to.
pub(crate) fn currencies() -> Result<Vec<Record>, HostError> {
    let currencies = CURRENCIES.into_iter().map(|(code, rate)| {
        record(
            "Currency",
            code,
            [
                ("code", text(code)),
                ("conversionRate", rate.parse().ok().map(Value::Decimal)),
                ("decimalPlaces", Some(Value::Integer(2))),
                ("active", Some(Value::Boolean(true))),
            ],
        )
    });
    Ok(currencies.collect::<Result<_, _>>()?)
}

/// Reads customers and products from `folder`.
pub(crate) fn read(folder: &Path) -> Result<Vec<Record>, HostError> {
    let mut records = Vec::new();
    for customer in lines::<Customer>(&folder.join("northwind-customers.ndjson"))? {
        records.push(account(customer)?);
    }
    for one in lines::<Product>(&folder.join("northwind-products.ndjson"))? {
        records.push(product(one)?);
    }
    Ok(records)
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>, HostError> {
    let text = fs::read_to_string(path).map_err(HostError::io("read", path))?;
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| HostError::Record {
                path: path.to_owned(),
                line: at + 1,
                source,
            })
        })
        .collect()
}

fn account(customer: Customer) -> Result<Record, IdError> {
    let contact = [customer.contact_name, customer.contact_title];
    let contact: Vec<String> = contact.into_iter().flatten().collect();
    record(
        "Account",
        &customer.account_number,
        [
            ("accountNumber", text(&customer.account_number)),
            ("name", text(&customer.name)),
            ("description", text(&contact.join(", "))),
            ("shippingStreet", optional(customer.street)),
            ("shippingCity", optional(customer.city)),
            ("shippingState", optional(customer.region)),
            ("shippingPostalCode", optional(customer.postal_code)),
            ("shippingCountry", optional(customer.country)),
            ("phone", optional(customer.phone)),
            ("fax", optional(customer.fax)),
        ],
    )
}

fn product(product: Product) -> Result<Record, IdError> {
    let parts = [product.category, product.quantity_per_unit];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    record(
        "Product",
        &product.code,
        [
            ("productCode", text(&product.code)),
            ("name", text(&product.name)),
            ("description", text(&parts.join(", "))),
            ("unitPrice", Some(Value::Decimal(product.unit_price))),
            ("active", Some(Value::Boolean(!product.discontinued))),
            ("currency", currency("USD")?),
        ],
    )
}

/// Accounts and products that `rng` makes up.
pub(crate) fn generated(rng: &mut SplitMix64) -> Result<Vec<Record>, HostError> {
    let mut records = Vec::new();
    for number in 1..=ACCOUNTS {
        records.push(generated_account(&format!("A-{number:04}"), rng)?);
    }
    for number in 1..=PRODUCTS {
        let code = format!("P-{number:04}");
        let [name, description] = [words::name(rng), words::sentence(rng)];
        let record = record(
            "Product",
            &code,
            [
                ("productCode", text(&code)),
                ("name", text(&name)),
                ("description", text(&description)),
                ("category", Some(Value::Choice("Audio".into()))),
                ("color", Some(words::color(rng))),
                ("weight", Some(words::amount(rng, 4))),
                ("weightUnit", Some(Value::Choice("kilograms".into()))),
                ("unitPrice", Some(words::amount(rng, 2))),
                ("active", Some(Value::Boolean(true))),
                ("currency", currency("EUR")?),
            ],
        )?;
        records.push(record);
    }
    Ok(records)
}

/// An account that `rng` makes up.
pub(crate) fn generated_account(number: &str, rng: &mut SplitMix64) -> Result<Record, IdError> {
    let name = words::name(rng);
    record(
        "Account",
        number,
        [
            ("accountNumber", text(number)),
            ("name", text(&name)),
            ("email", text(&words::email(rng))),
            ("phone", text(&words::phone(rng))),
            ("description", text(&words::sentence(rng))),
            ("annualRevenue", Some(words::amount(rng, 2))),
            ("employees", Some(words::count(rng))),
            ("shippingStreet", text(&words::street(rng))),
            ("shippingCity", text(&words::city(rng))),
            ("shippingPostalCode", text(&words::postal_code(rng))),
            ("shippingCountry", text("Switzerland")),
        ],
    )
}

fn currency(code: &str) -> Result<Option<Value>, IdError> {
    Ok(Some(Value::from(Reference {
        entity: EntityName::new("Currency")?,
        target: ReferenceTarget::Key(code.into()),
    })))
}

fn record<const N: usize>(
    entity: &str,
    key: &str,
    values: [(&str, Option<Value>); N],
) -> Result<Record, IdError> {
    let mut fields = Fields::new();
    for (field, value) in values {
        fields.insert(FieldName::new(field)?, value);
    }
    Ok(Record {
        entity: EntityName::new(entity)?,
        key: key.to_owned(),
        values: fields,
    })
}

fn optional(value: Option<String>) -> Option<Value> {
    text(&value.unwrap_or_default())
}

/// No value is `None`, never an empty text.
fn text(value: &str) -> Option<Value> {
    let value = value.trim();
    (!value.is_empty()).then(|| Value::Text(value.into()))
}
