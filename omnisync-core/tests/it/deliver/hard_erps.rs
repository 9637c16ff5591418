//! ERPs that make it hard to know what became of a package.

use std::sync::Arc;
use std::time::Duration;

use omnisync_core::batch::BatchState;
use omnisync_core::flow::Delivered;
use omnisync_core::order::{OrderState, StateName};
use omnisync_core::port::{Clock as _, RepeatedExecution, Reporting};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::{ErpFault, FakeErpOptions, Late, OrderFailure};

use super::{state, waits_for};
use crate::support::{Event, World, deliver_all, id, seconds};

/// An ERP that unpacks for a while, in which its status does not know the import, and that
/// imports again what it is given again.
fn unpacking(by: u64, promised: u32) -> World {
    let clock = ManualClock::default();
    let world = World::with_erp(FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        polls_to_end: Some(0),
        late: Some(Late {
            clock: Arc::new(clock.clone()),
            by: Duration::from_secs(by),
            says: None,
            visible_after_seconds: promised,
        }),
        ..FakeErpOptions::default()
    });
    World { clock, ..world }
}

#[test]
fn a_package_that_the_erp_may_have_is_not_submitted_again_before_the_erp_can_know_it() {
    let world = unpacking(100, 120);
    let batch = world.stage(&[Event::created("A")]);
    world.erp.fail_submit(ErpFault::LostAnswer);
    let flows = world.flows("w1");
    assert_eq!(waits_for(&flows.deliver().step), "the ERP (timed out)");
    world.clock.advance(seconds(61));
    // Another worker asks, and the ERP does not know.
    let other = world.flows("w2");
    let step = other.deliver().step;
    assert_eq!(
        waits_for(&step),
        "the ERP, which may have the package already"
    );
    assert_eq!(state(&world, batch), BatchState::Staged);
    deliver_all(&world, &other);
    assert_eq!(world.erp.submissions(), 1);
    assert_eq!(world.imports()["A"], 1);
    assert_eq!(world.state("A"), StateName::Imported);
}

#[test]
fn a_package_that_never_arrived_is_submitted_again_once_the_erp_would_know_it() {
    let world = unpacking(0, 120);
    world.stage(&[Event::created("A")]);
    world.erp.fail_submit(ErpFault::Unavailable);
    let flows = world.flows("w1");
    let began = world.clock.now();
    deliver_all(&world, &flows);
    assert_eq!(world.imports()["A"], 1);
    assert!(world.clock.now() - began >= chrono::TimeDelta::seconds(120));
}

#[test]
fn a_package_that_was_refused_for_now_is_not_waited_for() {
    let world = unpacking(0, 120);
    world.stage(&[Event::created("A")]);
    world.erp.fail_submit(ErpFault::Throttled(seconds(5)));
    let flows = world.flows("w1");
    let began = world.clock.now();
    assert!(matches!(flows.deliver().step, Delivered::Waiting { .. }));
    world.clock.advance(seconds(5));
    assert_eq!(flows.deliver().step, Delivered::Submitted);
    assert_eq!(world.clock.now() - began, chrono::TimeDelta::seconds(5));
}

fn counting() -> World {
    World::with_erp(FakeErpOptions {
        reporting: Reporting::Refused,
        polls_to_end: Some(0),
        ..FakeErpOptions::default()
    })
}

#[test]
fn an_erp_that_names_refused_records_only_settles_every_order_by_its_count() {
    let world = counting();
    world.stage(&[
        Event::created("A"),
        Event::created("B"),
        Event::created("C"),
        Event::created("D"),
    ]);
    world
        .erp
        .fail_order(&id("B"), OrderFailure::data("Customer is on hold."));
    world
        .erp
        .fail_order(&id("C"), OrderFailure::data("No such item.").of_lines());
    deliver_all(&world, &world.flows("w1"));
    let states = world.states();
    assert_eq!(states["A"], StateName::Imported);
    assert_eq!(states["B"], StateName::Rejected);
    assert_eq!(states["C"], StateName::Rejected);
    let OrderState::Rejected { reason } = world.order("C").state else {
        panic!("{states:?}")
    };
    assert_eq!(reason.message, "No such item.");
    let OrderState::Imported { evidence } = world.order("D").state else {
        panic!("{states:?}")
    };
    assert!(evidence.record.contains("3 of 4 records"), "{evidence:?}");
}

#[test]
fn orders_wait_and_then_go_to_a_person_where_the_count_does_not_add_up() {
    let world = counting();
    world.stage(&[Event::created("A"), Event::created("B")]);
    world
        .erp
        .fail_order(&id("B"), OrderFailure::data("Customer is on hold."));
    world.erp.keep_silent_about(&id("B"));
    deliver_all(&world, &world.flows("w1"));
    for order in ["A", "B"] {
        assert_eq!(world.state(order), StateName::Quarantined, "{order}");
    }
}

#[test]
fn an_import_that_was_seen_and_then_lost_is_not_submitted_a_second_time() {
    let clock = ManualClock::default();
    let world = World::with_erp(FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        polls_to_end: None,
        late: Some(Late {
            clock: Arc::new(clock.clone()),
            by: Duration::ZERO,
            says: None,
            visible_after_seconds: 120,
        }),
        ..FakeErpOptions::default()
    });
    let world = World { clock, ..world };
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    assert_eq!(flows.deliver().step, Delivered::Submitted);
    assert_eq!(waits_for(&flows.deliver().step), "the import (Queued)");
    world.erp.lose(batch.into()).unwrap();
    while state(&world, batch) != BatchState::Done {
        world.clock.advance(seconds(3_600));
        flows.deliver();
    }
    assert_eq!(world.erp.submissions(), 1);
    assert_eq!(world.state("A"), StateName::Quarantined);
}

#[test]
fn a_package_that_the_erp_loses_again_and_again_goes_to_a_person() {
    let clock = ManualClock::default();
    let world = World::with_erp(FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        parallel_per_project: 100,
        polls_to_end: None,
        late: Some(Late {
            clock: Arc::new(clock.clone()),
            by: Duration::from_secs(100 * 86_400),
            says: None,
            visible_after_seconds: 120,
        }),
        ..FakeErpOptions::default()
    });
    let world = World { clock, ..world };
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    while state(&world, batch) != BatchState::Done {
        world.clock.advance(seconds(120));
        flows.deliver();
    }
    // Once, and three times more.
    assert_eq!(world.erp.submissions(), 4);
    assert_eq!(world.state("A"), StateName::Quarantined);
}
