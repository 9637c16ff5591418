//! Packages get into the ERP.

use std::sync::Arc;
use std::time::Duration;

use omnisync_core::error::ErrorKind;
use omnisync_core::id::{ExecutionId, OrderId};
use omnisync_core::port::ImportStatus;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{FakeErpOptions, OrderFailure};
use omnisync_testkit::fault::{Fault, FaultPlan};
use omnisync_testkit::journal::Journal;
use omnisync_testkit::zoo::orders::published::{Delivered, Status};

use super::{World, believed_success};

#[test]
fn the_first_package_is_delivered_again_and_again_and_no_other() {
    let world = World::new();
    let packages = world.pack_each(&["ORD-1", "ORD-2", "ORD-3"]);

    for _ in 0..5 {
        let delivered = block_on(world.host().delivery().run_once());
        assert_eq!(believed_success(&delivered), &packages[0]);
    }

    assert_eq!(world.imports("ORD-1"), 5);
    assert_eq!((world.imports("ORD-2"), world.imports("ORD-3")), (0, 0));
    assert_eq!(world.status("ORD-3"), Status::Processed);
}

#[test]
fn an_import_that_failed_is_a_success() {
    let world = World::new();
    world.pack_each(&["ORD-1"]);
    let refused = OrderFailure::data("The customer does not exist.");
    world
        .erp
        .fail_order(&OrderId::new("ORD-1").unwrap(), refused);

    let delivered = block_on(world.host().delivery().run_once());

    let Delivered::Success { ignored, .. } = delivered else {
        panic!("{delivered:?}");
    };
    assert_eq!(ignored, Some(ImportStatus::Failed));
    assert_eq!(world.imports("ORD-1"), 0);
    assert_eq!(world.status("ORD-1"), Status::Processed);
}

#[test]
fn an_import_that_never_ends_is_a_success_after_ten_minutes() {
    let world = World::new().with_erp(FakeErpOptions {
        polls_to_end: None,
        ..FakeErpOptions::default()
    });
    world.pack_each(&["ORD-1"]);
    let before = world.now();

    let delivered = block_on(world.host().delivery().run_once());

    let Delivered::Success { ignored, .. } = delivered else {
        panic!("{delivered:?}");
    };
    assert_eq!(ignored, Some(ImportStatus::Executing));
    let waited = world.now() - before;
    assert_eq!(waited.num_minutes(), 10);
    // The project is still occupied: the next delivery is refused.
    let next = block_on(world.host().delivery().run_once());
    assert!(matches!(next, Delivered::Failure { error, .. }
        if error.kind() == ErrorKind::Conflict));
}

#[test]
fn a_submission_whose_answer_was_lost_is_imported_twice() {
    let world = World::new().with_erp(FakeErpOptions {
        parallel_per_project: 2,
        ..FakeErpOptions::default()
    });
    world.pack_each(&["ORD-1"]);
    let lost = Fault::LostAck(ErrorKind::TimedOut);
    let plan = FaultPlan::none().at_operation("erp_importer.submit", 1, lost);
    let journal = Arc::new(Journal::over(Arc::new(plan)));

    let delivered = block_on(world.host_behind(&journal).delivery().run_once());
    believed_success(&delivered);

    // Nobody asks for the first import, and the ERP runs it all the same.
    let entries = journal.entries();
    let submitted = entries
        .iter()
        .filter(|entry| entry.call.operation == "erp_importer.submit");
    let executions: Vec<ExecutionId> = submitted
        .map(|entry| entry.call.subject.to_string().parse().unwrap())
        .collect();
    assert_ne!(executions[0], executions[1]);
    world.erp.finish(executions[0]).unwrap();
    assert_eq!(world.imports("ORD-1"), 2);
}

#[test]
fn a_question_that_fails_last_makes_a_failure_of_an_import_that_succeeded() {
    let mut world = World::new();
    world.options.retry_delays.clear();
    world.pack_each(&["ORD-1"]);
    let last = u64::from(world.options.polls_max);
    let fails = Fault::FailBefore(ErrorKind::Unavailable);
    let plan = FaultPlan::none().at_operation("erp_importer.status", last, fails);

    let delivered = block_on(world.host_behind(&Arc::new(plan)).delivery().run_once());

    assert!(matches!(delivered, Delivered::Failure { .. }));
    assert_eq!(world.imports("ORD-1"), 1);
}

#[test]
fn a_package_that_cannot_be_read_fails_without_an_alert_and_blocks_the_others() {
    let world = World::new();
    let packages = world.pack_each(&["ORD-1", "ORD-2"]);
    world.stage.alter(&packages[0]);

    for _ in 0..3 {
        let delivered = block_on(world.host().delivery().run_once());
        assert!(matches!(delivered, Delivered::Unnoticed { .. }));
        world.clock.advance(Duration::from_secs(1));
    }

    assert_eq!(world.erp.tables().orders(), 0);
}

#[test]
fn without_a_package_the_run_succeeds() {
    let delivered = block_on(World::new().host().delivery().run_once());
    assert!(matches!(delivered, Delivered::NoBlobs));
}
