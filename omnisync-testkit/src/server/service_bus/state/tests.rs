//! What becomes of messages, without a wire.

use std::sync::Arc;
use std::time::Duration;

use omnisync_core::port::Clock as _;
use uuid::Uuid;

use super::super::codec::string;
use super::super::inspect::{MessageState, NewMessage};
use super::super::options::Entity;
use super::*;
use crate::clock::ManualClock;

const LOCK: Duration = Duration::from_secs(30);

fn namespace(entities: impl IntoIterator<Item = Entity>) -> (ServiceBus, ManualClock) {
    let clock = ManualClock::default();
    let options = ServiceBusOptions::new(Arc::new(clock.clone())).with_entities(entities);
    (ServiceBus::new(options), clock)
}

fn orders() -> (ServiceBus, ManualClock) {
    namespace([Entity::queue("orders")])
}

fn take(bus: &ServiceBus, place: &str) -> Option<(Uuid, Handed)> {
    let handed = bus.change(|state| state.take(&Place::parse(place), None, true))?;
    Some((handed.token.unwrap(), handed))
}

fn settle(bus: &ServiceBus, place: &str, token: Uuid, outcome: Outcome) -> Result<(), Refusal> {
    bus.change(|state| state.settle(&Place::parse(place), token, outcome))
}

fn dead(reason: &str) -> Outcome {
    Outcome::DeadLetter {
        reason: Some(reason.to_owned()),
        description: None,
        properties: Vec::new(),
    }
}

#[test]
fn a_locked_message_is_hidden_until_its_lock_ends() {
    let (bus, clock) = orders();
    bus.send("orders", NewMessage::new("a")).unwrap();
    let (token, handed) = take(&bus, "orders").unwrap();
    assert_eq!(handed.locked_until, Some(later(clock.now(), LOCK)));
    assert!(take(&bus, "orders").is_none());
    clock.advance(LOCK);
    let refused = settle(&bus, "orders", token, Outcome::Complete);
    assert_eq!(
        refused.unwrap_err().condition,
        "com.microsoft:message-lock-lost"
    );
    let (_, again) = take(&bus, "orders").unwrap();
    assert_eq!(again.stored.deliveries, 1);
    assert_eq!(again.stored.sequence, handed.stored.sequence);
    assert_eq!(bus.counters().locks_lost, 1);
}

#[test]
fn a_token_settles_once() {
    let (bus, _) = orders();
    for outcome in [
        Outcome::Complete,
        Outcome::Abandon(Vec::new()),
        Outcome::Defer(Vec::new()),
        dead("Why"),
    ] {
        bus.send("orders", NewMessage::new("a")).unwrap();
        let (token, _) = take(&bus, "orders").unwrap();
        settle(&bus, "orders", token, outcome.clone()).unwrap();
        for second in [Outcome::Complete, outcome] {
            assert!(settle(&bus, "orders", token, second).is_err());
        }
        while let Some((token, _)) = take(&bus, "orders") {
            settle(&bus, "orders", token, Outcome::Complete).unwrap();
        }
    }
}

#[test]
fn a_renewed_lock_ends_later_and_only_once() {
    let (bus, clock) = orders();
    bus.send("orders", NewMessage::new("a")).unwrap();
    let (token, _) = take(&bus, "orders").unwrap();
    clock.advance(LOCK / 2);
    let place = Place::parse("orders");
    let now = clock.now();
    let until = bus.change(|state| state.queue(&place).unwrap().renew(Side::Live, token, now));
    assert_eq!(until, Ok(later(now, LOCK)));
    clock.advance(LOCK / 2);
    assert!(take(&bus, "orders").is_none());
    clock.advance(LOCK / 2);
    assert_eq!(take(&bus, "orders").unwrap().1.stored.deliveries, 1);
    let now = clock.now();
    let refused = bus.change(|state| state.queue(&place).unwrap().renew(Side::Live, token, now));
    assert_eq!(refused, Err(Refusal::lock_lost()));
}

#[test]
fn the_last_delivery_ends_in_the_dead_letter_queue() {
    let (bus, clock) = namespace([Entity::queue("orders").with(|it| it.deliveries_max = 2)]);
    bus.send("orders", NewMessage::new("a").with_property("kept", "yes"))
        .unwrap();
    let (token, _) = take(&bus, "orders").unwrap();
    settle(&bus, "orders", token, Outcome::Abandon(Vec::new())).unwrap();
    take(&bus, "orders").unwrap();
    clock.advance(LOCK);
    assert_eq!(bus.messages("orders"), []);
    let [dead] = &bus.dead_letters("orders")[..] else {
        panic!("one dead message")
    };
    assert_eq!(
        dead.dead_letter_reason.as_deref(),
        Some("MaxDeliveryCountExceeded")
    );
    assert_eq!(dead.properties["kept"], "yes");
    assert_eq!(dead.deliveries, 2);
    assert_eq!(dead.state, MessageState::Active);
}

