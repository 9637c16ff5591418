//! Waiting orders become staged packages.

use std::io::Cursor;
use std::sync::Arc;

use omnisync_core::ErrorKind;
use omnisync_core::batch::{BatchState, SEGMENTS};
use omnisync_core::dixf::{ReadLimits, read_package};
use omnisync_core::flow::{BatchStep, Delivered, Dropped};
use omnisync_core::id::BatchId;
use omnisync_core::order::{OrderState, QuarantineReason, StateName};
use omnisync_core::policy::{BatchPolicy, Schedule, Trigger};
use omnisync_core::port::{BlobStage as _, BlobStageExt as _, Clock as _};
use omnisync_testkit::fault::{Fault, FaultPlan, Seam};

use crate::support::{
    Event, Flows, Meanwhile, Policies, World, deface, deface_batch, deliver_all, id, remove,
    rewrite, run, seconds,
};

fn with_policy(world: &World, worker: &str, batch: BatchPolicy) -> Flows {
    let policies = Policies {
        batch,
        ..Policies::default()
    };
    Flows::with(&world.ports, world.worker(worker), policies)
}

/// Orders of each batch, in the order of staging.
fn orders_of(world: &World, batch: BatchId) -> Vec<String> {
    let states = world.states();
    let held = states.keys().filter(|order| {
        matches!(world.order(order).state, OrderState::Claimed { batch: by, .. } if by == batch)
    });
    held.cloned().collect()
}

#[test]
fn a_window_that_closed_takes_what_was_recorded_before() {
    let world = World::default();
    let flows = with_policy(&world, "w1", BatchPolicy::default());
    world.ingest(&[Event::created("A").at(world.clock.now() - seconds(60))]);
    let outcome = run(flows.batch.run_once()).unwrap();
    assert_eq!(outcome.step, BatchStep::Staged);
    let closed_at = world.clock.now();
    let trigger = world.batch(outcome.batch.unwrap()).trigger;
    assert_eq!(trigger, Trigger::Window { closed_at });
}

#[test]
fn nothing_is_due_between_the_windows() {
    let world = World::default();
    world.clock.advance(seconds(3_600));
    let schedule = Schedule::new("0 0 */4 * * *")
        .unwrap()
        .with_offset(seconds(900));
    let policy = BatchPolicy {
        schedule: Some(schedule),
        ..BatchPolicy::default()
    };
    let flows = with_policy(&world, "w1", policy);
    world.ingest(&[Event::created("A")]);
    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Idle);
    let deadline = run(flows.batch.backlog()).unwrap()[&id("A")];
    assert_eq!(
        deadline - world.clock.now(),
        chrono::TimeDelta::minutes(195)
    );
    world.clock.set(deadline);
    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Staged);
}

#[test]
fn age_a_full_batch_and_a_request_open_a_batch_without_a_window() {
    let policy = BatchPolicy {
        schedule: None,
        age_seconds_max: 600,
        orders_max: 2,
        ..BatchPolicy::default()
    };
    let world = World::default();
    let flows = with_policy(&world, "w1", policy);
    let trigger_of = |batch: Option<BatchId>| world.batch(batch.unwrap()).trigger;

    world.ingest(&[Event::created("A")]);
    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Idle);
    world.clock.advance(seconds(600));
    let aged = run(flows.batch.run_once()).unwrap();
    assert_eq!(trigger_of(aged.batch), Trigger::Age);

    world.ingest(&[
        Event::created("B"),
        Event::created("C"),
        Event::created("D"),
    ]);
    let full = run(flows.batch.run_once()).unwrap();
    assert_eq!(trigger_of(full.batch), Trigger::Full);
    assert_eq!(full.package.unwrap().orders, 2);

    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Idle);
    assert_eq!(trigger_of(flows.batch_now().batch), Trigger::Requested);
    assert_eq!(flows.batch_now().step, BatchStep::Idle);
}

