use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::{Element, Manifest};
use super::super::{FieldMap, Package, ReadLimits, XmlLimits};
use super::{dmf, order, read, sample_orders, seed, text_of, written};
use crate::order::{Currency, LineItem, Order, Unknown};

/// Text with everything that has ever broken a file, except U+0000.
fn any_text() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![
        Just("\"".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just(",".to_owned()),
        Just("\t".to_owned()),
        Just(" ".to_owned()),
        Just("😀".to_owned()),
        Just("שלום עולם".to_owned()),
        Just("\u{202e}\u{feff}\u{fffe}\u{ffff}\u{2028}\u{85}\u{a0}".to_owned()),
        Just("</a>]]>&#x0;".to_owned()),
        Just("\\u0022\\".to_owned()),
        "[a-zA-Z0-9=+@-]{1,8}",
        any::<char>().prop_map(|c| if c == '\0' { ' ' } else { c }.to_string()),
    ];
    vec(awkward, 0..12).prop_map(|parts| parts.concat())
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    (1_i64..1_000_000_000, 0_u32..6).prop_map(|(number, scale)| Decimal::new(number, scale))
}

fn any_order() -> impl Strategy<Value = Order> {
    let line = (
        any_text(),
        any_decimal(),
        any_decimal(),
        proptest::option::of(0_i64..=100),
    );
    let currency = prop_oneof![
        Just("USD"),
        Just("EUR"),
        Just("JPY"),
        Just("KWD"),
        Just("CLF")
    ];
    (
        (
            any_text(),
            any_text(),
            any_text(),
            proptest::option::of(any_text()),
        ),
        (any_decimal(), currency, vec(line, 1..6)),
    )
        .prop_map(
            |((customer, name, street, state), (total, currency, lines))| {
                let mut order = order("A");
                order.customer_id = format!("c{customer}");
                order.shipping_address.name = Some(name);
                order.shipping_address.street = format!("s{street}");
                order.shipping_address.state = state;
                order.total_amount = total;
                order.currency = Currency::parse(currency).unwrap();
                order.line_items = lines
                    .into_iter()
                    .zip(1..)
                    .map(
                        |((product, quantity, unit_price, discount), item_number)| LineItem {
                            item_number,
                            product_code: format!("p{product}"),
                            quantity,
                            unit_price,
                            discount: discount.map(|percent| Decimal::new(percent, 2)),
                            unknown: Unknown::new(),
                        },
                    )
                    .collect();
                order
            },
        )
}

fn any_orders() -> impl Strategy<Value = Vec<Order>> {
    vec(any_order(), 1..6).prop_map(|mut orders| {
        for (order, number) in orders.iter_mut().zip(1..) {
            order.order_id = crate::id::OrderId::new(format!("ORD-{number}")).unwrap();
        }
        orders
    })
}

