//! The same tape makes the same run, anywhere.

use std::sync::atomic::{AtomicU64, Ordering};

use omnisync_testkit::sim::{Explorer, Tape, Violation};

use super::Toy;
use super::counter::{Bug, counter};

#[test]
fn the_same_tape_makes_the_same_run() {
    let scenario = counter(Bug::None);
    let explorer = Explorer::new(&scenario);
    for seed in 0..50 {
        let tape = explorer.tape_of_seed(seed);
        let run = explorer.replay(&tape);
        assert_eq!(explorer.replay(&tape), run, "seed {seed}");
        assert_eq!(explorer.tape_of_seed(seed), tape);
        let read: Tape = tape.to_string().parse().unwrap();
        assert_eq!(explorer.replay(&read), run);
    }
}

#[test]
fn other_seeds_make_other_runs() {
    let scenario = counter(Bug::None);
    let explorer = Explorer::new(&scenario);
    let mut hashes: Vec<u64> = (0..50)
        .map(|seed| explorer.replay(&explorer.tape_of_seed(seed)).trace_hash)
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert!(hashes.len() > 45, "{}", hashes.len());
}

#[test]
fn threads_change_nothing() {
    let right = counter(Bug::None);
    let wrong = counter(Bug::AgainAfterTwoErrors);
    let on = |threads| {
        let right = Explorer::new(&right).on_threads(threads);
        let mut report = right.seeds(7, 500).unwrap();
        report.merge(&right.preemptions(1, 300).unwrap());
        let wrong = Explorer::new(&wrong).on_threads(threads);
        let found = wrong.seeds(0, 5_000).unwrap_err();
        (report, found.run, found.tape, found.report)
    };
    let alone = on(1);
    assert_eq!(alone.3.runs, alone.1, "it counts up to the failing run");
    for threads in [0, 2, 3, 8] {
        assert_eq!(on(threads), alone, "{threads} threads");
    }
}

/// A toy whose workers do something with a number that differs from run to run.
fn restless(use_it: impl Fn(&super::Bench, u64) -> u64 + Copy + Send + Sync + 'static) -> Toy {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    Toy::new("restless", move |bench| async move {
        let number = use_it(&bench, RUNS.fetch_add(1, Ordering::SeqCst));
        bench.set_number("n", number).await
    })
}

#[test]
fn hidden_state_that_shows_in_the_store_is_found() {
    let scenario = restless(|_, number| number);
    let found = Explorer::new(&scenario).seeds(0, 10).unwrap_err();
    assert_eq!((found.violation.invariant, found.run), ("I-X4", 1));
    assert_eq!(found.report.repeated, 1);
}

#[test]
fn hidden_state_that_shows_in_the_choices_is_found() {
    let scenario = restless(|bench, number| {
        for _ in 0..number {
            bench.sim.choose(2);
        }
        0
    });
    let found = Explorer::new(&scenario).on_threads(1).faults(0, 1);
    assert_eq!(found.unwrap_err().violation.invariant, "I-X4");
}

#[test]
fn a_failure_that_does_not_come_again_is_no_finding_of_its_own() {
    static FAILED: AtomicU64 = AtomicU64::new(0);
    let scenario = restless(|bench, _| {
        if FAILED.fetch_add(1, Ordering::SeqCst) == 40 {
            bench.sim.violate(Violation::new("T-1", "once"));
        }
        0
    });
    let found = Explorer::new(&scenario).seeds(0, 100).unwrap_err();
    assert_eq!(found.violation.invariant, "I-X4", "{found}");
    assert!(found.violation.detail.contains("T-1: once"), "{found}");
}

#[test]
fn a_run_that_fails_only_the_second_time_is_found() {
    static FAILED: AtomicU64 = AtomicU64::new(0);
    let mut scenario = restless(|_, _| 0);
    scenario.audit = std::sync::Arc::new(|_, _| match FAILED.fetch_add(1, Ordering::SeqCst) {
        1 => Err(Violation::new("T-1", "the second time")),
        _ => Ok(()),
    });
    let found = Explorer::new(&scenario).on_threads(1).seeds(0, 1);
    assert_eq!(found.unwrap_err().violation.invariant, "I-X4");
}

/// Tape and trace of one seed, the same in every build and on every platform. A change here means
/// that tapes which people kept no longer tell their story.
#[test]
fn the_run_of_a_seed_is_fixed() {
    let scenario = counter(Bug::None);
    let explorer = Explorer::new(&scenario);
    let tape = explorer.tape_of_seed(5);
    let text = "tAQkCAQEHAAMABgAEAAMAAQAGAAMABwAFAA0AAwABAAMBBwABAA4BBQAHAQcABgACAAEABwACAA8AAQQ";
    assert_eq!(tape.to_string(), text);
    let run = explorer.replay(&text.parse().unwrap());
    assert_eq!((run.port_calls, run.faults), (23, 5));
    assert_eq!(run.trace_hash, 0x9d86_72e6_acf9_4ed5);
}
