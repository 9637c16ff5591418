//! Time in a run: sleeps, pauses, clocks that are off.

use std::time::Duration;

use chrono::TimeDelta;
use omnisync_core::port::Clock;
use omnisync_testkit::sim::{Explorer, FaultKind, Violation, explore};

use super::{Bench, Toy, both, first_call_fails};

const NAP: Duration = Duration::from_secs(3_600);

async fn nap(bench: &Bench) {
    let until = bench.clock.now() + TimeDelta::from_std(NAP).unwrap();
    bench.clock.sleep_until(until).await;
    assert!(bench.clock.now() >= until || bench.sim.faults() > 0);
}

#[test]
fn a_sleep_takes_simulated_time_and_no_other() {
    let mut scenario = Toy::new("naps", |bench| async move {
        nap(&bench).await;
        bench.number("n").await?;
        nap(&bench).await;
        Ok(())
    })
    .workers(1);
    scenario.shape.rounds = 2;
    let report = Explorer::new(&scenario).faults(0, 1).unwrap();
    // Two rounds, and the one of healing after 61 seconds; 7 ms between rounds, 1 ms a call.
    assert_eq!(report.simulated_ms, 6 * 3_600_000 + 61_000 + 7 + 3);
    assert_eq!(report.port_calls, 3);
}

#[test]
fn sleepers_wake_in_the_order_of_their_instants() {
    let mut scenario = Toy::new("turns", |bench| async move {
        let worker = u32::try_from(bench.life.worker).unwrap();
        let until = bench.clock.now() + TimeDelta::seconds(10) * i32::try_from(3 - worker).unwrap();
        bench.clock.sleep_until(until).await;
        bench.number("n").await?;
        Ok(())
    })
    .workers(3);
    scenario.shape.rounds = 1;
    let run = Explorer::new(&scenario).replay(&Vec::new().into());
    let turns: Vec<&str> = run.story[..3]
        .iter()
        .map(|line| line.get(..17).unwrap())
        .collect();
    assert_eq!(
        turns,
        [
            "00:00:10.001 w2.0",
            "00:00:20.001 w1.0",
            "00:00:30.001 w0.0"
        ]
    );
}

#[test]
fn sleeps_survive_every_fault() {
    let scenario = Toy::new("naps", |bench| async move {
        nap(&bench).await;
        bench.set_number("n", 1).await?;
        nap(&bench).await;
        bench.number("n").await?;
        Ok(())
    });
    explore(&scenario).unwrap();
}

#[test]
fn a_clock_that_is_off_shows_it_until_healing() {
    let mut scenario = Toy::new("skewed", |bench| async move {
        let right = bench.sim.clock();
        let skew = bench.clock.now() - right.now();
        if skew > TimeDelta::zero() {
            bench.sim.mark("fast");
        }
        if skew < TimeDelta::zero() {
            bench.sim.mark("slow");
        }
        if skew.abs() > TimeDelta::seconds(60) {
            bench.sim.mark("a lease off");
        }
        if bench.sim.is_healing() && !skew.is_zero() {
            bench
                .sim
                .violate(Violation::new("T-1", "the clock is still off"));
        }
        // A sleep by this clock is as long as a sleep by any other.
        let (since, until) = (right.now(), bench.clock.now() + TimeDelta::seconds(5));
        bench.clock.sleep_until(until).await;
        if right.now() < since + TimeDelta::seconds(5) || bench.clock.now() < until {
            bench.sim.violate(Violation::new("T-2", "woken early"));
        }
        bench.number("n").await?;
        Ok(())
    });
    scenario.marks = &["fast", "slow", "a lease off"];
    let report = explore(&scenario).unwrap();
    assert_eq!(report.missed(scenario.marks), [""; 0]);
}

