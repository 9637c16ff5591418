//! What each kind of fault does to each call: to its worker, to an observer, and in what stays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::Clock as _;
use omnisync_testkit::sim::{
    Explorer, FaultKind, Life, Play, Scenario, Shape, Sim, Violation, Worker,
};

use super::kit::{Diary, Kit, OPERATIONS, Ports};
use super::{Toy, first_call_fails};

const DICE: u32 = 16;

/// What one call did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Outcome {
    /// What the worker was told; `None` when it died before it heard of it.
    told: Option<Result<String, ErrorKind>>,
    /// The time that a refusal named, in milliseconds.
    wait_ms: Option<u128>,
    /// What really happened.
    seen: Vec<String>,
    state: String,
    /// What passed meanwhile.
    took_ms: i64,
    /// How far the worker's clock is off.
    skew_ms: i64,
    deaths: u32,
}

/// A worker that makes one call in its first life, and nothing else.
#[derive(Clone)]
struct OneCall {
    operation: &'static str,
    outcome: Arc<Mutex<Outcome>>,
}

impl Scenario for OneCall {
    fn name(&self) -> &'static str {
        "one-call"
    }

    fn shape(&self) -> Shape {
        Shape {
            workers: 1,
            rounds: 1,
            ..Shape::default()
        }
    }

    fn begin(&self, sim: &Sim) -> Box<dyn Play> {
        let kit = Kit::new(Arc::new(sim.clock()));
        let diary = Arc::new(Diary::default());
        let seam = sim.seam(Arc::clone(&diary) as _);
        Box::new(Playing {
            call: self.clone(),
            sim: sim.clone(),
            ports: Arc::new(kit.behind(&seam)),
            kit,
            diary,
        })
    }
}

struct Playing {
    call: OneCall,
    sim: Sim,
    kit: Kit,
    diary: Arc<Diary>,
    ports: Arc<Ports>,
}

impl Play for Playing {
    fn start(&mut self, life: &Life) -> Box<dyn Worker> {
        let mut outcome = self.call.outcome.lock().unwrap();
        outcome.deaths = life.number;
        Box::new(Caller {
            is_done: life.number > 0,
            call: self.call.clone(),
            sim: self.sim.clone(),
            ports: Arc::clone(&self.ports),
        })
    }

    fn unrest(&mut self) -> Option<Violation> {
        None
    }

    fn audit(&mut self) -> Result<(), Violation> {
        let mut outcome = self.call.outcome.lock().unwrap();
        outcome.seen = self.diary.read();
        outcome.state = self.kit.state();
        Ok(())
    }
}

struct Caller {
    is_done: bool,
    call: OneCall,
    sim: Sim,
    ports: Arc<Ports>,
}

#[async_trait]
impl Worker for Caller {
    async fn round(&mut self) -> Result<(), PortError> {
        if std::mem::replace(&mut self.is_done, true) {
            return Ok(());
        }
        let clock = self.sim.clock();
        let since = clock.now();
        let told = self.ports.call(self.call.operation).await;
        let mut outcome = self.call.outcome.lock().unwrap();
        outcome.took_ms = (clock.now() - since).num_milliseconds();
        outcome.skew_ms = (self.sim.clock_of(0).now() - clock.now()).num_milliseconds();
        let wait = told.as_ref().err().and_then(PortError::retry_after);
        outcome.wait_ms = wait.map(|wait| wait.as_millis());
        outcome.told = Some(told.map_err(|error| error.kind()));
        Ok(())
    }
}

fn strike(operation: &'static str, kind: FaultKind, dice: u32) -> Outcome {
    let menu = FaultKind::menu(operation);
    let index = menu.iter().position(|other| *other == kind).unwrap();
    run(operation, &first_call_fails(index, dice), 1)
}

fn undisturbed(operation: &'static str) -> Outcome {
    run(operation, &Vec::new().into(), 0)
}

fn run(operation: &'static str, tape: &omnisync_testkit::sim::Tape, faults: u64) -> Outcome {
    let scenario = OneCall {
        operation,
        outcome: Arc::default(),
    };
    let run = Explorer::new(&scenario).replay(tape);
    assert_eq!((run.violation, run.faults), (None, faults), "{operation}");
    let outcome = scenario.outcome.lock().unwrap();
    outcome.clone()
}

/// Checks a kind of fault at every call that knows it, with all dice. `change` turns what an
/// undisturbed call does into what this one has to do.
#[track_caller]
fn check(kind: FaultKind, change: impl Fn(&mut Outcome, u32)) {
    for operation in OPERATIONS {
        if !FaultKind::menu(operation).contains(&kind) {
            continue;
        }
        for dice in 0..DICE {
            let mut expected = undisturbed(operation);
            change(&mut expected, dice);
            let outcome = strike(operation, kind, dice);
            assert_eq!(outcome, expected, "{kind} at {operation}, dice {dice}");
        }
    }
}