#[test]
fn a_batch_takes_the_orders_that_wait_longest() {
    let world = World::default();
    let policy = BatchPolicy {
        orders_max: 2,
        ..Policies::default().batch
    };
    let flows = with_policy(&world, "w1", policy);
    let now = world.clock.now();
    let events: Vec<Event> = [("A", 10), ("B", 30), ("C", 20), ("D", 40)]
        .into_iter()
        .map(|(order, age)| Event::created(order).at(now - seconds(age)))
        .collect();
    world.ingest(&events);
    let first = flows.batch_now().batch.unwrap();
    assert_eq!(orders_of(&world, first), ["B", "D"]);
    let second = flows.batch_now().batch.unwrap();
    assert_eq!(orders_of(&world, second), ["A", "C"]);
}

#[test]
fn a_batch_stays_below_its_bytes_and_takes_at_least_one_order() {
    let one = u64::try_from(Event::created("A").json().len()).unwrap();
    for (event_bytes_max, orders) in [(1, 1), (one * 5 / 2, 2)] {
        let world = World::default();
        let policy = BatchPolicy {
            event_bytes_max,
            ..Policies::default().batch
        };
        let flows = with_policy(&world, "w1", policy);
        world.ingest(&["A", "B", "C"].map(Event::created));
        assert_eq!(flows.batch_now().package.unwrap().orders, orders);
    }
}

#[test]
fn a_package_is_what_the_erp_takes_and_carries_the_sums_of_its_orders() {
    let world = World::default();
    world.stage(&["A", "B"].map(Event::created));
    let packages = world.packages();
    let (name, bytes) = packages.iter().next().unwrap();
    let report = read_package(Cursor::new(bytes), ReadLimits::default()).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
    assert_eq!((report.orders, report.lines), (2, 4));
    let batch = &world.batches()[0];
    let package = batch.package.as_ref().unwrap();
    assert_eq!((package.orders, package.lines), (2, 4));
    assert_eq!(package.amounts["CAD"], rust_decimal::Decimal::TEN);
    assert_eq!(package.name.as_str(), name);
    assert_eq!(package.bytes, u64::try_from(bytes.len()).unwrap());
}

#[test]
fn a_poison_order_is_set_aside_alone_with_its_field_named() {
    let world = World::default();
    let events = [
        Event::created("A"),
        Event::created("B").of_nowhere(),
        Event::created("C"),
    ];
    world.ingest(&events);
    let flows = world.flows("w1");
    let outcome = flows.batch_now();
    let [(order, Dropped::MappingFailed { detail })] = outcome.dropped.as_slice() else {
        panic!("{outcome:?}")
    };
    assert_eq!(order, &id("B"));
    assert!(
        detail.contains("DELIVERYADDRESSCOUNTRYREGIONID"),
        "{detail}"
    );
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
    assert_eq!(world.state("C"), StateName::Imported);
    let OrderState::Quarantined { reason } = world.order("B").state else {
        panic!("not set aside")
    };
    assert_eq!(reason.as_str(), "MappingFailed");
}

#[test]
fn a_batch_of_poison_alone_ends_without_a_package() {
    let world = World::default();
    world.ingest(&[Event::created("A").of_nowhere()]);
    let flows = world.flows("w1");
    let outcome = flows.batch_now();
    assert_eq!(outcome.step, BatchStep::Empty);
    assert_eq!(world.batches()[0].state, BatchState::Done);
    assert!(world.stage.names().is_empty());
    assert_eq!(flows.batch_now().step, BatchStep::Idle);
}

#[test]
fn the_same_members_make_the_same_batch_and_the_same_bytes_whoever_builds_it_and_when() {
    let build = |worker: &str, later: u64, reversed: bool| {
        let world = World::default();
        let now = world.clock.now();
        let mut events = ["A", "B", "C"].map(|order| Event::created(order).at(now));
        if reversed {
            events.reverse();
        }
        world.clock.advance(seconds(later));
        world.ingest(&events);
        let batch = world.flows(worker).batch_now().batch.unwrap();
        (batch, world.packages())
    };
    let first = build("w1", 0, false);
    assert_eq!(first, build("w2", 5_000, true));
}

