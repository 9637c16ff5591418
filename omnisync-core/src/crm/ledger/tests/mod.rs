//! The ledger among small systems that misbehave, by seed: everything but the store and the ports.

mod examples;
mod keys;
mod world;

use super::{FieldPolicy, SyncPolicy, what_if};
use crate::crm::SystemName;
use world::{Manners, World};

/// Runs so many seeds in so many systems of this kind, and asserts every promise.
#[track_caller]
fn check(seeds: u64, manners: &Manners) {
    for seed in 0..seeds {
        let mut world = World::new(seed, manners);
        world.play();
        if let Err(violation) = world.heal().and_then(|()| world.audit()) {
            panic!(
                "seed {seed} with {manners:?}: {violation}\n{}",
                world.story()
            );
        }
    }
}

#[test]
fn systems_that_keep_what_they_are_told_agree_and_nothing_is_lost() {
    for systems in 2..=4 {
        check(2_000, &Manners::new(systems));
    }
}

#[test]
fn systems_that_rewrite_values_do_not_keep_each_other_busy() {
    for systems in 2..=4 {
        check(2_000, &Manners::new(systems).one_rewrites());
        check(2_000, &Manners::new(systems).two_disagree());
    }
}

#[test]
fn removals_and_edits_at_once_are_never_silent() {
    for systems in 2..=4 {
        check(2_000, &Manners::new(systems).with_removals());
    }
}

#[test]
fn without_faults_every_edit_is_written_to_every_other_system_once() {
    let manners = Manners::new(3).without_faults();
    for seed in 0..500 {
        let mut world = World::new(seed, &manners);
        world.play_in_turn();
        world.audit().unwrap();
        assert_eq!(world.writes(), world.least_writes(), "seed {seed}");
    }
}

/// Every rule that decides otherwise.
fn rules() -> [FieldPolicy; 6] {
    [
        FieldPolicy::LatestObserved,
        FieldPolicy::SourceOfTruth {
            system: SystemName::new("s1").unwrap(),
        },
        FieldPolicy::LatestAt {
            skew_max_seconds: 60,
        },
        FieldPolicy::Max,
        FieldPolicy::Min,
        FieldPolicy::Manual,
    ]
}

#[test]
fn every_rule_keeps_what_is_promised() {
    for rule in rules() {
        check(500, &Manners::new(3).one_rewrites().ruled_by(rule));
    }
}

#[test]
fn the_rules_that_made_the_decisions_would_make_them_again() {
    for rule in rules() {
        let manners = Manners::new(3)
            .one_rewrites()
            .with_removals()
            .ruled_by(rule);
        let mut otherwise = 0;
        for seed in 0..500 {
            let mut world = World::new(seed, &manners);
            world.play();
            let differences = what_if(world.link(), world.policy());
            assert!(differences.is_empty(), "seed {seed}: {differences:?}");
            let opposite = rules()
                .into_iter()
                .find(|one| *one != world.policy().field_default);
            let opposite = SyncPolicy::default().with_default(opposite.unwrap());
            otherwise += what_if(world.link(), &opposite).len();
        }
        assert!(otherwise > 0, "no seed shows what another rule would do");
    }
}