const BEFORE: &str = "documents a b c, blobs old, 4 unsettled, 0 submitted, 5 changes";

impl Outcome {
    fn had_no_effect(&mut self) {
        self.seen.clear();
        self.state = BEFORE.to_owned();
    }

    fn told(&mut self, kind: ErrorKind) {
        self.told = Some(Err(kind));
    }

    fn died(&mut self) {
        // Nobody was left to look.
        (self.told, self.took_ms, self.deaths) = (None, 0, 1);
    }
}

#[test]
fn an_undisturbed_call_takes_a_millisecond() {
    for operation in OPERATIONS {
        let outcome = undisturbed(operation);
        assert_eq!(
            (outcome.took_ms, outcome.skew_ms, outcome.deaths),
            (1, 0, 0)
        );
        assert!(outcome.told.unwrap().is_ok(), "{operation}");
    }
}

#[test]
fn an_error_before_has_no_effect() {
    check(FaultKind::ErrorBefore, |call, dice| {
        call.had_no_effect();
        call.told(match dice % 2 {
            0 => ErrorKind::Unavailable,
            _ => ErrorKind::TimedOut,
        });
    });
}

#[test]
fn a_lost_acknowledgement_has_its_effect() {
    check(FaultKind::LostAck, |call, _| call.told(ErrorKind::TimedOut));
}

#[test]
fn a_crash_before_has_no_effect_and_nobody_hears_of_it() {
    check(FaultKind::CrashBefore, |call, _| {
        call.had_no_effect();
        call.died();
    });
}

#[test]
fn a_crash_after_has_its_effect_and_nobody_hears_of_it() {
    check(FaultKind::CrashAfter, |call, _| call.died());
}

#[test]
fn a_throttled_call_has_no_effect_and_names_a_time() {
    check(FaultKind::Throttle, |call, dice| {
        call.had_no_effect();
        call.told(ErrorKind::Throttled);
        let waits = [250, 2_000, 20_000];
        call.wait_ms = Some(waits[usize::try_from(dice).unwrap() % waits.len()]);
    });
}

#[test]
fn a_clock_step_changes_the_workers_clock_alone() {
    check(FaultKind::ClockStep, |call, dice| {
        let steps = [1_500, -1_500, 45_000, -45_000, 90_000, -90_000];
        call.skew_ms = steps[usize::try_from(dice).unwrap() % steps.len()];
    });
}

#[test]
fn a_lasting_error_has_no_effect() {
    // Nothing in this environment can be gone for good.
    check(FaultKind::Permanent, |call, _| {
        call.had_no_effect();
        call.told(ErrorKind::Denied);
    });
}

#[test]
fn a_pause_outlives_the_lease_and_the_call_goes_on() {
    for operation in OPERATIONS {
        for dice in 0..DICE {
            let outcome = strike(operation, FaultKind::Pause, dice);
            let calm = undisturbed(operation);
            let took = 1 + 61_000 + i64::from(dice);
            assert_eq!((outcome.took_ms, outcome.skew_ms), (took, 0));
            match operation {
                // The lock of the delivery has run out, and others may have it.
                "event_source.settle" | "event_source.extend" => {
                    assert_eq!(outcome.told, Some(Err(ErrorKind::LockLost)));
                    assert_eq!(outcome.seen, ["refused LockLost"]);
                    assert_eq!(outcome.state, BEFORE);
                }
                "event_source.receive" => {
                    assert_eq!(outcome.told, Some(Ok("1 2 3 4".to_owned())));
                }
                _ => assert_eq!(
                    (outcome.told, outcome.seen, outcome.state),
                    (calm.told, calm.seen, calm.state)
                ),
            }
        }
    }
}

#[test]
fn an_old_answer_without_an_environment_is_no_older_except_in_the_erp() {
    check(FaultKind::Stale, |call, _| {
        if call.seen == ["said Succeeded"] {
            call.told = Some(Ok("Executing".to_owned()));
            call.seen = vec!["said Executing".to_owned()];
        }
    });
}

