//! Scenarios in which mutants are hunted.

use omnisync_core::port::CrmCapability;

use crate::fake::crm::Removing;
use crate::sim::crm::{Act, CrmScenario, Field, Manners, Wording};
use crate::zoo::Specimen;

fn of(name: &str, systems: usize) -> CrmScenario {
    CrmScenario::of_flows(name, systems).with_rounds(2)
}

fn edit(system: usize, wording: Wording) -> Act {
    Act::Edit {
        record: 0,
        system,
        field: Field::City,
        wording,
    }
}

fn created() -> Act {
    Act::Create {
        in_systems: vec![0],
    }
}

/// One record, and an edit on either side.
pub(super) fn edits() -> CrmScenario {
    of("edits", 2).with_acts([created(), edit(1, Wording::New), edit(0, Wording::New)])
}

/// Anything that two systems may see.
pub(super) fn any() -> CrmScenario {
    of("any-two", 2).with_any_acts(6, true)
}

/// Anything that three systems may see.
pub(super) fn any_of_three() -> CrmScenario {
    of("any-three", 3).with_any_acts(6, true)
}

/// The second of two systems writes values its own way, and its map knows how.
pub(super) fn normalises() -> CrmScenario {
    of("normalises", 2)
        .with_manners(Manners::OneNormalises { is_known: true })
        .with_any_acts(6, false)
}

/// A record that appears everywhere at once.
pub(super) fn race() -> CrmScenario {
    of("race", 3).with_acts([
        Act::Create {
            in_systems: vec![0, 1, 2],
        },
        Act::EditEverywhere {
            record: 0,
            field: Field::City,
        },
    ])
}

/// Two records, of which the second is created in both systems.
pub(super) fn two_records() -> CrmScenario {
    of("two-records", 2).with_acts([
        created(),
        Act::Create {
            in_systems: vec![0, 1],
        },
        edit(0, Wording::New),
    ])
}

/// A record is removed, and another system goes on with it.
pub(super) fn removal() -> CrmScenario {
    of("removal", 3).with_acts([
        created(),
        Act::EditAgainstDelete {
            record: 0,
            edits: 1,
            deletes: 0,
        },
    ])
}

/// A record is removed where removed records are gone for good.
pub(super) fn deletion() -> CrmScenario {
    of("deletion", 2)
        .with_removing(Removing::Deletes)
        .with_acts([
            created(),
            Act::Delete {
                record: 0,
                system: 0,
            },
        ])
}

/// Neither keys nor repeated calls are minded by the systems.
pub(super) fn weak_keys() -> CrmScenario {
    let capability = CrmCapability::strict();
    of("weak-keys", 2)
        .with_capability(capability.without_unique_keys().without_create_once())
        .with_any_acts(4, false)
}

/// Automations that answer each other.
pub(super) fn circle() -> CrmScenario {
    of("circle", 2)
        .with_automations_in_a_circle()
        .with_acts([created(), edit(1, Wording::New)])
}

/// The flows as they come, wherever mutants are hunted.
pub(super) fn sound() -> Vec<Specimen> {
    vec![
        Specimen::sound("sound-edits", edits()),
        Specimen::sound("sound-any-two", any()),
        Specimen::sound("sound-any-three", any_of_three()),
        Specimen::sound("sound-normalises", normalises()),
        Specimen::sound("sound-race", race()),
        Specimen::sound("sound-two-records", two_records()),
        Specimen::sound("sound-removal", removal()),
        Specimen::sound("sound-deletion", deletion()),
        Specimen::sound("sound-weak-keys", weak_keys()),
        Specimen::sound("sound-circle", circle()),
    ]
}