#[test]
fn the_skew_is_one_workers_own_and_survives_it() {
    let mut scenario = Toy::new("skewed", |bench| async move {
        let skew = |worker| bench.sim.clock_of(worker).now() - bench.sim.clock().now();
        if !skew(0).is_zero() && skew(1).is_zero() {
            bench.sim.mark("only w0");
        }
        if bench.life.number > 0 && !skew(bench.life.worker).is_zero() {
            bench.sim.mark("after death");
        }
        if !skew(7).is_zero() {
            bench
                .sim
                .violate(Violation::new("T-1", "nobody's clock is off"));
        }
        bench.number("n").await?;
        Ok(())
    });
    scenario.marks = &["only w0", "after death"];
    let report = explore(&scenario).unwrap();
    assert_eq!(report.missed(scenario.marks), [""; 0]);
}

#[test]
fn others_go_on_while_a_worker_pauses() {
    // The first call belongs to worker 1. It pauses, and the others do not.
    let scenario = Toy::new(
        "paused",
        |bench| async move { bench.set_number("n", 1).await },
    );
    let menu = FaultKind::menu("state_store.write");
    let index = menu.iter().position(|kind| *kind == FaultKind::Pause);
    let explorer = Explorer::new(&scenario);
    let stories: Vec<Vec<String>> = (0..16)
        .map(|dice| {
            let mut tape = Vec::from(first_call_fails(index.unwrap(), dice));
            // Whose turn it is comes before its call.
            tape.insert(3, 0);
            let run = explorer.replay(&tape.into());
            assert_eq!((run.faults, run.violation), (1, None));
            run.story
        })
        .collect();
    for story in &stories {
        assert!(story[0].starts_with("00:00:00.001 w1.0"), "{story:?}");
        assert!(story[0].contains("FAULT pause"), "{story:?}");
        assert!(story[1].starts_with("00:01:01.00"), "{story:?}");
    }
    let next = |story: &Vec<String>| story[1].split(' ').nth(1) == Some("w1.0");
    assert!(next(&stories[0]), "{:?}", stories[0]);
    assert!(!next(&stories[15]), "{:?}", stories[15]);
}

/// Milliseconds since midnight.
fn time_of(line: &str) -> u64 {
    let digits = |from: usize, to: usize| line.get(from..to).unwrap().parse::<u64>().unwrap();
    let minutes = digits(0, 2) * 60 + digits(3, 5);
    (minutes * 60 + digits(6, 8)) * 1_000 + digits(9, 12)
}

#[test]
fn a_paused_worker_does_nothing_at_all() {
    let scenario = Toy::new("paused", |bench| async move {
        let [a, b] = ["a", "b"].map(|id| bench.set_number(id, 1));
        let (a, b) = futures::join!(a, b);
        both(a, b)
    });
    let explorer = Explorer::new(&scenario);
    let mut pauses = 0;
    for seed in 0..300 {
        let story = explorer.replay(&explorer.tape_of_seed(seed)).story;
        for (index, line) in story.iter().enumerate() {
            let Some((_, dice)) = line.split_once("FAULT pause past the lease (dice ") else {
                continue;
            };
            let dice: u64 = dice.trim_end_matches(')').parse().unwrap();
            let life = line.split(' ').nth(1);
            let mut later = story[index + 1..].iter();
            let next = later.find(|line| line.split(' ').nth(1) == life);
            let slept = time_of(next.unwrap()) - time_of(line);
            assert!(slept >= 61_000 + dice, "{}", story.join("\n"));
            pauses += 1;
        }
    }
    assert!(pauses > 30, "{pauses}");
}

#[test]
fn a_run_of_years_is_over_in_no_time() {
    let scenario = Toy::new("ages", |bench| async move {
        let until = bench.clock.now() + TimeDelta::days(3_650);
        bench.clock.sleep_until(until).await;
        Ok(())
    });
    let report = Explorer::new(&scenario).seeds(0, 10).unwrap();
    assert!(
        report.simulated_ms > 10 * 4 * 3_650 * 86_400_000,
        "{report:?}"
    );
}
