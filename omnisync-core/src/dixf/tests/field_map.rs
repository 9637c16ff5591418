use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::{
    Column, CompiledMap, DateFormat, FieldErrorKind, FieldMap, FieldMapError, Format, MapError,
    Otherwise, Source,
};
use super::{decimal, dmf, order};
use crate::order::Order;

/// The value that a header column with this source and format has for `order`.
fn mapped(column: Column, order: &Order) -> Result<Option<String>, FieldErrorKind> {
    let map = FieldMap::dmf().with_headers(|headers| headers.with_column(column));
    let mapped = map
        .compile()
        .unwrap()
        .map(order)
        .map_err(|error| error.fields[0].kind)?;
    Ok(mapped.header().last().unwrap().map(str::to_owned))
}

fn check(source: Source, format: Format, order: &Order, expected: &str) {
    let column = Column::new("X", source).with_format(format);
    assert_eq!(mapped(column, order).unwrap().as_deref(), Some(expected));
}

fn header(map: &CompiledMap, order: &Order) -> BTreeMap<String, Option<String>> {
    let mapped = map.map(order).unwrap();
    map.header_columns()
        .map(str::to_owned)
        .zip(mapped.header().map(|text| text.map(str::to_owned)))
        .collect()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[test]
fn both_default_maps_compile_and_read_back_as_data() {
    for map in [FieldMap::dmf(), FieldMap::seed()] {
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<FieldMap>(&json).unwrap(), map);
        map.compile().unwrap();
    }
    assert_eq!(dmf().header_columns().len(), 16);
    assert_eq!(dmf().line_columns().len(), 11);
}

