//! The specimens that show themselves at once, and the pipeline that they are made of. All of
//! them are hunted by the command that does so.

use std::collections::BTreeSet;

use omnisync_testkit::sim::Explorer;
use omnisync_testkit::zoo::crm;
use omnisync_testkit::zoo::orders::published_rate;
use omnisync_testkit::zoo::{Specimen, sound, specimens};

/// Runs that a build without optimisation makes in a blink.
const RUNS_MAX: u64 = 120;
/// Specimens that no more runs than that are needed for.
const EASY_MIN: usize = 36;

#[test]
fn there_are_enough_and_each_has_a_name_of_its_own() {
    let all = specimens();
    let names: BTreeSet<&str> = all.iter().map(Specimen::name).collect();
    assert!(all.len() >= 60, "{}", all.len());
    assert_eq!(names.len(), all.len());
    for specimen in &all {
        let name = specimen.name();
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(name.chars().all(is_plain), "{name}");
        assert!(!specimen.expected().is_empty(), "{name}");
        assert!(!specimen.scenarios().is_empty(), "{name}");
    }
}

#[test]
fn what_catches_a_specimen_is_the_promise_that_it_breaks() {
    let mut caught = 0;
    for specimen in specimens() {
        let Some(found) = specimen.hunt(RUNS_MAX).caught else {
            continue;
        };
        caught += 1;
        let (name, expected) = (specimen.name(), specimen.expected());
        let invariant = found.invariant;
        assert!(expected.contains(&invariant), "{name}: {invariant}");
    }
    assert!(caught >= EASY_MIN, "{caught}");
}

#[test]
fn the_tape_of_a_catch_catches_it_again() {
    let all = specimens();
    let easy = |specimen: &&Specimen| specimen.name() == "acknowledged-at-receipt";
    let specimen = all.iter().find(easy).expect("is in the zoo");
    let found = specimen
        .hunt(RUNS_MAX)
        .caught
        .expect("shows itself at once");
    let mut scenarios = specimen.scenarios().iter();
    let scenario = scenarios.find(|scenario| scenario.name() == found.scenario);
    let explorer = Explorer::new(&**scenario.expect("is one of its own"));
    let ran = explorer.replay(&found.tape);
    let again = ran.violation.expect("breaks the same promise");
    assert_eq!(again.invariant, found.invariant);
}

#[test]
fn the_pipeline_as_it_comes_is_not_caught() {
    for specimen in sound() {
        let hunted = specimen.hunt(RUNS_MAX);
        assert_eq!(hunted.caught, None, "{}", specimen.name());
        assert_eq!(hunted.runs, RUNS_MAX, "{}", specimen.name());
    }
}

#[test]
fn the_published_algorithm_fails_in_more_ways_than_one() {
    let rate = published_rate(400);
    assert_eq!(rate.seeds, 400);
    assert!(rate.failing > 40, "{rate:?}");
    assert!(rate.by_invariant.len() > 3, "{rate:?}");
    assert_eq!(rate.by_invariant.values().sum::<u64>(), rate.failing);
    assert_eq!(published_rate(400), rate);
}

#[test]
fn what_crms_are_commonly_kept_the_same_with_fails_and_the_ledger_does_not() {
    let rates: Vec<_> = crm::rates(48).collect();
    assert_eq!(rates.len(), 18);
    for rate in &rates {
        assert_eq!(rate.seeds, 48, "{rate:?}");
        let failed = rate.never_quiet.max(rate.diverged).max(rate.overwritten);
        assert!(failed <= rate.failing, "{rate:?}");
        if rate.ships {
            assert_eq!(rate.failing, 0, "{rate:?}");
        }
    }
    let fails = |algorithm| {
        let mut rows = rates.iter();
        rows.any(|rate| rate.algorithm == algorithm && rate.failing > 0)
    };
    // What goes wrong without a read-back is too rare for so few runs.
    let often = |rate: &&crm::SyncRate| !rate.ships && rate.algorithm != "ledger-without-read-back";
    for rate in rates.iter().filter(often) {
        assert!(fails(rate.algorithm), "{rate:?}");
    }
    let ever = |of: fn(&crm::SyncRate) -> u64| rates.iter().any(|rate| of(rate) > 0);
    assert!(ever(|rate| rate.never_quiet) && ever(|rate| rate.diverged));
    assert!(ever(|rate| rate.overwritten));
}
