//! What a worker must never do.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join;
use omnisync_core::error::PortError;
use omnisync_core::port::Clock;
use omnisync_testkit::sim::{Counterexample, Explorer, FaultKind, explore};

use super::{Bench, Toy, both, first_call_fails};

#[track_caller]
fn fails(scenario: &Toy) -> Counterexample {
    *explore(scenario).unwrap_err()
}

#[track_caller]
fn fails_with(scenario: &Toy, invariant: &str, detail: &str) {
    let found = fails(scenario);
    assert_eq!(found.violation.invariant, invariant, "{found}");
    assert!(found.violation.detail.contains(detail), "{found}");
}

#[test]
fn a_worker_that_panics_is_found() {
    let scenario = Toy::new("panics", |bench| async move {
        let number = bench.number("n").await?;
        assert!(bench.sim.faults() == 0, "no number like {number}");
        Ok(())
    });
    let found = fails(&scenario);
    assert_eq!(found.violation.invariant, "I-X3");
    assert_eq!(found.violation.detail, "panicked: no number like 0");
    assert_eq!(found.tape.disturbances(), 1, "{:?}", found.tape);
}

#[test]
fn a_panic_outside_the_workers_is_found_too() {
    let mut scenario = Toy::new("audit-panics", |_| async { Ok(()) });
    scenario.audit = std::sync::Arc::new(|_, _| panic!("{}", "no such audit"));
    fails_with(&scenario, "I-X3", "panicked: no such audit");
}

#[test]
fn a_worker_that_waits_for_ever_is_found() {
    let scenario = Toy::new("waits", |bench| async move {
        bench.number("n").await?;
        pending().await
    });
    fails_with(
        &scenario,
        "I-O12",
        "w0 waits for something that never comes",
    );
}

#[test]
fn a_worker_that_calls_for_ever_is_found() {
    let mut scenario = Toy::new("calls", |bench| async move {
        loop {
            bench.number("n").await?;
        }
    });
    scenario.shape.calls_max = 500;
    fails_with(&scenario, "I-O12", "busy loop: 501 calls");
}

#[test]
fn a_worker_that_runs_in_circles_is_found() {
    let scenario = Toy::new("circles", |_| async {
        loop {
            futures::pending!();
        }
    });
    // It does not even wake itself.
    fails_with(&scenario, "I-O12", "waits for something that never comes");
    let scenario = Toy::new("circles", |_| async {
        loop {
            yield_now().await;
        }
    });
    fails_with(&scenario, "I-O12", "w1 runs in circles without a call");
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[test]
fn a_worker_that_only_ever_sleeps_is_found() {
    let scenario = Toy::new("sleeps", |bench| async move {
        loop {
            sleep(&bench, Duration::from_secs(1)).await;
        }
    });
    fails_with(&scenario, "I-O12", "w");
}

async fn sleep(bench: &Bench, delay: Duration) {
    let until = bench.clock.now() + TimeDelta::from_std(delay).unwrap();
    bench.clock.sleep_until(until).await;
}

/// Reads a number, and `after` a refusal that names a time reads it again.
fn refused<F>(
    name: &'static str,
    after: impl Fn(Bench, Duration) -> F + Copy + Send + Sync + 'static,
) -> Toy
where
    F: Future<Output = Result<(), PortError>> + Send + 'static,
{
    Toy::new(name, move |bench| async move {
        let Err(error) = bench.number("n").await else {
            return Ok(());
        };
        match error.retry_after() {
            Some(delay) => {
                after(bench.clone(), delay).await?;
                bench.number("n").await?;
                Ok(())
            }
            None => Err(error),
        }
    })
}

#[test]
fn a_worker_that_asks_again_too_early_is_found() {
    let scenario = refused("hasty", |_, _| async { Ok(()) });
    let found = fails(&scenario);
    assert_eq!(found.violation.invariant, "I-X5");
    let detail = "state_store.get toys/n was asked again before the time it was told";
    assert_eq!(found.violation.detail, detail);
    let scenario = refused("early", |bench, delay| async move {
        sleep(&bench, delay.mul_f64(0.99)).await;
        Ok(())
    });
    fails_with(&scenario, "I-X5", "toys/n");
}

#[test]
fn a_worker_that_waits_as_long_as_it_was_told_is_patient() {
    let scenario = refused("patient", |bench, delay| async move {
        sleep(&bench, delay).await;
        Ok(())
    });
    explore(&scenario).unwrap();
}

#[test]
fn a_round_that_ends_with_the_refusal_rests_as_long() {
    let scenario = Toy::new("resting", |bench| async move {
        bench.number("n").await?;
        bench.set_number("n", 1).await
    });
    explore(&scenario).unwrap();
}

#[test]
fn other_calls_need_not_wait() {
    let scenario = refused("busy-elsewhere", |bench, delay| async move {
        bench.number("m").await?;
        bench.set_number("n", 1).await?;
        sleep(&bench, delay).await;
        Ok(())
    });
    Explorer::new(&scenario).faults(1, u64::MAX).unwrap();
}

#[test]
fn a_call_that_was_on_its_way_is_no_repetition() {
    let scenario = Toy::new("side-by-side", |bench| async move {
        // Whoever has made a call waits for its next turn, here with two calls.
        bench.number("m").await?;
        let (one, other) = join(bench.number("n"), bench.number("n")).await;
        both(one, other)
    });
    explore(&scenario).unwrap();
}

#[test]
fn a_life_that_did_not_hear_of_the_refusal_may_ask() {
    let scenario = Toy::new("forgetful", |bench| async move {
        let (one, other) = join(bench.number("n"), bench.set_number("m", 1)).await;
        both(one, other)
    })
    .workers(1);
    // One is refused, and then the worker dies in the other.
    Explorer::new(&scenario).faults(2, u64::MAX).unwrap();
}

/// Keeps in memory when to come back, by its own clock.
#[test]
fn a_clock_that_steps_forward_makes_nobody_impatient() {
    let scenario = Toy::new("punctual", |bench| async move {
        let second = |at: chrono::DateTime<chrono::Utc>| u32::try_from(at.timestamp()).unwrap();
        if second(bench.clock.now()) < bench.memory.load(Ordering::SeqCst) {
            bench.number("m").await?;
            return Ok(());
        }
        if let Err(error) = bench.number("n").await {
            let delay = TimeDelta::from_std(error.retry_after().unwrap_or_default()).unwrap();
            let next = second(bench.clock.now() + delay) + 1;
            bench.memory.store(next, Ordering::SeqCst);
        }
        Ok(())
    });
    explore(&scenario).unwrap();
}

#[test]
fn a_refused_call_is_told_when_to_come_back() {
    let scenario = Toy::new("told", |bench| async move {
        match bench.number("n").await {
            Err(error) if error.retry_after().is_some() => {
                let delay = error.retry_after().unwrap();
                let known = [250, 2_000, 20_000].map(Duration::from_millis);
                assert!(known.contains(&delay), "{delay:?}");
                bench.sim.mark("told");
                Err(error)
            }
            _ => Ok(()),
        }
    })
    .tiny();
    let menu = FaultKind::menu("state_store.get");
    let index = menu.iter().position(|kind| *kind == FaultKind::Throttle);
    let tape = first_call_fails(index.unwrap(), 1);
    let run = Explorer::new(&scenario).replay(&tape);
    assert_eq!((run.marks, run.violation), (vec!["told"], None));
}
