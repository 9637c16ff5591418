//! Taking packages, one at a time and once.

use std::time::Duration;

use omnisync_core::ErrorKind;
use omnisync_core::port::{ErpImporter, ImportStatus, RepeatedExecution};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{ErpFault, FakeErp, FakeErpOptions};

use super::packages::package;
use super::{by_hand, execution, import, results, status, submission, submit};

#[test]
fn a_project_imports_one_package_at_a_time_and_projects_do_not_wait_for_each_other() {
    let erp = FakeErp::new(by_hand());
    let content = package(&["A"]);
    submit(&erp, 1, &content).unwrap();

    let busy = submit(&erp, 2, &content).unwrap_err();

    assert_eq!(busy.kind(), ErrorKind::Conflict);
    assert_eq!(status(&erp, 2), ImportStatus::NotSubmitted);
    block_on(erp.submit(submission(3, "Returns", &content))).unwrap();
    erp.finish(execution(1)).unwrap();
    submit(&erp, 2, &content).unwrap();
    assert_eq!(erp.submissions(), 3);
}

#[test]
fn an_import_ends_after_so_many_questions() {
    let erp = FakeErp::new(FakeErpOptions {
        polls_to_end: Some(3),
        ..FakeErpOptions::default()
    });
    submit(&erp, 1, &package(&["A"])).unwrap();
    let seen: Vec<ImportStatus> = (0..4).map(|_| status(&erp, 1)).collect();
    let want = [
        ImportStatus::Queued,
        ImportStatus::Executing,
        ImportStatus::Executing,
        ImportStatus::Succeeded,
    ];
    assert_eq!(seen, want);
}

#[test]
fn a_submission_whose_answer_was_lost_is_known() {
    let erp = FakeErp::new(by_hand());
    erp.fail_submit(ErpFault::LostAnswer);
    let content = package(&["A"]);

    let lost = submit(&erp, 1, &content).unwrap_err();

    assert_eq!(lost.kind(), ErrorKind::TimedOut);
    assert_eq!(status(&erp, 1), ImportStatus::Queued);
    let again = submit(&erp, 1, &content).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn an_unavailable_or_throttling_erp_does_nothing() {
    let erp = FakeErp::default();
    let content = package(&["A"]);
    let pause = Duration::from_secs(30);
    erp.fail_submit(ErpFault::Unavailable);
    erp.fail_submit(ErpFault::Throttled(pause));
    assert_eq!(
        submit(&erp, 1, &content).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    let throttled = submit(&erp, 1, &content).unwrap_err();
    assert_eq!(
        (throttled.kind(), throttled.retry_after()),
        (ErrorKind::Throttled, Some(pause))
    );
    assert_eq!(
        (status(&erp, 1), erp.submissions()),
        (ImportStatus::NotSubmitted, 0)
    );

    import(&erp, 1, &content);
    erp.fail_status(ErpFault::Throttled(pause));
    let throttled = block_on(erp.status(execution(1))).unwrap_err();
    assert_eq!(throttled.retry_after(), Some(pause));
    erp.fail_results(ErpFault::LostAnswer);
    let lost = block_on(erp.results(execution(1), None)).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::TimedOut);
    assert_eq!(results(&erp, 1).len(), 2, "faults strike once");
}

#[test]
fn a_status_whose_answer_was_lost_was_asked_for() {
    let erp = FakeErp::new(FakeErpOptions {
        polls_to_end: Some(1),
        ..FakeErpOptions::default()
    });
    submit(&erp, 1, &package(&["A"])).unwrap();
    erp.fail_status(ErpFault::LostAnswer);
    block_on(erp.status(execution(1))).unwrap_err();
    assert_eq!(status(&erp, 1), ImportStatus::Succeeded);
}

#[test]
fn an_import_that_runs_again_shows_in_the_tables() {
    let erp = FakeErp::new(FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        ..by_hand()
    });
    let content = package(&["A"]);
    import(&erp, 1, &content);
    submit(&erp, 1, &content).unwrap();
    assert_eq!(status(&erp, 1), ImportStatus::Queued);
    let busy = submit(&erp, 1, &content).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Conflict, "it is its own neighbour");
    erp.finish(execution(1)).unwrap();
    assert_eq!(erp.tables().imports(), [("A", 2)].into());
    assert!(
        erp.tables()
            .line_imports()
            .into_values()
            .all(|imports| imports == 2)
    );
}

#[test]
fn no_run_of_an_import_that_may_run_in_parallel_is_lost() {
    let erp = FakeErp::new(FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        parallel_per_project: 2,
        ..by_hand()
    });
    let content = package(&["A"]);
    submit(&erp, 1, &content).unwrap();
    submit(&erp, 1, &content).unwrap();
    erp.finish(execution(1)).unwrap();
    assert_eq!(erp.tables().imports(), [("A", 2)].into());
}

#[test]
fn a_package_of_another_length_or_hash_is_not_taken() {
    let erp = FakeErp::new(by_hand());
    let content = package(&["A"]);
    let mut longer = submission(1, "Sales orders", &content);
    longer.bytes += 1;
    let error = block_on(erp.submit(longer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(status(&erp, 1), ImportStatus::NotSubmitted);
}
