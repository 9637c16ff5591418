use omnisync_core::crm::Value;
use omnisync_core::crm::ledger::{
    Conflict, ConflictState, ConflictSubject, FieldPolicy, SyncPolicy, Verdict, what_if,
};

use super::kit::{Office, Setting, system};

/// Both sides change the name without knowing of each other.
fn race(office: &Office) -> Conflict {
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    office.edit("sf", &id, &[("Name", Some("From sf"))]);
    office.edit("dv", &office.only("dv"), &[("cr_name", Some("From dv"))]);
    office.settle();
    let mut conflicts = office.conflicts("sf", &id);
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    conflicts.remove(0)
}

fn names(office: &Office) -> [Option<String>; 2] {
    [
        office.text("sf", &office.only("sf"), "Name"),
        office.text("dv", &office.only("dv"), "cr_name"),
    ]
}

fn both(name: &str) -> [Option<String>; 2] {
    [Some(name.to_owned()), Some(name.to_owned())]
}

fn values(conflict: &Conflict) -> Vec<&str> {
    let sides = conflict.sides.iter();
    sides
        .filter_map(|side| match &side.value {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn two_edits_at_once_end_as_one_value_and_a_conflict_with_both() {
    let office = Office::new();
    let conflict = race(&office);
    let mut said = values(&conflict);
    said.sort_unstable();
    assert_eq!(said, ["From dv", "From sf"]);
    assert!(matches!(conflict.state, ConflictState::Propagated { .. }));
    let [sf, dv] = names(&office);
    assert_eq!(sf, dv);
}

#[test]
fn the_source_of_truth_is_put_back_and_the_other_value_is_kept() {
    let office = Office::deciding(FieldPolicy::SourceOfTruth {
        system: system("sf"),
    });
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    for edit in ["From dv", "Again"] {
        office.edit("dv", &office.only("dv"), &[("cr_name", Some(edit))]);
        office.settle();
        assert_eq!(names(&office), both("Alpha"));
        let decisions = office.link("Brand", "sf", &id).decisions;
        let mut fields = decisions.iter().flat_map(|one| &one.fields);
        assert!(fields.any(|field| {
            field.verdict == Verdict::Overruled { conflict: None }
                && field.observed == Some(Value::Text(edit.into()))
        }));
    }
    // What the rule takes back for everybody is no matter for a person each time.
    assert!(office.conflicts("sf", &id).is_empty());
}

#[test]
fn the_larger_value_wins_where_the_rule_says_so() {
    let office = Office::deciding(FieldPolicy::Max);
    race(&office);
    assert_eq!(names(&office), both("From sf"));
    let office = Office::deciding(FieldPolicy::Min);
    race(&office);
    assert_eq!(names(&office), both("From dv"));
}

#[test]
fn a_person_decides_and_until_then_everybody_keeps_what_they_have() {
    let office = Office::with(Setting {
        policy: SyncPolicy::default().with_default(FieldPolicy::Manual),
        status: true,
        ..Setting::default()
    });
    let conflict = race(&office);
    assert!(conflict.is_open());
    let kept = [Some("From sf".to_owned()), Some("From dv".to_owned())];
    assert_eq!(names(&office), kept);
    let sf = office.only("sf");
    let dv = office.only("dv");
    assert_eq!(
        office.text("sf", &sf, "SyncStatus__c").as_deref(),
        Some("Conflict")
    );
    assert_eq!(
        office.text("dv", &dv, "omnisync_syncstatus").as_deref(),
        Some("Conflict")
    );
    // Other fields go on.
    office.edit("sf", &sf, &[("City", Some("Bern"))]);
    office.settle();
    assert_eq!(office.text("dv", &dv, "cr_city").as_deref(), Some("Bern"));

    office.take(&conflict, "dv");
    office.settle();
    assert_eq!(names(&office), both("From dv"));
    assert_eq!(office.text("sf", &sf, "SyncStatus__c"), None);
    let after = office.conflicts("sf", &sf);
    assert!(matches!(&after[0].state, ConflictState::Propagated { by, .. } if by == "ann"));
}

#[test]
fn a_removal_and_an_edit_at_once_wait_for_a_person() {
    for taken in ["sf", "dv"] {
        let office = Office::new();
        let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
        office.settle();
        let other = office.only("dv");
        office.crm("sf").delete_by(&id, "bob").unwrap();
        office.edit("dv", &other, &[("cr_name", Some("Edited"))]);
        office.settle();
        let conflicts = office.conflicts("sf", &id);
        let subjects: Vec<_> = conflicts.iter().map(|one| &one.subject).collect();
        assert_eq!(subjects, [&ConflictSubject::DeleteVersusEdit]);
        assert!(office.is_in_use("dv", &other));

        office.take(&conflicts[0], taken);
        office.settle();
        let alive = taken == "dv";
        assert_eq!(office.is_in_use("sf", &id), alive, "taking {taken}");
        assert_eq!(office.is_in_use("dv", &other), alive, "taking {taken}");
        if alive {
            assert_eq!(office.text("sf", &id, "Name").as_deref(), Some("Edited"));
        }
    }
}

#[test]
fn a_removal_that_nobody_contradicts_goes_everywhere_and_back() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let other = office.only("dv");
    office.crm("dv").delete_by(&other, "bob").unwrap();
    office.settle();
    assert!(!office.is_in_use("sf", &id));
    assert!(office.conflicts("sf", &id).is_empty());
    office.crm("dv").undelete_by(&other, "bob").unwrap();
    office.settle();
    assert!(office.is_in_use("sf", &id));
}

#[test]
fn other_rules_can_be_tried_on_what_was_decided() {
    let office = Office::new();
    race(&office);
    let link = office.link("Brand", "sf", &office.only("sf"));
    let manual = SyncPolicy::default().with_default(FieldPolicy::Manual);
    let differences = what_if(&link, &manual);
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].field.as_str(), "name");
    assert_eq!(differences[0].would, "asked");
    assert!(what_if(&link, &SyncPolicy::default()).is_empty());
}

