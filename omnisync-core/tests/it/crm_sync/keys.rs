//! Natural keys that change, that are free again, and that two records have.

use std::sync::Arc;

use futures::executor::block_on;
use omnisync_core::crm::ledger::{Choice, Conflict, ConflictState, ConflictSubject};
use omnisync_core::flow::{CRM_KEYS, DeskError};
use omnisync_core::id::Sha256;
use omnisync_core::port::{
    Action, Content, DocumentKey, Expect, StateStore, StateStoreExt as _, Write,
};
use omnisync_testkit::fault::{Fault, FaultPlan, Seam};
use serde_json::value::RawValue;

use super::kit::{Office, entity, system};

fn brands() -> (Office, omnisync_core::crm::ForeignId) {
    let office = Office::new();
    let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
    office.settle();
    (office, id)
}

#[test]
fn a_record_with_another_key_keeps_its_link_and_leaves_the_old_key_to_others() {
    let (office, id) = brands();
    let before = office.link("Brand", "sf", &id).link;
    office.edit("sf", &id, &[("Code__c", Some("B-2"))]);
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-2"]);
    let link = office.link("Brand", "sf", &id);
    assert_eq!(link.link, before);
    assert_eq!(link.natural_key.as_deref(), Some("B-2"));

    let second = office.create("sf", &[("Code__c", "B-1"), ("Name", "Other")]);
    office.settle();
    let other = office.link("Brand", "sf", &second);
    assert_ne!(other.link, before);
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
    assert!(office.conflicts("sf", &id).is_empty());
    // Back again: the key is another's now.
    office.edit("sf", &second, &[("Code__c", Some("B-3"))]);
    office.settle();
    office.edit(
        "dv",
        &office.by("dv", "cr_code", "B-2"),
        &[("cr_code", Some("B-1"))],
    );
    office.settle();
    office.pass(11);
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-3"]);
    assert_eq!(office.texts("sf", "Code__c"), ["B-1", "B-3"]);
}

#[test]
fn a_new_record_with_the_old_key_may_be_heard_of_first() {
    let (office, id) = brands();
    office.edit("sf", &id, &[("Code__c", Some("B-2"))]);
    let second = office.create("sf", &[("Code__c", "B-1")]);
    office.crm("sf").swap_events(0, 1);
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
    assert!(office.conflicts("sf", &id).is_empty());
    assert!(office.conflicts("sf", &second).is_empty());
}

#[test]
fn references_by_key_that_are_written_after_it_use_the_new_key() {
    let office = Office::referring_by_key();
    let brand = office.create("sf", &[("Code__c", "B-1")]);
    office.settle();
    office.edit("sf", &brand, &[("Code__c", Some("B-2"))]);
    office.settle();
    let fields = [("Code__c", "S-1"), ("Brand__c", brand.as_str())];
    office.create_in("sf", "Shop__c", &fields);
    office.settle();
    assert_eq!(office.texts("dv", "cr_brand"), ["B-2"]);
}

/// A second record gets the key of the first.
fn taken() -> (Office, Conflict, omnisync_core::crm::ForeignId) {
    let office = Office::without_unique_keys();
    let first = office.create("sf", &[("Code__c", "B-1"), ("Name", "First")]);
    let second = office.create("sf", &[("Code__c", "B-2"), ("Name", "Second")]);
    office.settle();
    office.edit("sf", &second, &[("Code__c", Some("B-1"))]);
    office.settle();
    office.pass(11);
    office.settle();
    let open = office.open("sf", &second);
    assert_eq!(open.len(), 1, "{open:?}");
    let subject = ConflictSubject::DuplicateKey {
        system: system("sf"),
        id: second.clone(),
        other: Some(office.link("Brand", "sf", &first).link),
    };
    assert_eq!(open[0].subject, subject);
    (office, open[0].clone(), second)
}

