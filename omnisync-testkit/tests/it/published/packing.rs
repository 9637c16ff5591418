//! Documents become packages.

use std::sync::Arc;
use std::time::Duration;

use omnisync_core::error::ErrorKind;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{MemoryStateStoreOptions, Message};
use omnisync_testkit::fault::{Fault, FaultPlan};
use omnisync_testkit::zoo::orders::published::{Status, Transformed};

use super::{DAY, Gate, World, event, ingest_one, packed, until_held};

#[test]
fn a_crash_after_the_claim_leaves_orders_processing_until_they_are_deleted() {
    let world = World::hurried();
    world.ingest(&["ORD-1", "ORD-2"]);
    let plan = FaultPlan::none().at_operation("state_store.write", 2, Fault::CrashAfter);
    let host = world.host_behind(&Arc::new(plan));
    drop(until_held(host.transformation().run_once()));

    for _ in 0..30 {
        block_on(world.host().tick()).unwrap();
        assert_eq!(world.status("ORD-1"), Status::Processing);
        assert_eq!(world.status("ORD-2"), Status::Processing);
        world.clock.advance(DAY);
    }
    world.clock.advance(Duration::from_secs(1));
    block_on(world.host().tick()).unwrap();

    assert!(world.document("ORD-1").is_none() && world.document("ORD-2").is_none());
    assert_eq!(world.erp.tables().orders(), 0);
}

#[test]
fn an_upload_whose_answer_was_lost_makes_orders_failed_that_are_delivered() {
    let world = World::new();
    world.ingest(&["ORD-1"]);
    let lost = Fault::LostAck(ErrorKind::TimedOut);
    let plan = FaultPlan::none().at_operation("blob_stage.put", 1, lost);
    let host = world.host_behind(&Arc::new(plan));

    let error = block_on(host.transformation().run_once()).unwrap_err();
    block_on(host.delivery().run_once());

    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(world.status("ORD-1"), Status::Failed);
    assert_eq!(world.imports("ORD-1"), 1);
}

#[test]
fn an_upload_that_failed_is_never_tried_again() {
    let world = World::new();
    world.ingest(&["ORD-1"]);
    let fails = Fault::FailBefore(ErrorKind::Unavailable);
    let plan = FaultPlan::none().at_operation("blob_stage.put", 1, fails);
    let host = world.host_behind(&Arc::new(plan));

    block_on(host.transformation().run_once()).unwrap_err();
    let next = block_on(host.transformation().run_once()).unwrap();

    assert_eq!(next, Transformed::Idle);
    assert_eq!(world.status("ORD-1"), Status::Failed);
    assert_eq!(world.document("ORD-1").unwrap().retry_count, 0);
}

#[test]
fn a_crash_after_the_upload_leaves_orders_processing_that_are_delivered() {
    let world = World::hurried();
    world.ingest(&["ORD-1"]);
    let plan = FaultPlan::none().at_operation("blob_stage.put", 1, Fault::CrashAfter);
    let host = world.host_behind(&Arc::new(plan));
    drop(until_held(host.transformation().run_once()));

    block_on(world.host().tick()).unwrap();

    assert_eq!(world.status("ORD-1"), Status::Processing);
    assert_eq!(world.imports("ORD-1"), 1);
}

#[test]
fn marks_that_fail_halfway_tell_different_stories_about_one_package() {
    let world = World::new();
    world.ingest(&["ORD-1", "ORD-2"]);
    let fails = Fault::FailBefore(ErrorKind::Unavailable);
    // Two claims and one mark come first.
    let plan = FaultPlan::none().at_operation("state_store.write", 4, fails);
    let host = world.host_behind(&Arc::new(plan));

    block_on(host.transformation().run_once()).unwrap_err();
    block_on(host.delivery().run_once());

    assert_eq!(world.status("ORD-1"), Status::Processed);
    assert_eq!(world.status("ORD-2"), Status::Processing);
    assert_eq!((world.imports("ORD-1"), world.imports("ORD-2")), (1, 1));
}

#[test]
fn one_order_that_cannot_be_mapped_takes_the_batch_with_it() {
    let world = World::new();
    world.ingest(&["ORD-1"]);
    let poison = event("OMS.Order.Created", "ORD-2", 2, "ZZ");
    world.queue.publish(Message::new(poison));
    ingest_one(&world, &world.host());

    let error = block_on(world.host().transformation().run_once()).unwrap_err();
    let next = block_on(world.host().transformation().run_once()).unwrap();

    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(next, Transformed::Idle);
    assert_eq!(world.status("ORD-1"), Status::Processing);
    assert_eq!(world.document("ORD-2").unwrap().retry_count, 0);
    assert!(world.stage.names().is_empty());
}

#[test]
fn two_runs_at_once_pack_the_same_orders() {
    let world = World::new();
    world.ingest(&["ORD-1"]);
    let claim = Gate::at("state_store.write");
    let slow = world.host_behind(&claim);

    let first = until_held(slow.transformation().run_once());
    let second = packed(block_on(world.host().transformation().run_once()).unwrap());
    claim.open();
    let first = packed(block_on(first).unwrap());

    assert_ne!(first, second);
    for package in [&first, &second] {
        block_on(world.host().delivery().run_once());
        world.stage.vanish(package);
    }
    assert_eq!(world.imports("ORD-1"), 2);
}

#[test]
fn a_query_that_lags_shows_claimed_orders_as_pending() {
    let world = World::new().with_store(MemoryStateStoreOptions {
        query_lag_operations: 1_000,
        ..MemoryStateStoreOptions::default()
    });
    world.ingest(&["ORD-1"]);
    world.store.catch_up();

    packed(block_on(world.host().transformation().run_once()).unwrap());
    packed(block_on(world.host().transformation().run_once()).unwrap());

    assert_eq!(world.stage.names().len(), 2);
}
