use chrono::TimeDelta;

use super::kit::{Shared, name};
use crate::crm::FieldName;
use crate::crm::ledger::{ConflictState, Observation};

#[test]
fn one_refused_value_does_not_stand_in_the_way_of_the_others() {
    let mut shared = Shared::holding(&[("city", "Bern"), ("name", "A"), ("zip", "1")]);
    shared.shows("a", &[("city", "Oslo"), ("name", "B"), ("zip", "2")]);
    assert_eq!(shared.step().unwrap(), "write b: city, name, zip");
    shared.invalid("b");
    assert_eq!(shared.step().unwrap(), "write b: city");
    shared.done("b", &[("city", "Oslo"), ("name", "A"), ("zip", "1")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
    shared.invalid("b");
    assert_eq!(shared.step().unwrap(), "write b: zip");
    shared.done("b", &[("city", "Oslo"), ("name", "A"), ("zip", "2")]);
    assert_eq!(shared.step(), None);
    let member = &shared.link.members[&name("b")];
    let refused: Vec<_> = member.refused.names().map(FieldName::as_str).collect();
    assert_eq!(refused, ["name"]);
    assert!(member.obstacle.is_none());

    // Other fields go on meanwhile, and after a while it is tried again.
    shared.shows("a", &[("city", "Rome"), ("name", "B"), ("zip", "2")]);
    assert_eq!(shared.step().unwrap(), "write b: city");
    shared.done("b", &[("city", "Rome"), ("name", "A"), ("zip", "2")]);
    assert_eq!(shared.step(), None);
    shared.now += TimeDelta::hours(2);
    assert_eq!(shared.step().unwrap(), "write b: name");
}

#[test]
fn a_value_that_is_mended_is_tried_at_once() {
    let mut shared = Shared::holding(&[("name", "A")]);
    shared.shows("a", &[("name", "B")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
    shared.invalid("b");
    assert_eq!(shared.step(), None);
    shared.shows("a", &[("name", "C")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
}

#[test]
fn a_value_that_a_system_cannot_hold_holds_up_no_other_field() {
    let mut shared = Shared::holding(&[("city", "Bern"), ("name", "A")]);
    shared.shows("a", &[("city", "Bern"), ("name", "unspeakable")]);
    assert_eq!(shared.step(), None);
    shared.shows("a", &[("city", "Oslo"), ("name", "unspeakable")]);
    assert_eq!(shared.step().unwrap(), "write b: city");
}

#[test]
fn what_cannot_be_spelled_yet_is_left_out_and_waits_alone() {
    let mut shared = Shared::holding(&[("city", "Bern"), ("name", "A")]);
    shared.shows("a", &[("city", "Oslo"), ("name", "B")]);
    assert_eq!(shared.step().unwrap(), "write b: city, name");
    let (city, of_b) = ("city".parse().unwrap(), name("b"));
    assert!(shared.link.withhold(&of_b, &city));
    shared.done("b", &[("city", "Bern"), ("name", "B")]);
    assert_eq!(shared.step().unwrap(), "write b: city");
    assert!(!shared.link.withhold(&of_b, &city));
    let until = shared.now + TimeDelta::minutes(1);
    let reason = "it leads nowhere".to_owned();
    shared.link.refused(&of_b, reason, until, shared.now);
    assert_eq!(shared.step(), None);
    shared.shows("a", &[("city", "Oslo"), ("name", "C")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
}

#[test]
fn a_creation_that_was_refused_is_tried_again_once_its_values_are_mended() {
    let mut shared = Shared::in_a(&[("code", "1"), ("name", "A")]);
    assert_eq!(shared.step().unwrap(), "create b: code, name");
    shared.invalid("b");
    assert_eq!(shared.step(), None);
    shared.shows("a", &[("code", "1"), ("name", "B")]);
    assert_eq!(shared.step().unwrap(), "create b: code, name");
}

#[test]
fn a_system_that_asks_for_time_gets_it_whatever_changes() {
    let mut shared = Shared::holding(&[("name", "A")]);
    shared.shows("a", &[("name", "B")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
    let until = shared.now + TimeDelta::minutes(5);
    shared
        .link
        .paused(&name("b"), "later".to_owned(), until, shared.now);
    shared.shows("a", &[("name", "C")]);
    assert_eq!(shared.step(), None);
    shared.now = until;
    assert_eq!(shared.step().unwrap(), "write b: name");
}

#[test]
fn a_decided_removal_is_over_though_a_system_never_had_the_record() {
    let mut shared = Shared::in_a(&[("name", "A")]);
    let observe = |shared: &mut Shared, seen| {
        let now = shared.now;
        shared.see("a", seen, now);
    };
    // Created in `b`, removed there, and changed in `a` meanwhile.
    assert_eq!(shared.step().unwrap(), "create b: name");
    shared.done("b", &[("name", "A")]);
    shared.shows("a", &[("name", "B")]);
    let now = shared.now;
    shared.see("b", Observation::Gone, now);
    let conflict = shared.link.open_conflicts().next().unwrap().id;
    shared.take(conflict, "b");
    shared.link.members.of(&name("c"));
    shared.also("c");
    assert_eq!(shared.step().unwrap(), "remove a");
    let id = "a-1".parse().unwrap();
    shared.link.acknowledged(&name("a"), id, None);
    observe(&mut shared, Observation::Gone);
    assert_eq!(shared.step(), None);
    let state = &shared.link.conflicts[0].state;
    assert!(
        matches!(state, ConflictState::Propagated { .. }),
        "{state:?}"
    );
}
