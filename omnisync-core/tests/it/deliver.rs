//! Staged packages are submitted once, and every order is settled.

mod failing;
mod hard_erps;
mod settling;

use std::sync::Arc;

use omnisync_core::ErrorKind;
use omnisync_core::batch::BatchState;
use omnisync_core::flow::Delivered;
use omnisync_core::id::{BatchId, ExecutionId};
use omnisync_core::order::StateName;
use omnisync_core::port::{Clock as _, RepeatedExecution};
use omnisync_testkit::fake::{ErpFault, FakeErpOptions};
use omnisync_testkit::fault::{Fault, FaultPlan, Interceptor, Seam};

use crate::support::{Event, Flows, Meanwhile, World, deliver_all, run, seconds};

/// The word that the outcome waits for.
fn waits_for(step: &Delivered) -> &str {
    match step {
        Delivered::Waiting { waits_for, .. } => waits_for,
        other => panic!("not waiting: {other:?}"),
    }
}

fn state(world: &World, batch: BatchId) -> BatchState {
    world.batch(batch).state
}

#[test]
fn the_status_is_asked_before_a_package_is_submitted() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    assert_eq!(flows.deliver().step, Delivered::Submitted);
    let calls: Vec<_> = world
        .journal
        .operations()
        .into_iter()
        .filter(|operation| !operation.starts_with("state_store"))
        .collect();
    let expected = [
        "erp_importer.status",
        "blob_stage.get",
        "erp_importer.submit",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn the_oldest_package_goes_first_and_the_next_one_waits_for_its_end() {
    let world = World::with_erp(FakeErpOptions {
        polls_to_end: None,
        ..FakeErpOptions::default()
    });
    let now = world.clock.now();
    let younger = world.stage(&[Event::created("A").at(now - seconds(10))]);
    let older = world.stage(&[Event::created("B").at(now - seconds(20))]);
    let flows = world.flows("w1");
    assert_eq!(flows.deliver().batch, Some(older));
    assert_eq!(waits_for(&flows.deliver().step), "the import (Queued)");
    assert!(matches!(
        flows.deliver().step,
        Delivered::Idle { until: Some(_) }
    ));
    assert_eq!(state(&world, younger), BatchState::Staged);
    world.erp.finish(ExecutionId::from(older)).unwrap();
    world.clock.advance(seconds(30));
    assert!(matches!(flows.deliver().step, Delivered::Done(_)));
    assert_eq!(flows.deliver().batch, Some(younger));
}

#[test]
fn two_workers_never_have_two_imports_of_a_project() {
    let world = World::with_erp(FakeErpOptions {
        polls_to_end: None,
        ..FakeErpOptions::default()
    });
    world.stage(&[Event::created("A")]);
    world.stage(&[Event::created("B")]);
    let (one, two) = (world.flows("w1"), world.flows("w2"));
    assert_eq!(one.deliver().step, Delivered::Submitted);
    assert!(matches!(
        two.deliver().step,
        Delivered::Idle { until: Some(_) }
    ));
    assert_eq!(world.erp.submissions(), 1);
}

#[test]
fn an_answer_that_was_lost_does_not_submit_twice() {
    let world = World::default();
    let batch = world.stage(&[Event::created("A")]);
    world.erp.fail_submit(ErpFault::LostAnswer);
    let flows = world.flows("w1");
    assert_eq!(waits_for(&flows.deliver().step), "the ERP (timed out)");
    assert_eq!(state(&world, batch), BatchState::Staged);
    deliver_all(&world, &flows);
    assert_eq!(world.erp.submissions(), 1);
    assert_eq!(world.imports()["A"], 1);
}

#[test]
fn a_lost_answer_is_harmless_whatever_the_erp_does_with_a_repeated_import() {
    for repeated_execution in [
        RepeatedExecution::Rejected,
        RepeatedExecution::ReturnsExisting,
        RepeatedExecution::RunsAgain,
    ] {
        let world = World::with_erp(FakeErpOptions {
            repeated_execution,
            ..FakeErpOptions::default()
        });
        world.stage(&[Event::created("A")]);
        world.erp.fail_submit(ErpFault::LostAnswer);
        deliver_all(&world, &world.flows("w1"));
        assert_eq!(world.imports()["A"], 1, "{repeated_execution:?}");
    }
}

#[test]
fn an_import_that_somebody_else_submitted_meanwhile_is_taken_for_ours() {
    let slow = FaultPlan::none().at_operation(
        "erp_importer.submit",
        1,
        Fault::LostAck(ErrorKind::AlreadyExists),
    );
    let world = World::under(Arc::new(slow));
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    assert_eq!(flows.deliver().step, Delivered::Submitted);
    deliver_all(&world, &flows);
    assert_eq!(
        (world.erp.submissions(), world.state("A")),
        (1, StateName::Imported)
    );
}

#[test]
fn a_pause_that_the_erp_asks_for_is_kept_to() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    world.erp.fail_submit(ErpFault::Throttled(seconds(77)));
    let flows = world.flows("w1");
    let due = world.clock.now() + seconds(77);
    let step = flows.deliver().step;
    assert_eq!(waits_for(&step), "the ERP (throttled)");
    assert_eq!(flows.deliver().step, Delivered::Idle { until: Some(due) });
    world.clock.set(due);
    assert_eq!(flows.deliver().step, Delivered::Submitted);
}

