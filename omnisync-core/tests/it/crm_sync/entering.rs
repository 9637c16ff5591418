//! A person enters a value of their own.

use futures::executor::block_on;
use omnisync_core::crm::ledger::{
    Choice, Conflict, ConflictState, ConflictSubject, FieldPolicy, ResolveError, SyncPolicy,
    what_if,
};
use omnisync_core::crm::{ForeignId, Reference, ReferenceTarget, SystemName, Value, ValueError};
use omnisync_core::flow::DeskError;

use super::kit::{Office, Setting, entity, system};

fn manual() -> Office {
    let policy = SyncPolicy::default().with_default(FieldPolicy::Manual);
    Office::with(Setting {
        policy: policy.clone(),
        shops: policy,
        ..Setting::default()
    })
}

/// A brand whose name waits for a person.
fn contested(office: &Office) -> (ForeignId, ForeignId) {
    let fields = [("Code__c", "B-1"), ("Name", "Alpha")];
    let sf = office.create("sf", &fields);
    office.settle();
    let dv = office.only("dv");
    office.edit("sf", &sf, &[("Name", Some("From sf"))]);
    office.edit("dv", &dv, &[("cr_name", Some("From dv"))]);
    office.settle();
    (sf, dv)
}

#[track_caller]
fn only_open(office: &Office, sf: &ForeignId) -> Conflict {
    let mut open = office.open("sf", sf);
    assert_eq!(open.len(), 1, "{open:?}");
    open.remove(0)
}

fn text(value: &str) -> Choice {
    Choice::Value {
        value: Some(Value::Text(value.into())),
    }
}

fn names(office: &Office, sf: &ForeignId, dv: &ForeignId) -> [Option<String>; 2] {
    [
        office.text("sf", sf, "Name"),
        office.text("dv", dv, "cr_name"),
    ]
}

fn both(name: &str) -> [Option<String>; 2] {
    [Some(name.to_owned()), Some(name.to_owned())]
}

