use omnisync_core::crm::ledger::{
    Awaited, ConflictSubject, FieldPolicy, LinkRecord, Overdue, OverdueCause, SyncPolicy,
};
use omnisync_core::crm::{ForeignId, ReferenceTarget};
use omnisync_core::flow::CrmNotice;

use super::kit::{DEADLINE_SECONDS, Office, field, system};

/// A shop in both systems whose brand has no code, so that nobody knows it yet.
fn waiting(office: &Office) -> (ForeignId, ForeignId) {
    let brand = office.create("sf", &[("Name", "Alpha")]);
    let fields = [("Code__c", "S-1"), ("Brand__c", brand.as_str())];
    let shop = office.create_in("sf", "Shop__c", &fields);
    office.settle();
    (brand, shop)
}

fn awaited(office: &Office, shop: &ForeignId) -> Option<Awaited> {
    let link = office.link("Shop", "sf", shop);
    link.members[&system("sf")].awaiting.get("brand").cloned()
}

/// The brand that the shop of the other system points at.
fn brand_in_dv(office: &Office) -> Option<String> {
    let shop = office.by("dv", "cr_code", "S-1");
    office.text("dv", &shop, "cr_brand")
}

#[test]
fn a_reference_that_waits_for_too_long_is_told_once_and_says_since_when_and_for_what() {
    let office = Office::new();
    let (brand, shop) = waiting(&office);
    let first = awaited(&office, &shop).unwrap();
    assert!(first.since.is_some());
    assert_eq!(first.overdue, None);
    office.pass(DEADLINE_SECONDS - 60);
    assert_eq!(office.told(), []);

    office.pass(60);
    let notices = office.told();

    let CrmNotice::Overdue(overdue) = &notices[0] else {
        panic!("{notices:?}");
    };
    let expected = Overdue {
        system: system("sf"),
        cause: OverdueCause::Reference {
            field: field("brand"),
            reference: first.reference.clone(),
        },
        since: first.since.unwrap(),
    };
    assert_eq!((overdue, notices.len()), (&expected, 1));
    let target = ReferenceTarget::Foreign {
        system: system("sf"),
        id: brand,
    };
    assert_eq!(first.reference.target, target);
    let kept = awaited(&office, &shop).unwrap();
    assert_eq!(kept.since, first.since);
    assert!(kept.overdue > first.since);
    for _ in 0..3 {
        office.pass(DEADLINE_SECONDS);
        assert_eq!(office.told(), []);
    }
}

#[test]
fn a_reference_that_is_overdue_is_looked_at_less_often() {
    let office = Office::new();
    let (_, shop) = waiting(&office);
    let looked_at = || awaited(&office, &shop).unwrap().looked_at.unwrap();
    let is_looked_at_after = |seconds: u64| {
        let before = looked_at();
        office.pass(seconds);
        office.settle();
        looked_at() > before
    };
    assert!(is_looked_at_after(60));
    office.pass(DEADLINE_SECONDS);
    office.settle();
    assert!(!is_looked_at_after(60));
    assert!(!is_looked_at_after(3_000));
    assert!(is_looked_at_after(600));
}

#[test]
fn what_else_happens_to_a_record_does_not_put_the_next_look_off() {
    let office = Office::new();
    let (_, shop) = waiting(&office);
    let looked_at = || awaited(&office, &shop).unwrap().looked_at.unwrap();
    let first = looked_at();
    let other = office.by("dv", "cr_code", "S-1");
    for minute in 0..3 {
        office.pass(40);
        office.edit("dv", &other, &[("cr_code", Some(&format!("S-{minute}")))]);
        office.hear_from("dv");
        office.run();
    }
    assert!(looked_at() > first);
}

#[test]
fn an_overdue_reference_is_released_as_soon_as_its_record_is_known() {
    let office = Office::new();
    let (brand, shop) = waiting(&office);
    office.pass(DEADLINE_SECONDS);
    office.settle();
    assert!(awaited(&office, &shop).unwrap().overdue.is_some());
    assert_eq!(brand_in_dv(&office), None);

    office.edit("sf", &brand, &[("Code__c", Some("B-1"))]);
    office.settle();

    let other = office.by("dv", "cr_code", "B-1");
    assert_eq!(brand_in_dv(&office).as_deref(), Some(other.as_str()));
    assert_eq!(awaited(&office, &shop), None);
}

#[test]
fn a_record_that_waits_is_released_while_a_person_has_something_else_to_decide() {
    let office = Office::without_unique_keys();
    let (brand, shop) = waiting(&office);
    office.create_in("sf", "Shop__c", &[("Code__c", "S-1")]);
    office.settle();
    let link = office.link("Shop", "sf", &shop);
    assert_eq!(link.open_conflicts().count(), 1, "{:?}", link.conflicts);
    office.pass(DEADLINE_SECONDS);
    office.settle();

    office.edit("sf", &brand, &[("Code__c", Some("B-1"))]);
    office.settle();

    let other = office.by("dv", "cr_code", "B-1");
    assert_eq!(brand_in_dv(&office).as_deref(), Some(other.as_str()));
}

#[test]
fn a_record_that_waits_is_not_removed_by_who_never_got_what_it_points_at() {
    let office = Office::new();
    let (_, shop) = waiting(&office);
    let other = office.by("dv", "cr_code", "S-1");
    office.crm("dv").delete_by(&other, "bob").unwrap();
    office.settle();
    let link = office.link("Shop", "sf", &shop);
    let subjects: Vec<_> = link.open_conflicts().map(|one| &one.subject).collect();
    assert_eq!(subjects, [&ConflictSubject::DeleteVersusEdit]);
    assert!(office.is_in_use("sf", &shop));
}

#[test]
fn a_record_that_is_gone_waits_for_nothing() {
    let office = Office::new();
    let (_, shop) = waiting(&office);
    office.crm("sf").delete_by(&shop, "bob").unwrap();
    office.settle();
    office.pass(DEADLINE_SECONDS);
    assert_eq!(office.told(), []);
}

#[test]
fn what_was_stored_without_times_waits_from_the_next_look_on() {
    let office = Office::new();
    let (_, shop) = waiting(&office);
    let link = office.link("Shop", "sf", &shop);
    let mut stored = serde_json::to_value(&link).unwrap();
    let parked = &mut stored["members"]["sf"]["awaiting"]["brand"];
    for added in ["since", "lookedAt"] {
        assert!(parked.as_object_mut().unwrap().remove(added).is_some());
    }
    let read: LinkRecord = serde_json::from_value(stored).unwrap();
    let awaited = read.members[&system("sf")].awaiting.get("brand").unwrap();
    assert_eq!(awaited.since, None);
    let known = link.members[&system("sf")].awaiting.get("brand").unwrap();
    assert_eq!(awaited.reference, known.reference);
}

#[test]
fn rules_that_were_stored_before_there_were_deadlines_have_the_usual_one() {
    let read = |text| serde_json::from_str::<SyncPolicy>(text).unwrap();
    let old = read(r#"{ "parkRetrySeconds": 30 }"#);
    assert_eq!(old.park_deadline_seconds, Some(86_400));
    assert_eq!(old.park_overdue_retry_seconds, 3_600);
    let never = read(r#"{ "parkDeadlineSeconds": null }"#);
    assert_eq!(never.park_deadline_seconds, None);
    assert_eq!(never.of("brand"), &FieldPolicy::LatestObserved);
}
