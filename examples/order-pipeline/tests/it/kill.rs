//! `kill -9` at any moment, then the same command: the end is that of an undisturbed run.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use omnisync_testkit::generate::OrderGenerator;
use omnisync_testkit::rng::SplitMix64;

use crate::support::{EndState, Host, NO_CHANGE, check_counts};

const SEED: u64 = 77;
const EVENTS: usize = 200;
/// Kills at random moments that have to hit.
const RANDOM_KILLS: usize = 20;
const TRIALS_MAX: u64 = 40;
/// Makes half a dozen packages.
const ARGUMENTS: &[&str] = &["--max-orders", "40", "--fail-rate", "0.1"];

struct Undisturbed {
    end: EndState,
    duration: Duration,
}

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(|| {
    let host = host();
    #[expect(clippy::disallowed_methods, reason = "measures how long a run takes")]
    let started = std::time::Instant::now();
    let report = host.run(ARGUMENTS);
    let duration = started.elapsed();
    let end = host.end_state();
    assert_eq!(report["pending"], 0);
    assert!(end.packages.len() >= 4 && end.dead_letters.lines().count() >= 5);
    assert!(end.erp_orders.values().all(|imports| *imports == 1));
    Undisturbed { end, duration }
});

fn host() -> Host {
    let host = Host::new();
    let mut input = Vec::new();
    OrderGenerator::mixed(SEED)
        .write_ndjson(EVENTS, &mut input)
        .unwrap();
    host.write_orders(input);
    host
}

fn start(host: &Host) -> Child {
    host.run_command(ARGUMENTS)
        .arg("--json")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// True when the process was still at work.
fn kill(mut child: Child) -> bool {
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Finishes what was interrupted and compares.
fn check_end(host: &Host, context: &str) {
    let report = host.run(ARGUMENTS);
    assert_eq!(report["pending"], 0, "{context}");
    UNDISTURBED.end.assert_same(&host.end_state(), context);
    check_counts(&host.run(ARGUMENTS), NO_CHANGE);
}

/// Kills runs, several times each, until enough kills hit a process at work.
#[test]
fn killed_several_times_at_random_moments() {
    let mut hits = 0;
    for trial in 0..TRIALS_MAX {
        if hits >= RANDOM_KILLS {
            return;
        }
        let mut rng = SplitMix64::new(trial);
        let host = host();
        let mut moments = Vec::new();
        // What is left to do shrinks with every life.
        for share in [1.0, 0.7, 0.5, 0.5] {
            let child = start(&host);
            let moment = UNDISTURBED.duration.mul_f64(share * rng.fraction());
            // The moment is what is tested; nothing waits for anything here.
            thread::sleep(moment);
            moments.push(moment);
            if !kill(child) {
                break;
            }
            hits += 1;
        }
        check_end(&host, &format!("trial {trial}, killed after {moments:?}"));
    }
    assert!(hits >= RANDOM_KILLS, "only {hits} kills hit");
}

/// Kills the process as soon as `seen` says so, again and again with a rising count.
fn kill_when(context: &str, count: impl Fn(&Host) -> usize) {
    let host = host();
    let mut hits = 0;
    for wanted in 1.. {
        let mut child = start(&host);
        let hit = loop {
            if count(&host) >= wanted {
                break kill(child);
            }
            if child.try_wait().unwrap().is_some() {
                break false;
            }
            thread::yield_now();
        };
        if !hit {
            break;
        }
        hits += 1;
    }
    assert!(hits >= 3, "{context}: only {hits} kills hit");
    check_end(&host, context);
}

fn files(folder: &Path, extension: &str) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .count()
}

#[test]
fn killed_when_a_package_appears() {
    kill_when("package", |host| {
        files(&host.work().join("packages"), "zip")
    });
}

#[test]
fn killed_when_the_erp_takes_a_package() {
    kill_when("erp package", |host| files(&host.work().join("erp"), "zip"));
}

#[test]
fn killed_when_the_erp_ends_an_import() {
    kill_when("erp outcome", |host| {
        files(&host.work().join("erp"), "json")
    });
}

#[test]
fn killed_when_dead_letters_grow() {
    let host = host();
    for bytes in [1, 1_000, 5_000, 1_100_000] {
        let mut child = start(&host);
        loop {
            let length = fs::metadata(host.dead_letter_path()).map_or(0, |file| file.len());
            if length >= bytes || child.try_wait().unwrap().is_some() {
                break;
            }
            thread::yield_now();
        }
        kill(child);
    }
    check_end(&host, "dead letters");
}
