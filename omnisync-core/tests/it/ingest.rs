//! Events in: stored first, settled afterwards.

use std::collections::BTreeMap;

use omnisync_core::ErrorKind;
use omnisync_core::event::CloudEvent;
use omnisync_core::flow::{Fate as EventFate, IngestOutcome};
use omnisync_core::order::intake::Verdict;
use omnisync_core::order::{ORDERS, OrderRecord, StateName, TotalMode};
use omnisync_core::port::{Clock as _, DeadLetterReason, DocumentKey};
use omnisync_testkit::fake::{ItemFault, Message};
use omnisync_testkit::fault::{Fault, FaultPlan};
use omnisync_testkit::generate::{InvalidKind, OrderGenerator};

use crate::support::{Event, Flows, Policies, World, id, run, seconds};

/// What became of the only event of `outcome`.
fn fate(outcome: &IngestOutcome) -> Result<Verdict, &str> {
    let [item] = outcome.items.as_slice() else {
        panic!("one event: {outcome:?}")
    };
    item.fate
        .as_ref()
        .map(|verdict| *verdict)
        .map_err(String::as_str)
}

fn batched(elements: &[String]) -> Message {
    Message::new(format!("[{}]", elements.join(",")))
        .with_header("content-type", "application/cloudevents-batch+json")
}

#[test]
fn a_delivery_is_settled_only_after_the_store_has_acknowledged_its_order() {
    let world = World::default();
    world.publish(&[Event::created("A"), Event::created("B")]);
    let outcome = world.flows("w1").take_in();
    assert_eq!((outcome.received, outcome.accepted), (2, 2));
    let expected = [
        "event_source.receive",
        "state_store.get",
        "state_store.write",
        "event_source.settle",
        "event_source.settle",
    ];
    assert_eq!(world.journal.operations(), expected);
    assert_eq!(world.queue.unsettled(), 0);
    assert_eq!(world.state("A"), StateName::Pending);
}

#[test]
fn a_delivery_is_not_settled_as_done_when_the_acknowledgement_of_the_store_is_lost() {
    let plan =
        FaultPlan::none().at_operation("state_store.write", 1, Fault::LostAck(ErrorKind::TimedOut));
    let world = World::under(std::sync::Arc::new(plan));
    world.publish(&[Event::created("A")]);
    let flows = world.flows("w1");
    let outcome = flows.take_in();
    assert_eq!((outcome.accepted, outcome.returned), (0, 1));
    world.clock.advance(seconds(1));
    let outcome = flows.take_in();
    assert_eq!((outcome.accepted, outcome.duplicates), (0, 1));
    assert_eq!(world.queue.unsettled(), 0);
}

#[test]
fn every_kind_of_broken_event_is_set_aside_under_its_reason() {
    let mut by_reason: BTreeMap<DeadLetterReason, usize> = BTreeMap::new();
    let world = World::default();
    for kind in InvalidKind::ALL {
        let mut generator = OrderGenerator::new(11)
            .with_invalid(1_000)
            .with_invalid_kinds([kind]);
        world
            .queue
            .publish(Message::new(generator.next().unwrap().bytes));
        *by_reason.entry(kind.reason()).or_default() += 1;
    }
    let mut policies = Policies::default();
    policies.ingest.order.total.mode = TotalMode::Enforce;
    let flows = Flows::with(&world.ports, world.worker("w1"), policies);
    let outcome = flows.take_in();
    assert_eq!(outcome.dead_lettered, by_reason);
    assert_eq!(outcome.dead_letters(), InvalidKind::ALL.len());
    assert!(world.store.documents(ORDERS).is_empty());
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for letter in world.queue.dead_letters() {
        assert!(!letter.description.is_empty(), "{letter:?}");
        *left.entry(letter.reason).or_default() += 1;
    }
    let words: BTreeMap<String, usize> = by_reason
        .iter()
        .map(|(reason, count)| (reason.to_string(), *count))
        .collect();
    assert_eq!(left, words);
}

