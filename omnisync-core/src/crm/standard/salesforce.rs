//! Maps for Salesforce.
//!
//! Picklists hold their own names; the numbers beside them (`ColorId__c` and the like) are set by
//! the organisation itself. Prices of products stand in price books, which are records of their
//! own, so the product has none here.

use crate::crm::Native;
use crate::crm::field_map::{
    BooleanLens, Case, DecimalLens, FieldMap, FieldMapBuilder, IntegerLens, Lens, ReferenceLens,
    Rounding, Rule, TextLens,
};

/// Largest whole number of nine digits.
const NINE_DIGITS_MAX: i64 = 999_999_999;

/// The map of a built-in entity. `None` where Salesforce has no object for it.
pub fn field_map(entity: &str) -> Option<FieldMap> {
    Some(match entity {
        "Account" => account(),
        "Product" => product(),
        "Store" => store(),
        "SalesOrder" => sales_order(),
        "SalesOrderLine" => sales_order_line(),
        "Currency" => currency(),
        _ => return None,
    })
}

/// `Account`.
pub fn account() -> FieldMap {
    coded("Account", "Account")
        .rule(text("accountNumber", "AccountNumber"))
        .rule(text("name", "Name"))
        .rule(text("email", "Email__c"))
        .rule(text("phone", "Phone"))
        .rule(text("fax", "Fax"))
        .rule(text("website", "Website"))
        .rule(text("description", "Description"))
        .rename("annualRevenue", "AnnualRevenue")
        .rename("employees", "NumberOfEmployees")
        .rule(text("shippingStreet", "ShippingStreet"))
        .rule(text("shippingCity", "ShippingCity"))
        .rule(text("shippingState", "ShippingState"))
        .rule(text("shippingPostalCode", "ShippingPostalCode"))
        .rule(text("shippingCountry", "ShippingCountry"))
        .rename("shippingLatitude", "ShippingLatitude")
        .rename("shippingLongitude", "ShippingLongitude")
        .constant("Industry", word("Retail"))
        .constant("Type", word("Customer"))
        .constant("CurrencyIsoCode", word("EUR"))
        .build()
}

/// `Product2`.
pub fn product() -> FieldMap {
    coded("Product", "Product2")
        .rule(text("productCode", "ProductCode"))
        .rule(text("name", "Name"))
        .rule(text("description", "Description"))
        .rename("category", "Family")
        .rule(text("manufacturer", "Manufacturer__c"))
        .rule(short_text("brand", "Brand__c", 100))
        .rename("class", "Class__c")
        .rename("color", "Color__c")
        .rule(text("size", "Size__c"))
        .rename("sizeUnit", "SizeUnitOfMeasure__c")
        .rename("weight", "Weight__c")
        .rename("weightUnit", "WeightUnitOfMeasure__c")
        .rename("availableFrom", "AvailableForSaleDate__c")
        .rename("stopSale", "StopSaleDate__c")
        .rule(checkbox("active", "IsActive"))
        .rule(currency_code("currency", "CurrencyIsoCode"))
        .build()
}

/// `RetailStore__c`.
pub fn store() -> FieldMap {
    coded("Store", "RetailStore__c")
        .rule(short_text("storeCode", "StoreCode__c", 50))
        .rule(text("name", "Name"))
        .rename("account", "AccountId__c")
        .rename("storeType", "StoreType__c")
        .rule(short_text("description", "Description__c", 100))
        .rule(nine_digits("employeeCount", "EmployeeCount__c"))
        .rule(text("phone", "Phone__c"))
        .rule(text("fax", "Fax__c"))
        .rule(text("street", "Address__Street__s"))
        .rule(text("city", "Address__City__s"))
        .rule(text("state", "Address__StateCode__s"))
        .rule(text("postalCode", "Address__PostalCode__s"))
        .rule(text("country", "Address__CountryCode__s"))
        .rename("latitude", "Address__Latitude__s")
        .rename("longitude", "Address__Longitude__s")
        .build()
}

/// `Order`. A new one needs a price book as well: a constant of the host.
pub fn sales_order() -> FieldMap {
    coded("SalesOrder", "Order")
        .rule(text("orderNumber", "OrderReferenceNumber"))
        .rule(text("salesforceOrderNumber", "OrderNumber").read_only())
        .rename("orderDate", "EffectiveDate")
        .rename("account", "AccountId")
        .rename("store", "RetailStore__c")
        .rule(text("name", "Name"))
        .rule(text("description", "Description"))
        .rule(currency_code("currency", "CurrencyIsoCode"))
        .constant("Status", word("Draft"))
        .build()
}

/// `OrderItem`. A new one needs the product's entry in the price book of the order.
pub fn sales_order_line() -> FieldMap {
    coded("SalesOrderLine", "OrderItem")
        .rename("order", "OrderId")
        .rule(nine_digits("lineNumber", "OrderItemLineNumber__c"))
        .rename("product", "Product2Id")
        .rename("quantity", "Quantity")
        .rule(amount("unitPrice", "UnitPrice"))
        .rule(amount("unitCost", "CostPrice__c"))
        .build()
}

/// `CurrencyType`. It has no change events: it is polled.
pub fn currency() -> FieldMap {
    coded("Currency", "CurrencyType")
        .rule(Rule::new("code", "IsoCode").with_lens(Lens::Text(iso_code())))
        .rename("conversionRate", "ConversionRate")
        .rule(nine_digits("decimalPlaces", "DecimalPlaces"))
        .rule(checkbox("active", "IsActive"))
        .build()
}

/// A map of records that a code identifies. People and both systems' searches take `ab-1` and
/// `AB-1` for one code.
pub(super) fn coded(entity: &str, object: &str) -> FieldMapBuilder {
    FieldMap::builder(entity, object).key_case(Case::Upper)
}

/// Text without white space at its ends, which Salesforce drops on its own.
pub(super) fn text(field: &str, native: &str) -> Rule {
    Rule::new(field, native).with_lens(Lens::Text(TextLens::trimmed()))
}

/// The same, no longer than the column.
pub(super) fn short_text(field: &str, native: &str, chars_max: u32) -> Rule {
    let lens = TextLens::trimmed().with_chars_max(chars_max);
    Rule::new(field, native).with_lens(Lens::Text(lens))
}

pub(super) fn iso_code() -> TextLens {
    TextLens::trimmed().with_case(Case::Upper).with_chars_max(3)
}

pub(super) fn word(text: &str) -> Native {
    Native::Text(text.to_owned())
}

/// A checkbox is always one or the other.
fn checkbox(field: &str, native: &str) -> Rule {
    let lens = BooleanLens::default().with_default(false);
    Rule::new(field, native).with_lens(Lens::Boolean(lens))
}

fn currency_code(field: &str, native: &str) -> Rule {
    let lens = ReferenceLens::by_key().with_case(Case::Upper);
    Rule::new(field, native).with_lens(Lens::Reference(lens))
}

fn nine_digits(field: &str, native: &str) -> Rule {
    let lens = IntegerLens::ranged(-NINE_DIGITS_MAX, NINE_DIGITS_MAX);
    Rule::new(field, native).with_lens(Lens::Integer(lens))
}

fn amount(field: &str, native: &str) -> Rule {
    let lens = DecimalLens::scaled(2, Rounding::HalfUp);
    Rule::new(field, native).with_lens(Lens::Decimal(lens))
}
