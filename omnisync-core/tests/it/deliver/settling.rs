//! Each order by what the results say about it.

use omnisync_core::ErrorKind;
use omnisync_core::batch::{BatchState, SEGMENTS, Settlement};
use omnisync_core::flow::{DeliverPolicy, Delivered};
use omnisync_core::id::{BatchId, ExecutionId};
use omnisync_core::order::{OrderRecord, OrderState, QuarantineReason, StateName};
use omnisync_core::port::Clock as _;
use omnisync_testkit::fake::{ErpFault, FakeErpOptions, ItemFault, OrderFailure};

use crate::support::{
    Event, Flows, Policies, World, assert_trails_replay, deface, deliver_all, id, remove, run,
    seconds,
};

fn quarantine(world: &World, order: &str) -> QuarantineReason {
    match world.order(order).state {
        OrderState::Quarantined { reason } => reason,
        other => panic!("{order} is {other:?}"),
    }
}

fn settlement(world: &World, batch: BatchId) -> Settlement {
    world.batch(batch).settlement.unwrap()
}

#[test]
fn every_imported_order_carries_the_erps_evidence() {
    let world = World::default();
    let batch = world.stage(&["A", "B"].map(Event::created));
    deliver_all(&world, &world.flows("w1"));
    for order in ["A", "B"] {
        let record = world.order(order);
        let OrderState::Imported { evidence } = &record.state else {
            panic!("{:?}", record.state)
        };
        assert_eq!(evidence.execution, ExecutionId::from(batch));
        assert!(evidence.record.starts_with("RecId "), "{evidence:?}");
        assert_eq!(evidence.lines, 2);
        assert!(record.ttl.is_some() && record.blob_reference.is_some());
    }
    assert_eq!(settlement(&world, batch).imported, 2);
    assert_trails_replay(&world);
}

#[test]
fn a_partial_success_splits_exactly_and_only_what_can_pass_is_sent_again() {
    let world = World::default();
    let transient = OrderFailure::transient("Deadlock.");
    let refused = OrderFailure {
        code: Some("ItemStopped".to_owned()),
        ..OrderFailure::data("Item is stopped.")
    };
    world.erp.fail_order(&id("B"), transient);
    world.erp.fail_order(&id("C"), refused);
    let batch = world.stage(&["A", "B", "C"].map(Event::created));
    let flows = world.flows("w1");
    let outcomes = deliver_all(&world, &flows);
    let expected = Settlement {
        imported: 1,
        rejected: 1,
        retried: 1,
        quarantined: 0,
    };
    assert_eq!(settlement(&world, batch), expected);
    let orders = &outcomes.last().unwrap().orders;
    let words: Vec<_> = orders.iter().map(|order| order.reason.as_deref()).collect();
    assert_eq!(words, [None, None, Some("ItemStopped")]);
    let OrderState::Rejected { reason } = world.order("C").state else {
        panic!("not rejected")
    };
    assert_eq!(reason.message, "Item is stopped.");
    assert_eq!((reason.records_imported, reason.records_failed), (0, 3));

    let again = flows.batch_now();
    assert_eq!(again.package.unwrap().orders, 1);
    deliver_all(&world, &flows);
    assert_eq!(world.order("B").retry_count, 1);
    let imports = world.imports();
    assert_eq!((imports["A"], imports["B"], imports.get("C")), (1, 1, None));
    assert_trails_replay(&world);
}

#[test]
fn a_half_order_is_rejected_with_what_the_erp_took() {
    let world = World::default();
    world
        .erp
        .fail_order(&id("A"), OrderFailure::data("No such item.").of_lines());
    world.stage(&["A", "B"].map(Event::created));
    deliver_all(&world, &world.flows("w1"));
    let OrderState::Rejected { reason } = world.order("A").state else {
        panic!("not rejected")
    };
    assert_eq!((reason.records_imported, reason.records_failed), (1, 2));
    assert_eq!(reason.entity, "Sales order lines V2");
    assert_eq!(world.state("B"), StateName::Imported);
}

#[test]
fn transient_failures_go_on_for_as_many_attempts_as_allowed() {
    let world = World::default();
    for _ in 0..10 {
        world
            .erp
            .fail_order(&id("A"), OrderFailure::transient("Deadlock."));
    }
    let mut policies = Policies::default();
    policies.deliver.order_attempts_max = 2;
    let flows = Flows::with(&world.ports, world.worker("w1"), policies);
    world.stage(&[Event::created("A")]);
    deliver_all(&world, &flows);
    for _ in 0..2 {
        assert_eq!(world.state("A"), StateName::Pending);
        flows.batch_now();
        deliver_all(&world, &flows);
    }
    let reason = quarantine(&world, "A");
    assert!(matches!(reason, QuarantineReason::AttemptsExhausted { .. }));
    assert_eq!(world.order("A").retry_count, 2);
    assert_eq!(world.batches().len(), 3);
}

