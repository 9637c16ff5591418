//! Turns that callers share.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures::executor::{LocalPool, block_on};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt as _;
use omnisync_core::ErrorKind;
use omnisync_core::policy::{Refused, ThrottlePolicy};
use omnisync_http::{SharedThrottle, TurnGuard};
use omnisync_testkit::clock::ManualClock;

use crate::support::{Script, answer, answer_with, builder, client, clock, config, get, seconds};

fn policy(concurrent: u32) -> ThrottlePolicy {
    ThrottlePolicy {
        window_ms: 1_000,
        requests_start: 1_000_000,
        concurrent_start: concurrent,
        ..ThrottlePolicy::default()
    }
}

/// Callers that keep the turns they get, by number.
struct Case {
    pool: LocalPool,
    clock: ManualClock,
    throttle: SharedThrottle,
    turns: Rc<RefCell<Vec<(u32, TurnGuard)>>>,
}

impl Case {
    fn new(concurrent: u32) -> Self {
        let clock = ManualClock::default();
        Self {
            pool: LocalPool::new(),
            throttle: SharedThrottle::new(policy(concurrent), Arc::new(clock.clone())),
            clock,
            turns: Rc::default(),
        }
    }

    fn caller(&mut self, number: u32) -> RemoteHandle<()> {
        let (throttle, turns) = (self.throttle.clone(), Rc::clone(&self.turns));
        let future = async move {
            let turn = throttle.turn(seconds(3_600)).await.unwrap();
            turns.borrow_mut().push((number, turn));
        };
        let handle = self.pool.spawner().spawn_local_with_handle(future);
        self.go_on();
        handle.unwrap()
    }

    /// Lets callers run, and time pass for as long as they wait for it.
    fn go_on(&mut self) {
        self.pool.run_until_stalled();
        while self.clock.advance_to_next_wake() {
            self.pool.run_until_stalled();
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.turns
            .borrow()
            .iter()
            .map(|(number, _)| *number)
            .collect()
    }

    /// The caller that has had its turn for longest ends it.
    fn end(&mut self) {
        let (_, turn) = self.turns.borrow_mut().remove(0);
        turn.taken();
        self.go_on();
    }
}

#[test]
fn turns_come_in_order_as_others_end() {
    let mut case = Case::new(2);
    let _callers: Vec<_> = (0..5).map(|number| case.caller(number)).collect();
    assert_eq!(case.numbers(), [0, 1]);
    case.end();
    assert_eq!(case.numbers(), [1, 2]);
    case.end();
    case.end();
    assert_eq!(case.numbers().first(), Some(&3));
    assert_eq!(case.numbers().last(), Some(&4));
}

#[test]
fn a_waiter_that_gives_up_leaves_its_place() {
    let mut case = Case::new(1);
    let _first = case.caller(0);
    let second = case.caller(1);
    let _third = case.caller(2);
    drop(second);
    case.go_on();
    case.end();
    assert_eq!(case.numbers(), [2]);
}

#[test]
fn a_turn_that_is_dropped_counts_as_taken() {
    let mut case = Case::new(1);
    let _first = case.caller(0);
    let _second = case.caller(1);
    case.turns.borrow_mut().clear();
    case.go_on();
    assert_eq!(case.numbers(), [1]);
    assert!(case.throttle.snapshot().concurrent_max() > 1.0);
}

#[test]
fn a_refusal_holds_everybody_back() {
    let throttle = SharedThrottle::new(policy(4), Arc::new(clock()));
    block_on(async {
        let first = throttle.turn(seconds(1)).await.unwrap();
        let second = throttle.clone().turn(seconds(1)).await.unwrap();
        second.refused(Refused::Concurrency, Some(seconds(8)));
        first.taken();
        assert_eq!(throttle.turn(seconds(7)).await.unwrap_err(), seconds(8));
        throttle.turn(seconds(8)).await.unwrap().taken();
    });
    let halved = throttle.snapshot().concurrent_max();
    assert!((2.0..3.0).contains(&halved), "{halved}");
}

#[test]
fn a_client_tells_the_throttle_what_it_was_told() {
    let clock = clock();
    let script = Script::new(
        &clock,
        [
            answer_with(429, &[("retry-after", "600"), ("x-why", "at-once")], ""),
            answer(200),
        ],
    );
    let throttle = SharedThrottle::new(policy(8), Arc::new(clock.clone()));
    let client = builder(&script, &clock)
        .with_config(config())
        .with_throttle(throttle.clone())
        .with_refusal_reader(|answer| {
            if answer.headers().contains_key("x-why") {
                Refused::Concurrency
            } else {
                Refused::Requests
            }
        })
        .build()
        .unwrap();
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(600)));
    assert!(throttle.snapshot().concurrent_max() < 5.0);

    // The next call is not even sent, and says for how long.
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(seconds(600)));
    assert!(!error.is_effect_open());
    assert_eq!(script.take().len(), 1);

    clock.advance(seconds(600));
    assert!(block_on(client.send(get())).is_ok());
}

#[test]
fn a_client_without_a_throttle_asks_nobody() {
    let (client, script, _) = client([answer(200)]);
    block_on(client.send(get())).unwrap();
    assert_eq!(script.take().len(), 1);
}

#[test]
fn threads_never_have_more_turns_at_once_than_are_believed_possible() {
    let throttle = SharedThrottle::new(policy(2), Arc::new(clock()));
    let (held, most, served) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let turn = block_on(throttle.turn(seconds(3_600))).unwrap();
                    most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    held.fetch_sub(1, Ordering::SeqCst);
                    turn.refused(Refused::Concurrency, None);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    // Every refusal halves what is believed, down to one at a time.
    assert_eq!(served.into_inner(), 800);
    assert!(most.into_inner() <= 2);
}
