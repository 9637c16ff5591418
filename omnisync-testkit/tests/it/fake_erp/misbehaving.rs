//! What the ERP says, keeps to itself and forgets.

use omnisync_core::ErrorKind;
use omnisync_core::port::{ErpImporter, ImportStatus};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::FakeErp;

use super::packages::package;
use super::{by_hand, execution, import, order_id, results, status, submit};

#[test]
fn a_word_hides_the_truth_until_it_is_taken_back() {
    let erp = FakeErp::new(by_hand());
    import(&erp, 1, &package(&["A"]));
    erp.say(execution(1), "Reticulating");
    assert_eq!(
        status(&erp, 1),
        ImportStatus::Unknown("Reticulating".to_owned())
    );
    erp.say(execution(1), "NotRun");
    assert_eq!(status(&erp, 1), ImportStatus::Queued);
    erp.stop_saying(execution(1));
    assert_eq!(status(&erp, 1), ImportStatus::Succeeded);
}

#[test]
fn results_keep_silent_about_an_order() {
    let erp = FakeErp::new(by_hand());
    erp.keep_silent_about(&order_id("A"));
    import(&erp, 1, &package(&["A", "B"]));
    let results = results(&erp, 1);
    assert_eq!(results.len(), 2, "header and line of the other order");
    assert!(results.contains_key("B"));
    assert_eq!(erp.tables().orders(), 2);
}

#[test]
fn a_lost_import_leaves_its_rows_and_nothing_else() {
    let erp = FakeErp::new(by_hand());
    let content = package(&["A"]);
    import(&erp, 1, &content);

    erp.lose(execution(1)).unwrap();

    assert_eq!(status(&erp, 1), ImportStatus::NotSubmitted);
    let error = block_on(erp.results(execution(1), None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(import(&erp, 1, &content), ImportStatus::Succeeded);
    assert_eq!(erp.tables().imports(), [("A", 2)].into());
}

#[test]
fn a_canceled_import_imports_nothing_and_frees_its_project() {
    let erp = FakeErp::new(by_hand());
    let content = package(&["A"]);
    submit(&erp, 1, &content).unwrap();

    erp.cancel(execution(1)).unwrap();

    erp.finish(execution(1)).unwrap();
    assert_eq!(status(&erp, 1), ImportStatus::Canceled);
    assert!(results(&erp, 1).is_empty());
    assert_eq!(erp.tables().orders(), 0);
    assert_eq!(import(&erp, 2, &content), ImportStatus::Succeeded);
    erp.cancel(execution(2)).unwrap();
    assert_eq!(status(&erp, 2), ImportStatus::Succeeded, "an end is an end");
}
