//! An ERP in a folder, whose process comes and goes.

use std::fs;
use std::path::{Path, PathBuf};

use omnisync_core::ErrorKind;
use omnisync_core::dixf::FieldMap;
use omnisync_core::port::{ErpImporter, ImportStatus, RepeatedExecution};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{FakeErp, FakeErpOptions};

use super::packages::{order_with, package, package_by};
use super::{by_hand, execution, import, results, status, submission, submit};

fn open(folder: &Path) -> FakeErp {
    FakeErp::open(folder, by_hand()).unwrap()
}

/// The files of a folder that end so.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[test]
fn an_import_goes_on_after_its_process_ended_between_submission_and_end() {
    let folder = tempfile::tempdir().unwrap();
    // The longest name of a project, in bytes.
    let project = "😀".repeat(60);
    let content = package(&["A"]);
    block_on(open(folder.path()).submit(submission(1, &project, &content))).unwrap();

    let erp = open(folder.path());

    assert_eq!(status(&erp, 1), ImportStatus::Queued);
    let busy = block_on(erp.submit(submission(2, &project, &content))).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Conflict);
    erp.finish(execution(1)).unwrap();
    assert_eq!(results(&erp, 1), results(&open(folder.path()), 1));
    let tables = open(folder.path()).tables();
    assert_eq!((tables.orders(), tables.lines()), (1, 1));
}

#[test]
fn what_a_killed_process_left_unfinished_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    submit(&open(folder.path()), 1, &package(&["A"])).unwrap();
    let zip = files(folder.path(), "zip").remove(0);
    for other in [2, 3] {
        let name = zip.file_name().unwrap().to_str().unwrap();
        let other = name.replace(&execution(1).to_string(), &execution(other).to_string());
        let torn = folder.path().join(other).with_extension("unfinished");
        fs::write(torn, b"PK").unwrap();
    }
    // As if it had died while it wrote how the import ended.
    let outcome = format!("0000000001.{}.0000000001.unfinished", execution(1));
    fs::write(folder.path().join(outcome), b"{\"status\":\"Succ").unwrap();
    fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();

    let erp = open(folder.path());

    assert_eq!(status(&erp, 2), ImportStatus::NotSubmitted);
    assert_eq!(status(&erp, 1), ImportStatus::Queued);
    erp.finish(execution(1)).unwrap();
    assert_eq!(status(&open(folder.path()), 1), ImportStatus::Succeeded);
    assert_eq!(erp.tables().imports(), [("A", 1)].into());
}

#[test]
fn cancellations_losses_and_runs_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let options = FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        ..by_hand()
    };
    let open = || FakeErp::open(folder.path(), options.clone()).unwrap();
    let content = package(&["A"]);
    let erp = open();
    import(&erp, 1, &content);
    submit(&erp, 2, &content).unwrap();
    erp.cancel(execution(2)).unwrap();
    import(&erp, 3, &package(&["B"]));
    import(&erp, 3, &package(&["B"]));
    erp.lose(execution(3)).unwrap();
    submit(&erp, 1, &content).unwrap();

    let again = open();

    assert_eq!(
        status(&again, 1),
        ImportStatus::Queued,
        "its last run has not ended"
    );
    assert_eq!(status(&again, 2), ImportStatus::Canceled);
    assert_eq!(status(&again, 3), ImportStatus::NotSubmitted);
    assert_eq!(again.tables().imports(), [("A", 1), ("B", 2)].into());
    again.finish(execution(1)).unwrap();
    assert_eq!(import(&again, 4, &package(&["C"])), ImportStatus::Succeeded);
    let last = open();
    assert_eq!(
        last.tables().imports(),
        [("A", 2), ("B", 2), ("C", 1)].into()
    );
    let header = |erp: &FakeErp, order: &str| erp.tables().header(order).cloned().unwrap();
    for order in ["A", "B", "C"] {
        assert_eq!(header(&last, order), header(&again, order));
    }
}

#[test]
fn results_are_paged_and_read_from_disk_once() {
    let folder = tempfile::tempdir().unwrap();
    let (content, _) = package_by(FieldMap::dmf(), &[order_with("A", 10_500)]);
    import(&open(folder.path()), 1, &content);
    let erp = open(folder.path());

    let first = block_on(erp.results(execution(1), None)).unwrap();
    // Later pages do not need the file any more.
    let outcome = files(folder.path(), "json").remove(0);
    fs::rename(&outcome, outcome.with_extension("away")).unwrap();
    assert_eq!(first.records.len(), 5_000);
    assert_eq!(results(&erp, 1).len(), 10_501);

    let page = block_on(erp.results(execution(1), Some("10000".to_owned()))).unwrap();
    assert_eq!((page.records.len(), page.continuation), (501, None));
    let error = block_on(erp.results(execution(1), Some("page two".to_owned()))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn an_outcome_that_cannot_be_read_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    import(&open(folder.path()), 1, &package(&["A"]));
    fs::write(files(folder.path(), "json").remove(0), b"{}").unwrap();
    let error = FakeErp::open(folder.path(), by_hand()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
