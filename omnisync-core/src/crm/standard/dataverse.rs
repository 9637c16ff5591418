//! Maps for Dataverse, as Dynamics 365 Sales uses it.
//!
//! Choices are the numbers of the option sets. Everything that its tables call a lookup is the id
//! of the other row.

use rust_decimal::Decimal;

use super::choices::{CATEGORIES, CLASSES, COLORS, SIZE_UNITS, STORE_TYPES, WEIGHT_UNITS};
use super::salesforce::{coded, iso_code, short_text, text};
use crate::crm::Native;
use crate::crm::field_map::{
    BooleanLens, ChoiceLens, DecimalLens, FieldMap, IntegerLens, Lens, Rounding, Rule,
};

/// Heaviest product.
const WEIGHT_MAX: i64 = 1_000_000_000;

/// The map of a built-in entity. `None` where Dataverse has no table for it.
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

/// `account`.
pub fn account() -> FieldMap {
    coded("Account", "account")
        .rule(short_text("accountNumber", "accountnumber", 20))
        .rule(short_text("name", "name", 160))
        .rule(short_text("email", "emailaddress1", 100))
        .rule(short_text("phone", "telephone1", 50))
        .rule(text("fax", "fax"))
        .rule(text("fax", "address1_fax").write_only())
        .rule(text("website", "websiteurl"))
        .rule(text("description", "description"))
        .rename("annualRevenue", "revenue")
        .rule(whole("employees", "numberofemployees"))
        .rule(text("shippingStreet", "address1_line1"))
        .rule(text("shippingCity", "address1_city"))
        .rule(text("shippingState", "address1_stateorprovince"))
        .rule(text("shippingPostalCode", "address1_postalcode"))
        .rule(text("shippingCountry", "address1_country"))
        .rename("shippingLatitude", "address1_latitude")
        .rename("shippingLongitude", "address1_longitude")
        .constant("industrycode", number(25))
        .build()
}

/// `product`. A new one needs a unit and its group as well: constants of the host.
pub fn product() -> FieldMap {
    coded("Product", "product")
        .rule(short_text("productCode", "productnumber", 100))
        .rule(text("name", "name"))
        .rule(text("description", "description"))
        .rule(numbered("category", "omnisync_category", CATEGORIES))
        .rule(short_text("manufacturer", "omnisync_manufacturer", 100))
        .rule(short_text("brand", "omnisync_brand", 100))
        .rule(numbered("class", "omnisync_class", CLASSES))
        .rule(numbered("color", "omnisync_color", COLORS))
        .rule(text("size", "size"))
        .rule(numbered(
            "sizeUnit",
            "omnisync_sizeunitofmeasure",
            SIZE_UNITS,
        ))
        .rule(weight("weight", "omnisync_weight"))
        .rule(numbered(
            "weightUnit",
            "omnisync_weightunitofmeasure",
            WEIGHT_UNITS,
        ))
        .rename("availableFrom", "validfromdate")
        .rename("stopSale", "validtodate")
        .rule(product_state("active", "statecode"))
        .rename("unitPrice", "price")
        .rename("unitCost", "currentcost")
        .rule(Rule::new("unitCost", "standardcost").write_only())
        .rename("currency", "transactioncurrencyid")
        .constant("quantitydecimal", number(2))
        .constant("productstructure", number(1))
        .build()
}

/// `cr989_retailstore`. The longitude has two digits behind the point and is rounded to them.
pub fn store() -> FieldMap {
    let longitude = DecimalLens::scaled(2, Rounding::HalfEven);
    coded("Store", "cr989_retailstore")
        .rule(short_text("storeCode", "cr989_storecode", 850))
        .rule(short_text("name", "cr989_storename", 100))
        .rename("account", "cr989_account")
        .rule(numbered("storeType", "cr989_storetype", STORE_TYPES))
        .rule(short_text("description", "cr989_storedescription", 100))
        .rule(whole("employeeCount", "cr989_employeecount"))
        .rule(short_text("phone", "cr989_storephone", 100))
        .rule(short_text("fax", "cr989_storefax", 100))
        .rule(short_text("street", "cr989_address1_street", 100))
        .rule(short_text("city", "cr989_address1_city", 100))
        .rule(short_text("state", "cr989_address1_stateorprovince", 100))
        .rule(short_text("postalCode", "cr989_address1_postalcode", 100))
        .rule(short_text("country", "cr989_address1_country", 100))
        .rename("latitude", "cr989_latitude")
        .rule(Rule::new("longitude", "cr989_longitude").with_lens(Lens::Decimal(longitude)))
        .build()
}

/// `salesorder`. A new one needs a price list as well: a constant of the host.
pub fn sales_order() -> FieldMap {
    coded("SalesOrder", "salesorder")
        .rule(short_text("orderNumber", "ordernumber", 100))
        .rule(short_text(
            "salesforceOrderNumber",
            "omnisync_salesforceordernumber",
            100,
        ))
        .rename("orderDate", "requestdeliveryby")
        .rename("account", "customerid")
        .rename("store", "cr989_retailstore")
        .rule(text("name", "name"))
        .rule(text("description", "description"))
        .rename("currency", "transactioncurrencyid")
        .constant("willcall", Native::Boolean(true))
        .build()
}

/// `salesorderdetail`. A new one needs a unit as well: a constant of the host. Its cost is the
/// product's.
pub fn sales_order_line() -> FieldMap {
    coded("SalesOrderLine", "salesorderdetail")
        .rename("order", "salesorderid")
        .rule(whole("lineNumber", "omnisync_lineitemnumber"))
        .rename("product", "productid")
        .rename("quantity", "quantity")
        .rename("unitPrice", "priceperunit")
        .constant("ispriceoverridden", Native::Boolean(true))
        .constant("producttypecode", number(1))
        .build()
}

/// `transactioncurrency`.
pub fn currency() -> FieldMap {
    let active = BooleanLens::spelled(number(1), number(2));
    coded("Currency", "transactioncurrency")
        .rule(Rule::new("code", "isocurrencycode").with_lens(Lens::Text(iso_code())))
        .rename("conversionRate", "exchangerate")
        .rule(whole("decimalPlaces", "currencyprecision"))
        .rule(Rule::new("active", "statuscode").with_lens(Lens::Boolean(active)))
        .build()
}

fn number(number: i64) -> Native {
    Native::Number(number.into())
}

fn numbered<const N: usize>(field: &str, native: &str, list: [(i64, &str); N]) -> Rule {
    Rule::new(field, native).with_lens(Lens::Choice(ChoiceLens::by_number(list)))
}

/// A column for whole numbers of 32 bits.
fn whole(field: &str, native: &str) -> Rule {
    let lens = IntegerLens::ranged(i32::MIN.into(), i32::MAX.into());
    Rule::new(field, native).with_lens(Lens::Integer(lens))
}

fn weight(field: &str, native: &str) -> Rule {
    let lens = DecimalLens::default().with_range(Decimal::ZERO, WEIGHT_MAX.into());
    Rule::new(field, native).with_lens(Lens::Decimal(lens))
}

/// Products are active, retired, drafts or under revision: only the first are for sale.
fn product_state(field: &str, native: &str) -> Rule {
    let lens = BooleanLens {
        yes: vec![number(0)],
        no: [1, 2, 3].map(number).to_vec(),
        default: None,
    };
    Rule::new(field, native).with_lens(Lens::Boolean(lens))
}
