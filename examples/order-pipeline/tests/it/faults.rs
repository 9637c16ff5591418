//! What breaks around the host: it says what to do, and nothing accepted is lost.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use omnisync_adapters_local::{FolderConfig, SystemClock, SystemIds};
use omnisync_core::dixf::FieldMap;
use omnisync_core::event::CloudEvent;
use omnisync_core::flow::{BatchFlow, BatchStep, Fate, Ingest, IngestPolicy, PackageSpec, Worker};
use omnisync_core::id::{ProjectName, WorkerId};
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::StateStore;

use crate::support::{Host, NO_CHANGE, Running, block_on, check_counts, fails, orders, piped};

/// Accepts and stages orders as the host does, and stops before the delivery.
fn staged(count: u32) -> Host {
    let host = Host::new();
    fs::create_dir(host.work()).unwrap();
    let input = orders(1..=count);
    host.write_orders(&input);
    let worker = Worker::new(
        WorkerId::new("order-pipeline").unwrap(),
        Arc::new(SystemClock),
        Arc::new(SystemIds),
    );
    let map = FieldMap::dmf().compile().unwrap();
    let spec = PackageSpec::new(map, ProjectName::new("Sales orders").unwrap())
        .with_exported_by("order-pipeline");
    block_on(async {
        let store = Arc::new(host.open_store());
        let port = Arc::clone(&store) as Arc<dyn StateStore>;
        let stage = FolderConfig::new(host.work().join("packages"))
            .open()
            .unwrap();
        let ingest = Ingest::new(Arc::clone(&port), worker.clone(), IngestPolicy::default());
        let events = input
            .lines()
            .map(|line| CloudEvent::from_json(line.as_bytes()));
        for intaken in ingest.accept(events.collect()).await {
            assert!(matches!(intaken.fate, Fate::Stored(_)), "{intaken:?}");
        }
        let policy = BatchPolicy::default();
        let batch = BatchFlow::new(port, Arc::new(stage), worker, policy, spec);
        let outcome = batch.run_now().await.unwrap();
        assert_eq!(outcome.step, BatchStep::Staged);
        drop((ingest, batch));
        // Nobody may still write to the database when a test lays hands on its file.
        Arc::into_inner(store).unwrap().close().await.unwrap();
    });
    host
}

/// The package as an undisturbed run makes it.
fn only_package(host: &Host) -> (String, Vec<u8>) {
    let mut packages = host.packages();
    assert_eq!(packages.len(), 1);
    packages.pop_first().unwrap()
}

fn check_delivered(host: &Host, report: &serde_json::Value, count: usize) {
    check_counts(
        report,
        &[("imported", count), ("pending", 0), ("quarantined", 0)],
    );
    assert_eq!(host.erp().orders(), count);
    assert!(host.erp().imports().values().all(|imports| *imports == 1));
    check_counts(&host.run(&[]), NO_CHANGE);
}

#[test]
fn what_was_staged_is_delivered_by_the_next_run() {
    let host = staged(8);
    let before = only_package(&host);

    let report = host.run(&[]);

    check_counts(
        &report,
        &[("accepted", 0), ("duplicates", 8), ("packages", 0)],
    );
    check_delivered(&host, &report, 8);
    assert_eq!(only_package(&host), before);
}

#[test]
fn a_package_that_vanished_is_built_again() {
    for remove_sidecar in [false, true] {
        let host = staged(8);
        let before = only_package(&host);
        fs::remove_file(host.package_path(&before.0)).unwrap();
        if remove_sidecar {
            fs::remove_file(host.package_path(&format!("{}.meta.json", before.0))).unwrap();
        }

        let report = host.run(&[]);

        check_delivered(&host, &report, 8);
        assert_eq!(only_package(&host), before, "the same bytes again");
    }
}