#[test]
fn a_package_that_was_put_before_is_recognised() {
    let lost =
        FaultPlan::none().at_operation("blob_stage.put", 1, Fault::LostAck(ErrorKind::TimedOut));
    let world = World::under(Arc::new(lost));
    world.ingest(&[Event::created("A")]);
    let flows = world.flows("w1");
    assert_eq!(
        run(flows.batch.run_now()).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    let put = world.packages();
    let outcome = run(flows.batch.run_once()).unwrap();
    assert_eq!(outcome.step, BatchStep::Staged);
    assert_eq!(world.packages(), put);
}

#[test]
fn a_stage_that_is_down_delays_the_batch_and_loses_nothing() {
    let down = FaultPlan::none()
        .at_operation(
            "blob_stage.put",
            1,
            Fault::FailBefore(ErrorKind::Unavailable),
        )
        .at_operation(
            "blob_stage.put",
            2,
            Fault::FailBefore(ErrorKind::Unavailable),
        );
    let world = World::under(Arc::new(down));
    world.ingest(&[Event::created("A")]);
    let flows = world.flows("w1");
    for _ in 0..2 {
        let error = run(flows.batch.run_now()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    let outcome = run(flows.batch.run_once()).unwrap();
    assert_eq!(
        (outcome.step, world.batches().len()),
        (BatchStep::Staged, 1)
    );
}

#[test]
fn foreign_content_under_the_name_is_never_overwritten_and_does_not_hold_up_other_batches() {
    let named = World::default();
    named.stage(&[Event::created("A")]);
    let name = named.stage.names().remove(0);

    let world = World::default();
    run(world.stage.put_bytes(&name, "foreign".into())).unwrap();
    world.ingest(&[Event::created("A")]);
    let flows = world.flows("w1");
    let error = run(flows.batch.run_now()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("move it away"), "{error}");
    assert!(flows.explain("A").contains("move it away"));

    world.ingest(&[Event::created("B")]);
    let behind = flows.batch_now();
    assert_eq!(behind.step, BatchStep::Staged);
    assert_eq!(orders_of(&world, behind.batch.unwrap()), ["B"]);

    run(world.stage.delete(&name)).unwrap();
    world.clock.advance(seconds(1));
    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Staged);
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn a_package_that_vanished_is_built_again_the_same() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    let before = world.packages();
    assert!(world.stage.vanish(&world.stage.names()[0]));
    let flows = world.flows("w1");
    let restaged = flows.deliver();
    assert_eq!(restaged.step, Delivered::Restaged);
    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Staged);
    assert_eq!(world.packages(), before);
    deliver_all(&world, &flows);
    assert_eq!(world.imports()["A"], 1);
}

#[test]
fn an_update_of_a_claimed_order_is_sent_after_it() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    world.ingest(&[Event::updated("A", 2)]);
    let flows = world.flows("w1");
    deliver_all(&world, &flows);
    let record = world.order("A");
    assert_eq!(
        (record.state, record.revision.number),
        (OrderState::Pending, Some(2))
    );
    assert_eq!(flows.batch_now().step, BatchStep::Staged);
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
    let tables = world.erp.tables();
    assert_eq!(tables.header("A").unwrap().imports, 2);
    assert_eq!(tables.amounts()["CAD"].to_string(), "10.00");
}

#[test]
fn a_cancellation_of_a_claimed_order_waits_for_its_import_and_then_for_a_person() {
    let world = World::default();
    world.stage(&["A", "B"].map(Event::created));
    world.ingest(&[Event::cancelled("A", 2)]);
    assert_eq!(world.state("A"), StateName::Claimed);
    deliver_all(&world, &world.flows("w1"));
    let reason = QuarantineReason::CancelledAfterImport;
    assert_eq!(world.order("A").state, OrderState::Quarantined { reason });
    assert_eq!(world.state("B"), StateName::Imported);
}

#[test]
fn a_cancelled_order_is_in_no_batch() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    world.ingest(&[Event::cancelled("A", 2)]);
    assert_eq!(world.flows("w1").batch_now().package.unwrap().orders, 1);
    assert_eq!(world.state("A"), StateName::Cancelled);
}

