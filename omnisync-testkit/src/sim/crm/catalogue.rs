//! What CRM sync is held to.

use omnisync_core::crm::ledger::{FieldPolicy, SyncPolicy};
use omnisync_core::port::CrmCapability;

use super::act::{Act, Field, Wording};
use super::blueprint::system_name;
use super::scenario::CrmScenario;
use super::systems::Manners;
use crate::fake::crm::Removing;

/// Everything worth seeing at least once.
pub const MARKS: [&str; 36] = [
    "applied",
    "automations stopped",
    "conflict resolved",
    "created",
    "echo",
    "event blurred",
    "event doubled",
    "event lost",
    "events joined",
    "events turned around",
    "gap",
    "key taken",
    "key was taken",
    "life: applied",
    "life: echo",
    "life: held",
    "life: no news",
    "link contended",
    "no news",
    "normalised",
    "overflow",
    "overruled",
    "parked",
    "record chosen",
    "record locked",
    "records merged",
    "referred",
    "removed",
    "renamed",
    "restored",
    "stale read",
    "stream lost",
    "superseded",
    "updated",
    "value entered",
    "write overtaken",
];

/// The scenarios that CRM sync is held to.
pub fn scenarios() -> Vec<CrmScenario> {
    let mut all = of_people();
    all.extend(of_rules());
    all.extend(of_identity());
    all
}

/// What people do in systems of all manners.
fn of_people() -> Vec<CrmScenario> {
    let flows = CrmScenario::of_flows;
    let known = Manners::OneNormalises { is_known: true };
    let unknown = Manners::OneNormalises { is_known: false };
    let edit = |system, wording| Act::Edit {
        record: 0,
        system,
        field: Field::City,
        wording,
    };
    let created = || Act::Create {
        in_systems: vec![0],
    };
    vec![
        flows("crm-solo", 2)
            .with_workers(1)
            .with_rounds(2)
            .with_acts([created(), edit(1, Wording::New)])
            .with_idle_cycles(10),
        flows("crm-2", 2).with_any_acts(6, true),
        flows("crm-3", 3).with_any_acts(6, true),
        flows("crm-4", 4).with_any_acts(5, true).with_rounds(2),
        flows("crm-2-normalises", 2)
            .with_manners(known)
            .with_any_acts(6, true),
        flows("crm-3-unforeseen", 3)
            .with_manners(unknown)
            .with_any_acts(6, true),
        flows("crm-2-disagree", 2)
            .with_manners(Manners::TwoDisagree)
            .with_any_acts(6, true),
        flows("crm-3-disagree", 3)
            .with_manners(Manners::TwoDisagree)
            .with_any_acts(6, true),
        flows("crm-race", 3)
            .with_acts([
                Act::Create {
                    in_systems: vec![0, 1, 2],
                },
                Act::EditEverywhere {
                    record: 0,
                    field: Field::City,
                },
            ])
            .with_rounds(2),
        flows("crm-delete-edit", 3)
            .with_acts([
                created(),
                Act::EditAgainstDelete {
                    record: 0,
                    edits: 1,
                    deletes: 0,
                },
                Act::Undelete {
                    record: 0,
                    system: 2,
                },
            ])
            .with_rounds(2),
        // Nobody is removed: of two records that such a system makes of one request, the one that is
        // heard of after the other went is a new record to everybody.
        flows("crm-2-weak-keys", 2)
            .with_capability(
                CrmCapability::strict()
                    .without_unique_keys()
                    .without_create_once(),
            )
            .with_any_acts(5, false),
    ]
}

/// Other rules, systems that can do less, and people who wait for each other.
fn of_rules() -> Vec<CrmScenario> {
    let flows = CrmScenario::of_flows;
    let known = Manners::OneNormalises { is_known: true };
    let unknown = Manners::OneNormalises { is_known: false };
    let ruled = |policy| SyncPolicy::default().with_default(policy);
    vec![
        flows("crm-3-silent-receipts", 3)
            .without_versions_in_receipts()
            .with_manners(known)
            .with_any_acts(6, true),
        flows("crm-2-silent-receipts", 2)
            .without_versions_in_receipts()
            .with_manners(Manners::TwoDisagree)
            .with_any_acts(6, true),
        flows("crm-3-latest-at", 3)
            .with_policy(ruled(FieldPolicy::LatestAt {
                skew_max_seconds: 300,
            }))
            .with_skew_seconds(120)
            .with_any_acts(6, true),
        flows("crm-3-truth", 3)
            .with_policy(ruled(FieldPolicy::SourceOfTruth {
                system: system_name(0),
            }))
            .with_any_acts(6, true),
        flows("crm-2-max", 2)
            .with_policy(ruled(FieldPolicy::Max))
            .with_manners(known)
            .with_any_acts(6, true),
        flows("crm-3-manual", 3)
            .with_policy(ruled(FieldPolicy::Manual))
            .with_conflict_marks()
            .with_any_acts(6, true),
        flows("crm-3-automation", 3)
            .with_automation()
            .with_any_acts(5, true),
        flows("crm-2-circle", 2)
            .with_automations_in_a_circle()
            .with_any_acts(4, true),
        flows("crm-3-circle", 3)
            .with_automations_in_a_circle()
            .with_any_acts(4, true),
        flows("crm-2-counting", 2)
            .with_automations_for_ever()
            .with_any_acts(3, true),
        flows("crm-2-deletes", 2)
            .with_removing(Removing::Deletes)
            .with_any_acts(6, true),
        flows("crm-2-in-turn", 2)
            .with_manners(known)
            .with_acts_in_turn(8, true),
        flows("crm-3-in-turn", 3)
            .with_manners(unknown)
            .with_acts_in_turn(8, true),
        flows("crm-4-in-turn", 4)
            .with_manners(Manners::TwoDisagree)
            .with_acts_in_turn(8, true),
    ]
}

/// People who merge records, give them other keys, and let them point at each other.
fn of_identity() -> Vec<CrmScenario> {
    let flows = CrmScenario::of_flows;
    vec![
        flows("crm-2-merges", 2).with_merges(5),
        flows("crm-3-merges", 3).with_merges(5),
        flows("crm-2-references", 2).with_references(6, true),
        flows("crm-3-references", 3).with_references(6, true),
        flows("crm-2-renames", 2).with_renames(5),
        flows("crm-3-renames", 3).with_renames(5),
    ]
}