#[test]
fn the_folder_of_packages_may_vanish_before_the_delivery() {
    let host = staged(8);
    let before = only_package(&host);
    fs::remove_dir_all(host.work().join("packages")).unwrap();

    let report = host.run(&[]);

    check_delivered(&host, &report, 8);
    assert_eq!(only_package(&host), before);
}

#[test]
fn an_altered_package_is_refused_until_it_is_removed() {
    for shortened in [true, false] {
        let host = staged(8);
        let (name, whole) = only_package(&host);
        let mut altered = whole.clone();
        let middle = altered.len() / 2;
        if shortened {
            altered.truncate(middle);
        } else {
            altered[middle] ^= 1;
        }
        fs::write(host.package_path(&name), altered).unwrap();

        let first = host.run_fails(&[]);
        let second = host.run_fails(&[]);

        for error in [first, second] {
            assert!(
                error.contains(&name) && error.contains("remove it"),
                "{error}"
            );
        }
        assert_eq!(host.erp().orders(), 0);
        fs::remove_file(host.package_path(&name)).unwrap();
        let report = host.run(&[]);
        check_delivered(&host, &report, 8);
        assert_eq!(only_package(&host), (name, whole));
    }
}

#[test]
fn a_package_that_vanished_after_the_delivery_is_not_missed() {
    let host = Host::new();
    host.write_orders(orders(1..=5));
    host.run(&[]);
    let (name, _) = only_package(&host);
    fs::remove_file(host.package_path(&name)).unwrap();

    check_counts(&host.run(&[]), NO_CHANGE);
}

#[test]
fn a_corrupt_database_is_reported_and_left_alone() {
    let host = staged(4);
    let database = host.work().join("state.db");
    for beside in ["state.db-wal", "state.db-shm"] {
        drop(fs::remove_file(host.work().join(beside)));
    }
    let whole = fs::read(&database).unwrap();
    let garbage = b"this is not a database ".repeat(1_000);
    fs::write(&database, &garbage).unwrap();

    let run = host.run_fails(&[]);
    let status = fails(&host.command("status").output().unwrap());

    for error in [run, status] {
        assert!(
            error.contains("state.db") && error.contains("backup"),
            "{error}"
        );
    }
    assert_eq!(fs::read(&database).unwrap(), garbage);
    fs::write(&database, whole).unwrap();
    check_delivered(&host, &host.run(&[]), 4);
}

#[test]
fn a_database_that_was_moved_away_makes_a_new_beginning() {
    let host = staged(4);
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        drop(fs::remove_file(host.work().join(file)));
    }

    let report = host.run(&[]);

    check_counts(&report, &[("accepted", 4)]);
    check_delivered(&host, &report, 4);
}

#[test]
fn a_locked_database_is_waited_for() {
    let host = Host::new();
    host.write_orders(orders(1..=4));
    fs::create_dir(host.work()).unwrap();
    // The lock that another writer holds while it writes.
    let turn = File::create(host.work().join("state.db-turn")).unwrap();
    turn.lock().unwrap();
    let mut run = host.run_command(&["--json"]);
    let mut child = Running(piped(&mut run).spawn().unwrap());
    wait_until(|| host.work().join("lock").exists() && is_locked(&host.work().join("lock")));
    assert!(child.0.try_wait().unwrap().is_none());

    turn.unlock().unwrap();

    let status = child.0.wait().unwrap();
    assert!(status.success());
    check_counts(&host.run(&[]), NO_CHANGE);
    assert_eq!(host.erp().orders(), 4);
}

#[test]
fn a_second_process_in_the_same_folder_is_turned_away() {
    let host = staged(4);
    let lock = File::create(host.work().join("lock")).unwrap();
    lock.lock().unwrap();

    let error = host.run_fails(&[]);

    assert!(
        error.contains("another process") && error.contains("work"),
        "{error}"
    );
    assert!(host.status().contains("Claimed"), "looking is allowed");
    drop(lock);
    check_delivered(&host, &host.run(&[]), 4);
}