#[test]
fn a_key_that_another_record_has_is_asked_about_and_goes_nowhere() {
    let (office, conflict, second) = taken();
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
    assert_eq!(office.texts("dv", "cr_name"), ["First", "Second"]);
    // Everything else goes on.
    office.edit("sf", &second, &[("City", Some("Bern"))]);
    office.settle();
    assert_eq!(office.texts("dv", "cr_city"), ["Bern"]);

    office.take(&conflict, "dv");
    office.settle();
    assert_eq!(office.texts("sf", "Code__c"), ["B-1", "B-2"]);
    let after = office.conflicts("sf", &second);
    assert!(matches!(after[0].state, ConflictState::Propagated { .. }));
}

#[test]
fn a_key_that_was_given_up_meanwhile_is_taken() {
    let (office, conflict, second) = taken();
    let first = office.by("sf", "Name", "First");
    office.edit("sf", &first, &[("Code__c", Some("B-9"))]);
    office.settle();
    office.take(&conflict, "sf");
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-9"]);
    assert!(office.open("sf", &second).is_empty());
}

#[test]
fn a_record_with_anothers_key_may_turn_out_to_be_another_thing() {
    let (office, conflict, second) = taken();
    office.choose(&conflict, Choice::Apart);
    office.settle();
    // It is now the second record of the first link, which somebody has to decide as well.
    let first = office.by("sf", "Name", "First");
    let open = office.open("sf", &first);
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(office.texts("sf", "Code__c"), ["B-1", "B-1", "B-2"]);
    office.choose(&open[0], Choice::Record { id: second.clone() });
    office.settle();
    let link = office.link("Brand", "sf", &second);
    assert_eq!(link.members[&system("sf")].id.as_ref(), Some(&second));
    assert!(office.open("sf", &second).is_empty());
}

#[test]
fn the_key_of_a_removed_record_is_free() {
    for heard_first in [false, true] {
        let office = Office::without_unique_keys();
        let old = office.create("sf", &[("Code__c", "B-1"), ("Name", "Old")]);
        office.settle();
        let before = office.link("Brand", "sf", &old);
        office.crm("sf").delete_by(&old, "ann").unwrap();
        if !heard_first {
            office.settle();
        }
        let dv_old = office.only("dv");
        if heard_first {
            office.crm("dv").delete_by(&dv_old, "ann").unwrap();
        }
        let new = office.create("sf", &[("Code__c", "B-1"), ("Name", "New")]);
        if heard_first {
            office.crm("sf").swap_events(0, 1);
        }
        office.settle();
        let link = office.link("Brand", "sf", &new);
        assert_ne!(link.link, before.link);
        assert!(link.conflicts.is_empty(), "{:?}", link.conflicts);
        let explained = office.link("Brand", "sf", &old);
        assert_eq!(explained.link, before.link);
        assert!(!explained.life.alive);
        let id = link.members[&system("dv")].id.clone().unwrap();
        assert_eq!(office.text("dv", &id, "cr_name").as_deref(), Some("New"));
    }
}

#[test]
fn a_record_that_comes_back_to_a_taken_key_is_asked_about() {
    for choice in ["removed", "apart"] {
        let office = Office::without_unique_keys();
        let old = office.create("sf", &[("Code__c", "B-1"), ("Name", "Old")]);
        office.settle();
        let dv_old = office.only("dv");
        office.crm("sf").delete_by(&old, "ann").unwrap();
        office.settle();
        office.crm("dv").forget(&dv_old);
        let new = office.create("sf", &[("Code__c", "B-1"), ("Name", "New")]);
        office.settle();
        assert_eq!(office.texts("dv", "cr_name"), ["New"]);
        office.crm("sf").undelete_by(&old, "ann").unwrap();
        office.settle();
        office.pass(11);
        office.settle();
        let open = office.open("sf", &old);
        assert_eq!(open.len(), 1, "{open:?}");
        let other = office.link("Brand", "sf", &new).link;
        let subject = ConflictSubject::DuplicateKey {
            system: system("sf"),
            id: old.clone(),
            other: Some(other),
        };
        assert_eq!(open[0].subject, subject);
        assert_eq!(
            office.texts("dv", "cr_name"),
            ["New"],
            "nothing is brought back"
        );
        if choice == "removed" {
            office.take(&open[0], "dv");
            office.settle();
            assert!(!office.is_in_use("sf", &old));
        } else {
            office.choose(&open[0], Choice::Apart);
            office.settle();
            let open = office.open("sf", &new);
            assert_eq!(open.len(), 1, "{open:?}");
            office.choose(&open[0], Choice::Apart);
            office.settle();
            assert!(office.is_in_use("sf", &old));
        }
        assert_eq!(office.texts("dv", "cr_name"), ["New"]);
        assert!(office.open("sf", &new).is_empty());
    }
}

