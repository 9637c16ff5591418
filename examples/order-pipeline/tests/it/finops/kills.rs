//! `kill -9` while packages are submitted, asked for and settled, whatever the environment does
//! with an execution id that comes again.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use omnisync_core::port::RepeatedExecution;
use omnisync_testkit::rng::SplitMix64;

use super::environment::Environment;
use crate::support::{Host, orders};

/// Kills that have to hit a process at work, unless `OMNISYNC_KILLS` says otherwise.
const KILLS: usize = 12;
/// Orders of a trial, and of a package.
const ORDERS: u32 = 24;
const PER_PACKAGE: &str = "6";
/// Kills of one trial before it is left to finish.
const KILLS_PER_TRIAL: usize = 8;
/// Longest life, in milliseconds.
const LIFE_MS_MAX: f64 = 250.0;

fn kills_wanted() -> usize {
    std::env::var("OMNISYNC_KILLS").map_or(KILLS, |text| text.parse().unwrap())
}

#[expect(
    clippy::print_stdout,
    reason = "what a long run did is shown on demand"
)]
fn killed_again_and_again(repeated: RepeatedExecution) {
    let mut environment = Environment::start(|options| {
        options.repeated_execution = repeated;
        options.unseen_polls = 1;
        options.polls_to_end = Some(3);
    });
    let (mut hits, mut trial) = (0, 0);
    let mut rng = SplitMix64::new(4_711);
    let mut sent = BTreeSet::new();
    while hits < kills_wanted() {
        // A work folder for each trial, and orders that were never there.
        environment.host = Host::new();
        environment.configure(|text| text);
        let numbers = trial * ORDERS..(trial + 1) * ORDERS;
        sent.extend(numbers.clone().map(crate::support::order_id));
        environment.host.write_orders(orders(numbers));
        for _ in 0..KILLS_PER_TRIAL {
            let mut child = environment
                .command(&["--max-orders", PER_PACKAGE])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // The moment is what is tested; nothing waits for anything here.
            thread::sleep(Duration::from_millis(1).mul_f64(LIFE_MS_MAX * rng.fraction()));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            hits += 1;
        }
        let report = environment.run(&["--max-orders", PER_PACKAGE]);
        assert_eq!(report["pending"], 0, "trial {trial}: {report}");
        let states = environment.host.states();
        assert_eq!(states.len(), ORDERS as usize, "trial {trial}");
        assert!(
            states.values().all(|state| state == "Imported"),
            "trial {trial}: {states:?}"
        );
        trial += 1;
    }
    // Nothing is lost, and nothing was imported twice.
    let fno = environment.fno();
    let headers = fno.headers();
    assert_eq!(headers.keys().cloned().collect::<BTreeSet<_>>(), sent);
    let twice = |imports: &u32| *imports != 1;
    let doubled = headers
        .values()
        .map(|row| row.imports)
        .filter(twice)
        .count();
    let lines = fno.lines();
    let doubled_lines = lines.values().map(|row| row.imports).filter(twice).count();
    assert_eq!(lines.len(), sent.len());
    assert_eq!((doubled, doubled_lines), (0, 0), "{hits} kills");
    assert_eq!(fno.violations(), Vec::<String>::new());
    let submissions = fno.submissions();
    println!(
        "{repeated:?}: {hits} kills, {} orders, {submissions} packages, 0 lost, 0 imported twice",
        sent.len()
    );
}

#[test]
fn an_environment_that_refuses_a_repeated_import() {
    killed_again_and_again(RepeatedExecution::Rejected);
}

#[test]
fn an_environment_that_returns_the_existing_import() {
    killed_again_and_again(RepeatedExecution::ReturnsExisting);
}

#[test]
fn an_environment_that_runs_a_repeated_import_again() {
    killed_again_and_again(RepeatedExecution::RunsAgain);
}