#[test]
fn a_broken_event_does_not_stop_the_ones_behind_it() {
    let world = World::default();
    world.queue.publish(Message::new("{"));
    let outcome = {
        world.publish(&[Event::created("A")]);
        world.flows("w1").take_in()
    };
    assert_eq!((outcome.accepted, outcome.dead_letters()), (1, 1));
}

#[test]
fn a_description_names_places_and_rules_and_never_what_was_sent() {
    let world = World::default();
    let text = Event::created("A").json().replace("\"CAD\"", "\"hunter2\"");
    world.queue.publish(Message::new(text));
    world.flows("w1").take_in();
    let [letter] = &world.queue.dead_letters()[..] else {
        panic!("one dead letter")
    };
    assert_eq!(letter.reason, "ValidationFailure");
    assert!(
        letter.description.contains("/currency"),
        "{}",
        letter.description
    );
    assert!(!letter.description.contains("hunter2"));
}

#[test]
fn a_message_that_its_source_had_to_cut_is_too_large() {
    let world = World::default();
    let cut = Event::created("A").message();
    world
        .queue
        .publish(cut.with_header("omnisync-truncated", "5242880"));
    let outcome = world.flows("w1").take_in();
    assert_eq!(outcome.dead_lettered[&DeadLetterReason::TooLarge], 1);
    assert!(
        world.queue.dead_letters()[0]
            .description
            .contains("5242880")
    );
}

#[test]
fn an_event_in_headers_and_body_is_read_as_one() {
    let world = World::default();
    let text = Event::created("A").json();
    let data = text
        .split_once("\"data\":")
        .unwrap()
        .1
        .strip_suffix('}')
        .unwrap();
    let message = Message::new(data.to_owned())
        .with_header("content-type", "application/json")
        .with_header("ce-specversion", "1.0")
        .with_header("ce-type", "OMS.Order.Created")
        .with_header("ce-source", "https://oms.example/orders")
        .with_header("ce-id", "A-1");
    world.queue.publish(message);
    assert_eq!(fate(&world.flows("w1").take_in()), Ok(Verdict::Accepted));
}

#[test]
fn content_that_is_known_is_a_duplicate_whatever_event_brings_it() {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    let mut again = Event::created("A");
    again.key = "other".to_owned();
    for event in [Event::created("A"), again] {
        assert_eq!(fate(&world.ingest(&[event])), Ok(Verdict::Duplicate));
    }
    assert_eq!(world.order("A").trail.entries().len(), 1);
}

#[test]
fn a_newer_revision_replaces_the_one_that_waits_and_an_older_one_is_ignored() {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    assert_eq!(
        fate(&world.ingest(&[Event::updated("A", 3)])),
        Ok(Verdict::Replaced)
    );
    assert_eq!(
        fate(&world.ingest(&[Event::updated("A", 2)])),
        Ok(Verdict::Outdated)
    );
    assert_eq!(world.order("A").revision.number, Some(3));
    assert_eq!(world.queue.unsettled(), 0);
}

#[test]
fn a_newer_revision_waits_behind_one_that_is_in_a_batch() {
    let world = World::default();
    world.stage(&[Event::created("A")]);
    assert_eq!(
        fate(&world.ingest(&[Event::updated("A", 2)])),
        Ok(Verdict::Queued)
    );
    let record = world.order("A");
    assert_eq!(record.revision.number, Some(1));
    assert_eq!(record.queued.unwrap().revision.number, Some(2));
}

#[test]
fn the_same_revision_with_other_content_sets_order_and_event_aside() {
    for event_id in ["A-1", "another"] {
        conflict_under(event_id);
    }
}