/// Two records of one system with one key.
fn doubled() -> (Office, [omnisync_core::crm::ForeignId; 2], Conflict) {
    let office = Office::without_unique_keys();
    let first = office.create("sf", &[("Code__c", "B-1"), ("Name", "First")]);
    office.settle();
    let second = office.create("sf", &[("Code__c", "B-1"), ("Name", "Second")]);
    office.settle();
    let mut open = office.open("sf", &first);
    assert_eq!(open.len(), 1, "{open:?}");
    (office, [first, second], open.remove(0))
}

#[test]
fn the_second_record_of_a_key_may_be_the_one_that_is_meant() {
    let (office, [first, second], conflict) = doubled();
    let choice = Choice::Record { id: second.clone() };
    office.choose(&conflict, choice);
    office.settle();
    let link = office.link("Brand", "sf", &second);
    assert_eq!(link.members[&system("sf")].id.as_ref(), Some(&second));
    assert!(matches!(
        link.conflicts[0].state,
        ConflictState::Propagated { .. }
    ));
    // The two agree now, and the first one is nobody's.
    let name = office.text("sf", &second, "Name");
    assert_eq!(office.text("dv", &office.only("dv"), "cr_name"), name);
    office.edit("sf", &first, &[("Name", Some("Mine"))]);
    office.edit("sf", &second, &[("Name", Some("Shared"))]);
    office.settle();
    assert_eq!(office.texts("dv", "cr_name"), ["Shared"]);
    assert_eq!(office.text("sf", &first, "Name").as_deref(), Some("Mine"));
    assert!(office.open("sf", &second).is_empty());
}

#[test]
fn the_second_record_of_a_key_may_be_another_thing() {
    for choice in [
        Choice::Apart,
        Choice::Take {
            system: system("sf"),
        },
    ] {
        let (office, [first, second], conflict) = doubled();
        office.choose(&conflict, choice);
        office.settle();
        office.edit("sf", &second, &[("Name", Some("Mine"))]);
        office.settle();
        assert_eq!(office.texts("dv", "cr_name"), ["First"]);
        assert!(office.open("sf", &first).is_empty());
        // With a key of its own it is shared.
        office.edit("sf", &second, &[("Code__c", Some("B-2"))]);
        office.settle();
        assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
    }
}

#[test]
fn a_duplicate_whose_key_is_free_by_now_is_shared() {
    let (office, [first, second], _) = doubled();
    office.edit("sf", &first, &[("Code__c", Some("B-2"))]);
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
    let conflicts = office.conflicts("sf", &first);
    assert!(matches!(&conflicts[0].state, ConflictState::Propagated { by, .. } if by == "policy"));
    assert!(office.conflicts("sf", &second).is_empty());
}

