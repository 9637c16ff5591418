//! The stream of events, and its accidents.

use omnisync_core::ErrorKind;
use omnisync_core::crm::{ChangeKind, FieldName, ForeignId, HintScope};
use omnisync_testkit::fake::crm::{CrmEvent, FakeCrm};

use super::{create, update};
use crate::crm::{Crm, fields, options, text};

/// Two records; somebody and we change the first, somebody the second.
fn crm() -> FakeCrm {
    let crm = Crm::new(options().with_user("hub").with_client("omnisync")).fake;
    let one = create(&crm, "one", &[("Number", text("1"))]).unwrap();
    let two = create(&crm, "two", &[("Number", text("2"))]).unwrap();
    crm.take_events(2);
    crm.edit(&one, fields(&[("River", text("Rhein"))]), "ann")
        .unwrap();
    crm.edit(&two, fields(&[("River", text("Birs"))]), "bob")
        .unwrap();
    update(&crm, &one, &[("Code", text("X"))], None).unwrap();
    crm
}

/// Records, kind, user and fields of an event in one line.
fn line(event: &CrmEvent) -> String {
    let hint = &event.hint;
    let records = match &hint.scope {
        HintScope::Records(ids) => ids
            .iter()
            .map(ForeignId::as_str)
            .collect::<Vec<_>>()
            .join("+"),
        HintScope::Everything => "everything".to_owned(),
    };
    let names: Vec<&str> = hint.fields.iter().map(FieldName::as_str).collect();
    let user = hint.origin.user.as_deref().unwrap_or("-");
    format!("{records} {:?} {user} {}", hint.kind, names.join("+"))
}

#[track_caller]
fn check(accident: impl FnOnce(&FakeCrm) -> bool, want: &[&str]) {
    let crm = crm();
    assert!(accident(&crm));
    let events = crm.take_events(9);
    assert_eq!(events.iter().map(line).collect::<Vec<_>>(), want);
    assert!(events.is_sorted_by_key(|event| event.number));
    assert!(crm.take_events(9).is_empty());
}

const ANN: &str = "crm-1 Update ann River";
const BOB: &str = "crm-2 Update bob River";
const HUB: &str = "crm-1 Update hub Code";

#[test]
fn every_change_makes_an_event_that_says_who_and_what() {
    check(|_| true, &[ANN, BOB, HUB]);
    let clients: Vec<_> = crm()
        .take_events(9)
        .into_iter()
        .map(|event| event.hint.origin.client)
        .collect();
    assert_eq!(clients, [None, None, Some("omnisync".to_owned())]);
}

#[test]
fn events_come_twice_or_in_another_order_or_never() {
    check(|crm| crm.duplicate_event(0), &[ANN, BOB, HUB, ANN]);
    check(|crm| crm.swap_events(0, 2), &[HUB, BOB, ANN]);
    check(|crm| crm.drop_event(1), &[ANN, HUB]);
}

#[test]
fn a_persons_change_and_ours_become_one_event() {
    check(
        |crm| crm.coalesce_event(0),
        &[BOB, "crm-1 Update hub Code+River"],
    );
    let crm = crm();
    assert!(!crm.coalesce_event(1), "there is no other event about it");
}

#[test]
fn equal_changes_of_two_records_become_one_event() {
    check(
        |crm| crm.gather_events(0, 1),
        &["crm-1+crm-2 Update ann River", HUB],
    );
}

#[test]
fn events_lose_what_they_say() {
    check(
        |crm| crm.anonymise_event(2),
        &[ANN, BOB, "crm-1 Update - Code"],
    );
    check(|crm| crm.blur_event(0), &["crm-1 Gap - ", BOB, HUB]);
    check(
        |crm| crm.overflow_event(1),
        &[ANN, "everything Gap - ", HUB],
    );
}

#[test]
fn accidents_happen_only_to_events_that_wait() {
    let crm = crm();
    for accident in [
        FakeCrm::duplicate_event,
        FakeCrm::blur_event,
        FakeCrm::drop_event,
    ] {
        assert!(!accident(&crm, 3));
    }
    assert!(!crm.swap_events(0, 3) && !crm.gather_events(0, 0));
    assert_eq!((crm.events_waiting(), crm.last_event()), (3, 5));
}

#[test]
fn a_cursor_before_lost_events_is_too_old() {
    let crm = crm();
    let numbers = |after| {
        let events = crm.events_after(after, 2);
        events.map(|events| events.iter().map(|event| event.number).collect::<Vec<_>>())
    };
    assert_eq!(numbers(2).unwrap(), [3, 4]);
    assert_eq!(numbers(2).unwrap(), [3, 4], "as often as one likes");
    crm.lose_events_up_to(4);
    assert_eq!(numbers(3).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(numbers(4).unwrap(), [5]);
    let kind = crm.events_after(4, 9).unwrap().remove(0).hint.kind;
    assert_eq!(kind, ChangeKind::Update);
}