#[test]
fn a_dead_letter_queue_has_neither_a_limit_nor_an_end() {
    let (bus, clock) = namespace([Entity::queue("orders").with(|it| it.deliveries_max = 1)]);
    let message = NewMessage::new("a").with_ttl(Duration::from_secs(60));
    bus.send("orders", message).unwrap();
    let (token, _) = take(&bus, "orders").unwrap();
    settle(&bus, "orders", token, dead("Why")).unwrap();
    clock.advance(Duration::from_secs(3_600));
    for delivery in 0..5 {
        let (token, handed) = take(&bus, "orders/$deadletterqueue").unwrap();
        assert_eq!(handed.stored.deliveries, delivery);
        let again = settle(&bus, "orders/$deadletterqueue", token, dead("Again"));
        assert_eq!(again.unwrap_err().condition, "amqp:not-allowed");
        let abandoned = Outcome::Abandon(Vec::new());
        settle(&bus, "orders/$deadletterqueue", token, abandoned).unwrap();
    }
    let outside = bus.change(|state| {
        let place = Place::parse("orders/$deadletterqueue");
        state.send(&place, &[Content::of_data(b"x")])
    });
    assert_eq!(outside.unwrap_err().condition, "amqp:not-allowed");
}

#[test]
fn duplicates_are_dropped_for_as_long_as_the_window_is() {
    let (bus, clock) = namespace([
        Entity::queue("orders"),
        Entity::queue("all").with(|it| it.duplicate_window_ms = None),
        Entity::topic("events", ["a", "b"]),
    ]);
    let message = || NewMessage::new("x").with_message_id("same");
    for entity in ["orders", "events"] {
        assert_eq!(bus.send(entity, message()), Ok(true));
        clock.advance(Duration::from_secs(599));
        assert_eq!(bus.send(entity, message()), Ok(false));
        clock.advance(Duration::from_secs(1));
        assert_eq!(bus.send(entity, message()), Ok(true), "{entity}");
    }
    assert_eq!(bus.send("all", message()), Ok(true));
    assert_eq!(bus.send("all", message()), Ok(true));
    assert_eq!(bus.counters().duplicates, 2);
    // Without an id there is nothing to know a duplicate by.
    assert_eq!(bus.send("orders", NewMessage::new("x")), Ok(true));
    assert_eq!(bus.send("orders", NewMessage::new("x")), Ok(true));
    // A message that is gone is a duplicate as much as one that is there.
    assert_eq!(bus.messages("events/Subscriptions/b").len(), 2);
}

#[test]
fn a_scheduled_message_comes_in_time_under_a_new_number() {
    let (bus, clock) = orders();
    let at = later(clock.now(), LOCK);
    bus.send("orders", NewMessage::new("late").with_schedule(at))
        .unwrap();
    bus.send("orders", NewMessage::new("now")).unwrap();
    assert_eq!(bus.messages("orders")[0].state, MessageState::Scheduled(at));
    let (token, now) = take(&bus, "orders").unwrap();
    assert_eq!(now.stored.content.data(), b"now");
    settle(&bus, "orders", token, Outcome::Complete).unwrap();
    assert!(take(&bus, "orders").is_none());
    clock.advance(LOCK);
    let late = take(&bus, "orders").unwrap().1.stored;
    assert_eq!((late.sequence, late.enqueued_sequence), (3, 1));
    assert_eq!(late.enqueued, at);
}

#[test]
fn a_message_dies_of_age_but_not_in_a_receivers_hands() {
    let buries = Entity::queue("buries").with(|it| {
        it.dead_letter_expired = true;
        it.default_ttl_ms = Some(1_000);
    });
    let (bus, clock) = namespace([Entity::queue("orders"), buries]);
    let second = Duration::from_secs(1);
    bus.send("orders", NewMessage::new("a").with_ttl(second))
        .unwrap();
    bus.send("buries", NewMessage::new("b").with_ttl(second * 60))
        .unwrap();
    let (token, _) = take(&bus, "orders").unwrap();
    clock.advance(second);
    assert_eq!(bus.dead_letters("buries").len(), 1);
    assert_eq!(bus.messages("orders").len(), 1);
    settle(&bus, "orders", token, Outcome::Abandon(Vec::new())).unwrap();
    assert_eq!(bus.messages("orders"), []);
    assert_eq!(bus.dead_letters("orders"), []);
}

