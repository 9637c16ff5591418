//! What people see at the desk.

use std::collections::BTreeMap;

use futures::executor::block_on;
use omnisync_core::PortError;
use omnisync_core::crm::ledger::{FieldPolicy, SyncPolicy};
use omnisync_core::crm::{ForeignId, LinkId, Value};
use omnisync_core::error::ErrorKind;
use omnisync_core::flow::{
    CRM_LINKS, CRM_RECORDS, CrmDesk, CrmPage, CrmWaiting, DeskError, OpenConflict, WaitCause,
};
use omnisync_core::port::{
    Action, Collection, Content, DocumentKey, Expect, StateStoreExt as _, Write,
};
use serde_json::value::RawValue;

use super::kit::{Office, Setting, system};

/// Every item of a list, asked for a document at a time, and the documents that cannot be read.
#[track_caller]
fn all<T>(
    mut page: impl FnMut(Option<&str>) -> Result<CrmPage<T>, PortError>,
) -> (Vec<T>, Vec<DocumentKey>) {
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    let mut from: Option<String> = None;
    for _ in 0..100 {
        let found = page(from.as_deref()).unwrap();
        items.extend(found.items);
        unreadable.extend(found.unreadable);
        from = found.continuation;
        if from.is_none() {
            return (items, unreadable);
        }
    }
    panic!("the list never ends");
}

#[track_caller]
fn open(desk: &CrmDesk) -> Vec<OpenConflict> {
    let (items, unreadable) = all(|from| block_on(desk.open_conflicts(from, 1)));
    assert_eq!(unreadable, []);
    items
}

#[track_caller]
fn waiting(desk: &CrmDesk) -> Vec<CrmWaiting> {
    let (items, unreadable) = all(|from| block_on(desk.waiting(from, 1)));
    assert_eq!(unreadable, []);
    items
}

fn manual() -> Office {
    Office::with(Setting {
        policy: SyncPolicy::default().with_default(FieldPolicy::Manual),
        ..Setting::default()
    })
}

/// Brands whose names two people changed at once.
fn contested(office: &Office, codes: &[&str]) -> BTreeMap<String, ForeignId> {
    let mut brands = BTreeMap::new();
    for code in codes {
        let fields = [("Code__c", *code), ("Name", "Alpha"), ("City", "Bern")];
        brands.insert((*code).to_owned(), office.create("sf", &fields));
    }
    office.settle();
    for (code, id) in &brands {
        let other = office.by("dv", "cr_code", code);
        office.edit("sf", id, &[("Name", Some("From sf"))]);
        office.edit("dv", &other, &[("cr_name", Some("From dv"))]);
    }
    office.settle();
    brands
}

