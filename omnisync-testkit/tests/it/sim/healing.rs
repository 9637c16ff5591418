//! Coming to rest, and what the environment does by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use omnisync_core::error::ErrorKind;
use omnisync_core::port::{Query, StateStore};
use omnisync_testkit::fault::Call;
use omnisync_testkit::sim::{Environment, Explorer, FaultKind, Violation, explore};

use super::{TOYS, Toy, first_call_fails};

/// Three rounds of two workers, one call each: the second rests while the first one calls.
const CHAOS_MS: u64 = 3 * 2 + 2 * (7 - 1);

fn one_write() -> Toy {
    Toy::new(
        "writes",
        |bench| async move { bench.set_number("n", 1).await },
    )
}

#[test]
fn a_system_that_never_rests_is_what_it_says_it_is() {
    let heals = Arc::new(AtomicU64::new(0));
    let healed = Arc::clone(&heals);
    let mut scenario = one_write();
    scenario.shape.heal_ticks_max = 5;
    scenario.heals = Arc::new(move |_, _| {
        healed.fetch_add(1, Ordering::SeqCst);
    });
    scenario.unrest = Arc::new(|sim, _| {
        let detail = format!("{} calls and no rest", sim.calls());
        Some(Violation::new("T-7", detail))
    });
    let explorer = Explorer::new(&scenario).without_shrinking();
    let found = explorer.faults(0, 1).unwrap_err();
    // Two workers, three rounds and five of healing.
    assert_eq!(
        found.violation,
        Violation::new("T-7", "16 calls and no rest")
    );
    assert_eq!(found.report.simulated_ms, CHAOS_MS + 5 * (61_000 + 2));
    // The run, and its replay for the story.
    assert_eq!(heals.load(Ordering::SeqCst) % 5, 0);
}

#[test]
fn healing_ends_when_nothing_is_left_to_do() {
    let mut scenario = one_write();
    scenario.unrest = Arc::new(|sim, _| {
        (sim.calls() < 6 + 3 * 2).then(|| Violation::new("T-7", "too few calls"))
    });
    let report = Explorer::new(&scenario).faults(0, 1).unwrap();
    assert_eq!(report.port_calls, 6 + 3 * 2);
    assert_eq!(report.simulated_ms, CHAOS_MS + 3 * (61_000 + 2));
}

#[test]
fn what_is_at_rest_is_not_healed() {
    let mut scenario = one_write();
    scenario.heal_ticks_min = 0;
    let report = Explorer::new(&scenario).faults(0, 1).unwrap();
    assert_eq!((report.port_calls, report.simulated_ms), (6, CHAOS_MS));
    scenario.heals = Arc::new(|sim, _| sim.violate(Violation::new("T-1", "healed")));
    explore(&scenario).unwrap();
}

#[test]
fn nothing_goes_wrong_in_healing() {
    let mut scenario = Toy::new("heals", |bench| async move {
        let before = bench.sim.faults();
        let done = bench.set_number("n", 1).await;
        if bench.sim.is_healing() && (done.is_err() || bench.sim.faults() > before) {
            bench
                .sim
                .violate(Violation::new("T-1", "a fault in healing"));
        }
        done
    });
    scenario.begins = Arc::new(|sim, _| assert!(!sim.is_healing()));
    scenario.heals = Arc::new(|sim, _| assert!(sim.is_healing()));
    scenario.audit = Arc::new(|sim, _| {
        assert!(sim.is_healing());
        Ok(())
    });
    explore(&scenario).unwrap();
}

#[test]
fn the_audit_comes_last_and_its_word_counts() {
    let mut scenario = one_write();
    scenario.audit = Arc::new(|_, store| match store.documents(TOYS).len() {
        1 => Err(Violation::new("T-9", "one document")),
        other => Err(Violation::new("T-8", format!("{other} documents"))),
    });
    let found = Explorer::new(&scenario).faults(0, 1).unwrap_err();
    assert_eq!(found.violation.to_string(), "T-9: one document");
    assert_eq!(found.tape.choices(), [0; 0]);
}

#[test]
fn the_first_violation_counts() {
    let mut scenario = one_write().watched(|sim, _, _| {
        for detail in ["first", "second"] {
            sim.violate(Violation::new("T-1", detail));
        }
    });
    scenario.audit = Arc::new(|_, _| Err(Violation::new("T-9", "audited after the end")));
    let found = Explorer::new(&scenario).faults(0, 1).unwrap_err();
    assert_eq!(found.violation, Violation::new("T-1", "first"));
    assert_eq!(found.report.port_calls, 1, "a violation ends the run");
}