#[test]
fn a_record_can_be_taken_out_of_its_link_and_put_into_another() {
    let office = Office::new();
    let one = office.create("sf", &[("Code__c", "B-1"), ("Name", "One")]);
    office.settle();
    let other = office.only("dv");
    let link = office.link("Brand", "sf", &one).link;
    let brand = entity("Brand");
    let desk = office.desk();
    let unlinked = block_on(desk.unlink(&brand, &system("dv"), &other));
    assert_eq!(unlinked.unwrap(), link);
    office.settle();
    office.edit("sf", &one, &[("Name", Some("Changed"))]);
    office.settle();
    assert_eq!(office.text("dv", &other, "cr_name").as_deref(), Some("One"));

    // Another key makes it a record of its own, and then the link gets one anew.
    office.edit("dv", &other, &[("cr_code", Some("B-2"))]);
    office.settle();
    office.pass(3_601);
    office.settle();
    let own = office.link("Brand", "dv", &other);
    assert_ne!(own.link, link);
    assert_eq!(office.texts("sf", "Code__c"), ["B-1", "B-2"]);
    assert_eq!(office.texts("dv", "cr_name"), ["Changed", "One"]);

    let refused = block_on(desk.join(&brand, &system("dv"), &other, link));
    assert!(matches!(refused, Err(DeskError::LinkedElsewhere { .. })));
    let new = office.by("dv", "cr_name", "Changed");
    block_on(desk.unlink(&brand, &system("dv"), &new)).unwrap();
    block_on(desk.unlink(&brand, &system("dv"), &other)).unwrap();
    block_on(desk.join(&brand, &system("dv"), &other, link)).unwrap();
    assert_eq!(
        office.link("Brand", "sf", &one).members[&system("dv")].id,
        Some(other)
    );
}

#[test]
fn a_key_that_a_system_refuses_holds_up_no_other_value() {
    let office = Office::new();
    let one = office.create("sf", &[("Code__c", "B-1"), ("Name", "One")]);
    office.settle();
    let other = office.only("dv");
    // Nobody has heard of it.
    office.create("dv", &[("cr_code", "B-2"), ("cr_name", "Unheard")]);
    office.crm("dv").take_events(10);
    office.edit(
        "sf",
        &one,
        &[("Code__c", Some("B-2")), ("City", Some("Bern"))],
    );
    office.settle();
    assert_eq!(
        office.text("dv", &other, "cr_city").as_deref(),
        Some("Bern")
    );
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-2"]);
}

#[test]
fn a_record_whose_key_is_asked_about_is_created_once_somebody_has_decided() {
    let office = Office::without_unique_keys();
    let first = office.create("sf", &[("Code__c", "B-1"), ("Name", "First")]);
    office.settle();
    let second = office.create("sf", &[("Code__c", "B-2"), ("Name", "Second")]);
    office.settle();
    let copy = office.by("dv", "cr_name", "Second");
    office.crm("dv").delete_by(&copy, "bob").unwrap();
    office.settle();
    office.crm("dv").forget(&copy);
    office.crm("sf").undelete_by(&second, "ann").unwrap();
    office.edit("sf", &second, &[("Code__c", Some("B-1"))]);
    office.settle();
    office.pass(11);
    office.settle();
    let open = office.open("sf", &second);
    assert_eq!(open.len(), 1, "{open:?}");
    // Time alone changes nothing.
    office.pass(86_400);
    assert!(office.run().items.is_empty());
    assert_eq!(office.texts("dv", "cr_name"), ["First"]);

    office.edit("sf", &first, &[("Code__c", Some("B-9"))]);
    office.settle();
    office.take(&open[0], "sf");
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-1", "B-9"]);
}

#[test]
fn a_record_that_is_joined_by_hand_brings_what_the_other_lacks() {
    for (is_quiet_between, is_edited_while_apart) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        let office = Office::new();
        let one = office.create("sf", &[("Code__c", "B-1"), ("Name", "One")]);
        office.settle();
        let other = office.only("dv");
        let link = office.link("Brand", "sf", &one).link;
        let brand = entity("Brand");
        let city = [("cr_city", Some("Bern"))];
        let desk = office.desk();
        if !is_edited_while_apart {
            // Nobody has heard of it yet.
            office.edit("dv", &other, &city);
        }
        block_on(desk.unlink(&brand, &system("dv"), &other)).unwrap();
        if is_quiet_between {
            office.settle();
        }
        if is_edited_while_apart {
            office.edit("dv", &other, &city);
        }
        if is_quiet_between {
            office.settle();
        }
        block_on(desk.join(&brand, &system("dv"), &other, link)).unwrap();
        office.settle();
        let case = format!("{is_quiet_between} {is_edited_while_apart}");
        let text = office.text("sf", &one, "City");
        assert_eq!(text.as_deref(), Some("Bern"), "{case}");
        let joined = office.link("Brand", "dv", &other);
        assert_eq!(joined.link, link, "{case}");
        assert!(joined.open_conflicts().next().is_none(), "{case}");
    }
}

