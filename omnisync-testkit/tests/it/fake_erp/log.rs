//! The ERP's log of what its imports did with each order.

use omnisync_testkit::fake::{FakeErp, ImportedOrder, OrderFailure};
use rust_decimal::Decimal;

use super::packages::{lenient, order_with, package_by, plain_package};
use super::{by_hand, execution, import, order_id};

fn entry(number: u8, order: &str, amount: u32, taken: u32, refused: u32) -> ImportedOrder {
    ImportedOrder {
        execution: execution(number),
        order: order.into(),
        currency: "EUR".into(),
        amount: amount.into(),
        taken,
        refused,
    }
}

#[test]
fn the_log_tells_whole_orders_from_half_ones_and_from_none() {
    let orders = [order_with("A", 2), order_with("B", 3), order_with("C", 1)];
    for content in [plain_package(&orders).0, package_by(lenient(), &orders).0] {
        let erp = FakeErp::new(by_hand());
        let stopped = OrderFailure::data("Item is stopped.").of_lines();
        erp.fail_order(&order_id("B"), stopped);
        erp.fail_order(&order_id("C"), OrderFailure::transient("Deadlock."));

        import(&erp, 1, &content);
        let first = erp.imports_since(0);
        import(&erp, 2, &content);

        assert_eq!(
            first,
            [
                entry(1, "A", 20, 3, 0),
                entry(1, "B", 0, 1, 3),
                entry(1, "C", 0, 0, 2),
            ]
        );
        let whole: Vec<bool> = first.iter().map(ImportedOrder::is_whole).collect();
        assert_eq!(whole, [true, false, false]);
        let again = erp.imports_since(first.len());
        assert_eq!(
            again,
            [
                entry(2, "A", 20, 3, 0),
                entry(2, "B", 30, 4, 0),
                entry(2, "C", 10, 2, 0),
            ]
        );
        assert!(erp.imports_since(6).is_empty());
        assert!(erp.imports_since(7).is_empty());
    }
}

#[test]
fn an_import_that_did_nothing_leaves_no_entry() {
    let erp = FakeErp::new(by_hand());
    super::submit(&erp, 1, &plain_package(&[order_with("A", 1)]).0).unwrap();
    assert!(erp.imports_since(0).is_empty(), "it has not run");
    erp.cancel(execution(1)).unwrap();
    assert!(erp.imports_since(0).is_empty());
    import(&erp, 2, &b"not a package".as_slice().into());
    assert!(erp.imports_since(0).is_empty());
}

#[test]
fn an_erp_in_a_folder_remembers_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let open = || FakeErp::open(folder.path(), by_hand()).unwrap();
    let erp = open();
    import(&erp, 1, &plain_package(&[order_with("A", 2)]).0);
    import(&erp, 2, &package_by(lenient(), &[order_with("A", 1)]).0);
    assert_eq!(open().imports_since(0), erp.imports_since(0));
    let amounts: Vec<Decimal> = erp
        .imports_since(0)
        .iter()
        .map(|order| order.amount)
        .collect();
    assert_eq!(amounts, [Decimal::from(20), Decimal::TEN]);
}
