//! CRM sync over CRMs with manners.

mod conflicts;
mod desk;
mod entering;
mod failing;
mod gaps;
mod identity;
mod keys;
mod kit;
mod landscape;
mod looking;
mod merging;
mod moody;
mod notices;
mod parking;

use kit::{Office, Setting};
use omnisync_core::crm::ledger::Verdict;

#[test]
fn a_record_of_one_system_is_created_in_the_other_and_edits_go_both_ways() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let other = office.only("dv");
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Alpha")
    );
    assert_eq!(office.text("dv", &other, "cr_code").as_deref(), Some("B-1"));

    office.edit("dv", &other, &[("cr_name", Some("Beta"))]);
    office.settle();
    assert_eq!(office.text("sf", &id, "Name").as_deref(), Some("Beta"));

    office.edit("sf", &id, &[("City", Some("Bern"))]);
    office.settle();
    assert_eq!(
        office.text("dv", &other, "cr_city").as_deref(),
        Some("Bern")
    );
    assert_eq!(office.writes("dv"), 2, "one to create, one for the city");
    assert_eq!(office.writes("sf"), 1);
}

#[test]
fn a_write_names_the_fields_that_changed_and_no_others() {
    let office = Office::new();
    office.create(
        "sf",
        &[("Code__c", "B-1"), ("Name", "Alpha"), ("City", "Bern")],
    );
    office.settle();
    let other = office.only("dv");
    // A field that is not shared, and one that is, of another person at the same time.
    office.edit("dv", &other, &[("cr_note", Some("mine"))]);
    office.edit("sf", &office.only("sf"), &[("City", Some("Basel"))]);
    office.settle();
    let last = office.last_write("dv", &other);
    assert_eq!(last, ["cr_city"]);
    assert_eq!(
        office.text("dv", &other, "cr_note").as_deref(),
        Some("mine")
    );
}

#[test]
fn an_echo_is_known_by_its_value_and_is_nobodys_change() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let link = office.link("Brand", "sf", &id);
    let verdicts: Vec<_> = link
        .decisions
        .iter()
        .filter(|decision| decision.system.as_str() == "dv")
        .flat_map(|decision| decision.fields.iter().map(|field| field.verdict.clone()))
        .collect();
    assert!(
        verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Echo | Verdict::NoOp)),
        "{verdicts:?}"
    );
    assert!(link.fields.iter().all(|(_, base)| base.version == 1));
    let writes = office.writes("sf") + office.writes("dv");
    for _ in 0..10 {
        office.hint_everything();
        office.settle();
    }
    assert_eq!(office.writes("sf") + office.writes("dv"), writes);
}

#[test]
fn a_store_of_small_documents_keeps_what_was_decided_last() {
    let office = Office::with(Setting {
        body_bytes_max: Some(6_000),
        ..Setting::default()
    });
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    for number in 0..40 {
        office.edit("sf", &id, &[("Name", Some(&format!("Name {number}")))]);
        office.settle();
    }
    let other = office.only("dv");
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Name 39")
    );
    let link = office.link("Brand", "sf", &id);
    assert!(link.decisions_made > 40);
    assert!(link.decisions.len() < 40, "{}", link.decisions.len());
}

#[test]
fn clearing_a_field_clears_it_everywhere() {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("City", "Bern")]);
    office.settle();
    office.edit("sf", &id, &[("City", None)]);
    office.settle();
    assert_eq!(office.text("dv", &office.only("dv"), "cr_city"), None);
}

#[test]
fn what_a_system_makes_of_a_value_stays_there() {
    let office = Office::trimming();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    let other = office.only("dv");
    // The other system cuts names to eight characters; its map does not know of it.
    office.edit("sf", &id, &[("Name", Some("Alphabetical"))]);
    office.settle();
    assert_eq!(
        office.text("sf", &id, "Name").as_deref(),
        Some("Alphabetical")
    );
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Alphabet")
    );
    assert_eq!(office.writes("sf"), 0);
}
