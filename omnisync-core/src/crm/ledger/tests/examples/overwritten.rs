use super::kit::{Shared, name, text};
use crate::crm::ledger::{Conflict, ConflictSubject, Outlook};

/// `a` has a new name, which is written to `b`: read there as it was at second 100, written at
/// second 110. Nobody checks versions.
fn written() -> Shared {
    let mut shared = Shared::holding(&[("name", "A")]).without_conditions();
    shared.at("b", "b1", 100, &[("name", "A")]);
    shared.shows("a", &[("name", "B")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
    shared
}

fn acknowledge(shared: &mut Shared) {
    let (id, version) = ("b-1".parse().unwrap(), "b3".parse().unwrap());
    shared.link.acknowledged(&name("b"), id, Some(version));
    shared.at("b", "b3", 110, &[("name", "B")]);
}

fn told(shared: &Shared) -> Vec<&Conflict> {
    let is_told =
        |one: &&Conflict| matches!(one.subject, ConflictSubject::OverwrittenAfterTheFact { .. });
    shared.link.open_conflicts().filter(is_told).collect()
}

#[test]
fn an_event_of_a_change_between_look_and_write_is_told_whenever_it_comes() {
    let mut late = written();
    acknowledge(&mut late);
    late.told("b", "name", 105);
    late.told("b", "name", 105);
    let mut early = written();
    early.told("b", "name", 105);
    acknowledge(&mut early);
    for shared in [&late, &early] {
        let told = told(shared);
        assert_eq!(told.len(), 1, "{told:?}");
        // Nobody knows what was lost, so only what stands is a side.
        let sides: Vec<_> = told[0].sides.iter().map(|side| &side.value).collect();
        assert_eq!(sides, [&text("B")]);
    }
}

#[test]
fn a_state_between_that_a_replica_still_shows_gives_the_value_back() {
    let mut shared = written();
    acknowledge(&mut shared);
    shared.told("b", "name", 105);
    let outlook = shared.at("b", "b2", 105, &[("name", "Lost")]);
    assert_eq!(outlook, Outlook::Stale);
    let told = told(&shared);
    let sides: Vec<_> = told[0].sides.iter().map(|side| &side.value).collect();
    assert_eq!(sides, [&text("B"), &text("Lost")]);
    let conflict = told[0].id;
    shared.still_shows("b", &[("name", "B")]);
    shared.take(conflict, "b");
    assert_eq!(shared.link.value("name"), Some(text("Lost").as_ref()));
    assert_eq!(shared.step().unwrap(), "write a: name");
}

#[test]
fn events_of_what_was_seen_of_our_write_and_of_other_fields_tell_nothing() {
    let mut shared = written();
    acknowledge(&mut shared);
    for at in [90, 100, 110] {
        shared.told("b", "name", at);
    }
    shared.told("b", "city", 105);
    assert!(told(&shared).is_empty());
}

#[test]
fn where_versions_are_checked_nothing_of_the_kind_is_kept() {
    let mut shared = Shared::holding(&[("name", "A")]);
    shared.at("b", "b1", 100, &[("name", "A")]);
    shared.shows("a", &[("name", "B")]);
    assert_eq!(shared.step().unwrap(), "write b: name");
    acknowledge(&mut shared);
    assert!(shared.link.members[&name("b")].written.is_none());
}