#[test]
fn answers_are_reordered_and_damaged_with_these_dice() {
    let told = |operation, kind, dice| strike(operation, kind, dice).told.unwrap().unwrap();
    assert_eq!(told("erp_importer.status", FaultKind::Corrupt, 3), "Zapped");
    let damaged = told("erp_importer.results", FaultKind::Corrupt, 3);
    assert_eq!(damaged, "Toy=1 Toy=2 Toy=3 Nobody's=3");
    let damaged = told("blob_stage.get", FaultKind::Corrupt, 3);
    assert_eq!(damaged, "1234 Corrupt");
    for operation in [
        "state_store.query",
        "event_source.receive",
        "erp_importer.results",
        "crm_sink.find",
        "crm_sink.changes",
    ] {
        let plain = undisturbed(operation).told.unwrap().unwrap();
        let orders = (0..DICE).map(|dice| told(operation, FaultKind::Reorder, dice));
        let others = orders.filter(|order| *order != plain).count();
        assert!(others > 4, "{operation}");
    }
}

#[test]
fn parts_and_repetitions_come_with_these_dice() {
    let told = |operation, kind, dice| strike(operation, kind, dice).told.unwrap();
    let write = "state_store.write";
    let partial = told(write, FaultKind::Partial, 3).unwrap();
    assert_eq!(partial, "Ok TimedOut Ok");
    let repeated = told(write, FaultKind::Duplicate, 0).unwrap();
    assert_eq!(repeated, "AlreadyExists AlreadyExists AlreadyExists");
    let put = "blob_stage.put";
    let partial = told(put, FaultKind::Partial, 0);
    assert_eq!(partial, Err(ErrorKind::Unavailable));
    let repeated = told(put, FaultKind::Duplicate, 0);
    assert_eq!(repeated, Err(ErrorKind::AlreadyExists));
    let partial = told("erp_importer.results", FaultKind::Partial, 1).unwrap();
    assert_eq!(partial, "Toy=1 Toy=3");
    let doubled = told("erp_importer.results", FaultKind::Duplicate, 1).unwrap();
    assert_eq!(doubled, "Toy=1 Toy=2 Toy=3 Toy=2");
    let doubled = told("event_source.receive", FaultKind::Duplicate, 1).unwrap();
    assert_eq!(doubled, "2 3 4 3");
    let repeated = told("event_source.settle", FaultKind::Duplicate, 0);
    assert_eq!(repeated, Err(ErrorKind::LockLost));
    let repeated = told("erp_importer.submit", FaultKind::Duplicate, 0).unwrap();
    assert_eq!(repeated, "number 2");
    let repeated = told("crm_sink.update", FaultKind::Duplicate, 0);
    assert_eq!(repeated, Err(ErrorKind::Conflict));
    let doubled = told("crm_sink.changes", FaultKind::Duplicate, 1).unwrap();
    assert_eq!(doubled, "crm-1 crm-2 crm-3 crm-4 crm-2");
}

#[test]
fn what_was_refused_anyway_keeps_its_own_error() {
    let mut scenario = Toy::new("refused", |bench| async move {
        let written = bench.set_number("n", 1).await;
        if written.is_err_and(|error| error.kind() == ErrorKind::Throttled) {
            bench.sim.mark("throttled");
        }
        Ok(())
    })
    .tiny();
    scenario.begins = Arc::new(|_, store| store.throttle(1, Duration::from_secs(1)));
    let menu = FaultKind::menu("state_store.write");
    let lost = menu.iter().position(|kind| *kind == FaultKind::LostAck);
    let run = Explorer::new(&scenario).replay(&first_call_fails(lost.unwrap(), 0));
    assert_eq!((run.faults, run.marks), (1, vec!["throttled"]));
}

#[test]
fn menus_are_in_order_and_every_kind_is_on_one() {
    for operation in OPERATIONS {
        let menu = FaultKind::menu(operation);
        assert!(menu.is_sorted_by(|one, other| one < other), "{operation}");
        let usual = [
            FaultKind::ErrorBefore,
            FaultKind::CrashBefore,
            FaultKind::Pause,
        ];
        assert!(usual.iter().all(|kind| menu.contains(kind)), "{operation}");
        // What has no effect has no acknowledgement to lose.
        let effect = menu.contains(&FaultKind::LostAck);
        assert_eq!(menu.contains(&FaultKind::CrashAfter), effect, "{operation}");
        let has_effect = [
            "state_store.write",
            "blob_stage.put",
            "blob_stage.delete",
            "event_source.receive",
            "event_source.settle",
            "erp_importer.submit",
            "crm_sink.create",
            "crm_sink.update",
            "crm_sink.remove",
            "crm_sink.restore",
        ];
        assert_eq!(effect, has_effect.contains(&operation), "{operation}");
    }
    for kind in FaultKind::ALL {
        let known = |operation: &&str| FaultKind::menu(operation).contains(&kind);
        assert!(OPERATIONS.iter().any(known), "{kind}");
    }
}