fn values(conflict: &OpenConflict) -> Vec<&str> {
    let sides = conflict.conflict.sides.iter();
    let mut values: Vec<_> = sides
        .filter_map(|side| match &side.value {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    values.sort_unstable();
    values
}

#[test]
fn open_conflicts_are_listed_page_by_page_with_what_each_side_says() {
    let office = manual();
    office.create("sf", &[("Code__c", "B-0")]);
    let brands = contested(&office, &["B-1", "B-2", "B-3"]);
    let found = open(&office.desk());
    let mut keys: Vec<_> = found.iter().map(|one| one.natural_key.clone()).collect();
    keys.sort();
    assert_eq!(keys, ["B-1", "B-2", "B-3"].map(|key| Some(key.to_owned())));
    for one in &found {
        assert_eq!(one.entity.as_str(), "Brand");
        assert_eq!(values(one), ["From dv", "From sf"]);
        let key = one.natural_key.as_ref().unwrap();
        assert_eq!(one.records[&system("sf")], brands[key]);
        let other = office.by("dv", "cr_code", key);
        assert_eq!(one.records[&system("dv")], other);
    }

    office.take(&found[0].conflict, "sf");
    assert_eq!(open(&office.desk()).len(), 2);
    office.settle();
    assert_eq!(open(&office.desk()).len(), 2);
}

#[test]
fn a_conflict_is_listed_while_its_link_is_worked_on() {
    let office = manual();
    let brands = contested(&office, &["B-1"]);
    let other = office.only("dv");
    office.edit("sf", &brands["B-1"], &[("City", Some("Basel"))]);
    office.edit("dv", &other, &[("cr_city", Some("Chur"))]);
    office.settle();
    let both = open(&office.desk());
    assert_eq!(both.len(), 2, "{both:?}");
    // Decided, and nobody has gone on with the link since.
    office.take(&both[0].conflict, "sf");
    let left = open(&office.desk());
    let left: Vec<_> = left.iter().map(|one| one.conflict.id).collect();
    assert_eq!(left, [both[1].conflict.id]);
}

/// Takes the one cause for which a record waits out of a list.
#[track_caller]
fn take(
    found: &mut Vec<CrmWaiting>,
    of: &str,
    id: Option<&ForeignId>,
    key: Option<&str>,
) -> (Option<LinkId>, WaitCause) {
    let at = found.iter().position(|one| {
        one.id.as_ref() == id && one.system == system(of) && one.natural_key.as_deref() == key
    });
    let at = at.unwrap_or_else(|| panic!("{key:?} is not in {found:?}"));
    let mut one = found.remove(at);
    assert_eq!(one.causes.len(), 1, "{one:?}");
    (one.link, one.causes.remove(0))
}

#[test]
fn what_waits_is_listed_with_what_it_waits_for() {
    let office = Office::new();
    let brand = office.create("sf", &[("Name", "Alpha")]);
    let fields = [("Code__c", "S-1"), ("Brand__c", brand.as_str())];
    let shop = office.create_in("sf", "Shop__c", &fields);
    let refused = office.create("sf", &[("Code__c", "B-1"), ("Name", "Beta")]);
    office.create("sf", &[("Code__c", "B-2"), ("Name", "Gamma")]);
    office.settle();
    office.edit("sf", &refused, &[("Name", Some("Unwanted"))]);
    let stuck = office.create("sf", &[("Code__c", "B-3"), ("Name", "Unwanted")]);
    office.settle();

    let mut found = waiting(&office.desk());

    let (link, cause) = take(&mut found, "sf", Some(&brand), None);
    let WaitCause::Unlinked { reason, until } = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(reason, "its natural key is incomplete");
    assert_eq!((link, until), (None, None));
    let (link, cause) = take(&mut found, "sf", Some(&shop), Some("S-1"));
    let WaitCause::Reference { field, awaited } = cause else {
        panic!("{cause:?}");
    };
    assert_eq!((field.as_str(), awaited.overdue), ("brand", None));
    assert_eq!(link, Some(office.link("Shop", "sf", &shop).link));
    let other = office.by("dv", "cr_code", "B-1");
    let (_, cause) = take(&mut found, "dv", Some(&other), Some("B-1"));
    let WaitCause::Refused { field, refusal } = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(field.as_str(), "name");
    assert!(refusal.reason.contains("dv refuses"), "{refusal:?}");
    let (link, cause) = take(&mut found, "dv", None, Some("B-3"));
    assert!(matches!(cause, WaitCause::Obstacle(one) if one.until > one.since));
    assert_eq!(link, Some(office.link("Brand", "sf", &stuck).link));
    assert_eq!(found, [], "what is at rest waits for nothing");
}

#[test]
fn what_is_tried_again_in_vain_waits_since_the_first_time() {
    let office = Office::new();
    let refused = office.create("sf", &[("Code__c", "B-1"), ("Name", "Beta")]);
    office.settle();
    office.edit("sf", &refused, &[("Name", Some("Unwanted"))]);
    office.create("sf", &[("Code__c", "B-2"), ("Name", "Unwanted")]);
    office.settle();
    let times = || {
        let causes = waiting(&office.desk())
            .into_iter()
            .flat_map(|one| one.causes);
        let times = causes.map(|cause| match cause {
            WaitCause::Refused { refusal, .. } => (refusal.since, refusal.until),
            WaitCause::Obstacle(obstacle) => (obstacle.since, obstacle.until),
            other => panic!("{other:?}"),
        });
        times.collect::<Vec<_>>()
    };
    let first = times();
    assert_eq!(first.len(), 2);

    office.pass(4_000);
    office.settle();

    let again = times();
    assert_eq!(again.len(), 2);
    for ((since, until), (since_again, until_again)) in first.into_iter().zip(again) {
        assert_eq!(since_again, since);
        assert!(until_again > until);
    }
    office.edit("sf", &refused, &[("Name", Some("Wanted"))]);
    office.settle();
    assert_eq!(times().len(), 1, "what was written waits for nothing");
}

#[test]
fn what_waits_is_listed_beside_an_open_conflict() {
    let office = manual();
    let brands = contested(&office, &["B-1"]);
    office.ways["dv"].refuse_writes(Some(ErrorKind::Denied));
    office.edit("sf", &brands["B-1"], &[("City", Some("Basel"))]);
    office.settle();
    let found = waiting(&office.desk());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].system, system("dv"));
}