#[test]
fn a_map_is_written_as_plain_data() {
    let column = Column::new("DATE", Source::FirstOf(vec![Source::OrderDate]))
        .with_format(Format::Date(DateFormat::MonthDayYear))
        .required();
    assert_eq!(
        serde_json::to_value(&column).unwrap(),
        serde_json::json!({
            "name": "DATE",
            "source": {"firstOf": ["orderDate"]},
            "format": {"date": "monthDayYear"},
            "required": true,
        })
    );
    assert!(serde_json::from_str::<Column>(r#"{"name":"A","source":"orderId","typo":1}"#).is_err());
}

#[test]
fn the_shipping_date_falls_back_to_the_order_date() {
    let mut order = order("A");
    assert_eq!(
        header(&dmf(), &order)["REQUESTEDSHIPPINGDATE"].as_deref(),
        Some("2026-03-20")
    );
    order.requested_shipping_date = None;
    assert_eq!(
        header(&dmf(), &order)["REQUESTEDSHIPPINGDATE"].as_deref(),
        Some("2026-03-14")
    );
}

#[test]
fn site_warehouse_and_unit_can_be_set() {
    let map = FieldMap::dmf()
        .with_site("S")
        .with_warehouse("W")
        .with_sales_unit("pcs");
    let map = map.compile().unwrap();
    let mapped = map.map(&order("A")).unwrap();
    let line: Vec<_> = mapped.line(1).flatten().collect();
    assert_eq!(line[5..], ["pcs", "9.80", "98.00", "2026-03-20", "S", "W"]);
    let header = header(&map, &order("A"));
    assert_eq!(header["DEFAULTSHIPPINGSITEID"].as_deref(), Some("S"));
    assert_eq!(header["DEFAULTSHIPPINGWAREHOUSEID"].as_deref(), Some("W"));
}

#[test]
fn values_are_formatted() {
    let mut order = order("A");
    let iso = "2026-03-14";
    check(Source::OrderDate, Format::Plain, &order, iso);
    check(
        Source::OrderDate,
        Format::Date(DateFormat::Iso),
        &order,
        iso,
    );
    check(
        Source::OrderDate,
        Format::Date(DateFormat::IsoDateTime),
        &order,
        "2026-03-14T00:00:00",
    );
    check(
        Source::OrderDate,
        Format::Date(DateFormat::MonthDayYear),
        &order,
        "03/14/2026",
    );
    order.total_amount = decimal("0.0000001");
    check(Source::TotalAmount, Format::Plain, &order, "0.0000001");
    check(Source::TotalAmount, Format::Money, &order, "0.00");
    order.total_amount = decimal("2.345");
    check(Source::TotalAmount, Format::Money, &order, "2.34");
    check(Source::TotalAmount, Format::Decimals(5), &order, "2.34500");
    order.total_amount = decimal("-0.001");
    check(Source::TotalAmount, Format::Money, &order, "0.00");
    order.total_amount = decimal("79228162514264337593543950335");
    check(
        Source::TotalAmount,
        Format::Money,
        &order,
        "79228162514264337593543950335",
    );
    check(Source::AddressCountry, Format::CountryAlpha3, &order, "FRA");
}

#[test]
fn texts_are_replaced_by_a_value_map() {
    let values = BTreeMap::from([("Reims".to_owned(), "R".to_owned())]);
    let format = |otherwise| Format::Values {
        values: values.clone(),
        otherwise,
    };
    check(
        Source::AddressCity,
        format(Otherwise::Refuse),
        &order("A"),
        "R",
    );
    check(
        Source::AddressStreet,
        format(Otherwise::Keep),
        &order("A"),
        "59 rue de l-Abbaye",
    );
    let refused = Column::new("X", Source::AddressStreet).with_format(format(Otherwise::Refuse));
    assert_eq!(mapped(refused, &order("A")), Err(FieldErrorKind::Unmapped));
}

#[test]
fn sources_are_joined_and_unknown_members_are_read() {
    let mut order = order("A");
    for (name, json) in [
        ("text", "\"a\\u00e9\""),
        ("number", "1.50"),
        ("null", "null"),
        ("list", "[1]"),
    ] {
        order.unknown.insert(name.to_owned(), raw(json));
    }
    order
        .shipping_address
        .unknown
        .insert("floor".to_owned(), raw("true"));
    let member = |name: &str| Source::OrderMember(name.to_owned());
    check(member("text"), Format::Plain, &order, "aé");
    check(member("number"), Format::Plain, &order, "1.50");
    check(
        Source::AddressMember("floor".to_owned()),
        Format::Plain,
        &order,
        "true",
    );
    assert_eq!(mapped(Column::new("X", member("null")), &order), Ok(None));
    assert_eq!(mapped(Column::new("X", member("none")), &order), Ok(None));
    let list = Column::new("X", member("list"));
    assert_eq!(mapped(list, &order), Err(FieldErrorKind::NotScalar));
    let concat = Source::Concat {
        parts: vec![
            Source::AddressZip,
            member("none"),
            Source::AddressCity,
            Source::OrderDate,
        ],
        separator: " ".to_owned(),
    };
    check(concat, Format::Plain, &order, "51100 Reims 2026-03-14");
}

#[test]
fn a_default_stands_in_for_a_blank_value() {
    let order = order("A");
    let state = || Column::new("X", Source::AddressState);
    assert_eq!(mapped(state(), &order), Ok(None));
    assert_eq!(
        mapped(state().with_default("-"), &order),
        Ok(Some("-".to_owned()))
    );
    assert_eq!(
        mapped(state().required(), &order),
        Err(FieldErrorKind::Missing)
    );
    assert!(mapped(state().required().with_default("-"), &order).is_ok());
}

#[test]
fn a_value_is_refused_rather_than_cut() {
    let mut order = order("A");
    order.shipping_address.city = "é😀".to_owned();
    let city = |chars| Column::new("X", Source::AddressCity).with_chars_max(chars);
    assert!(mapped(city(3), &order).is_ok());
    assert_eq!(
        mapped(city(2), &order),
        Err(FieldErrorKind::TooLong { chars_max: 2 })
    );
    order.shipping_address.city = "a\0b".to_owned();
    assert_eq!(mapped(city(9), &order), Err(FieldErrorKind::Character));
}

#[test]
fn an_order_without_lines_is_refused() {
    let mut order = order("A");
    order.line_items.clear();
    assert!(dmf().map(&order).is_err());
}

#[test]
fn a_failed_order_names_a_bounded_number_of_fields() {
    let mut order = order("A");
    order.line_items = (1..500)
        .map(|number| super::line(number, "", "1", "1"))
        .collect();
    assert_eq!(
        dmf().map(&order).unwrap_err().fields.len(),
        MapError::FIELDS_MAX
    );
}

#[test]
fn a_map_that_cannot_work_does_not_compile() {
    use FieldMapError as E;
    let headers = |change: fn(super::super::EntityFieldMap) -> super::super::EntityFieldMap| {
        FieldMap::dmf().with_headers(change).compile().unwrap_err()
    };
    let x = |source| Column::new("X", source);
    let case = |error: E, is_expected: fn(&E) -> bool| assert!(is_expected(&error), "{error:?}");
    case(
        headers(|h| h.with_column(Column::constant("CURRENCYCODE", ""))),
        |e| matches!(e, E::DuplicateColumn { column, .. } if column == "CURRENCYCODE"),
    );
    case(headers(|h| h.without_column("SALESORDERNUMBER")), |e| {
        matches!(e, E::KeyMissing { .. })
    });
    case(headers(|h| h.without_column("NOPE")), |e| {
        matches!(e, E::UnknownColumn { .. })
    });
    case(headers(|h| h.with_renamed("NOPE", "X")), |e| {
        matches!(e, E::UnknownColumn { .. })
    });
    case(
        headers(|h| h.with_replaced(Column::constant("NOPE", ""))),
        |e| matches!(e, E::UnknownColumn { .. }),
    );
    case(
        headers(|mut h| {
            h.columns.clear();
            h
        }),
        |e| matches!(e, E::EmptyEntity { .. }),
    );
    case(headers(|h| h.with_renamed("CURRENCYCODE", "a b")), |e| {
        matches!(e, E::ColumnName { .. })
    });
    for (file, layout_is_fine) in [
        ("x.csv", true),
        ("a/b.csv", false),
        (".csv", false),
        ("Manifest.xml", false),
    ] {
        let mut map = FieldMap::dmf();
        map.headers.file_name = file.to_owned();
        assert_eq!(map.compile().is_ok(), layout_is_fine, "{file}");
    }
    let with = |column: Column| {
        FieldMap::dmf()
            .with_headers(|h| h.with_column(column))
            .compile()
            .unwrap_err()
    };
    case(with(x(Source::Quantity)), |e| {
        matches!(e, E::LineSource { .. })
    });
    case(with(x(Source::FirstOf(vec![]))), |e| {
        matches!(e, E::Source { .. })
    });
    case(
        with(x(Source::FirstOf(vec![Source::OrderDate, Source::OrderId]))),
        |e| matches!(e, E::Source { .. }),
    );
    case(with(x(Source::OrderId).with_format(Format::Money)), |e| {
        matches!(e, E::Format { .. })
    });
    case(with(x(Source::OrderId).with_chars_max(0)), |e| {
        matches!(e, E::Format { .. })
    });
    case(with(Column::constant("X", "\0")), |e| {
        matches!(e, E::Source { .. })
    });
    let mut same = FieldMap::dmf();
    same.lines.file_name = same.headers.file_name.to_uppercase();
    case(same.compile().unwrap_err(), |e| {
        matches!(e, E::SameEntity { .. })
    });
}

#[test]
fn columns_can_be_replaced_removed_and_renamed() {
    let map = FieldMap::dmf()
        .with_headers(|h| {
            h.with_replaced(Column::constant("CURRENCYCODE", "CHF"))
                .without_column("REQUESTEDRECEIPTDATE")
                .with_renamed("SALESORDERNUMBER", "SALESDORDERNUMBER")
        })
        .compile()
        .unwrap();
    let header = header(&map, &order("A"));
    assert_eq!(header["CURRENCYCODE"].as_deref(), Some("CHF"));
    assert_eq!(header["SALESDORDERNUMBER"].as_deref(), Some("A"));
    assert_eq!(header.len(), 15);
}
