//! What a run tells people, once.

use omnisync_core::crm::ledger::{Conflict, FieldPolicy, Overdue, OverdueCause};
use omnisync_core::error::ErrorKind;
use omnisync_core::flow::CrmNotice;

use super::kit::{DEADLINE_SECONDS, Office, field, system};

fn conflicts(notices: &[CrmNotice]) -> Vec<&Conflict> {
    let conflicts = notices.iter().filter_map(|notice| match notice {
        CrmNotice::Conflict(conflict) => Some(&**conflict),
        _ => None,
    });
    conflicts.collect()
}

fn overdue(notices: &[CrmNotice]) -> Vec<&Overdue> {
    let overdue = notices.iter().filter_map(|notice| match notice {
        CrmNotice::Overdue(overdue) => Some(overdue),
        _ => None,
    });
    overdue.collect()
}

/// Both sides change a field without knowing of each other.
fn race(office: &Office, [sf, dv]: [&str; 2]) {
    let id = office.only("sf");
    office.edit("sf", &id, &[(sf, Some("From sf"))]);
    office.edit("dv", &office.only("dv"), &[(dv, Some("From dv"))]);
}

#[test]
fn a_conflict_that_a_person_decides_is_told_once() {
    let office = Office::deciding(FieldPolicy::Manual);
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();

    race(&office, ["Name", "cr_name"]);
    let first = office.told();
    let open = office.open("sf", &id);
    assert_eq!(conflicts(&first), open.iter().collect::<Vec<_>>());
    assert_eq!(open.len(), 1);

    office.pass(DEADLINE_SECONDS);
    office.edit("sf", &id, &[("Name", Some("Again from sf"))]);
    assert_eq!(office.told(), []);

    race(&office, ["City", "cr_city"]);
    let second = office.told();
    assert_eq!(conflicts(&second).len(), 1, "{second:?}");
    assert_ne!(conflicts(&second)[0].id, open[0].id);

    for conflict in &office.open("sf", &id) {
        office.take(conflict, "dv");
    }
    assert_eq!(office.told(), []);
}

#[test]
fn a_conflict_that_a_rule_decides_is_kept_and_asks_nobody() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    race(&office, ["Name", "cr_name"]);
    assert_eq!(office.told(), []);
    assert_eq!(office.conflicts("sf", &id).len(), 1);
}

#[test]
fn a_value_that_a_system_refuses_for_too_long_is_told_once() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let refused = |name| {
        office.edit("sf", &id, &[("Name", Some(name))]);
        assert_eq!(office.told(), []);
        let link = office.link("Brand", "sf", &id);
        let refusal = link.members[&system("dv")].refused.get("name").cloned();
        refusal.expect("dv refuses the value")
    };
    let first = refused("Unwanted");
    office.pass(DEADLINE_SECONDS - 60);
    assert_eq!(office.told(), []);

    // Tried again and refused again, it has waited since the first time.
    office.pass(3_600);
    let expected = Overdue {
        system: system("dv"),
        cause: OverdueCause::Refused {
            field: field("name"),
            reason: first.reason,
        },
        since: first.since,
    };
    assert_eq!(office.told(), [CrmNotice::Overdue(expected)]);
    for _ in 0..3 {
        office.pass(DEADLINE_SECONDS);
        assert_eq!(office.told(), []);
    }

    // Another value waits anew.
    office.edit("sf", &id, &[("Name", Some("Beta"))]);
    assert_eq!(office.told(), []);
    refused("Unwanted");
    office.pass(DEADLINE_SECONDS + 3_600);
    let notices = office.told();
    assert_eq!(overdue(&notices).len(), 1, "{notices:?}");
}

#[test]
fn a_record_that_a_system_takes_no_writes_of_for_too_long_is_told_once() {
    let office = Office::new();
    office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.ways["dv"].refuse_writes(Some(ErrorKind::Denied));
    assert_eq!(office.told(), []);
    office.pass(DEADLINE_SECONDS);
    let notices = office.told();
    let told_of = overdue(&notices);
    assert_eq!(told_of.len(), 1, "{notices:?}");
    assert_eq!(told_of[0].system, system("dv"));
    assert!(matches!(told_of[0].cause, OverdueCause::Obstacle { .. }));
    office.pass(DEADLINE_SECONDS);
    assert_eq!(office.told(), []);

    office.ways["dv"].refuse_writes(None);
    office.pass(DEADLINE_SECONDS);
    assert_eq!(office.told(), []);
    assert_eq!(office.crm("dv").records().len(), 1);
}