/// Rows of an entity as text.
fn rows(package: &[u8], entity: &str) -> Vec<BTreeMap<String, String>> {
    let mut package = Package::open(Cursor::new(package), ReadLimits::default()).unwrap();
    let rows = package.rows(entity).unwrap();
    rows.map(|row| {
        let row = row.unwrap();
        assert_eq!(row.problem(), None);
        row.iter()
            .map(|(column, text)| (column.to_owned(), text.to_owned()))
            .collect()
    })
    .collect()
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn check_round_trip(orders: &[Order]) {
    for map in [dmf(), seed()] {
        let (bytes, totals) = written(&map, orders);
        let report = read(&bytes).unwrap();
        assert_eq!(report.problems, []);
        assert_eq!((report.orders, report.lines), (totals.orders, totals.lines));
        let mut sums: BTreeMap<Currency, Decimal> = BTreeMap::new();
        for order in orders {
            *sums.entry(order.currency).or_default() += order.lines_total();
        }
        assert_eq!((&report.amounts, &totals.amounts), (&sums, &sums));
    }
    let (bytes, _) = written(&dmf(), orders);
    let headers = rows(&bytes, "Sales order headers V2");
    let mut lines = rows(&bytes, "Sales order lines V2").into_iter();
    for (order, row) in orders.iter().zip(headers) {
        let address = &order.shipping_address;
        assert_eq!(row["SALESORDERNUMBER"], order.order_id.as_str());
        assert_eq!(row["ORDERINGCUSTOMERACCOUNTNUMBER"], order.customer_id);
        assert_eq!(
            row["DELIVERYADDRESSNAME"],
            address.name.clone().unwrap_or_default()
        );
        assert_eq!(row["DELIVERYADDRESSSTREET"], address.street);
        assert_eq!(
            row["DELIVERYADDRESSSTATEID"],
            address.state.clone().unwrap_or_default()
        );
        for line in &order.line_items {
            let row = lines.next().unwrap();
            assert_eq!(row["ITEMNUMBER"], line.product_code);
            assert_eq!(number(&row["ORDEREDSALESQUANTITY"]), line.quantity);
            assert_eq!(number(&row["SALESPRICE"]), line.unit_price);
            assert_eq!(number(&row["LINEAMOUNT"]), order.line_amount(line));
        }
    }
    let (bytes, _) = written(&seed(), orders);
    for (order, row) in orders.iter().zip(rows(&bytes, "SalesOrderHeadersV2")) {
        assert_eq!(row["customerAccount"], order.customer_id);
        assert_eq!(row["deliveryStreet"], order.shipping_address.street);
        assert_eq!(number(&row["total"]), order.total_amount);
    }
}

/// Neither a panic nor an endless loop; any answer is fine.
fn check_survives(bytes: &[u8]) {
    let limits = ReadLimits {
        entry_bytes_max: 1 << 20,
        total_bytes_max: 4 << 20,
        problems_max: 10,
        ..ReadLimits::default()
    };
    if let Ok(mut package) = Package::open(Cursor::new(bytes), limits) {
        let names: Vec<String> = package.entities().iter().map(|e| e.name.clone()).collect();
        for name in names {
            if let Ok(rows) = package.rows(&name) {
                let _ = rows.take_while(Result::is_ok).count();
            }
        }
    }
    drop(super::super::read_package(Cursor::new(bytes), limits));
}

/// Fewer cases than usual, since each writes packages; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    if is_set {
        ProptestConfig::default()
    } else {
        ProptestConfig::with_cases(64)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_orders_read_back_equal(orders in any_orders()) {
        check_round_trip(&orders);
    }

    #[test]
    fn any_text_survives_xml(text in any_text()) {
        let element = Element::root("Manifest").with_text(&text);
        if let Ok(bytes) = element.to_utf16() {
            let read = Element::parse(&bytes, &XmlLimits::default()).unwrap();
            prop_assert_eq!(read.text(), text);
            prop_assert_eq!(read.to_utf16().unwrap(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..2_000)) {
        check_survives(&bytes);
        drop(Manifest::parse(&bytes, &XmlLimits::default()));
    }

    #[test]
    fn any_mutated_package_is_read_without_panic(
        is_seed in any::<bool>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let map = if is_seed { seed() } else { dmf() };
        let (mut bytes, _) = written(&map, &sample_orders());
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_survives(&bytes);
    }

    #[test]
    fn any_mutated_entry_is_read_without_panic(
        is_seed in any::<bool>(),
        entry in 0_usize..4,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let map = if is_seed { seed() } else { dmf() };
        let (bytes, _) = written(&map, &sample_orders());
        let (name, mut content) = super::entries(&bytes).remove(entry);
        for (place, byte) in changes {
            let place = place.index(content.len());
            content[place] = byte;
        }
        check_survives(&super::with_entry(&bytes, &name, &content));
    }

    #[test]
    fn members_stay_in_ordinal_order(names in vec("[A-Z]{1,12}", 1..40)) {
        let names: std::collections::BTreeSet<String> = names.into_iter().collect();
        let map = names.iter().filter(|name| !dmf().header_columns().any(|c| c == *name)).fold(
            FieldMap::dmf(),
            |map, name| map.with_headers(|headers| {
                headers.with_column(super::super::Column::constant(name.as_str(), "x"))
            }),
        );
        let (bytes, _) = written(&map.compile().unwrap(), &sample_orders());
        let manifest = &super::entries(&bytes)[2].1;
        // The reader refuses members out of order.
        let manifest = Manifest::parse(manifest, &XmlLimits::default()).unwrap();
        let fields: Vec<_> =
            manifest.entities()[0].maps().iter().map(|map| map.xml_field.value().unwrap()).collect();
        prop_assert!(fields.is_sorted());
        prop_assert!(read(&bytes).unwrap().is_clean());
    }
}

#[test]
fn a_field_of_32_kib_survives() {
    let mut order = order("A");
    order.shipping_address.street = "a\"é,\r\n😀".repeat(3_000);
    assert!(order.shipping_address.street.len() > 32 << 10);
    check_round_trip(&[order]);
}

#[test]
fn every_file_is_valid_unicode() {
    let (bytes, _) = written(&dmf(), &sample_orders());
    for (_, content) in super::entries(&bytes) {
        assert!(!text_of(&content).is_empty());
    }
}