#[test]
fn an_edit_that_our_write_fell_upon_is_told_once_an_event_speaks_of_it() {
    let office = Office::with(Setting {
        sf_writes_blindly: true,
        ..Setting::default()
    });
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    office.pass(10);
    office.edit("sf", &id, &[("Name", Some("Lost"))]);
    office.pass(10);
    office.edit("dv", &office.only("dv"), &[("cr_name", Some("From dv"))]);
    // The event of the edit in `sf` is late.
    office.hear_from("dv");
    office.run();
    assert_eq!(names(&office), both("From dv"));
    assert!(office.conflicts("sf", &id).is_empty());
    office.settle();
    let conflicts = office.conflicts("sf", &id);
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let ConflictSubject::OverwrittenAfterTheFact { system, field, .. } = &conflicts[0].subject
    else {
        panic!("{conflicts:?}");
    };
    assert_eq!((system.as_str(), field.as_str()), ("sf", "name"));
    assert!(conflicts[0].is_open());
    // What stands is known, what was lost is not.
    assert_eq!(values(&conflicts[0]), ["From dv"]);
}

#[test]
fn one_value_that_a_system_refuses_does_not_hold_up_the_others() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    office.edit(
        "sf",
        &id,
        &[("Name", Some("Unwanted")), ("City", Some("Bern"))],
    );
    office.settle();
    let dv = office.only("dv");
    assert_eq!(office.text("dv", &dv, "cr_city").as_deref(), Some("Bern"));
    assert_eq!(office.text("dv", &dv, "cr_name").as_deref(), Some("Alpha"));
    // Mended, it goes at once.
    office.edit("sf", &id, &[("Name", Some("Beta"))]);
    office.settle();
    assert_eq!(names(&office), both("Beta"));
}
