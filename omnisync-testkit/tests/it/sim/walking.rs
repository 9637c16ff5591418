//! A walk through all tapes of a tiny scenario.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use omnisync_core::error::{ErrorKind, PortError};
use omnisync_testkit::sim::{Explorer, FaultKind, Report, Violation};

use super::Toy;

const END: u64 = 1_000_000;

#[test]
fn a_run_without_choices_is_one_tape() {
    // One life in the chaos and one in healing, which may have another name.
    let scenario = Toy::new("idle", |_| async { Ok(()) }).tiny();
    let report = Explorer::new(&scenario).tapes(9, END).unwrap();
    assert_eq!(report.runs, 2);
}

#[test]
fn every_choice_of_the_world_is_made() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    let mut scenario = Toy::new("world", |_| async { Ok(()) }).workers(0);
    scenario.begins = Arc::new(move |sim, _| {
        let first = sim.choose(3);
        let rest = if first == 1 { sim.choose(4) } else { 0 };
        see.lock().unwrap().push((first, rest));
    });
    let report = Explorer::new(&scenario).tapes(0, END).unwrap();
    assert_eq!(report.runs, 3 + 3);
    let all = [(0, 0), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0)];
    assert_eq!(*seen.lock().unwrap(), all);
}

#[test]
fn every_order_of_calls_is_seen() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let see = Arc::clone(&seen);
    let order = Arc::new(Mutex::new(String::new()));
    let call = Arc::clone(&order);
    let mut scenario = Toy::new("orders", move |bench| {
        let order = Arc::clone(&order);
        async move {
            for _ in 0..2 {
                bench.number("n").await?;
                let name = ["a", "b"][bench.life.worker];
                if !bench.sim.is_healing() {
                    order.lock().unwrap().push_str(name);
                }
            }
            Ok(())
        }
    });
    scenario.shape.rounds = 1;
    scenario.heals = Arc::new(move |_, _| {
        let order = std::mem::take(&mut *call.lock().unwrap());
        see.lock().unwrap().insert(order);
    });
    Explorer::new(&scenario).tapes(0, END).unwrap();
    let orders = ["aabb", "abab", "abba", "baab", "baba", "bbaa"];
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().collect::<Vec<_>>(), orders);
}

fn one_read(faults_max: u32) -> Report {
    let scenario = Toy::new("reads", |bench| async move {
        let read = bench.number("n").await;
        match read.as_ref().err().map(PortError::kind) {
            Some(ErrorKind::Denied) => bench.sim.mark("denied"),
            Some(ErrorKind::Throttled) => bench.sim.mark("throttled"),
            Some(_) => bench.sim.mark("failed"),
            None => bench.sim.mark("read"),
        }
        read.map(drop)
    })
    .tiny();
    Explorer::new(&scenario).tapes(faults_max, END).unwrap()
}

#[test]
fn every_fault_of_one_call_is_seen() {
    const DICE: u64 = 16;
    let menu = u64::try_from(FaultKind::menu("state_store.get").len()).unwrap();
    // The healing life has its old name or a new one. So has the one after a crash.
    let (healed, deaths) = (2, 2);
    let runs = |rest: u64| healed + (menu - 1) * DICE * healed + DICE * deaths * rest;
    assert_eq!(one_read(0).runs, healed);
    // After a crash the call is made again.
    assert_eq!(one_read(1).runs, runs(healed));
    let report = one_read(2);
    assert_eq!(report.runs, runs(runs(healed)));
    let marks = ["denied", "failed", "read", "throttled"];
    assert_eq!(report.missed(&marks), [""; 0]);
}

#[test]
fn a_walk_can_be_cut_short() {
    let scenario = Toy::new("reads", |bench| async move {
        bench.number("n").await?;
        Ok(())
    });
    let report = Explorer::new(&scenario).tapes(3, 100).unwrap();
    assert_eq!(report.runs, 100);
    assert_eq!(Explorer::new(&scenario).tapes(3, 0).unwrap().runs, 0);
}

#[test]
fn a_walk_finds_the_plainest_tape_first() {
    let mut scenario = Toy::new("world", |_| async { Ok(()) }).workers(0);
    scenario.begins = Arc::new(|sim, _| {
        let digits = [(); 3].map(|()| sim.choose(4));
        if digits[1] == 2 && digits[2] > 0 {
            sim.violate(Violation::new("T-1", format!("{digits:?}")));
        }
    });
    let explorer = Explorer::new(&scenario);
    let found = explorer.tapes(0, END).unwrap_err();
    assert_eq!(found.violation.detail, "[0, 2, 1]");
    assert_eq!(found.run, 4 + 4 + 2);
    assert_eq!(found.report.runs, found.run);
    assert_eq!(
        explorer.replay(&found.tape).violation,
        Some(found.violation)
    );
}

#[test]
fn a_choice_whose_bound_changes_is_hidden_state() {
    let begun = Arc::new(Mutex::new(1));
    let mut scenario = Toy::new("slips", |_| async { Ok(()) }).workers(0);
    scenario.begins = Arc::new(move |sim, _| {
        let mut bound = begun.lock().unwrap();
        *bound += 1;
        sim.choose(3);
        sim.choose(*bound);
    });
    let found = Explorer::new(&scenario).tapes(0, END).unwrap_err();
    assert_eq!(found.violation.invariant, "I-X4", "{found}");
}