fn conflict_under(event_id: &str) {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    let mut other = Event::created("A");
    other.key = event_id.to_owned();
    other.quantity = 9;
    let outcome = world.ingest(&[other]);
    assert_eq!(fate(&outcome), Ok(Verdict::RevisionConflict));
    assert_eq!(
        outcome.dead_lettered[&DeadLetterReason::RevisionConflict],
        1
    );
    assert_eq!(outcome.quarantined, 1);
    assert_eq!(world.state("A"), StateName::Quarantined);
}

#[test]
fn a_cancellation_that_comes_first_stops_the_creation_behind_it() {
    let world = World::default();
    let outcome = world.ingest(&[Event::cancelled("A", 2), Event::created("A")]);
    assert_eq!((outcome.cancelled, outcome.outdated), (1, 1));
    assert_eq!(world.state("A"), StateName::Cancelled);
}

#[test]
fn events_of_one_order_in_one_portion_meet_the_store_in_their_order() {
    let world = World::default();
    let outcome = world.ingest(&[
        Event::created("A"),
        Event::created("A"),
        Event::created("B"),
        Event::updated("A", 2),
        Event::cancelled("A", 3),
    ]);
    assert_eq!((outcome.accepted, outcome.duplicates), (2, 1));
    assert_eq!((outcome.updated, outcome.cancelled), (1, 1));
    let verdicts: Vec<_> = outcome
        .items
        .iter()
        .map(|item| item.fate.clone().unwrap())
        .collect();
    let expected = [
        Verdict::Accepted,
        Verdict::Duplicate,
        Verdict::Accepted,
        Verdict::Replaced,
        Verdict::Cancelled,
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(world.state("A"), StateName::Cancelled);
}

#[test]
fn a_bad_element_sets_its_batch_aside_by_place_and_the_good_ones_are_stored() {
    let world = World::default();
    let bad = Event::created("B").json().replace("\"C-1\"", "7");
    let elements = [Event::created("A").json(), bad, Event::created("C").json()];
    world.queue.publish(batched(&elements));
    let outcome = world.flows("w1").take_in();
    assert_eq!((outcome.accepted, outcome.dead_letters()), (2, 1));
    let letter = &world.queue.dead_letters()[0];
    assert!(
        letter
            .description
            .starts_with("element 1: ValidationFailure: /customerId")
    );
    assert_eq!(world.states().len(), 2);
}

#[test]
fn a_batch_whose_store_failed_in_part_comes_again_whole_and_is_recognised() {
    let world = World::default();
    let key = DocumentKey::new(ORDERS, "B");
    world
        .store
        .fail_item(key, ItemFault::Before(ErrorKind::Unavailable));
    let elements = [Event::created("A").json(), Event::created("B").json()];
    world.queue.publish(batched(&elements));
    let flows = world.flows("w1");
    assert_eq!(flows.take_in().returned, 1);
    world.clock.advance(seconds(1));
    let outcome = flows.take_in();
    assert_eq!((outcome.accepted, outcome.duplicates), (1, 1));
    assert_eq!(world.queue.unsettled(), 0);
}

#[test]
fn a_partial_write_failure_returns_only_the_delivery_concerned() {
    let world = World::default();
    let key = DocumentKey::new(ORDERS, "B");
    world
        .store
        .fail_item(key, ItemFault::Before(ErrorKind::Unavailable));
    let outcome = world.ingest(&[
        Event::created("A"),
        Event::created("B"),
        Event::created("C"),
    ]);
    assert_eq!((outcome.accepted, outcome.returned), (2, 1));
    assert_eq!(world.queue.unsettled(), 1);
    let failed: Vec<_> = outcome
        .items
        .iter()
        .filter(|item| item.fate.is_err())
        .collect();
    assert_eq!(failed[0].order, Some(id("B")));
}

#[test]
fn an_order_that_the_store_cannot_hold_is_too_large_and_does_not_come_again() {
    let world = World::default();
    let key = DocumentKey::new(ORDERS, "A");
    world
        .store
        .fail_item(key, ItemFault::Before(ErrorKind::TooLarge));
    let outcome = world.ingest(&[Event::created("A")]);
    assert_eq!(outcome.dead_lettered[&DeadLetterReason::TooLarge], 1);
    assert_eq!(world.queue.unsettled(), 0);
}

#[test]
fn a_store_that_is_down_stops_receiving_before_attempts_are_burnt_and_goes_on_later() {
    let mut plan = FaultPlan::none();
    for nth in 1..=3 {
        let fault = Fault::FailBefore(ErrorKind::Unavailable);
        plan = plan.at_operation("state_store.get", nth, fault);
    }
    let world = World::under(std::sync::Arc::new(plan));
    let flows = world.flows("w1");
    world.publish(&[Event::created("A")]);
    for _ in 0..3 {
        assert_eq!(flows.take_in().returned, 1);
        world.clock.advance(seconds(5));
    }
    let paused = flows.take_in();
    assert_eq!(paused.received, 0);
    let until = paused.paused_until.unwrap();
    let receives = |world: &World| {
        let operations = world.journal.operations();
        operations
            .iter()
            .filter(|name| **name == "event_source.receive")
            .count()
    };
    assert_eq!(receives(&world), 3);
    world.clock.set(until);
    assert_eq!(flows.take_in().accepted, 1);
    assert_eq!(receives(&world), 4);
}

#[test]
fn a_delay_that_the_store_asks_for_is_kept_to() {
    let world = World::default();
    world.store.throttle(1, seconds(42));
    world.publish(&[Event::created("A")]);
    let flows = world.flows("w1");
    assert_eq!(flows.take_in().returned, 1);
    world.clock.advance(seconds(41));
    assert_eq!(flows.take_in().received, 0);
    world.clock.advance(seconds(1));
    assert_eq!(flows.take_in().accepted, 1);
}

#[test]
fn a_document_that_cannot_be_read_fails_its_own_event_and_keeps_the_source_open() {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    crate::support::deface(&world, "A");
    let flows = world.flows("w1");
    for attempt in 0..5 {
        world.publish(&[
            Event::updated("A", 2),
            Event::created(&format!("B{attempt}")),
        ]);
        let error = run(flows.ingest.run_once(&world.queue)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        world.clock.advance(seconds(1));
    }
    assert_eq!(world.store.documents(ORDERS).len(), 6);
}

#[test]
fn a_lock_that_was_lost_before_settling_counts_as_returned_and_is_recognised() {
    let pause = FaultPlan::none().at_operation("event_source.settle", 1, Fault::Pause(seconds(61)));
    let mut world = World::default();
    world.publish(&[Event::created("A")]);
    let plan = std::sync::Arc::new(pause.with_clock(world.clock.clone()));
    let seam = omnisync_testkit::fault::Seam::new(plan);
    world.ports.source = std::sync::Arc::new(seam.wrap(world.queue.clone()));
    let flows = world.flows("w1");
    let outcome = flows.take_in();
    assert_eq!((outcome.accepted, outcome.returned), (0, 1));
    assert_eq!(world.state("A"), StateName::Pending);
    assert_eq!(flows.take_in().duplicates, 1);
    assert_eq!(world.queue.unsettled(), 0);
}

#[test]
fn pushed_events_are_answered_in_their_order() {
    let world = World::default();
    let event = |text: &str| CloudEvent::from_json(text.as_bytes());
    let events = vec![
        event(&Event::updated("A", 2).json()),
        event("{"),
        event(&Event::created("B").json()),
        event(&Event::created("A").json()),
    ];
    let answers = run(world.flows("w1").ingest.accept(events));
    assert!(matches!(
        answers[0].fate,
        EventFate::Stored(Verdict::Accepted)
    ));
    assert!(matches!(&answers[1].fate, EventFate::Refused(refusal)
        if refusal.reason == DeadLetterReason::JsonDeserialiseFailure));
    assert!(matches!(
        answers[2].fate,
        EventFate::Stored(Verdict::Accepted)
    ));
    assert!(matches!(
        answers[3].fate,
        EventFate::Stored(Verdict::Outdated)
    ));
    assert_eq!(answers[3].order, Some(id("A")));
}

#[test]
fn pushed_events_that_the_store_did_not_take_say_so() {
    let world = World::default();
    world.store.throttle(1, seconds(9));
    let event = CloudEvent::from_json(Event::created("A").json().as_bytes());
    let answers = run(world.flows("w1").ingest.accept(vec![event]));
    let EventFate::Failed(error) = &answers[0].fate else {
        panic!("{answers:?}")
    };
    assert_eq!(error.retry_after(), Some(seconds(9)));
}

#[test]
fn pushed_events_leave_a_store_alone_that_asked_for_a_pause() {
    let world = World::default();
    let flows = world.flows("w1");
    let event = |text: &str| CloudEvent::from_json(text.as_bytes());
    let push = || {
        let events = vec![event(&Event::created("A").json()), event("{")];
        run(flows.ingest.accept(events))
    };
    world.store.throttle(1, seconds(9));
    assert!(matches!(push()[0].fate, EventFate::Failed(_)));
    world.clock.advance(seconds(4));
    let operations = world.store.operations();
    for answer in push() {
        let EventFate::Failed(error) = &answer.fate else {
            panic!("{answer:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.retry_after(), Some(seconds(5)));
    }
    assert_eq!(world.store.operations(), operations);
    world.clock.advance(seconds(5));
    let answers = push();
    assert!(matches!(answers[0].fate, EventFate::Stored(_)));
    assert!(matches!(answers[1].fate, EventFate::Refused(_)));
}

#[test]
fn a_total_that_does_not_match_is_stored_with_a_warning() {
    let world = World::default();
    let text = Event::created("A")
        .json()
        .replace("\"totalAmount\":5.00", "\"totalAmount\":6.00");
    world.queue.publish(Message::new(text));
    let outcome = world.flows("w1").take_in();
    assert_eq!((outcome.accepted, outcome.warned), (1, 1));
}

#[test]
fn an_order_waits_since_its_own_time_but_never_since_the_future() {
    let world = World::default();
    let now = world.clock.now();
    world.ingest(&[
        Event::created("A").at(now - seconds(60)),
        Event::created("B").at(now + seconds(60)),
    ]);
    assert_eq!(world.order("A").waiting_since, now - seconds(60));
    assert_eq!(world.order("B").waiting_since, now);
}

#[test]
fn every_mixture_of_events_ends_as_the_generator_says() {
    for seed in 0..5 {
        let world = World::default();
        let mut file = Vec::new();
        let tally = OrderGenerator::mixed(seed)
            .with_invalid_kinds(InvalidKind::ALL.into_iter().filter(|kind| {
                // Totals only warn by default, and megabytes are slow.
                !matches!(kind, InvalidKind::WrongTotal | InvalidKind::Oversized)
            }))
            .write_ndjson(200, &mut file)
            .unwrap();
        for line in file
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            world.queue.publish(Message::new(line.to_vec()));
        }
        let outcome = world.flows("w1").take_in();
        assert_eq!(outcome.received, 200);
        assert_eq!(
            outcome.accepted + outcome.updated,
            tally.accepted,
            "seed {seed}"
        );
        assert_eq!(outcome.cancelled, tally.cancelled, "seed {seed}");
        assert_eq!(outcome.duplicates, tally.duplicates, "seed {seed}");
        assert_eq!(outcome.outdated, tally.superseded, "seed {seed}");
        assert_eq!(outcome.dead_letters(), tally.dead_letters, "seed {seed}");
        for document in world.store.documents(ORDERS) {
            OrderRecord::from_document(&document).unwrap();
        }
    }
}
