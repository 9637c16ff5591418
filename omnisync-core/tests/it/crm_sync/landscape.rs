//! What systems and rules cannot be put together.

use std::sync::Arc;

use omnisync_core::crm::field_map::FieldMap;
use omnisync_core::crm::ledger::{FieldPolicy, SyncPolicy};
use omnisync_core::crm::{EntityDefinition, SystemName};
use omnisync_core::flow::{CrmSystem, Landscape, LandscapeError, PolicyError};
use omnisync_core::port::Clock;
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::crm::{CrmOptions, FakeCrm};

use super::kit::{entity, field, system};

fn named(name: SystemName) -> CrmSystem {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let crm = FakeCrm::new(clock, CrmOptions::new(name.clone()));
    CrmSystem::new(name, Arc::new(crm))
}

fn sharing(name: &str, map: FieldMap) -> CrmSystem {
    named(system(name)).with_map(map)
}

fn codes() -> FieldMap {
    FieldMap::builder("Thing", "thing")
        .rename("code", "c")
        .build()
}

fn codes_and_names() -> FieldMap {
    let map = FieldMap::builder("Thing", "thing").rename("code", "c");
    map.rename("name", "n").build()
}

fn thing() -> EntityDefinition {
    serde_json::from_str(
        r#"{ "name": "Thing", "naturalKey": ["code"], "fields": {
            "code": { "kind": "text", "required": true },
            "name": { "kind": "text" } } }"#,
    )
    .unwrap()
}

fn other() -> EntityDefinition {
    EntityDefinition {
        name: entity("Other"),
        ..thing()
    }
}

/// `a` has codes and names of things, `b` codes only, `c` nothing.
fn three() -> Landscape {
    let systems = [
        sharing("a", codes_and_names()),
        sharing("b", codes()),
        named(system("c")),
    ];
    Landscape::new([thing(), other()], systems).unwrap()
}

#[track_caller]
fn check(systems: impl IntoIterator<Item = CrmSystem>, expected: &LandscapeError) {
    let error = Landscape::new([thing()], systems).unwrap_err();
    assert_eq!(error, *expected, "{error}");
}

#[test]
fn names_stand_for_one_thing() {
    check([], &LandscapeError::NoSystem);
    let twice = LandscapeError::SystemTwice {
        system: system("a"),
    };
    check([sharing("a", codes()), sharing("a", codes())], &twice);
    let person = LandscapeError::ReservedName {
        system: SystemName::person(),
    };
    check([named(SystemName::person())], &person);
    let error = Landscape::new([thing(), thing()], [sharing("a", codes())]).unwrap_err();
    let twice = LandscapeError::EntityTwice {
        entity: entity("Thing"),
    };
    assert_eq!(error, twice);
}

#[test]
fn a_system_maps_an_entity_once_and_its_mark_never() {
    let again = FieldMap::builder("Thing", "again").rename("code", "c");
    let twice = LandscapeError::MappedTwice {
        system: system("a"),
        entity: entity("Thing"),
    };
    check([sharing("a", codes()).with_map(again.build())], &twice);
    let marked = LandscapeError::StatusMapped {
        system: system("a"),
        field: field("n"),
    };
    let system = sharing("a", codes_and_names()).with_status_field(field("n"));
    check([system], &marked);
}

#[test]
fn one_system_alone_can_be_listened_to() {
    assert!(Landscape::new([thing()], [sharing("a", codes())]).is_ok());
}

fn truth(name: &str) -> FieldPolicy {
    FieldPolicy::SourceOfTruth {
        system: system(name),
    }
}

fn ruling(name: &str, rule: FieldPolicy) -> SyncPolicy {
    let mut policy = SyncPolicy::default();
    policy.fields.insert(field(name), rule);
    policy
}

/// What is wrong with rules for things.
#[track_caller]
fn wrong(policy: SyncPolicy) -> Vec<PolicyError> {
    match three().with_policy(entity("Thing"), policy) {
        Err(LandscapeError::Rules { entity: of, errors }) => {
            assert_eq!(of, entity("Thing"));
            errors
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_speak_of_what_is_there() {
    let policy = SyncPolicy::default();
    let error = three().with_policy(entity("Nothing"), policy).unwrap_err();
    assert!(matches!(error, LandscapeError::RulesOfNothing { .. }));
    let mut policy = ruling("shoeSize", FieldPolicy::Manual);
    policy.fields.insert(field("name"), truth("z"));
    let unknown_system = PolicyError::UnknownSystem {
        system: system("z"),
    };
    let unknown_field = PolicyError::UnknownField {
        field: field("shoeSize"),
    };
    // All that is wrong is told at once.
    assert_eq!(wrong(policy), [unknown_system, unknown_field]);
}

#[test]
fn a_source_of_truth_has_what_it_is_asked_for() {
    let not_shared = PolicyError::NotShared {
        system: system("c"),
    };
    assert_eq!(
        wrong(ruling("name", truth("c"))),
        std::slice::from_ref(&not_shared)
    );
    let default = |name| SyncPolicy::default().with_default(truth(name));
    assert_eq!(wrong(default("c")), [not_shared]);
    let not_supplied = PolicyError::NotSupplied {
        system: system("b"),
        field: field("name"),
    };
    assert_eq!(wrong(ruling("name", truth("b"))), [not_supplied]);
    for policy in [ruling("name", truth("a")), default("b")] {
        let ruled = three().with_policy(entity("Thing"), policy.clone());
        assert_eq!(ruled.unwrap().policy(&entity("Thing")), policy);
    }
}

#[test]
fn nothing_is_waited_for_no_time_at_all() {
    let policy = SyncPolicy {
        lease_seconds: 0,
        park_overdue_retry_seconds: 0,
        ..SyncPolicy::default()
    };
    let zero = |setting| PolicyError::Zero { setting };
    let zeros = ["leaseSeconds", "parkOverdueRetrySeconds"].map(zero);
    assert_eq!(wrong(policy), zeros);
}