#[test]
fn an_order_that_changed_after_it_was_proposed_goes_with_the_next_batch() {
    // The worker dies after its proposal is stored and before it claims anything.
    let dies = FaultPlan::none().at_operation("state_store.write", 3, Fault::CrashBefore);
    let world = World::under(Arc::new(dies));
    world.ingest(&["A", "B"].map(Event::created));
    assert!(omnisync_testkit::crash::run(world.flows("w1").batch.run_now()).is_err());
    world.ingest(&[Event::updated("A", 2)]);
    let flows = world.flows("w1");
    let outcome = run(flows.batch.run_once()).unwrap();
    assert_eq!(outcome.dropped, [(id("A"), Dropped::Gone)]);
    assert_eq!(outcome.package.unwrap().orders, 1);
    assert_eq!(flows.batch_now().step, BatchStep::Staged);
    assert_eq!(world.state("A"), StateName::Claimed);
}

#[test]
fn a_member_list_that_was_never_stored_is_made_again() {
    let dies = FaultPlan::none().at_operation("state_store.write", 2, Fault::CrashBefore);
    let world = World::under(Arc::new(dies));
    world.ingest(&["A", "B"].map(Event::created));
    assert!(omnisync_testkit::crash::run(world.flows("w1").batch.run_now()).is_err());
    let opened = world.batches()[0].id;
    assert!(world.store.documents(SEGMENTS).is_empty());
    let outcome = run(world.flows("w1").batch.run_once()).unwrap();
    assert_eq!(
        (outcome.step, outcome.batch),
        (BatchStep::Staged, Some(opened))
    );
}

#[test]
fn a_member_list_that_cannot_be_made_again_ends_its_batch_and_another_takes_the_orders() {
    let dies = FaultPlan::none().at_operation("state_store.write", 2, Fault::CrashBefore);
    let world = World::under(Arc::new(dies));
    world.ingest(&["A", "B"].map(Event::created));
    assert!(omnisync_testkit::crash::run(world.flows("w1").batch.run_now()).is_err());
    let opened = world.batches()[0].id;
    world.ingest(&[Event::created("C")]);
    let flows = world.flows("w1");
    let ended = run(flows.batch.run_once()).unwrap();
    assert_eq!((ended.step, ended.batch), (BatchStep::Empty, Some(opened)));
    assert_eq!(flows.batch_now().package.unwrap().orders, 3);
}

#[test]
fn the_same_members_can_be_batched_again_after_their_batch_was_given_up() {
    let dies = FaultPlan::none().at_operation("state_store.write", 2, Fault::CrashBefore);
    let world = World::under(Arc::new(dies));
    world.ingest(&["A", "B"].map(Event::created));
    assert!(omnisync_testkit::crash::run(world.flows("w1").batch.run_now()).is_err());
    world.ingest(&[Event::created("C")]);
    let flows = world.flows("w1");
    assert_eq!(run(flows.batch.run_once()).unwrap().step, BatchStep::Empty);
    world.ingest(&[Event::cancelled("C", 2)]);
    assert_eq!(flows.batch_now().package.unwrap().orders, 2);
}

#[test]
fn a_document_that_cannot_be_read_is_left_out_and_reported() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    deface(&world, "A");
    let outcome = world.flows("w1").batch_now();
    assert_eq!(outcome.package.unwrap().orders, 1);
    let [(order, Dropped::Unreadable { detail })] = outcome.dropped.as_slice() else {
        panic!("{:?}", outcome.dropped)
    };
    assert_eq!(order, &id("A"));
    assert!(detail.contains("orders/A"), "{detail}");
}

#[test]
fn an_order_whose_event_was_altered_in_the_store_is_set_aside_alone() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    rewrite(&world, "A", |body| {
        body.replacen("\"lineItems\"", "\"lines\"", 1)
    });
    let outcome = world.flows("w1").batch_now();
    assert_eq!(outcome.package.unwrap().orders, 1);
    assert_eq!(world.state("A"), StateName::Quarantined);
}

