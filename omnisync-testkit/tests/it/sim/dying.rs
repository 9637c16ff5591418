//! What is gone when a worker dies, and what is not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt as _};
use omnisync_core::error::PortError;
use omnisync_core::port::{Expect, StateStoreExt as _};
use omnisync_testkit::sim::{Explorer, Life, Violation, explore};

use super::{Bench, Toy, both, put};

#[test]
fn memory_is_gone_and_the_store_stays() {
    let mut scenario = Toy::new("remembers", |bench| async move {
        let stored = bench.number("n").await?;
        let remembered = bench.memory.fetch_add(1, Ordering::SeqCst);
        if u64::from(remembered) > stored {
            let detail = format!("{remembered} rounds, {stored} stored");
            bench.sim.violate(Violation::new("T-1", detail));
        }
        if u64::from(remembered) < stored {
            bench.sim.mark("forgot");
        }
        bench.set_number("n", stored + 1).await.inspect_err(|_| {
            bench.memory.store(0, Ordering::SeqCst);
        })
    })
    .workers(1);
    scenario.marks = &["forgot"];
    let report = explore(&scenario).unwrap();
    assert_eq!(report.missed(scenario.marks), [""; 0]);
}

/// Lives of one run, in the order in which they began.
fn lives_of(workers: usize, seed: u64) -> Vec<Life> {
    let lives = Arc::new(Mutex::new(Vec::new()));
    let begun = Arc::clone(&lives);
    let mut scenario = Toy::new("lives", |bench| async move {
        bench.set_number(bench.life.name.as_str(), 1).await
    })
    .workers(workers);
    scenario.starts = Arc::new(move |_, life| begun.lock().unwrap().push(life.clone()));
    let explorer = Explorer::new(&scenario);
    let tape = explorer.tape_of_seed(seed);
    lives.lock().unwrap().clear();
    explorer.replay(&tape);
    let lives = lives.lock().unwrap();
    lives.clone()
}

#[test]
fn lives_are_numbered_and_their_names_are_old_or_new() {
    let (mut same, mut renamed, mut longest) = (0, 0, 0);
    for seed in 0..200 {
        let mut last: BTreeMap<usize, Life> = BTreeMap::new();
        for life in lives_of(3, seed) {
            longest = longest.max(life.number);
            match last.insert(life.worker, life.clone()) {
                None => {
                    assert_eq!(life.number, 0);
                    assert_eq!(life.name.as_str(), format!("w{}", life.worker));
                }
                Some(before) => {
                    assert_eq!(life.number, before.number + 1);
                    if life.name == before.name {
                        same += 1;
                    } else {
                        renamed += 1;
                        let fresh = format!("w{}-{}", life.worker, life.number);
                        assert_eq!(life.name.as_str(), fresh);
                    }
                }
            }
        }
        assert_eq!(last.len(), 3);
        // Everybody begins anew when healing begins.
        assert!(last.values().all(|life| life.number > 0));
    }
    assert!(same > 100 && renamed > 100, "{same} {renamed}");
    assert!(longest > 2);
}

/// Counts how many of it there are.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn one_more(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_dead_round_is_dropped_before_the_next_life_begins() {
    let alive = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&alive);
    let mut scenario = Toy::new("guarded", move |bench| {
        let alive = Alive::one_more(&alive);
        async move {
            bench.set_number("n", 1).await?;
            bench.number("n").await?;
            drop(alive);
            Ok(())
        }
    })
    .workers(1);
    scenario.starts = Arc::new(move |sim, _| {
        if now.load(Ordering::SeqCst) != 0 {
            sim.violate(Violation::new("T-1", "the earlier life is still there"));
        }
    });
    let explorer = Explorer::new(&scenario).on_threads(1);
    explorer.faults(2, u64::MAX).unwrap();
    explorer.seeds(0, 500).unwrap();
}

/// Writes numbers under four ids, side by side.
async fn write_all(bench: &Bench, joined: bool) -> Result<(), PortError> {
    let writes = (0..4).map(|number| {
        let id = format!("{}-{number}", bench.life.name);
        async move { bench.set_number(&id, number).await }
    });
    if joined {
        return join_all(writes).await.into_iter().fold(Ok(()), both);
    }
    let mut writes: FuturesUnordered<_> = writes.collect();
    let mut ended = Ok(());
    while let Some(written) = writes.next().await {
        ended = both(ended, written);
    }
    ended
}

#[test]
fn the_dead_make_no_calls() {
    let mut deaths = 0;
    for joined in [true, false] {
        let scenario = Toy::new("side-by-side", move |bench| async move {
            write_all(&bench, joined).await
        });
        let explorer = Explorer::new(&scenario);
        for seed in 0..150 {
            let run = explorer.replay(&explorer.tape_of_seed(seed));
            assert_eq!(run.violation, None);
            deaths += check_story(&run.story);
        }
    }
    assert!(deaths > 100, "{deaths}");
}

/// After it died a life does nothing but end the call that it died in. Gives how many died.
fn check_story(story: &[String]) -> u32 {
    // What the dead may still do, by life.
    let mut dead: BTreeMap<&str, u32> = BTreeMap::new();
    for line in story {
        let life = line.split(' ').nth(1).unwrap();
        if let Some(allowed) = dead.get_mut(life) {
            assert!(*allowed > 0, "{line}\n{}", story.join("\n"));
            *allowed -= 1;
        }
        if line.contains("FAULT crash before") {
            dead.insert(life, 0);
        } else if line.contains("FAULT crash after") {
            dead.insert(life, 1);
        }
    }
    u32::try_from(dead.len()).unwrap()
}

#[test]
fn calls_side_by_side_take_turns_with_those_of_others() {
    let scenario = Toy::new("side-by-side", |bench| async move {
        write_all(&bench, true).await
    });
    let run = Explorer::new(&scenario).replay(&Vec::new().into());
    let turns: Vec<&str> = run.story[..8]
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(turns, ["w1.0", "w0.0"].repeat(4));
}

#[test]
fn a_worker_dies_in_any_of_its_calls() {
    let scenario = Toy::new("two-writes", |bench| async move {
        for id in ["a", "b"] {
            let put = put(id, Expect::Any, &bench.life.number);
            bench.store.write_one(put).await?;
            if bench.life.number > 0 && !bench.sim.is_healing() {
                bench
                    .sim
                    .mark(if id == "a" { "again a" } else { "again b" });
            }
        }
        Ok(())
    });
    let report = Explorer::new(&scenario).faults(1, u64::MAX).unwrap();
    assert_eq!(report.missed(&["again a", "again b"]), [""; 0]);
}

#[test]
fn ids_differ_from_life_to_life_and_come_again_in_the_same_run() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let drawn = Arc::clone(&ids);
    let mut scenario = Toy::new("ids", |bench| async move { bench.set_number("n", 1).await });
    scenario.starts = Arc::new(move |sim, life| {
        let source = sim.ids_of(life);
        drawn
            .lock()
            .unwrap()
            .extend([source.unique(), source.unique()]);
    });
    let explorer = Explorer::new(&scenario);
    let tape = explorer.tape_of_seed(3);
    let draw = || {
        ids.lock().unwrap().clear();
        explorer.replay(&tape);
        ids.lock().unwrap().clone()
    };
    let mut first = draw();
    assert_eq!(draw(), first);
    let count = first.len();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), count);
}
