//! Messages become documents.

use std::sync::Arc;

use omnisync_core::error::ErrorKind;
use omnisync_core::port::DeadLetterReason;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fault::{Fault, FaultPlan};
use omnisync_testkit::zoo::orders::published::{Ingested, Status};

use super::{Gate, HOUR, World, created, event, ingest_one, packed, until_held, updated};

#[test]
fn an_order_that_comes_twice_at_once_is_pending_again_and_packed_twice() {
    let world = World::new();
    world.publish(&created("ORD-1"));
    world.publish(&created("ORD-1"));
    let late = Gate::at("state_store.write");
    let upload = Gate::at("blob_stage.put");
    let late_host = world.host_behind(&late);
    let upload_host = world.host_behind(&upload);

    let first = until_held(late_host.ingestion().run_once(&world.queue));
    let second = ingest_one(&world, &world.host());
    assert!(matches!(second, Ingested::Stored { .. }), "{second:?}");
    let run = until_held(upload_host.transformation().run_once());
    assert_eq!(world.status("ORD-1"), Status::Processing);
    late.open();
    assert!(matches!(block_on(first), Ok(Ingested::Stored { .. })));

    assert_eq!(world.status("ORD-1"), Status::Pending);
    packed(block_on(world.host().transformation().run_once()).unwrap());
    upload.open();
    packed(block_on(run).unwrap());
    assert_eq!(world.stage.names().len(), 2);
}

#[test]
fn an_update_of_a_known_order_is_completed_and_lost() {
    let world = World::hurried();
    world.ingest(&["ORD-1"]);
    world.publish(&updated("ORD-1", 7));
    // The same number with other content and no word of an update.
    world.publish(&event("OMS.Order.Created", "ORD-1", 9, "FR"));

    block_on(world.host().tick()).unwrap();

    assert_eq!(world.queue.unsettled(), 0);
    assert!(world.queue.dead_letters().is_empty());
    let amounts: Vec<_> = world.erp.tables().amounts().into_values().collect();
    assert_eq!(amounts, [10.into()]);
}

#[test]
fn an_update_that_comes_first_is_stored_and_the_order_itself_is_lost() {
    let world = World::hurried();
    world.publish(&updated("ORD-1", 7));
    world.publish(&created("ORD-1"));

    let round = block_on(world.host().round());

    assert!(matches!(
        round.ingested[..],
        [Ingested::Stored { .. }, Ingested::Duplicate { .. }]
    ));
    assert_eq!(world.imports("ORD-1"), 1);
}

#[test]
fn a_cancellation_never_arrives() {
    let world = World::hurried();
    world.publish(&created("ORD-1"));
    world.publish(&event("OMS.Order.Cancelled", "ORD-1", 2, "FR"));

    let round = block_on(world.host().round());

    assert!(matches!(
        round.ingested[..],
        [Ingested::Stored { .. }, Ingested::Filtered]
    ));
    assert_eq!(world.imports("ORD-1"), 1);
}

#[test]
fn an_outage_of_the_store_moves_a_message_to_the_dead_letters_within_a_moment() {
    let world = World::new();
    world.publish(&created("ORD-1"));
    world.store.throttle(10, HOUR);
    let before = world.now();

    let round = block_on(world.host().round());

    let (last, others) = round.ingested.split_last().unwrap();
    assert_eq!(others.len(), 9);
    assert!(
        others
            .iter()
            .all(|ingested| matches!(ingested, Ingested::Abandoned { .. }))
    );
    let reason = DeadLetterReason::AttemptsExhausted;
    assert!(matches!(last, Ingested::DeadLettered { reason: found } if *found == reason));
    assert_eq!(world.queue.dead_letters().len(), 1);
    assert_eq!(world.now(), before);
    // The store is back. Nobody sends the order again.
    block_on(world.host().tick()).unwrap();
    assert!(world.document("ORD-1").is_none());
}

#[test]
fn workers_that_die_use_up_the_deliveries_as_well() {
    let world = World::new();
    world.publish(&created("ORD-1"));
    for _ in 0..world.options.deliveries_max {
        let plan = FaultPlan::none().at_operation("state_store.get", 1, Fault::CrashBefore);
        let host = world.host_behind(&Arc::new(plan));
        drop(until_held(host.ingestion().run_once(&world.queue)));
        world.clock.advance(HOUR);
    }

    let ingested = ingest_one(&world, &world.host());

    let reason = DeadLetterReason::AttemptsExhausted;
    assert!(matches!(ingested, Ingested::DeadLettered { reason: found } if found == reason));
}

#[test]
fn a_completion_whose_answer_was_lost_ends_the_function_with_an_exception() {
    let world = World::new();
    world.publish(&created("ORD-1"));
    let lost = Fault::LostAck(ErrorKind::TimedOut);
    let plan = FaultPlan::none().at_operation("event_source.settle", 1, lost);

    let error = block_on(world.host_behind(&Arc::new(plan)).tick()).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::LockLost);
    assert_eq!(world.status("ORD-1"), Status::Pending);
    assert_eq!(world.queue.unsettled(), 0);
}

#[test]
fn a_write_whose_answer_was_lost_comes_back_as_a_duplicate() {
    let world = World::new();
    world.publish(&created("ORD-1"));
    let lost = Fault::LostAck(ErrorKind::TimedOut);
    let plan = FaultPlan::none().at_operation("state_store.write", 1, lost);

    let round = block_on(world.host_behind(&Arc::new(plan)).round());

    assert!(matches!(
        round.ingested[..],
        [Ingested::Abandoned { .. }, Ingested::Duplicate { .. }]
    ));
    assert_eq!(world.status("ORD-1"), Status::Pending);
}

#[test]
fn what_cannot_be_read_is_set_aside() {
    #[track_caller]
    fn check(body: &str, expected: DeadLetterReason) {
        let world = World::new();
        world.publish(body);
        let ingested = ingest_one(&world, &world.host());
        assert!(
            matches!(ingested, Ingested::DeadLettered { reason } if reason == expected),
            "{ingested:?}"
        );
        assert_eq!(world.queue.dead_letters()[0].reason, expected.as_str());
    }

    check("{", DeadLetterReason::JsonDeserialiseFailure);
    check("null", DeadLetterReason::NullPayload);
    check(r#"{"data": null}"#, DeadLetterReason::NullPayload);
    check(r#"{"data": {}}"#, DeadLetterReason::ValidationFailure);
}
