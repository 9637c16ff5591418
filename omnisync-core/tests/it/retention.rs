//! Only what is terminal and old enough goes.

use std::sync::Arc;

use omnisync_core::ErrorKind;
use omnisync_core::batch::{BATCHES, SEGMENTS};
use omnisync_core::flow::RetentionOutcome;
use omnisync_core::order::{Cause, Change, Command, OrderRecord, StateName};
use omnisync_core::policy::RetentionPolicy;
use omnisync_core::port::{Clock as _, Expect, StateStore as _};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::{FakeErpOptions, MemoryStateStoreOptions, OrderFailure};
use omnisync_testkit::fault::{Fault, FaultPlan, Seam};
use omnisync_testkit::journal::Journal;

use crate::support::{Event, Flows, World, deface_batch, deliver_all, id, run, seconds};

const DAY: u64 = 86_400;

fn removed(world: &World) -> RetentionOutcome {
    run(world.flows("w1").retention.run_once()).unwrap()
}

/// A world in which an order of every terminal state, and one that waits, is ten days old.
fn aged() -> World {
    let world = World::default();
    world
        .erp
        .fail_order(&id("rejected"), OrderFailure::data("No."));
    world.stage(&[
        Event::created("imported"),
        Event::created("rejected"),
        Event::created("quarantined").of_nowhere(),
    ]);
    deliver_all(&world, &world.flows("w1"));
    world.ingest(&[Event::created("cancelled"), Event::created("waiting")]);
    world.ingest(&[Event::cancelled("cancelled", 2)]);
    world.clock.advance(seconds(10 * DAY));
    world
}

#[test]
fn nothing_goes_before_its_time() {
    let world = aged();
    assert_eq!(removed(&world), RetentionOutcome::default());
    assert_eq!(world.states().len(), 5);
}

#[test]
fn what_is_terminal_goes_after_its_time_with_package_and_members_and_what_waits_stays() {
    let world = aged();
    world.clock.advance(seconds(80 * DAY + 1));
    let name = world.stage.names().remove(0);
    let outcome = removed(&world);
    assert_eq!(outcome.orders.len(), 4);
    assert_eq!((outcome.batches, outcome.packages), (1, vec![name]));
    assert!(!outcome.more);
    assert_eq!(world.states().into_keys().collect::<Vec<_>>(), ["waiting"]);
    assert!(world.store.documents(BATCHES).is_empty());
    assert!(world.store.documents(SEGMENTS).is_empty());
    assert!(world.stage.names().is_empty());
    assert_eq!(removed(&world), RetentionOutcome::default());
}

#[test]
fn a_batch_whose_document_was_altered_stays_and_the_others_go() {
    let world = aged();
    let altered = world.batches()[0].id;
    world.stage(&[Event::created("B")]);
    deliver_all(&world, &world.flows("w1"));
    world.clock.advance(seconds(100 * DAY));
    deface_batch(&world, altered);
    let error = run(world.flows("w1").retention.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let left = world.store.documents(BATCHES);
    let left: Vec<_> = left.iter().map(|batch| batch.key.id.as_str()).collect();
    assert_eq!(left, [altered.to_string()]);
}

#[test]
fn retention_follows_the_policy_of_the_worker_that_settled() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    let retention = RetentionPolicy {
        order_days: 1,
        batch_days: 2,
    };
    let flows = Flows::new(&world.ports, world.worker("w1").with_retention(retention));
    deliver_all(&world, &flows);
    world.clock.advance(seconds(DAY + 1));
    let outcome = removed(&world);
    assert_eq!((outcome.orders, outcome.batches), (vec![id("A")], 0));
    world.clock.advance(seconds(DAY));
    assert_eq!(removed(&world).batches, 1);
}

