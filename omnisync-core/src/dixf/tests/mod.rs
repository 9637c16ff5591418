//! Tests of the module as a whole, and what they share.

mod bomb;
mod field_map;
mod golden;
mod package;
mod properties;
mod verify;
mod xml;

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{
    CompiledMap, FieldMap, PackageReport, PackageWriter, ReadError, ReadLimits, read_package,
};
use crate::id::{BatchId, OrderId, ProjectName};
use crate::order::{Address, Country, Currency, LineItem, Order, Unknown};
use crate::package::{PackageInfo, PackageTotals};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn order(id: &str) -> Order {
    Order {
        order_id: OrderId::new(id).unwrap(),
        customer_id: "VINET".to_owned(),
        order_date: date("2026-03-14"),
        requested_shipping_date: Some(date("2026-03-20")),
        total_amount: decimal("440.00"),
        currency: Currency::parse("USD").unwrap(),
        freight: Some(decimal("32.38")),
        line_items: vec![
            line(1, "NW-011", "12", "14.00"),
            line(2, "NW-042", "10", "9.80"),
        ],
        shipping_address: Address {
            name: Some("Vins et alcools Chevalier".to_owned()),
            street: "59 rue de l-Abbaye".to_owned(),
            city: "Reims".to_owned(),
            state: None,
            zip: Some("51100".to_owned()),
            country: Country::parse("FR").unwrap(),
            unknown: Unknown::new(),
        },
        unknown: Unknown::new(),
    }
}

fn line(item_number: u32, product: &str, quantity: &str, unit_price: &str) -> LineItem {
    LineItem {
        item_number,
        product_code: product.to_owned(),
        quantity: decimal(quantity),
        unit_price: decimal(unit_price),
        discount: None,
        unknown: Unknown::new(),
    }
}

/// Three orders with everything that is awkward to write.
fn sample_orders() -> Vec<Order> {
    let plain = order("ORD-20260314-001");
    let mut awkward = order("ORD-20260314-002");
    awkward.shipping_address.name = Some("Zoë \"Z\" & Sons, <Ltd> 😀".to_owned());
    awkward.shipping_address.street = "1 Main St\r\nBack door\nleft".to_owned();
    awkward.shipping_address.state = Some(" ON ".to_owned());
    awkward.shipping_address.zip = Some("00123".to_owned());
    awkward.shipping_address.country = Country::parse("CA").unwrap();
    awkward.requested_shipping_date = None;
    awkward.currency = Currency::parse("EUR").unwrap();
    awkward.total_amount = decimal("19.9");
    awkward.line_items = vec![line(7, "=1+1", "2.50", "9.125")];
    awkward.line_items[0].discount = Some(decimal("0.15"));
    let mut yen = order("ORD-20260314-003");
    yen.currency = Currency::parse("JPY").unwrap();
    yen.total_amount = decimal("1500");
    yen.shipping_address.zip = None;
    yen.shipping_address.name = None;
    yen.line_items = vec![line(1, "寿司", "3", "500")];
    vec![plain, awkward, yen]
}

fn info() -> PackageInfo {
    PackageInfo {
        definition_group: ProjectName::new("OMS orders").unwrap(),
        description: "Orders <of> the \"shop\" & more".to_owned(),
        batch_id: BatchId::from_hash([0xab; 16]),
        created_at: "2026-03-14T08:00:00.1234500Z"
            .parse::<DateTime<Utc>>()
            .unwrap(),
        exported_by: "omnisync".to_owned(),
    }
}

fn dmf() -> CompiledMap {
    FieldMap::dmf().compile().unwrap()
}

fn seed() -> CompiledMap {
    FieldMap::seed().compile().unwrap()
}

fn written(map: &CompiledMap, orders: &[Order]) -> (Vec<u8>, PackageTotals) {
    let mut writer = PackageWriter::new(Vec::new(), map, info()).unwrap();
    for order in orders {
        writer.append(order).unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<PackageReport, ReadError> {
    read_package(Cursor::new(bytes), ReadLimits::default())
}

/// A zip archive with these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The entries of an archive, in order.
fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..zip.len())
        .map(|index| {
            let mut file = zip.by_index(index).unwrap();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        })
        .collect()
}

/// The package with one entry replaced.
fn with_entry(package: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let mut entries = entries(package);
    entries
        .iter_mut()
        .find(|(found, _)| found == name)
        .unwrap()
        .1 = content.to_vec();
    let borrowed: Vec<(&str, &[u8])> = entries
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    archive(&borrowed)
}

fn utf16(text: &str) -> Vec<u8> {
    super::unicode::encode_utf16le(text)
}

fn text_of(bytes: &[u8]) -> String {
    super::unicode::decode(bytes).unwrap().into_owned()
}

fn golden_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "dixf", name]
        .iter()
        .collect()
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` rewrites it.
fn assert_golden(name: &str, actual: &[u8]) {
    let path = golden_path(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; set UPDATE_GOLDEN=1", path.display()));
    assert!(
        expected == actual,
        "{} differs; set UPDATE_GOLDEN=1",
        path.display()
    );
}