#[test]
fn a_work_folder_that_cannot_be_is_reported() {
    let host = Host::new();
    host.write_orders(orders(1..=1));
    let file = host.path("file");
    fs::write(&file, "a file").unwrap();

    for work in [file.clone(), file.join("below")] {
        let mut command = crate::support::binary(["run"]);
        command
            .arg("--orders")
            .arg(host.orders())
            .arg("--work")
            .arg(&work);
        let error = fails(&command.output().unwrap());
        assert!(
            error.contains(&work.display().to_string()) && error.contains("choose another"),
            "{error}"
        );
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "a file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_nobody_may_write_is_reported() {
    let mut command = crate::support::binary(["run", "--generate", "1"]);
    command.args(["--work", "/sys/omnisync"]);

    let error = fails(&command.output().unwrap());

    assert!(
        error.contains("/sys/omnisync") && error.contains("--work"),
        "{error}"
    );
}

#[test]
fn an_input_that_is_not_there_is_reported() {
    let host = Host::new();

    let error = host.run_fails(&[]);

    assert!(
        error.contains("orders.ndjson") && error.contains("path"),
        "{error}"
    );
}

#[test]
fn a_dead_letter_file_that_cannot_be_written_loses_nothing() {
    let host = Host::new();
    host.write_orders(orders(1..=3) + "{}\n" + &orders(4..=6));
    fs::create_dir_all(host.dead_letter_path()).unwrap();

    let error = host.run_fails(&[]);

    assert!(error.contains("dead-letters.ndjson"), "{error}");
    fs::remove_dir(host.dead_letter_path()).unwrap();
    check_counts(
        &host.run(&[]),
        &[("dead_lettered", 1), ("imported", 6), ("pending", 0)],
    );
    assert_eq!(host.dead_letters()[0]["line"], 4);
}

/// A limit on the size of files makes writes fail like a full disk, and needs no privileges.
#[cfg(unix)]
#[test]
fn writes_that_fail_are_reported_and_nothing_accepted_is_lost() {
    let undisturbed = Host::new();
    let input = orders(1..=200) + "{}\n" + &orders(201..=300);
    undisturbed.write_orders(&input);
    undisturbed.run(&[]);
    let end = undisturbed.end_state();
    let mut failures = 0;

    for blocks in [0, 1, 8, 64, 256, 1_024, 2_048] {
        let host = Host::new();
        host.write_orders(&input);
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\""])
            .arg(blocks.to_string())
            .arg(env!("CARGO_BIN_EXE_order-pipeline"))
            .args(["run", "--json", "--work"])
            .arg(host.work())
            .arg("--orders")
            .arg(host.orders());
        let mut child = Running(piped(&mut limited).spawn().unwrap());
        let stderr = BufReader::new(child.0.stderr.take().unwrap());
        for line in stderr.lines().map_while(Result::ok) {
            assert!(line.contains("disk") || line.contains("database"), "{line}");
            failures += 1;
            if line.starts_with("waiting for") {
                // It would go on once there is space; here there never is.
                child.0.kill().unwrap();
            }
        }
        child.0.wait().unwrap();

        assert_eq!(host.run(&[])["pending"], 0);

        end.assert_same(&host.end_state(), &format!("{blocks} blocks"));
    }
    assert!(failures >= 4, "only {failures} limits were reached");
}

#[test]
fn output_that_nobody_reads_does_not_undo_the_run() {
    let host = Host::new();
    host.write_orders(orders(1..=3));
    let mut command = host.run_command(&["--json"]);
    let mut child = Running(piped(&mut command).spawn().unwrap());
    drop(child.0.stdout.take());

    let status = child.0.wait().unwrap();

    assert_eq!(status.code(), Some(1));
    check_counts(&host.run(&[]), NO_CHANGE);
}

fn is_locked(path: &Path) -> bool {
    match File::open(path).and_then(|file| file.try_lock_shared().map_err(Into::into)) {
        Ok(()) => false,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}