#[test]
fn a_worker_that_lost_its_batch_still_hears_the_pause_that_the_erp_asked_it_for() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    world.erp.fail_status(ErpFault::Throttled(seconds(30)));
    // The slow worker takes the slot and the batch, is told to wait, and sleeps past its lease
    // before it can note that.
    let meanwhile = Arc::new(Meanwhile::before("state_store.write", 3));
    let seam = Seam::new(Arc::clone(&meanwhile) as Arc<dyn Interceptor>);
    let mut ports = world.bare();
    ports.store = Arc::new(seam.wrap(world.store.clone()));
    let slow = Flows::new(&ports, world.worker("slow"));
    let told = run(async {
        let (told, ()) = futures::future::join(slow.deliver.run_once(), async {
            meanwhile.arrived().await;
            world.clock.advance(seconds(61));
            let fast = Flows::new(&world.bare(), world.worker("fast"));
            let step = fast.deliver.run_once().await.unwrap().step;
            assert_eq!(step, Delivered::Submitted);
            meanwhile.go_on();
        })
        .await;
        told
    });
    let error = told.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(seconds(30)));
}

#[test]
fn an_outage_of_the_erp_costs_nothing_but_time() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    for _ in 0..20 {
        world.erp.fail_status(ErpFault::Unavailable);
    }
    let flows = world.flows("w1");
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn a_word_that_nobody_knows_is_no_success() {
    let world = World::default();
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    flows.deliver();
    world.erp.say(batch.into(), "SucceededOrSo");
    for _ in 0..5 {
        let step = flows.deliver().step;
        assert_eq!(waits_for(&step), "the import (SucceededOrSo)");
        world.clock.advance(seconds(30));
    }
    assert_eq!(world.state("A"), StateName::Claimed);
    world.erp.stop_saying(batch.into());
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn an_import_that_the_erp_lost_is_submitted_again_under_its_id_after_a_while() {
    let world = World::with_erp(FakeErpOptions {
        polls_to_end: Some(100),
        ..FakeErpOptions::default()
    });
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    flows.deliver();
    world.erp.lose(batch.into()).unwrap();
    let submitted = world.clock.now();
    while world.erp.submissions() == 1 {
        match flows.deliver().step {
            Delivered::Waiting { until, .. } => world.clock.set(until.max(world.clock.now())),
            step => assert_eq!(step, Delivered::Submitted),
        }
    }
    assert!(world.clock.now() - submitted >= chrono::TimeDelta::seconds(600));
    world.erp.finish(ExecutionId::from(batch)).unwrap();
    deliver_all(&world, &flows);
    assert_eq!(world.imports()["A"], 1);
    assert_eq!(world.batches().len(), 1);
}

#[test]
fn nothing_staged_is_nothing_to_do() {
    let world = World::default();
    let outcome = world.flows("w1").deliver();
    assert_eq!(outcome.step, Delivered::Idle { until: None });
    assert_eq!(outcome.batch, None);
}

#[test]
fn another_worker_takes_the_import_over_when_its_holder_is_gone() {
    let dies = FaultPlan::none().at_operation("erp_importer.submit", 1, Fault::CrashAfter);
    let world = World::under(Arc::new(dies));
    world.stage(&[Event::created("A")]);
    assert!(omnisync_testkit::crash::run(world.flows("w1").deliver.run_once()).is_err());
    let other = world.flows("w2");
    assert!(matches!(
        other.deliver().step,
        Delivered::Idle { until: Some(_) }
    ));
    deliver_all(&world, &other);
    assert_eq!(
        (world.erp.submissions(), world.state("A")),
        (1, StateName::Imported)
    );
}

#[test]
fn an_older_package_that_comes_later_waits_for_the_one_that_has_begun() {
    let world = World::default();
    let now = world.clock.now();
    let begun = world.stage(&[Event::created("A").at(now - seconds(10))]);
    world.erp.fail_submit(ErpFault::Unavailable);
    let flows = world.flows("w1");
    assert_eq!(waits_for(&flows.deliver().step), "the ERP (unavailable)");
    let older = world.stage(&[Event::created("B").at(now - seconds(20))]);
    world.clock.advance(seconds(1));
    let outcome = flows.deliver();
    assert_eq!(
        (outcome.batch, outcome.step),
        (Some(begun), Delivered::Submitted)
    );
    deliver_all(&world, &flows);
    assert_eq!(state(&world, older), BatchState::Done);
}
