//! What is lost in a gap of a change stream.

use std::sync::Arc;

use futures::executor::block_on;
use omnisync_core::crm::ForeignId;
use omnisync_core::port::StateStore;
use omnisync_testkit::fault::{Fault, FaultPlan, Seam};

use super::kit::{Office, Setting, entity, system};

const CODES: [&str; 3] = ["B-1", "B-2", "B-3"];

/// Three brands in both systems, whose removals no list names.
fn office() -> (Office, Vec<ForeignId>) {
    let office = Office::with(Setting {
        deletes: true,
        ..Setting::default()
    });
    let created = CODES.map(|code| office.create("sf", &[("Code__c", code), ("Name", code)]));
    office.settle();
    (office, created.to_vec())
}

/// A person deletes a record, and the event is lost.
fn delete_unheard(office: &Office, id: &ForeignId) {
    office.crm("sf").delete_by(id, "bob").unwrap();
    let _lost = office.crm("sf").take_events(10);
}

/// The codes of what `dv` has in use.
fn left(office: &Office) -> Vec<String> {
    let rows = office.crm("dv").records();
    let ids = rows.iter().map(|row| &row.record.id);
    let used = ids.filter(|id| office.is_in_use("dv", id));
    let mut codes: Vec<_> = used
        .filter_map(|id| office.text("dv", id, "cr_code"))
        .collect();
    codes.sort();
    codes
}

#[test]
fn what_was_removed_while_changes_were_lost_is_found_by_what_is_not_named() {
    let (office, ids) = office();
    delete_unheard(&office, &ids[1]);
    office.settle();
    assert_eq!(left(&office), CODES);
    office.lose("sf");
    office.catch_up();
    office.settle();
    assert_eq!(left(&office), ["B-1", "B-3"]);
    // What is named and what is not is looked at once; then it is quiet.
    assert_eq!(office.catch_up(), 0);
    assert!(office.run().items.is_empty());
}

#[test]
fn a_loss_during_a_pass_is_made_good_by_one_more_pass_and_holds_none_up() {
    let (office, ids) = office();
    office.lose("sf");
    let (sf, brand) = (system("sf"), entity("Brand"));
    let named = block_on(office.hear().catch_up(&sf, &brand)).unwrap();
    assert_eq!((named.records, named.more), (3, true));
    // All three were named by then.
    delete_unheard(&office, &ids[0]);
    for _ in 0..5 {
        office.lose("sf");
    }
    let compared = block_on(office.hear().catch_up(&sf, &brand)).unwrap();
    assert_eq!((compared.unnamed, compared.more), (0, true));
    let named = block_on(office.hear().catch_up(&sf, &brand)).unwrap();
    assert_eq!((named.records, named.more), (2, true));
    let compared = block_on(office.hear().catch_up(&sf, &brand)).unwrap();
    assert_eq!((compared.unnamed, compared.more), (1, false));
    assert_eq!(office.catch_up(), 0, "the five losses need one pass");
    office.settle();
    assert_eq!(left(&office), ["B-2", "B-3"]);
}

#[test]
fn losses_that_keep_coming_do_not_keep_a_pass_from_its_end() {
    let (office, ids) = office();
    delete_unheard(&office, &ids[2]);
    for _ in 0..4 {
        office.lose("sf");
        block_on(office.hear().catch_up(&system("sf"), &entity("Brand"))).unwrap();
    }
    office.settle();
    assert_eq!(left(&office), ["B-1", "B-2"]);
}

#[test]
fn a_worker_may_die_anywhere_in_a_pass() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let mut number = 0;
        loop {
            number += 1;
            let (office, ids) = office();
            delete_unheard(&office, &ids[1]);
            office.lose("sf");
            let plan = Arc::new(FaultPlan::none().at_call(number, fault));
            let seam = Seam::new(Arc::clone(&plan) as _);
            let store: Arc<dyn StateStore> = Arc::new(seam.wrap(office.store()));
            let hear = office.hear_over(store);
            let life = async {
                loop {
                    let done = hear.catch_up(&system("sf"), &entity("Brand")).await;
                    if !done.is_ok_and(|done| done.more) {
                        break;
                    }
                }
            };
            let _died = omnisync_testkit::crash::run(life);
            office.catch_up();
            office.settle();
            assert_eq!(left(&office), ["B-1", "B-3"], "{fault:?} at {number}");
            if plan.injected().is_empty() {
                break;
            }
        }
        assert!(number > 10, "a pass takes more than {number} calls");
    }
}

#[test]
fn a_cursor_that_is_too_old_begins_a_pass() {
    let (office, ids) = office();
    office.lose("sf");
    office.catch_up();
    office.settle();
    assert!(block_on(office.hear().catch_up_due()).unwrap().is_empty());
    // The system is asked on a timetable, and by then knows the place no more.
    delete_unheard(&office, &ids[0]);
    office.ways["sf"].forget_places();
    let gap = block_on(office.hear().catch_up(&system("sf"), &entity("Brand"))).unwrap();
    assert!(gap.gap && gap.more, "{gap:?}");
    office.catch_up();
    office.settle();
    assert_eq!(left(&office), ["B-2", "B-3"]);
}
