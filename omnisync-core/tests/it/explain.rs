//! The story of an order, and what it waits for.

use omnisync_core::order::StateName;
use omnisync_core::port::Clock as _;
use omnisync_testkit::fake::{ErpFault, FakeErpOptions, OrderFailure};

use crate::support::{Event, Flows, World, assert_trails_replay, deliver_all, id, run, seconds};

/// Checks that the story of an order says all of `phrases`.
#[track_caller]
fn check(flows: &Flows, order: &str, phrases: &[&str]) {
    let story = flows.explain(order);
    for phrase in phrases {
        assert!(story.contains(phrase), "no {phrase:?} in:\n{story}");
    }
}

fn patient() -> World {
    World::with_erp(FakeErpOptions {
        polls_to_end: None,
        ..FakeErpOptions::default()
    })
}

#[test]
fn a_pending_order_waits_for_a_batch_until_its_deadline() {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    let flows = world.flows("w1");
    check(
        &flows,
        "A",
        &[
            "order A is Pending (revision 1)",
            "waits for a batch, until 2026-01-01T04:00:00.000Z",
            "→ Pending",
            "event A-1 from https://oms.example/orders  by ingest",
        ],
    );
}

#[test]
fn a_staged_order_waits_for_its_delivery() {
    let world = patient();
    world.stage(&[Event::created("A")]);
    let name = world.stage.names().remove(0);
    check(
        &world.flows("w1"),
        "A",
        &[
            "order A is Staged",
            &format!("package {name}"),
            "waits for its delivery, until 2026-01-01T00:00:00.000Z",
            "Claimed → Staged",
        ],
    );
}

#[test]
fn a_submitted_order_waits_for_the_import_and_for_an_erp_that_is_away() {
    let world = patient();
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    flows.deliver();
    check(
        &flows,
        "A",
        &["order A is Submitted", "waits for the import, until"],
    );
    flows.deliver();
    let due = "waits for the import (Queued), until 2026-01-01T00:00:30.000Z";
    check(&flows, "A", &[due, "Staged → Submitted"]);
    world.clock.advance(seconds(30));
    world.erp.fail_status(ErpFault::Throttled(seconds(60)));
    flows.deliver();
    check(
        &flows,
        "A",
        &["waits for the ERP (throttled), until 2026-01-01T00:01:30.000Z"],
    );
}

#[test]
fn an_imported_order_names_what_the_erp_calls_it_and_waits_for_nothing() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    deliver_all(&world, &flows);
    check(
        &flows,
        "A",
        &[
            "order A is Imported",
            "the ERP holds it as RecId 56",
            "with 2 lines",
            "Submitted → Imported",
        ],
    );
    assert!(!flows.explain("A").contains("waits for"));
    let explanation = run(flows.explain.order(&id("A"))).unwrap().unwrap();
    assert_eq!(explanation.waiting, None);
    assert!(explanation.package.is_some());
}

#[test]
fn a_rejected_order_names_the_erps_reason_and_how_much_it_took() {
    let world = World::default();
    let failure = OrderFailure {
        code: Some("DMF2050".to_owned()),
        ..OrderFailure::data("No such item.").of_lines()
    };
    world.erp.fail_order(&id("A"), failure);
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    deliver_all(&world, &flows);
    let reason = "DMF2050: No such item. (Sales order lines V2; 1 records imported, 2 failed)";
    check(&flows, "A", &["order A is Rejected", reason]);
}

#[test]
fn a_quarantined_order_waits_for_a_person_and_says_why() {
    let world = World::default();
    world.ingest(&[Event::created("A").of_nowhere()]);
    let flows = world.flows("w1");
    flows.batch_now();
    check(
        &flows,
        "A",
        &[
            "order A is Quarantined",
            "DELIVERYADDRESSCOUNTRYREGIONID (unassigned country)",
            "waits for a person to decide (MappingFailed)",
        ],
    );
}

#[test]
fn a_revision_that_is_queued_is_named() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    world.ingest(&[Event::updated("A", 2)]);
    check(
        &world.flows("w1"),
        "A",
        &[
            "(revision 1)",
            "revision 2 is queued behind it",
            "(newer revision queued)",
        ],
    );
}

#[test]
fn a_revision_that_waits_is_not_credited_with_the_package_of_the_one_before() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    deliver_all(&world, &flows);
    let first = world.stage.names().remove(0);
    world.ingest(&[Event::updated("A", 2)]);
    let package = || run(flows.explain.order(&id("A"))).unwrap().unwrap().package;
    assert_eq!(package(), None);
    flows.batch_now();
    let second = package().unwrap();
    assert_ne!(first, second);
    deliver_all(&world, &flows);
    assert_eq!(package(), Some(second));
}

#[test]
fn an_order_that_was_never_seen_has_no_story() {
    let world = World::default();
    assert!(
        run(world.flows("w1").explain.order(&id("A")))
            .unwrap()
            .is_none()
    );
}

#[test]
fn the_story_of_an_order_in_a_batch_leads_step_by_step_to_its_state() {
    let world = patient();
    let batch = world.stage(&[Event::created("A")]);
    let flows = world.flows("w1");
    for _ in 0..3 {
        let explanation = run(flows.explain.order(&id("A"))).unwrap().unwrap();
        let mut state = None;
        for entry in &explanation.trail {
            assert_eq!(entry.from, state, "{explanation}");
            state = Some(entry.to);
        }
        assert_eq!(state, Some(explanation.state.name()), "{explanation}");
        flows.deliver();
        world.clock.advance(seconds(30));
    }
    world.erp.finish(batch.into()).unwrap();
    deliver_all(&world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
    assert_trails_replay(&world);
    assert!(world.clock.now() > world.order("A").ingested_at);
}
