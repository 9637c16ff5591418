//! The rules by which rows become records.

use omnisync_core::dixf::{Column, FieldMap, Source, line_key};
use omnisync_core::port::{FailureClass, ImportStatus};
use omnisync_testkit::fake::{FakeErp, FakeErpOptions, OrderFailure};
use rust_decimal::Decimal;

use super::packages::{blank_order, lenient, order_with, package, package_by};
use super::{by_hand, import, order_id, refused, results};

#[test]
fn an_import_fills_the_tables() {
    let erp = FakeErp::new(by_hand());
    let orders = [order_with("A", 3), order_with("B", 1)];
    let (content, _) = package_by(FieldMap::dmf(), &orders);

    assert_eq!(import(&erp, 1, &content), ImportStatus::Succeeded);

    let tables = erp.tables();
    assert_eq!((tables.orders(), tables.lines()), (2, 4));
    assert_eq!(tables.lines_of("A").len(), 3);
    assert_eq!(
        tables.amounts(),
        [("EUR".to_owned(), Decimal::from(40))].into()
    );
    let header = tables.header("A").unwrap();
    assert_eq!((header.imports, header.execution), (1, super::execution(1)));
    let line = line_key(&order_id("A"), 2);
    assert_eq!(tables.line(&line).unwrap().amount, Decimal::TEN);
    let evidence = format!("RecId {}", tables.line(&line).unwrap().rec_id);
    assert_eq!(results(&erp, 1)[&line], Ok(evidence));
}

#[test]
fn files_of_layout_seed_are_imported_too() {
    let erp = FakeErp::new(by_hand());
    let (content, _) = package_by(FieldMap::seed(), &[order_with("A", 2)]);

    assert_eq!(import(&erp, 1, &content), ImportStatus::Succeeded);

    let keys: Vec<_> = erp
        .tables()
        .line_imports()
        .into_keys()
        .map(str::to_owned)
        .collect();
    assert_eq!(keys, ["A/1", "A/2"]);
}

#[test]
fn a_blank_required_field_refuses_the_record_and_names_the_field() {
    let erp = FakeErp::new(by_hand());
    let mut half = order_with("B", 2);
    half.line_items[1].product_code.clear();
    let (content, _) = package_by(lenient(), &[blank_order("A"), half, order_with("C", 1)]);

    assert_eq!(import(&erp, 1, &content), ImportStatus::PartiallySucceeded);

    let message = "Field 'ORDERINGCUSTOMERACCOUNTNUMBER' must be filled in.".to_owned();
    let results = results(&erp, 1);
    assert_eq!(results["A"], Err((FailureClass::Data, message)));
    let message = "Field 'ITEMNUMBER' must be filled in.".to_owned();
    let line = line_key(&order_id("B"), 2);
    assert_eq!(results[&line], Err((FailureClass::Data, message)));
    let tables = erp.tables();
    assert!(
        tables.header("A").is_none(),
        "nothing of a refused record gets in"
    );
    assert_eq!(
        (tables.lines_of("B").len(), tables.lines_of("C").len()),
        (1, 1)
    );
}

#[test]
fn of_a_key_that_a_file_holds_twice_the_first_row_counts() {
    let erp = FakeErp::new(by_hand());
    let one_key = |column: &'static str, key: &'static str| Column::constant(column, key);
    let map = FieldMap::dmf()
        .with_headers(|headers| headers.with_replaced(one_key("SALESORDERNUMBER", "A")))
        .with_lines(|lines| {
            lines
                .with_replaced(one_key("SALESORDERNUMBER", "A"))
                .with_replaced(one_key("INVENTORYLOTID", "LOT"))
        });
    let (content, _) = package_by(map, &[order_with("X", 1), order_with("Y", 2)]);

    assert_eq!(import(&erp, 1, &content), ImportStatus::PartiallySucceeded);

    let tables = erp.tables();
    assert_eq!(tables.imports(), [("A", 1)].into());
    assert_eq!(tables.line_imports(), [("LOT", 1)].into());
}

