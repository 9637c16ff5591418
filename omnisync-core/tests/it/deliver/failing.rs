//! Packages that cannot be delivered.

use std::sync::Arc;

use omnisync_core::ErrorKind;
use omnisync_core::batch::{BatchState, Settlement};
use omnisync_core::flow::Delivered;
use omnisync_core::order::{OrderRecord, OrderState, StateName};
use omnisync_core::port::{BlobStage as _, BlobStageExt as _, Clock as _};
use omnisync_testkit::fake::{ItemFault, OrderFailure};
use omnisync_testkit::fault::{Fault, FaultPlan};

use crate::support::{Event, World, deliver_all, id, run, seconds};

/// A world whose ERP refuses what it is given at these calls of an operation.
fn refusing(operation: &'static str, calls: std::ops::RangeInclusive<u64>) -> World {
    let plan = calls.fold(FaultPlan::none(), |plan, nth| {
        plan.at_operation(operation, nth, Fault::FailBefore(ErrorKind::Invalid))
    });
    World::under(Arc::new(plan))
}

#[test]
fn a_package_that_was_altered_is_not_submitted_and_the_batches_behind_it_go_on() {
    let world = World::default();
    let earlier = world.clock.now() - seconds(60);
    let batch = world.stage(&[Event::created("A").at(earlier)]);
    let name = world.stage.names().remove(0);
    run(world.stage.delete(&name)).unwrap();
    run(world.stage.put_bytes(&name, "other".into())).unwrap();
    let next = world.stage(&[Event::created("B")]);
    let flows = world.flows("w1");
    let error = run(flows.deliver.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("remove it and run again"),
        "{error}"
    );
    assert!(flows.explain("A").contains("remove it and run again"));
    assert_eq!(world.erp.submissions(), 0);
    assert_eq!(flows.deliver().batch, Some(next));

    run(world.stage.delete(&name)).unwrap();
    deliver_all(&world, &flows);
    assert_eq!(world.batch(batch).state, BatchState::Sealed);
    run(flows.batch.run_once()).unwrap();
    deliver_all(&world, &flows);
    let states = world.states();
    assert!(
        states.values().all(|state| *state == StateName::Imported),
        "{states:?}"
    );
    assert_eq!(world.imports()["A"], 1);
}

#[test]
fn a_package_whose_bytes_rotted_is_not_taken_and_nothing_is_lost() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    let name = world.stage.names().remove(0);
    world.stage.alter(&name);
    let flows = world.flows("w1");
    let error = run(flows.deliver.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(world.state("A"), StateName::Claimed);
    run(world.stage.delete(&name)).unwrap();
    world.clock.advance(seconds(1));
    assert_eq!(flows.deliver().step, Delivered::Restaged);
    run(flows.batch.run_once()).unwrap();
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn a_stage_that_is_down_is_reported_and_the_package_keeps_its_turn() {
    let down = FaultPlan::none().at_operation(
        "blob_stage.get",
        1,
        Fault::FailBefore(ErrorKind::Unavailable),
    );
    let world = World::under(Arc::new(down));
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    let error = run(flows.deliver.run_once()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn a_package_that_the_erp_refuses_for_good_sets_its_orders_aside_with_the_reason() {
    let world = refusing("erp_importer.submit", 1..=3);
    let earlier = world.clock.now() - seconds(60);
    let batch = world.stage(&["A", "B"].map(|order| Event::created(order).at(earlier)));
    let next = world.stage(&[Event::created("C")]);
    let flows = world.flows("w1");
    let mut errors = 0;
    while world.batch(batch).state != BatchState::Done {
        match run(flows.deliver.run_once()) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid);
                errors += 1;
                // The next batch takes its turn only when this one is past its pause.
                world.clock.set(world.batch(batch).due_at);
            }
            Ok(outcome) => assert_eq!(outcome.batch, Some(batch)),
        }
    }
    assert_eq!(errors, 2);
    let expected = Settlement {
        quarantined: 2,
        ..Settlement::default()
    };
    assert_eq!(world.batch(batch).settlement, Some(expected));
    let OrderState::Quarantined { reason } = world.order("A").state else {
        panic!("not set aside")
    };
    assert_eq!(reason.as_str(), "PackageRefused");
    deliver_all(&world, &flows);
    assert_eq!(world.batch(next).settlement.unwrap().imported, 1);
}

#[test]
fn an_outage_does_not_count_as_a_refusal() {
    let mut plan = FaultPlan::none();
    for nth in 1..=6 {
        plan = plan.at_operation(
            "erp_importer.submit",
            nth,
            Fault::FailBefore(ErrorKind::Unavailable),
        );
    }
    plan = plan.at_operation(
        "erp_importer.submit",
        7,
        Fault::FailBefore(ErrorKind::Invalid),
    );
    let world = World::under(Arc::new(plan));
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    for _ in 0..6 {
        assert!(matches!(flows.deliver().step, Delivered::Waiting { .. }));
        world.clock.set(world.batch(batch).due_at);
    }
    run(flows.deliver.run_once()).unwrap_err();
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn results_that_are_refused_for_a_while_count_against_nobody_and_are_read_later() {
    let world = refusing("erp_importer.results", 2..=14);
    world.erp.fail_order(&id("B"), OrderFailure::data("No."));
    let batch = world.stage(&["A", "B", "C"].map(Event::created));
    let flows = world.flows("w1");
    flows.deliver();
    let fault = ItemFault::Before(ErrorKind::Unavailable);
    world.store.fail_item(OrderRecord::key(&id("C")), fault);
    run(flows.deliver.run_once()).unwrap_err();
    assert_eq!(
        (world.state("A"), world.state("B")),
        (StateName::Imported, StateName::Rejected)
    );
    while world.batch(batch).state != BatchState::Done {
        world
            .clock
            .set(world.batch(batch).due_at.max(world.clock.now()));
        drop(run(flows.deliver.run_once()));
    }
    let expected = Settlement {
        imported: 2,
        rejected: 1,
        retried: 0,
        quarantined: 0,
    };
    assert_eq!(world.batch(batch).settlement, Some(expected));
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn missing_rights_are_reported_and_everything_goes_on_once_they_are_given() {
    let denied = FaultPlan::none().at_operation(
        "erp_importer.status",
        1,
        Fault::FailBefore(ErrorKind::Denied),
    );
    let world = World::under(Arc::new(denied));
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    assert_eq!(
        run(flows.deliver.run_once()).unwrap_err().kind(),
        ErrorKind::Denied
    );
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}
