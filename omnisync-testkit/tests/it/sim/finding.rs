//! What explorers find, and what they say of it.

use std::sync::Arc;

use omnisync_testkit::sim::{Counterexample, Explorer, Report, Scenario, Violation, explore};

use super::Toy;
use super::counter::{Bug, counter, counter_of, leased};

type Explored = Result<Report, Box<Counterexample>>;

/// What was found, which has to be this; and it comes again from its tape.
#[track_caller]
fn found(scenario: &dyn Scenario, explored: Explored, invariant: &str) -> Counterexample {
    let found = explored.unwrap_err();
    assert_eq!(found.violation.invariant, invariant, "{found}");
    let again = Explorer::new(scenario).replay(&found.tape);
    assert_eq!(again.violation.as_ref(), Some(&found.violation));
    assert_eq!(again.story, found.story);
    let original = Explorer::new(scenario).replay(&found.original);
    assert_eq!(original.violation.unwrap().invariant, invariant);
    assert!(found.tape.disturbances() <= found.original.disturbances());
    assert!(found.tape.choices().len() <= found.original.choices().len());
    *found
}

#[test]
fn a_system_without_a_bug_passes_and_the_report_counts_what_was_done() {
    let scenario = counter(Bug::None);
    let report = explore(&scenario).unwrap();
    assert_eq!(report.seeds, 500);
    assert!(report.runs > 1_200 && report.repeated > 10, "{report:?}");
    assert!(report.port_calls > 10 * report.runs, "{report:?}");
    assert!(report.faults > report.runs, "{report:?}");
    // Every run heals at least one lease long.
    assert!(report.simulated_ms > 61_000 * report.runs, "{report:?}");
    assert_eq!(report.missed(scenario.marks()), [""; 0]);
    assert_eq!(report.missed(&["counted", "never"]), ["never"]);
}

#[test]
fn reports_add_up() {
    let scenario = counter(Bug::None);
    let explorer = Explorer::new(&scenario);
    let mut halves = explorer.seeds(0, 100).unwrap();
    halves.merge(&explorer.seeds(100, 100).unwrap());
    assert_eq!(halves, explorer.seeds(0, 200).unwrap());
}

#[test]
fn an_undisturbed_run_counts_its_calls() {
    let scenario = counter_of(1, Bug::None);
    let report = Explorer::new(&scenario).faults(0, 1).unwrap();
    // Two jobs, each read and written; two more rounds and one of healing that only look.
    assert_eq!((report.runs, report.port_calls), (1, 4 + 3 * 2));
    assert_eq!((report.faults, report.seeds), (0, 0));
    // A millisecond a call, 7 between two rounds, and one step of healing that is longer than
    // the lease.
    assert_eq!(report.simulated_ms, 10 + 2 * 7 + 61_000);
}

#[test]
fn a_lost_acknowledgement_is_found_with_one_fault() {
    let scenario = counter(Bug::AgainAfterError);
    let explorer = Explorer::new(&scenario);
    assert!(explorer.faults(0, u64::MAX).is_ok());
    let found = found(&scenario, explorer.faults(1, u64::MAX), "T-1");
    let fault = found.story.iter().filter(|line| line.contains("FAULT"));
    let fault: Vec<_> = fault.collect();
    assert_eq!(fault.len(), 1, "{found}");
    assert!(fault[0].contains("lost acknowledgement"), "{found}");
    // That there is a fault, and which.
    assert_eq!(found.tape.disturbances(), 2, "{:?}", found.tape);
}

#[test]
fn a_lost_update_is_found_by_preemption_alone() {
    let scenario = counter(Bug::NoCompareAndSet);
    let explorer = Explorer::new(&scenario);
    let found = found(&scenario, explorer.preemptions(2, u64::MAX), "T-2");
    assert!(found.run > 1, "the run without preemption is right");
    assert_eq!(explorer.replay(&found.tape).faults, 0, "{found}");
    assert!(found.tape.disturbances() <= 2, "{:?}", found.tape);
}

#[test]
fn two_faults_find_what_one_does_not() {
    let scenario = counter(Bug::AgainAfterTwoErrors);
    let explorer = Explorer::new(&scenario);
    assert!(explorer.faults(1, u64::MAX).is_ok());
    let found = found(&scenario, explorer.faults(2, u64::MAX), "T-1");
    assert_eq!(explorer.replay(&found.tape).faults, 2, "{found}");
}

#[test]
fn a_worker_that_is_late_is_found_with_a_pause() {
    let scenario = leased(false);
    let explorer = Explorer::new(&scenario);
    let found = found(&scenario, explorer.faults(1, u64::MAX), "T-5");
    assert!(
        found.to_string().contains("pause past the lease"),
        "{found}"
    );
}

#[test]
fn a_worker_that_is_late_between_a_look_at_the_clock_and_its_write_is_found() {
    let scenario = leased(true);
    let found = found(&scenario, explore(&scenario), "T-5");
    assert!(
        found.to_string().contains("pause past the lease"),
        "{found}"
    );
}

#[test]
fn a_counterexample_is_short_and_says_what_to_do() {
    let scenario = counter(Bug::AgainAfterError);
    let explorer = Explorer::new(&scenario);
    let found = found(&scenario, explorer.seeds(0, 1_000), "T-1");
    assert!(found.tape.disturbances() <= 4, "{:?}", found.tape);
    assert!(found.original.disturbances() > 8, "{:?}", found.original);
    let text = found.to_string();
    let head = format!(
        "T-1: a job was counted twice\nscenario counter, run {}, tape {}\n  00:00:00",
        found.run, found.tape
    );
    assert!(text.starts_with(&head), "{text}");
    assert_eq!(text.lines().count(), 2 + found.story.len());
}

#[test]
fn shrinking_never_ends_at_another_promise() {
    let mut scenario = Toy::new("two-promises", |_| async { Ok(()) });
    scenario.begins = Arc::new(|sim, _| match sim.choose(8) {
        7 => sim.violate(Violation::new("T-7", "the larger one")),
        0 => {}
        _ => sim.violate(Violation::new("T-1", "the plainer one")),
    });
    let explorer = Explorer::new(&scenario);
    let fails = |seed| explorer.seeds(seed, 1).unwrap_err();
    let seed = (0..100).find(|seed| {
        let run = explorer.replay(&explorer.tape_of_seed(*seed));
        run.violation
            .is_some_and(|broken| broken.invariant == "T-7")
    });
    let found = found(&scenario, Err(fails(seed.unwrap())), "T-7");
    assert_eq!(found.tape.disturbances(), 1, "{:?}", found.tape);
}

#[test]
fn without_shrinking_the_tape_stays_as_it_was() {
    let scenario = counter(Bug::AgainAfterError);
    let explorer = Explorer::new(&scenario).without_shrinking();
    let found = found(&scenario, explorer.seeds(0, 1_000), "T-1");
    assert_eq!(found.tape, found.original);
    assert_eq!(found.tape, explorer.tape_of_seed(found.run - 1));
}

#[test]
fn a_sample_of_the_runs_is_spread_over_all_of_them() {
    let scenario = counter(Bug::None);
    let explorer = Explorer::new(&scenario);
    let all = explorer.faults(1, u64::MAX).unwrap();
    let some = explorer.faults(1, 20).unwrap();
    assert!(all.runs > 100, "{all:?}");
    // Some strike only behind the end of the undisturbed run, and few of these runs are longer.
    assert_eq!(some.runs, 20);
    assert!((10..20).contains(&some.faults), "{some:?}");
}