#[test]
fn an_order_that_was_altered_after_sealing_stops_its_own_batch_with_advice() {
    let vanished = World::default();
    let batch = vanished.stage(&[Event::created("A")]);
    vanished.stage.vanish(&vanished.stage.names()[0]);
    let flows = vanished.flows("w1");
    flows.deliver();
    remove(&vanished, omnisync_core::order::OrderRecord::key(&id("A")));
    let error = run(flows.batch.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("restore it"), "{error}");
    let held = vanished.batch(batch);
    assert_eq!((held.state, held.lease), (BatchState::Sealed, None));
}

#[test]
fn another_worker_goes_on_after_the_lease_and_the_slower_one_reports_no_error() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    // The first worker sleeps past its lease before it reads the orders of its sealed batch, and
    // meanwhile another one takes the batch to its end.
    let meanwhile = Arc::new(Meanwhile::before("state_store.get", 3));
    let seam = Seam::new(Arc::clone(&meanwhile) as Arc<dyn omnisync_testkit::fault::Interceptor>);
    let mut ports = world.bare();
    ports.store = Arc::new(seam.wrap(world.store.clone()));
    let slow = Flows::new(&ports, world.worker("slow"));
    let outcome = run(async {
        let (slow, ()) = futures::future::join(slow.batch.run_now(), async {
            meanwhile.arrived().await;
            world.clock.advance(seconds(61));
            let fast = Flows::new(&world.bare(), world.worker("fast"));
            assert_eq!(fast.batch.run_once().await.unwrap().step, BatchStep::Staged);
            for _ in 0..3 {
                fast.deliver.run_once().await.unwrap();
            }
            meanwhile.go_on();
        })
        .await;
        slow
    });
    assert_eq!(outcome.unwrap().step, BatchStep::Elsewhere);
    assert_eq!(world.state("A"), StateName::Imported);
    assert_eq!(world.imports()["A"], 1);
}

#[test]
fn a_clock_that_was_set_back_stops_neither_the_holder_nor_anybody_else_for_ever() {
    let dies = FaultPlan::none().at_operation("blob_stage.put", 1, Fault::CrashBefore);
    let world = World::under(Arc::new(dies));
    world.ingest(&[Event::created("A")]);
    let start = world.clock.now();
    assert!(omnisync_testkit::crash::run(world.flows("w1").batch.run_now()).is_err());
    world.clock.set(start - seconds(3_600));
    assert_eq!(
        run(world.flows("w2").batch.run_once()).unwrap().step,
        BatchStep::Idle
    );
    world.clock.set(start + seconds(60));
    let outcome = run(world.flows("w2").batch.run_once()).unwrap();
    assert_eq!(outcome.step, BatchStep::Staged);

    // Until the clock is where it was, nothing is due; then everything goes on.
    world.clock.set(start - seconds(3_600));
    let flows = world.flows("w2");
    assert!(matches!(
        flows.deliver().step,
        Delivered::Idle { until: Some(_) }
    ));
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn a_batch_whose_document_was_altered_is_told_and_stops_no_other() {
    let down = FaultPlan::none().at_operation(
        "blob_stage.put",
        1,
        Fault::FailBefore(ErrorKind::Unavailable),
    );
    let world = World::under(Arc::new(down));
    world.ingest(&[Event::created("A")]);
    let flows = world.flows("w1");
    run(flows.batch.run_now()).unwrap_err();
    deface_batch(&world, world.batches()[0].id);

    world.ingest(&[Event::created("B")]);
    assert_eq!(flows.batch_now().step, BatchStep::Staged);
    let error = run(flows.batch.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);

    let late = world.stage(&[Event::created("C")]);
    deface_batch(&world, late);
    let told = (0..50).find_map(|_| {
        world.clock.advance(seconds(60));
        run(flows.deliver.run_once()).err()
    });
    assert_eq!(told.unwrap().kind(), ErrorKind::Corrupt);
    assert_eq!(world.state("B"), StateName::Imported);
}