#[track_caller]
fn refused(office: &Office, conflict: &Conflict, choice: Choice) -> ResolveError {
    match block_on(office.desk().resolve(conflict.id, choice, "ann")) {
        Err(DeskError::Refused(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_that_a_person_enters_goes_to_every_system() {
    let office = manual();
    let (sf, dv) = contested(&office);
    let choice = text("Neither");
    office.choose(&only_open(&office, &sf), choice.clone());
    office.settle();
    assert_eq!(names(&office, &sf, &dv), both("Neither"));
    let link = office.link("Brand", "sf", &sf);
    let state = &link.conflicts[0].state;
    let done = ConflictState::Propagated {
        by: "ann".to_owned(),
        choice,
    };
    assert_eq!(*state, done);
    let base = link.fields.get("name").unwrap();
    assert_eq!(base.origin, SystemName::person());
    let policy = office.landscape.policy(&entity("Brand"));
    assert_eq!(what_if(&link, &policy), []);
}

#[test]
fn a_person_may_empty_a_field() {
    let office = manual();
    let (sf, dv) = contested(&office);
    let choice = Choice::Value { value: None };
    office.choose(&only_open(&office, &sf), choice);
    office.settle();
    assert_eq!(names(&office, &sf, &dv), [None, None]);
}

#[test]
fn a_system_keeps_its_way_of_writing_what_was_entered() {
    let office = Office::with(Setting {
        dv_cuts_names: true,
        policy: SyncPolicy::default().with_default(FieldPolicy::Manual),
        ..Setting::default()
    });
    let (sf, dv) = contested(&office);
    office.choose(&only_open(&office, &sf), text("Alphabetical"));
    office.settle();
    let cut = [Some("Alphabetical".to_owned()), Some("Alphabet".to_owned())];
    assert_eq!(names(&office, &sf, &dv), cut);
    assert!(office.open("sf", &sf).is_empty());
}

#[test]
fn a_value_that_the_field_cannot_have_is_refused_and_nothing_is_decided() {
    let office = manual();
    let (sf, _) = contested(&office);
    let conflict = only_open(&office, &sf);
    for value in [Value::Integer(7), Value::Text("".into())] {
        let choice = Choice::Value { value: Some(value) };
        let error = refused(&office, &conflict, choice);
        assert!(matches!(error, ResolveError::Unfit { .. }), "{error}");
    }
    assert!(only_open(&office, &sf).is_open());
}

#[test]
fn what_is_no_matter_of_a_value_cannot_be_decided_by_one() {
    let office = manual();
    let sf = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let dv = office.only("dv");
    office.crm("sf").delete_by(&sf, "bob").unwrap();
    office.edit("dv", &dv, &[("cr_name", Some("Edited"))]);
    office.settle();
    let conflict = only_open(&office, &sf);
    let error = refused(&office, &conflict, text("Alive"));
    assert!(matches!(error, ResolveError::NotSo { .. }), "{error}");
}

#[test]
fn an_edit_that_did_not_know_what_was_entered_is_a_conflict_with_it() {
    for (taken, name) in [(SystemName::person(), "Entered"), (system("dv"), "Later")] {
        let office = manual();
        let (sf, dv) = contested(&office);
        office.choose(&only_open(&office, &sf), text("Entered"));
        office.edit("dv", &dv, &[("cr_name", Some("Later"))]);
        office.settle();
        let conflict = only_open(&office, &sf);
        let said = |of: &SystemName| {
            let mut sides = conflict.sides.iter();
            sides.find(|side| side.system == *of)?.value.clone()
        };
        let value = |text: &str| Some(Value::Text(text.into()));
        assert_eq!(said(&SystemName::person()), value("Entered"));
        assert_eq!(said(&system("dv")), value("Later"));
        let link = office.link("Brand", "sf", &sf);
        let policy = office.landscape.policy(&entity("Brand"));
        assert_eq!(what_if(&link, &policy), []);
        let otherwise = what_if(&link, &SyncPolicy::default());
        assert!(otherwise.iter().any(|one| one.would == "taken"));

        office.choose(&conflict, Choice::Take { system: taken });
        office.settle();
        assert_eq!(names(&office, &sf, &dv), both(name));
    }
}

#[test]
fn a_removal_that_did_not_know_what_was_entered_is_asked_about() {
    for (taken, is_kept) in [(SystemName::person(), true), (system("sf"), false)] {
        let office = manual();
        let (sf, dv) = contested(&office);
        office.choose(&only_open(&office, &sf), text("Entered"));
        office.crm("sf").delete_by(&sf, "bob").unwrap();
        office.settle();
        let conflict = only_open(&office, &sf);
        assert_eq!(conflict.subject, ConflictSubject::DeleteVersusEdit);
        let sides: Vec<_> = conflict.sides.iter().map(|side| &side.system).collect();
        assert_eq!(sides, [&SystemName::person(), &system("sf")]);

        office.choose(&conflict, Choice::Take { system: taken });
        office.settle();
        assert_eq!(office.is_in_use("sf", &sf), is_kept);
        assert_eq!(office.is_in_use("dv", &dv), is_kept);
        if is_kept {
            assert_eq!(names(&office, &sf, &dv), both("Entered"));
        }
    }
}

#[test]
fn a_record_that_is_entered_may_be_named_as_people_know_it() {
    let office = manual();
    let brands = ["B-1", "B-2"].map(|code| office.create("sf", &[("Code__c", code)]));
    let shop = office.create_in("sf", "Shop__c", &[("Code__c", "S-1")]);
    office.settle();
    let in_dv = |code: &str| office.by("dv", "cr_code", code);
    let other = in_dv("S-1");
    let [first, second] = brands;
    office.edit("sf", &shop, &[("Brand__c", Some(second.as_str()))]);
    let own = in_dv("B-1");
    office.edit("dv", &other, &[("cr_brand", Some(own.as_str()))]);
    office.settle();
    let link = office.link("Shop", "sf", &shop);
    let conflict = link.open_conflicts().next().unwrap().clone();
    let of = |name: &str, target| Choice::Value {
        value: Some(Value::Reference(Box::new(Reference {
            entity: entity(name),
            target,
        }))),
    };
    let reason = |choice| match refused(&office, &conflict, choice) {
        ResolveError::Unfit { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let key = |key: &str| ReferenceTarget::Key(key.into());
    assert_eq!(reason(of("Brand", key("B-9"))), ValueError::Unresolved);
    assert_eq!(reason(of("Shop", key("S-1"))), ValueError::WrongEntity);
    let not_a_brand = ReferenceTarget::Link(link.link);
    assert_eq!(reason(of("Brand", not_a_brand)), ValueError::Unresolved);

    let named = ReferenceTarget::Foreign {
        system: system("sf"),
        id: first.clone(),
    };
    office.choose(&conflict, of("Brand", named));
    office.settle();

    let held = office.text("sf", &shop, "Brand__c");
    assert_eq!(held.as_deref(), Some(first.as_str()));
    let held = office.text("dv", &other, "cr_brand");
    assert_eq!(held.as_deref(), Some(own.as_str()));
}