#[test]
fn a_key_that_was_reserved_for_a_link_that_nobody_founded_is_free_after_a_while() {
    let (office, id) = brands();
    // Whoever was about to found the link died.
    let link = "00000000-0000-8000-8000-000000000000";
    let body = format!(r#"{{"entity":"Brand","key":"B-2","link":"{link}","generation":1}}"#);
    let reserved = Write {
        key: DocumentKey::new(CRM_KEYS, format!("Brand:{}", Sha256::of(b"B-2"))),
        expect: Expect::Absent,
        action: Action::Put(Content {
            state: "reserved".to_owned(),
            due_at: None,
            expires_at: None,
            body: RawValue::from_string(body).unwrap(),
        }),
    };
    block_on(office.store.write_one(reserved)).unwrap();
    office.edit("sf", &id, &[("Code__c", Some("B-2"))]);
    office.settle();
    office.pass(11);
    office.settle();
    assert!(office.conflicts("sf", &id).is_empty());
    assert_eq!(office.texts("dv", "cr_code"), ["B-2"]);
}

#[test]
fn a_copy_that_gets_another_key_before_its_maker_is_back_is_still_the_copy() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let (mut number, mut renamed) = (0, 0);
        loop {
            number += 1;
            let office = Office::new();
            let id = office.create("sf", &[("Code__c", "B-1"), ("Name", "Alpha")]);
            office.hear_events();
            let plan = Arc::new(FaultPlan::none().at_call(number, fault));
            let seam = Seam::new(Arc::clone(&plan) as _);
            let store: Arc<dyn StateStore> = Arc::new(seam.wrap(office.store()));
            let sync = office.sync_over(store, "v");
            let _died = omnisync_testkit::crash::run(async { sync.run_once().await.is_ok() });
            let case = format!("{fault:?} at {number}");
            if !office.texts("dv", "cr_code").is_empty() {
                renamed += 1;
                let copy = office.by("dv", "cr_code", "B-1");
                office.edit("dv", &copy, &[("cr_code", Some("B-2"))]);
            }
            let code = office.texts("dv", "cr_code").pop();
            let code = code.unwrap_or_else(|| "B-1".to_owned());
            // The copy is heard of while whoever died still has its link for itself, and after that.
            office.hear_events();
            office.run();
            office.pass(100);
            office.hint_everything();
            office.settle();
            assert_eq!(office.texts("sf", "Code__c"), [code.as_str()], "{case}");
            assert_eq!(office.texts("dv", "cr_code"), [code.as_str()], "{case}");
            assert!(office.open("sf", &id).is_empty(), "{case}");
            if plan.injected().is_empty() {
                break;
            }
        }
        assert!(renamed > 3, "{renamed} of {number} runs have a copy");
    }
}

#[test]
fn a_creation_that_was_refused_for_a_key_is_made_under_the_next_one() {
    let (office, _) = brands();
    // In `dv` somebody else has the key, as another thing that stands for another link.
    let copy = office.by("dv", "cr_code", "B-1");
    office.edit("dv", &copy, &[("cr_code", Some("B-2"))]);
    let second = office.create("sf", &[("Code__c", "B-2"), ("Name", "Beta")]);
    office.hear_from("sf");
    office.run();
    let told = office.conflicts("sf", &second);
    assert!(!told.is_empty());
    office.edit("sf", &second, &[("Code__c", Some("B-3"))]);
    office.settle();
    office.pass(11);
    office.settle();
    assert_eq!(office.texts("dv", "cr_code"), ["B-2", "B-3"]);
    let open = office.open("sf", &second);
    assert!(open.is_empty(), "nobody has to decide: {open:?}");
}