#[test]
fn a_record_that_is_looked_at_again_soon_says_when() {
    let office = Office::with(Setting {
        shops_of_brands: true,
        ..Setting::default()
    });
    let brand = office.create("sf", &[("Name", "Alpha")]);
    let fields = [("Code__c", "S-1"), ("Brand__c", brand.as_str())];
    let shop = office.create_in("sf", "Shop__c", &fields);
    office.settle();
    let mut found = waiting(&office.desk());
    let (_, cause) = take(&mut found, "sf", Some(&shop), None);
    assert!(
        matches!(cause, WaitCause::Unlinked { until: Some(_), .. }),
        "{cause:?}"
    );
}

#[test]
fn a_record_that_is_gone_is_in_no_list() {
    let office = Office::new();
    let brand = office.create("sf", &[("Name", "Alpha")]);
    office.settle();
    office.crm("sf").delete_by(&brand, "bob").unwrap();
    office.settle();
    assert_eq!(waiting(&office.desk()), []);
}

#[test]
fn a_person_who_mended_the_cause_need_not_wait() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let other = office.only("dv");
    office.ways["dv"].refuse_writes(Some(ErrorKind::Denied));
    office.edit("sf", &id, &[("Name", Some("Beta"))]);
    office.create("sf", &[("Code__c", "B-2")]);
    office.settle();
    office.ways["dv"].refuse_writes(None);
    office.settle();
    let found = waiting(&office.desk());
    assert_eq!(found.len(), 2, "a field and a record: {found:?}");

    for one in found {
        block_on(office.desk().retry(one.link.unwrap())).unwrap();
    }
    office.settle();

    let name = office.text("dv", &other, "cr_name");
    assert_eq!(name.as_deref(), Some("Beta"));
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
    assert_eq!(waiting(&office.desk()), []);
    let nothing = LinkId::from_bytes([9; 16]);
    let error = block_on(office.desk().retry(nothing)).unwrap_err();
    assert!(matches!(error, DeskError::NoLink { link } if link == nothing));
}

fn plant(office: &Office, collection: Collection, id: &str, state: &str) {
    let body = RawValue::from_string(r#"{"written":"by hand"}"#.to_owned());
    let write = Write {
        key: DocumentKey::new(collection, id),
        expect: Expect::Any,
        action: Action::Put(Content {
            state: state.to_owned(),
            due_at: None,
            expires_at: None,
            body: body.unwrap(),
        }),
    };
    block_on(office.store.write_one(write)).unwrap();
}

#[test]
fn a_document_that_cannot_be_read_is_named_and_hides_no_other() {
    let office = manual();
    contested(&office, &["B-1"]);
    plant(&office, CRM_LINKS, "broken", "conflict");
    plant(&office, CRM_RECORDS, "Brand:sf:broken", "waiting");
    let desk = office.desk();
    let (items, unreadable) = all(|from| block_on(desk.open_conflicts(from, 1)));
    assert_eq!(items.len(), 1);
    assert_eq!(unreadable, [DocumentKey::new(CRM_LINKS, "broken")]);
    let (_, unreadable) = all(|from| block_on(desk.waiting(from, 1)));
    let record = DocumentKey::new(CRM_RECORDS, "Brand:sf:broken");
    assert!(unreadable.contains(&record), "{unreadable:?}");
}

#[test]
fn a_place_that_no_page_gave_is_refused() {
    let desk = Office::new().desk();
    for from in ["", "x", "9:", "-1:", "0"] {
        let error = block_on(desk.open_conflicts(Some(from), 10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{from}");
        let error = block_on(desk.waiting(Some(from), 10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{from}");
    }
}
