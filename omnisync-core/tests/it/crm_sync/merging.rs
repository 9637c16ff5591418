//! Two records of one system that people merge.

use omnisync_core::crm::ForeignId;
use omnisync_core::crm::ledger::{
    Conflict, ConflictState, ConflictSubject, MergePolicy, SyncPolicy,
};

use super::kit::{Office, Setting, field, system};

fn asking() -> Setting {
    Setting {
        policy: SyncPolicy {
            merges: MergePolicy::Ask,
            ..SyncPolicy::default()
        },
        ..Setting::default()
    }
}

/// Two brands in two systems: one that will be merged away, one that is left.
fn two(setting: Setting) -> (Office, ForeignId, ForeignId) {
    let office = Office::with(setting);
    let lost = [("Code__c", "B-1"), ("Name", "Lost"), ("City", "Bern")];
    let loser = office.create("sf", &lost);
    let winner = office.create("sf", &[("Code__c", "B-2"), ("Name", "Left")]);
    office.settle();
    (office, loser, winner)
}

fn merges(conflicts: &[Conflict]) -> Vec<&Conflict> {
    let merge = |one: &&Conflict| matches!(one.subject, ConflictSubject::Merge { .. });
    conflicts.iter().filter(merge).collect()
}

#[test]
fn a_record_that_was_merged_away_goes_everywhere_and_its_values_stay_with_the_other() {
    let (office, loser, winner) = two(Setting::default());
    let other = office.by("dv", "cr_code", "B-1");
    let sf = office.crm("sf");
    sf.merge_by(&loser, &winner, &[field("City")], "ann")
        .unwrap();
    office.settle();
    assert!(!office.is_in_use("dv", &other));
    assert_eq!(office.texts("dv", "cr_name"), ["Left"]);
    assert_eq!(office.texts("dv", "cr_city"), ["Bern"]);

    let left = office.link("Brand", "sf", &winner);
    let told = office.conflicts("sf", &loser);
    let told = merges(&told);
    let subject = ConflictSubject::Merge {
        system: system("sf"),
        id: Some(loser.clone()),
        into: winner,
        link: Some(left.link),
    };
    assert_eq!(told[0].subject, subject);
    assert!(matches!(told[0].state, ConflictState::Propagated { .. }));
    let kept = serde_json::to_string(&left.conflicts).unwrap();
    assert!(kept.contains("Lost"), "{kept}");

    // What points at the one that is gone means the one that is left.
    let fields = [("Code__c", "S-1"), ("Brand__c", loser.as_str())];
    office.create_in("sf", "Shop__c", &fields);
    office.settle();
    let brand = office.by("dv", "cr_code", "B-2");
    assert_eq!(office.texts("dv", "cr_brand"), [brand.as_str()]);
}

#[test]
fn a_merge_can_be_a_question() {
    for follows in [true, false] {
        let (office, loser, winner) = two(asking());
        let other = office.by("dv", "cr_code", "B-1");
        office
            .crm("sf")
            .merge_by(&loser, &winner, &[], "ann")
            .unwrap();
        office.settle();
        let open = office.open("sf", &loser);
        assert_eq!(merges(&open).len(), 1, "{open:?}");
        assert!(office.is_in_use("dv", &other));

        office.take(&open[0], if follows { "sf" } else { "dv" });
        office.settle();
        assert_eq!(office.is_in_use("dv", &other), !follows);
        // Nothing is left out: who stays in one system is in the other as well.
        let names = office.texts("sf", "Name");
        assert_eq!(names, office.texts("dv", "cr_name"));
        assert_eq!(names.len(), if follows { 1 } else { 2 });
        let after = office.conflicts("dv", &other);
        assert!(merges(&after)[0].is_over());
    }
}

#[test]
fn a_merge_and_an_edit_at_once_are_a_question() {
    let (office, loser, winner) = two(Setting::default());
    let other = office.by("dv", "cr_code", "B-1");
    office.edit("dv", &other, &[("cr_name", Some("Edited"))]);
    office
        .crm("sf")
        .merge_by(&loser, &winner, &[], "ann")
        .unwrap();
    office.settle();
    assert!(office.is_in_use("dv", &other));
    assert_eq!(office.open("dv", &other).len(), 1);
    office.take(&office.open("dv", &other)[0], "dv");
    office.settle();
    assert_eq!(office.texts("sf", "Name"), ["Edited", "Left"]);
}

