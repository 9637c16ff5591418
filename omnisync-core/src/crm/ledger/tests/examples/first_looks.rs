use super::kit::{Shared, name, text};
use crate::crm::ledger::{Outlook, Verdict};

#[test]
fn a_field_that_is_mapped_later_is_looked_at_before_it_is_written() {
    let mut shared = Shared::holding(&[("name", "A")]);
    // Since then the maps speak of the city: `a` shows it, `b` was not looked at since.
    shared.shows("a", &[("city", "Bern"), ("name", "A")]);
    assert_eq!(shared.step().unwrap(), "look b");
    // The version is the one that was seen; the field is not.
    let outlook = shared.still_shows("b", &[("city", "Oslo"), ("name", "A")]);
    assert_eq!(outlook, Outlook::News);
    let Verdict::Superseded { conflict } = shared.verdict("city") else {
        panic!("{:?}", shared.verdict("city"));
    };
    let mut conflicts = shared.link.conflicts.iter();
    let told = conflicts.find(|one| one.id == conflict).unwrap();
    let values: Vec<_> = told.sides.iter().map(|side| side.value.clone()).collect();
    assert_eq!(values, [text("Bern"), text("Oslo")]);
    assert_eq!(shared.step().unwrap(), "write a: city");
}

#[test]
fn what_was_empty_there_is_filled_without_a_conflict() {
    let mut shared = Shared::holding(&[("name", "A")]);
    shared.shows("a", &[("city", "Bern"), ("name", "A")]);
    assert_eq!(shared.step().unwrap(), "look b");
    shared.still_shows("b", &[("city", ""), ("name", "A")]);
    assert_eq!(shared.step().unwrap(), "write b: city");
    shared.done("b", &[("city", "Bern"), ("name", "A")]);
    assert_eq!(shared.step(), None);
    assert!(shared.link.conflicts.is_empty());
}

#[test]
fn a_field_that_no_look_can_show_is_written_without_one() {
    let mut shared = Shared::holding(&[("name", "A")]).hiding("city");
    shared.shows("a", &[("city", "Bern"), ("name", "A")]);
    assert_eq!(shared.step().unwrap(), "write b: city");
}

#[test]
fn a_look_that_does_not_show_the_field_is_made_once() {
    let mut shared = Shared::holding(&[("name", "A")]);
    shared.shows("a", &[("city", "Bern"), ("name", "A")]);
    assert_eq!(shared.step().unwrap(), "look b");
    shared.still_shows("b", &[("name", "A")]);
    assert_eq!(shared.step().unwrap(), "write b: city");
    assert!(shared.link.members[&name("b")].fields.contains("city"));
}