#[test]
fn a_line_needs_a_header_from_its_package_or_from_an_earlier_one() {
    let erp = FakeErp::new(by_hand());
    let map = FieldMap::dmf().with_lines(|lines| {
        lines.with_replaced(Column::new("SALESORDERNUMBER", Source::CustomerId))
    });
    let (content, _) = package_by(map, &[order_with("A", 1)]);

    assert_eq!(import(&erp, 1, &content), ImportStatus::PartiallySucceeded);
    let line = line_key(&order_id("A"), 1);
    let message = "Sales order does not exist.".to_owned();
    assert_eq!(results(&erp, 1)[&line], Err((FailureClass::Data, message)));

    import(&erp, 2, &package(&["VINET"]));
    assert_eq!(import(&erp, 3, &content), ImportStatus::Succeeded);
    assert_eq!(erp.tables().lines_of("VINET").len(), 2);
}

#[test]
fn a_failure_of_the_lines_makes_a_half_order() {
    let erp = FakeErp::new(by_hand());
    let failure = OrderFailure::data("Item is blocked.").of_lines();
    erp.fail_order(&order_id("A"), failure);

    assert_eq!(
        import(&erp, 1, &package(&["A", "B"])),
        ImportStatus::PartiallySucceeded
    );

    let tables = erp.tables();
    assert_eq!(tables.imports(), [("A", 1), ("B", 1)].into());
    assert_eq!(
        (tables.lines_of("A").len(), tables.lines_of("B").len()),
        (0, 1)
    );
    assert_eq!(refused(&erp, 1), [line_key(&order_id("A"), 1)]);
}

#[test]
fn a_transient_failure_passes_with_the_next_import() {
    let erp = FakeErp::new(by_hand());
    let order = order_id("A");
    for _ in 0..2 {
        erp.fail_order(&order, OrderFailure::transient("Deadlock."));
    }
    for number in [1, 2] {
        assert_eq!(import(&erp, number, &package(&["A"])), ImportStatus::Failed);
        let failure = Err((FailureClass::Transient, "Deadlock.".to_owned()));
        assert_eq!(results(&erp, number)["A"], failure);
    }
    assert_eq!(import(&erp, 3, &package(&["A"])), ImportStatus::Succeeded);
    assert_eq!(erp.tables().imports(), [("A", 1)].into());
}

#[test]
fn a_share_of_all_orders_is_refused_and_always_the_same_ones() {
    let ids: Vec<String> = (0..400).map(|number| format!("ORD-{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let refused_of = |refused_share, ids: &[&str]| {
        let erp = FakeErp::new(FakeErpOptions {
            refused_share,
            ..by_hand()
        });
        import(&erp, 1, &package(ids));
        let mut refused = refused(&erp, 1);
        refused.retain(|key| key.starts_with("ORD-"));
        refused
    };
    let some = refused_of(0.1, &ids);
    assert!((20..=60).contains(&some.len()), "{}", some.len());
    let backwards: Vec<&str> = ids.iter().rev().copied().collect();
    assert_eq!(refused_of(0.1, &backwards), some);
    assert!(refused_of(0.0, &ids).is_empty());
    assert_eq!(refused_of(1.0, &ids).len(), ids.len());
}

#[test]
fn a_record_that_comes_again_keeps_its_row_and_is_counted() {
    let erp = FakeErp::new(by_hand());
    import(&erp, 1, &package(&["A", "B"]));
    let before = results(&erp, 1);

    import(&erp, 2, &package(&["C", "A"]));

    assert_eq!(
        erp.tables().imports(),
        [("A", 2), ("B", 1), ("C", 1)].into()
    );
    let after = results(&erp, 2);
    assert_eq!(after["A"], before["A"]);
    assert!(
        before.values().all(|evidence| *evidence != after["C"]),
        "new rows are new"
    );
}