#[test]
fn calls_at_the_beginning_and_the_end_are_free() {
    let mut scenario = Toy::new("aside", |_| async { Ok(()) });
    scenario.begins = Arc::new(|sim, _| {
        assert_eq!(sim.choose(4), 0);
        assert!(!sim.is_healing());
    });
    let report = Explorer::new(&scenario).faults(0, 1).unwrap();
    assert_eq!(
        (report.port_calls, report.simulated_ms),
        (0, 2 * 7 + 61_000)
    );
}

/// What an environment is asked for, at which operation, with which dice.
type Asked = (FaultKind, &'static str, u32);

/// Notes what it is asked for, and says whether something happened.
#[derive(Debug)]
struct Weather {
    asked: Arc<Mutex<Vec<Asked>>>,
    happens: bool,
}

impl Environment for Weather {
    fn disturb(&self, kind: FaultKind, call: &Call, dice: u32) -> bool {
        let asked = (kind, call.operation, dice);
        self.asked.lock().unwrap().push(asked);
        self.happens
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Weathered {
    asked: Vec<Asked>,
    /// What the caller was told.
    told: Option<ErrorKind>,
}

/// One query that goes wrong so, in an environment that does what it is asked for or not, or in
/// none.
fn query_in(weather: Option<bool>, kind: FaultKind, dice: u32) -> Weathered {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let mut scenario = Toy::new("weather", move |bench| {
        let tell = Arc::clone(&tell);
        async move {
            let queried = bench.store.query(Query::all(TOYS)).await;
            if !bench.sim.is_healing() {
                *tell.lock().unwrap() = queried.err().map(|error| error.kind());
            }
            Ok(())
        }
    })
    .tiny();
    if let Some(happens) = weather {
        let asked = Arc::clone(&asked);
        scenario.begins = Arc::new(move |sim, _| {
            let asked = Arc::clone(&asked);
            sim.set_environment(Arc::new(Weather { asked, happens }));
        });
    }
    let menu = FaultKind::menu("state_store.query");
    let index = menu.iter().position(|other| *other == kind).unwrap();
    let run = Explorer::new(&scenario).replay(&first_call_fails(index, dice));
    assert_eq!((run.faults, run.violation), (1, None));
    let asked = asked.lock().unwrap().clone();
    let told = *told.lock().unwrap();
    Weathered { asked, told }
}

#[test]
fn the_environment_is_asked_for_old_answers_and_lasting_damage() {
    let query = "state_store.query";
    for dice in 0..16 {
        for weather in [None, Some(false), Some(true)] {
            let stale = query_in(weather, FaultKind::Stale, dice);
            let asked = weather.map(|_| (FaultKind::Stale, query, dice));
            let expected = Weathered {
                asked: asked.into_iter().collect(),
                told: None,
            };
            assert_eq!(stale, expected, "an old answer is an answer");

            let lasting = query_in(weather, FaultKind::Permanent, dice);
            // Half of the time somebody's access is gone, and nothing of theirs.
            let is_damage = dice % 2 == 1;
            let asked = weather.filter(|_| is_damage);
            let asked = asked.map(|_| (FaultKind::Permanent, query, dice / 2));
            let happened = is_damage && weather == Some(true);
            let expected = Weathered {
                asked: asked.into_iter().collect(),
                told: (!happened).then_some(ErrorKind::Denied),
            };
            assert_eq!(lasting, expected, "{weather:?} {dice}");
        }
    }
}

#[test]
fn the_environment_is_asked_for_nothing_else() {
    for kind in FaultKind::menu("state_store.query") {
        if ![FaultKind::Stale, FaultKind::Permanent].contains(kind) {
            assert_eq!(query_in(Some(true), *kind, 1).asked, [], "{kind}");
        }
    }
}

#[test]
fn a_run_has_one_environment() {
    let mut scenario = one_write();
    scenario.begins = Arc::new(|sim, _| {
        for happens in [true, false] {
            let asked = Arc::default();
            sim.set_environment(Arc::new(Weather { asked, happens }));
        }
    });
    let found = Explorer::new(&scenario).faults(0, 1).unwrap_err();
    let twice = "setup: the environment was set twice";
    assert_eq!(found.violation.to_string(), twice);
}