#[test]
fn an_order_that_a_newer_revision_brought_back_stays() {
    let world = aged();
    world.ingest(&[Event::updated("imported", 2), Event::updated("rejected", 2)]);
    world.clock.advance(seconds(100 * DAY));
    let outcome = removed(&world);
    assert_eq!(
        outcome.orders,
        [id("cancelled"), id("quarantined")]
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(world.state("imported"), StateName::Pending);
    assert_eq!(world.state("rejected"), StateName::Pending);
}

#[test]
fn an_order_that_a_person_opened_again_stays() {
    let world = aged();
    let mut record = world.order("rejected");
    let change = Change {
        at: world.clock.now(),
        actor: world.worker("w1").id,
        cause: Cause::Operator {
            name: "kim".to_owned(),
        },
        retention: chrono::TimeDelta::days(90),
    };
    record.apply(Command::Reopen, &change).unwrap();
    let write = record.to_write(Expect::Any).unwrap();
    run(world.store.write(vec![write]))
        .unwrap()
        .remove(0)
        .unwrap();
    world.clock.advance(seconds(100 * DAY));
    assert!(!removed(&world).orders.contains(&id("rejected")));
    assert_eq!(world.state("rejected"), StateName::Pending);
}

#[test]
fn an_order_that_changes_while_it_is_looked_at_stays() {
    // The query still shows the order as it was.
    let seam = Seam::new(Arc::new(Journal::new()));
    let options = MemoryStateStoreOptions {
        query_lag_operations: 1_000,
        ..MemoryStateStoreOptions::default()
    };
    let world = World::build(&seam, Arc::default(), options, FakeErpOptions::default());
    world.ingest(&[Event::created("A")]);
    world.ingest(&[Event::cancelled("A", 2)]);
    world.store.catch_up();
    world.clock.advance(seconds(100 * DAY));
    world.ingest(&[Event::updated("A", 3)]);
    assert_eq!(removed(&world).orders, []);
    assert_eq!(world.state("A"), StateName::Pending);
}

#[test]
fn a_store_that_removes_expired_documents_itself_leaves_nothing_behind() {
    let clock = ManualClock::default();
    let options = MemoryStateStoreOptions {
        native_expiry: Some(Arc::new(clock.clone())),
        ..MemoryStateStoreOptions::default()
    };
    let erp = FakeErpOptions {
        polls_to_end: Some(0),
        ..FakeErpOptions::default()
    };
    let seam = Seam::new(Arc::new(Journal::new()));
    let world = World::build_at(clock, &seam, Arc::default(), options, erp);
    world.stage(&[Event::created("A"), Event::created("B")]);
    deliver_all(&world, &world.flows("w1"));
    assert!(!world.store.documents(SEGMENTS).is_empty());
    world.clock.advance(seconds(100 * DAY));
    // The store was here first: it knows the end of orders.
    run(world.store.get(&[])).unwrap();
    assert!(world.states().is_empty());
    assert_eq!(world.stage.names().len(), 1);
    let outcome = removed(&world);
    assert_eq!((outcome.batches, outcome.packages.len()), (1, 1));
    assert!(world.store.documents(BATCHES).is_empty());
    assert!(world.store.documents(SEGMENTS).is_empty());
    assert!(world.stage.names().is_empty());
}

#[test]
fn a_removal_that_was_cut_off_is_repeated() {
    let cut =
        FaultPlan::none().at_operation("blob_stage.delete", 1, Fault::LostAck(ErrorKind::TimedOut));
    let world = World::under(Arc::new(cut));
    world.stage(&[Event::created("A")]);
    let flows = Flows::new(&world.bare(), world.worker("w1"));
    deliver_all(&world, &flows);
    world.clock.advance(seconds(100 * DAY));
    let failed = run(world.flows("w1").retention.run_once()).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::TimedOut);
    assert_eq!(world.batches().len(), 1);
    assert_eq!(removed(&world).batches, 1);
}

#[test]
fn more_than_one_portion_takes_more_than_one_run() {
    let world = World::default();
    let events: Vec<Event> = (0..1_100)
        .map(|n| Event::cancelled(&format!("O{n:04}"), 2))
        .collect();
    for part in events.chunks(500) {
        world.ingest(part);
    }
    world.clock.advance(seconds(91 * DAY));
    let first = removed(&world);
    assert_eq!((first.orders.len(), first.more), (1_000, true));
    let second = removed(&world);
    assert_eq!((second.orders.len(), second.more), (100, false));
}

#[test]
fn a_repeated_event_is_recognised_until_its_order_goes() {
    let world = aged();
    assert_eq!(world.ingest(&[Event::created("imported")]).duplicates, 1);
    world.clock.advance(seconds(90 * DAY));
    removed(&world);
    assert_eq!(world.ingest(&[Event::created("imported")]).accepted, 1);
    let record = world.order("imported");
    assert_eq!(record.trail.entries().len(), 1);
    assert!(OrderRecord::key(&id("imported")).id == "imported");
}