#[test]
fn a_deferred_message_is_had_by_its_number_alone() {
    let (bus, clock) = orders();
    bus.send("orders", NewMessage::new("a")).unwrap();
    let (token, handed) = take(&bus, "orders").unwrap();
    let why = vec![("why".to_owned(), string("later"))];
    settle(&bus, "orders", token, Outcome::Defer(why)).unwrap();
    assert!(take(&bus, "orders").is_none());
    assert_eq!(bus.messages("orders")[0].properties["why"], "later");
    let place = Place::parse("orders");
    let numbers = [handed.stored.sequence];
    let ask = || bus.change(|state| state.take_deferred(&place, &numbers, true));
    assert_eq!(ask().unwrap().len(), 1);
    assert_eq!(ask().unwrap_err(), Refusal::message_not_found());
    clock.advance(LOCK);
    assert!(take(&bus, "orders").is_none());
    let token = ask().unwrap()[0].token.unwrap();
    settle(&bus, "orders", token, Outcome::Complete).unwrap();
    assert_eq!(bus.messages("orders"), []);
}

#[test]
fn a_session_has_one_holder_and_keeps_its_order() {
    let (bus, clock) = namespace([Entity::queue("orders").with(|it| it.sessions = true)]);
    for (session, body) in [("b", "1"), ("a", "2"), ("b", "3")] {
        let message = NewMessage::new(body).with_session_id(session);
        bus.send("orders", message).unwrap();
    }
    assert!(bus.send("orders", NewMessage::new("none")).is_err());
    let place = Place::parse("orders");
    let accept = |wanted: Option<&str>, link: &str| {
        let holder = (1, link.to_owned());
        bus.change(|state| state.accept_session(&place, wanted, &holder))
    };
    let (session, until) = accept(None, "first").unwrap().unwrap();
    assert_eq!((session.as_str(), until), ("b", later(clock.now(), LOCK)));
    let refused = accept(Some("b"), "second").unwrap_err();
    assert_eq!(refused.condition, "com.microsoft:session-cannot-be-locked");
    assert_eq!(accept(None, "second").unwrap().unwrap().0, "a");
    assert_eq!(accept(None, "third"), Ok(None));
    let next = || bus.change(|state| state.take(&place, Some("b"), true));
    let first = next().unwrap();
    assert_eq!(first.stored.content.data(), b"1");
    assert_eq!(first.locked_until, Some(until));
    assert_eq!(next().unwrap().stored.content.data(), b"3");
    clock.advance(LOCK);
    let refused = settle(&bus, "orders", first.token.unwrap(), Outcome::Complete);
    assert_eq!(refused.unwrap_err(), Refusal::session_lock_lost());
    assert_eq!(accept(None, "third").unwrap().unwrap().0, "b");
    assert_eq!(next().unwrap().stored.deliveries, 1);
    // Whoever gives a session back gives back what is in it.
    let holder = (1, "third".to_owned());
    bus.change(|state| state.release_session(&place, "b", &holder));
    assert_eq!(accept(None, "fourth").unwrap().unwrap().0, "b");
}

#[test]
fn time_is_awaited_and_not_polled() {
    let (bus, clock) = orders();
    assert_eq!(bus.lock().next_event(), None);
    bus.send("orders", NewMessage::new("a")).unwrap();
    take(&bus, "orders").unwrap();
    assert_eq!(bus.lock().next_event(), Some(later(clock.now(), LOCK)));
    clock.advance(LOCK);
    bus.tick();
    assert_eq!(bus.lock().next_event(), None);
}

#[test]
fn entities_come_and_go() {
    let (bus, _) = orders();
    assert!(bus.send("events", NewMessage::new("a")).is_err());
    bus.add_entity(Entity::topic("Events", ["a", "b"]));
    assert_eq!(bus.send("events", NewMessage::new("a")), Ok(true));
    assert_eq!(bus.backlog("events/subscriptions/A"), 1);
    assert!(
        bus.send("events/subscriptions/a", NewMessage::new("a"))
            .is_err()
    );
    assert!(bus.remove_entity("events/subscriptions/a"));
    assert_eq!(bus.send("events", NewMessage::new("a")), Ok(true));
    assert_eq!(bus.backlog("events/subscriptions/b"), 2);
    assert!(bus.remove_entity("EVENTS"));
    assert!(!bus.remove_entity("events"));
    assert!(bus.send("events", NewMessage::new("a")).is_err());
}
