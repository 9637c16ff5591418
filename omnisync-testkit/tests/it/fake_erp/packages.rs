//! Packages, good and bad.

use bytes::Bytes;
use chrono::DateTime;
use omnisync_core::dixf::{CompiledMap, FieldMap, PackageWriter};
use omnisync_core::id::{BatchId, ProjectName};
use omnisync_core::order::{Address, Country, Currency, LineItem, Order, Unknown};
use omnisync_core::package::{PackageFormat, PackageInfo};
use omnisync_core::port::RecordKey;
use omnisync_testkit::fake::PlainFormat;
use rust_decimal::Decimal;

use super::order_id;

/// An order of customer `VINET` with so many lines of 10 euros each.
pub(crate) fn order_with(id: &str, lines: u32) -> Order {
    let line = |item_number| LineItem {
        item_number,
        product_code: "NW-011".to_owned(),
        quantity: Decimal::TWO,
        unit_price: Decimal::from(5),
        discount: None,
        unknown: Unknown::new(),
    };
    Order {
        order_id: order_id(id),
        customer_id: "VINET".to_owned(),
        order_date: "2026-03-14".parse().unwrap(),
        requested_shipping_date: None,
        total_amount: Decimal::from(10 * lines),
        currency: Currency::parse("EUR").unwrap(),
        freight: None,
        line_items: (1..=lines).map(line).collect(),
        shipping_address: Address {
            name: None,
            street: "59 rue de l'Abbaye".to_owned(),
            city: "Reims".to_owned(),
            state: None,
            zip: Some("51100".to_owned()),
            country: Country::parse("FR").unwrap(),
            unknown: Unknown::new(),
        },
        unknown: Unknown::new(),
    }
}

/// An order that the ERP refuses, header and line: required fields are blank.
pub(crate) fn blank_order(id: &str) -> Order {
    let mut order = order_with(id, 1);
    order.customer_id.clear();
    for line in &mut order.line_items {
        line.product_code.clear();
    }
    order
}

/// The usual map, which lets blank values pass.
pub(crate) fn lenient() -> FieldMap {
    let mut map = FieldMap::dmf();
    let columns = map.headers.columns.iter_mut().chain(&mut map.lines.columns);
    for column in columns {
        column.required =
            map.headers.key.contains(&column.name) || map.lines.key.contains(&column.name);
    }
    map
}

/// A package and the keys of its records, order by order.
pub(crate) fn package_by(map: FieldMap, orders: &[Order]) -> (Bytes, Vec<Vec<RecordKey>>) {
    let map: CompiledMap = map.compile().unwrap();
    let mut writer = PackageWriter::new(Vec::new(), &map, info()).unwrap();
    let mut keys = Vec::new();
    for order in orders {
        let mapped = map.map(order).unwrap();
        let (header, lines) = map.record_keys(&mapped);
        keys.push([header].into_iter().chain(lines).collect());
        writer.append(order).unwrap();
    }
    let (content, _) = writer.finish().unwrap();
    (content.into(), keys)
}

/// The same in the plain form.
pub(crate) fn plain_package(orders: &[Order]) -> (Bytes, Vec<Vec<RecordKey>>) {
    let format = PlainFormat::default();
    let mut builder = format.begin(info()).unwrap();
    let mut keys = Vec::new();
    for order in orders {
        let (header, lines) = format.record_keys(order).unwrap();
        keys.push([header].into_iter().chain(lines).collect());
        builder.append(order).unwrap();
    }
    let (content, _) = builder.finish().unwrap();
    (content, keys)
}

pub(crate) fn info() -> PackageInfo {
    PackageInfo {
        definition_group: ProjectName::new("Sales orders").unwrap(),
        description: "test".to_owned(),
        batch_id: BatchId::from_hash([1; 16]),
        created_at: DateTime::UNIX_EPOCH,
        exported_by: "test".to_owned(),
    }
}

/// A package of orders with one line each.
pub(crate) fn package(orders: &[&str]) -> Bytes {
    let orders: Vec<Order> = orders.iter().map(|id| order_with(id, 1)).collect();
    package_by(FieldMap::dmf(), &orders).0
}