#[test]
fn results_that_keep_silent_are_read_again_and_then_a_person_decides() {
    let world = World::default();
    let batch = world.stage(&["A", "B"].map(Event::created));
    world.erp.keep_silent_about(&id("A"));
    let flows = world.flows("w1");
    let outcomes = deliver_all(&world, &flows);
    let readings = outcomes
        .iter()
        .filter(|outcome| {
            matches!(&outcome.step, Delivered::Waiting { waits_for, .. }
            if waits_for == "results of 1 orders (Succeeded import)")
        })
        .count();
    let attempts = DeliverPolicy::default().results_attempts_max;
    assert_eq!(readings, usize::try_from(attempts).unwrap() - 1);
    let execution = batch.into();
    assert_eq!(
        quarantine(&world, "A"),
        QuarantineReason::OutcomeUnknown { execution }
    );
    assert_eq!(world.state("B"), StateName::Imported);
    let settled = settlement(&world, batch);
    assert_eq!((settled.imported, settled.quarantined), (1, 1));
}

#[test]
fn an_outage_before_the_results_does_not_use_up_their_readings() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    world.erp.keep_silent_about(&id("A"));
    let flows = world.flows("w1");
    flows.deliver();
    for _ in 0..8 {
        world.erp.fail_status(ErpFault::Unavailable);
    }
    let outcomes = deliver_all(&world, &flows);
    let readings = outcomes
        .iter()
        .filter(|outcome| {
            matches!(&outcome.step, Delivered::Waiting { waits_for, .. }
            if waits_for.starts_with("results"))
        })
        .count();
    assert_eq!(readings, 4);
}

#[test]
fn an_import_that_was_cancelled_in_the_erp_says_nothing_about_its_orders() {
    let world = World::with_erp(FakeErpOptions {
        polls_to_end: None,
        ..FakeErpOptions::default()
    });
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    flows.deliver();
    world.erp.cancel(batch.into()).unwrap();
    deliver_all(&world, &flows);
    assert!(matches!(
        quarantine(&world, "A"),
        QuarantineReason::OutcomeUnknown { .. }
    ));
    assert!(world.imports().is_empty());
}

#[test]
fn an_import_that_takes_too_long_is_given_up_and_the_next_batch_goes_on() {
    let world = World::with_erp(FakeErpOptions {
        polls_to_end: None,
        parallel_per_project: 2,
        ..FakeErpOptions::default()
    });
    let stuck = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    flows.deliver();
    let next = world.stage(&[Event::created("B")]);
    world.clock.advance(seconds(86_400));
    assert!(matches!(flows.deliver().step, Delivered::Done(_)));
    assert!(matches!(
        quarantine(&world, "A"),
        QuarantineReason::OutcomeUnknown { .. }
    ));
    assert_eq!(world.batch(stuck).state, BatchState::Done);
    assert_eq!(flows.deliver().batch, Some(next));
}

#[test]
fn a_second_worker_settles_only_what_the_first_one_left() {
    let world = World::default();
    let batch = world.stage(&["A", "B"].map(Event::created));
    let key = OrderRecord::key(&id("B"));
    let flows = world.flows("w1");
    flows.deliver();
    let fault = ItemFault::Before(ErrorKind::Unavailable);
    world.store.fail_item(key, fault);
    run(flows.deliver.run_once()).unwrap_err();
    assert_eq!(world.state("A"), StateName::Imported);
    assert_eq!(world.state("B"), StateName::Claimed);
    let other = world.flows("w2");
    world.clock.advance(seconds(61));
    let outcome = other.deliver();
    let settled: Vec<_> = outcome
        .orders
        .iter()
        .map(|order| order.order.clone())
        .collect();
    assert_eq!(settled, [id("B")]);
    assert_eq!(settlement(&world, batch).imported, 2);
}

#[test]
fn an_order_whose_document_is_gone_or_altered_does_not_hold_up_its_batch() {
    let world = World::default();
    let batch = world.stage(&["A", "B", "C"].map(Event::created));
    remove(&world, OrderRecord::key(&id("A")));
    deface(&world, "B");
    let outcomes = deliver_all(&world, &world.flows("w1"));
    assert_eq!(world.state("C"), StateName::Imported);
    let settled = settlement(&world, batch);
    assert_eq!((settled.imported, settled.quarantined), (1, 2));
    assert!(!outcomes.last().unwrap().unmatched.is_empty());
}

#[test]
fn a_batch_whose_member_list_is_gone_waits_for_a_person_and_is_not_guessed() {
    let world = World::default();
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    flows.deliver();
    for document in world.store.documents(SEGMENTS) {
        remove(&world, document.key);
    }
    let error = run(flows.deliver.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(world.state("A"), StateName::Claimed);
    assert_eq!(world.batch(batch).state, BatchState::Submitted);
    assert!(world.batch(batch).due_at > world.clock.now());
}