#[test]
fn an_edit_that_comes_to_light_while_a_merge_is_followed_is_a_question_and_is_kept() {
    for stays in [true, false] {
        let (office, loser, winner) = two(Setting::default());
        let other = office.by("dv", "cr_code", "B-1");
        office.edit("dv", &other, &[("cr_name", Some("Edited"))]);
        office
            .crm("sf")
            .merge_by(&loser, &winner, &[], "ann")
            .unwrap();
        // Nobody hears of the edit before the other record is to go.
        office.hear_from("sf");
        office.run();
        office.settle();
        let open = office.open("dv", &other);
        assert_eq!(open.len(), 1, "{open:?}");
        assert_eq!(open[0].subject, ConflictSubject::DeleteVersusEdit);
        assert!(office.is_in_use("dv", &other));

        office.take(&open[0], if stays { "dv" } else { "sf" });
        office.settle();
        let names = office.texts("sf", "Name");
        assert_eq!(names, office.texts("dv", "cr_name"));
        if stays {
            assert_eq!(names, ["Edited", "Left"]);
        } else {
            assert_eq!(names, ["Left"]);
            let left = office.link("Brand", "sf", &winner);
            let kept = serde_json::to_string(&left.conflicts).unwrap();
            assert!(kept.contains("Edited"), "{kept}");
        }
    }
}

#[test]
fn merges_the_other_way_round_destroy_nothing() {
    let (office, loser, winner) = two(Setting::default());
    let (one, two) = (
        office.by("dv", "cr_code", "B-1"),
        office.by("dv", "cr_code", "B-2"),
    );
    office
        .crm("sf")
        .merge_by(&loser, &winner, &[], "ann")
        .unwrap();
    office.crm("dv").merge_by(&two, &one, &[], "bob").unwrap();
    office.settle();
    let open = office.open("sf", &loser).len() + office.open("sf", &winner).len();
    assert!(open > 0);
    assert!(office.is_in_use("sf", &winner) || office.is_in_use("dv", &one));
}

#[test]
fn a_record_that_belongs_to_nothing_takes_the_place_of_the_one_merged_into_it() {
    let (office, loser, _) = two(Setting::default());
    let other = office.by("dv", "cr_code", "B-1");
    let before = office.link("Brand", "sf", &loser).link;
    // Without a code it is nobody's.
    let plain = office.create("sf", &[("Name", "Plain")]);
    office.settle();
    office
        .crm("sf")
        .merge_by(&loser, &plain, &[field("Code__c")], "ann")
        .unwrap();
    office.settle();
    let link = office.link("Brand", "sf", &plain);
    assert_eq!(link.link, before);
    assert_eq!(link.members[&system("sf")].id.as_ref(), Some(&plain));
    assert!(office.is_in_use("dv", &other));
    assert_eq!(
        office.text("dv", &other, "cr_name").as_deref(),
        Some("Plain")
    );
    assert_eq!(office.texts("sf", "Name"), ["Left", "Plain"]);
}

#[test]
fn of_two_records_with_one_key_the_merge_leaves_the_one_that_is_shared() {
    let office = Office::without_unique_keys();
    let first = office.create("sf", &[("Code__c", "B-1"), ("Name", "First")]);
    office.settle();
    let second = office.create("sf", &[("Code__c", "B-1"), ("Name", "Second")]);
    office.settle();
    assert_eq!(office.open("sf", &first).len(), 1);
    office
        .crm("sf")
        .merge_by(&first, &second, &[], "ann")
        .unwrap();
    office.settle();
    let link = office.link("Brand", "sf", &second);
    assert_eq!(link.members[&system("sf")].id.as_ref(), Some(&second));
    assert_eq!(link.open_conflicts().count(), 0);
    assert_eq!(office.texts("dv", "cr_name"), ["Second"]);
}

#[test]
fn a_record_that_is_merged_into_one_nobody_heard_of_waits_for_it() {
    let (office, loser, _) = two(Setting::default());
    let new = office.create("sf", &[("Code__c", "B-3"), ("Name", "New")]);
    office.crm("sf").take_events(10);
    office.crm("sf").merge_by(&loser, &new, &[], "ann").unwrap();
    // Only the one that is gone is heard of.
    let events = office.crm("sf").take_events(10);
    let gone = events.into_iter().next().unwrap();
    let heard = office.hear();
    futures::executor::block_on(heard.hear(&system("sf"), &[gone.hint])).unwrap();
    office.settle();
    office.pass(2);
    office.settle();
    assert_eq!(office.texts("dv", "cr_name"), ["Left", "New"]);
}

#[test]
fn a_record_that_is_brought_back_after_a_merge_is_everywhere_again() {
    let (office, loser, winner) = two(Setting::default());
    let other = office.by("dv", "cr_code", "B-1");
    let sf = office.crm("sf");
    sf.merge_by(&loser, &winner, &[], "ann").unwrap();
    office.settle();
    assert!(!office.is_in_use("dv", &other));
    office.crm("dv").undelete_by(&other, "bob").unwrap();
    office.settle();
    assert_eq!(office.texts("sf", "Name"), ["Left", "Lost"]);
    assert_eq!(office.texts("dv", "cr_name"), ["Left", "Lost"]);
}
