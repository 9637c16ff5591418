//! What a peer with a hidden limit takes from clients that share a throttle, in virtual time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;
use http::StatusCode;
use omnisync_core::policy::{Refused, ThrottlePolicy};
use omnisync_core::port::Clock;
use omnisync_http::{Client, Limits, Request, Response, SharedThrottle, Transport, TransportError};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use omnisync_testkit::rng::SplitMix64;

use crate::support::get;

const WINDOW_MS: i64 = 300_000;
/// A refusal is answered this fast.
const REFUSAL_MS: i64 = 30;
/// More flows than the peer takes at once, over four clients.
const FLOWS_PER_CLIENT: usize = 20;
/// What is measured begins so long after a change of the limit.
const SETTLED_MS: i64 = 60_000;

/// How a peer behaves.
#[derive(Clone)]
struct Rules {
    /// Requests of any window, one phase after the other; none for no limit.
    requests: Vec<usize>,
    phase_ms: i64,
    concurrent: usize,
    /// A request takes so long, and up to half as much again.
    latency_ms: u32,
    /// Whether a refusal says for how long.
    says_when: bool,
}

/// A peer that counts in a sliding window and takes so many requests at once.
struct Peer {
    rules: Rules,
    clock: ManualClock,
    start: DateTime<Utc>,
    state: Mutex<State>,
}

struct State {
    rng: SplitMix64,
    window: VecDeque<i64>,
    on_their_way: usize,
    /// When requests were taken and refused, in milliseconds.
    taken: Vec<i64>,
    refused: Vec<i64>,
}

impl Peer {
    fn new(rules: Rules, clock: &ManualClock) -> Arc<Self> {
        Arc::new(Self {
            rules,
            clock: clock.clone(),
            start: clock.now(),
            state: Mutex::new(State {
                rng: SplitMix64::new(52),
                window: VecDeque::new(),
                on_their_way: 0,
                taken: Vec::new(),
                refused: Vec::new(),
            }),
        })
    }

    fn now(&self) -> i64 {
        (self.clock.now() - self.start).num_milliseconds()
    }

    fn end(&self) -> i64 {
        let phases = i64::try_from(self.rules.requests.len()).unwrap();
        self.rules.phase_ms * phases
    }

    /// How long a request takes, or why it is refused.
    fn enter(&self) -> Result<i64, (Refused, i64)> {
        let now = self.now();
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        while state.window.front().is_some_and(|at| at + WINDOW_MS <= now) {
            state.window.pop_front();
        }
        let phase = usize::try_from(now / self.rules.phase_ms).unwrap();
        let limit = self.rules.requests.get(phase).copied().unwrap_or(1);
        if state.on_their_way >= self.rules.concurrent {
            state.refused.push(now);
            return Err((Refused::Concurrency, 1));
        }
        if state.window.len() >= limit {
            state.refused.push(now);
            let free = state.window[state.window.len() - limit] + WINDOW_MS;
            return Err((Refused::Requests, (free - now).max(1).div_euclid(1_000) + 1));
        }
        state.window.push_back(now);
        state.taken.push(now);
        state.on_their_way += 1;
        let latency = self.rules.latency_ms;
        Ok((latency + state.rng.below(latency / 2)).into())
    }

    async fn pause(&self, ms: i64) {
        let until = self.clock.now() + TimeDelta::milliseconds(ms);
        self.clock.sleep_until(until).await;
    }

    /// Per mille of `limit` that were taken between two moments, by all windows in between.
    fn per_mille(&self, limit: usize, from: i64, to: i64) -> usize {
        let state = self.state.lock().unwrap();
        let taken = state.taken.iter().filter(|at| (from..to).contains(at));
        let span = usize::try_from(to - from).unwrap();
        taken.count() * 1_000 * usize::try_from(WINDOW_MS).unwrap() / (limit * span)
    }

    /// Refusals of 100,000 requests between two moments.
    fn refused(&self, from: i64, to: i64) -> usize {
        let state = self.state.lock().unwrap();
        let within = |all: &[i64]| all.iter().filter(|at| (from..to).contains(at)).count();
        let (taken, refused) = (within(&state.taken), within(&state.refused));
        refused * 100_000 / (taken + refused).max(1)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Peer {
    async fn send(&self, _: Request, _: Limits) -> Result<Response, TransportError> {
        let mut response = Response::new(Bytes::new());
        match self.enter() {
            Ok(ms) => {
                self.pause(ms).await;
                self.state.lock().unwrap().on_their_way -= 1;
            }
            Err((why, wait_s)) => {
                self.pause(REFUSAL_MS).await;
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                let headers = response.headers_mut();
                if self.rules.says_when {
                    headers.insert("retry-after", wait_s.into());
                }
                if why == Refused::Concurrency {
                    headers.insert("x-at-once", 1.into());
                }
            }
        }
        Ok(response)
    }
}

/// Lets flows of several clients ask as much as they can.
fn asked(rules: Rules) -> Arc<Peer> {
    let clock = ManualClock::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let peer = Peer::new(rules, &clock);
    let throttle = SharedThrottle::new(ThrottlePolicy::default(), Arc::clone(&shared));
    let transport: Arc<dyn Transport> = Arc::<Peer>::clone(&peer);
    let mut pool = LocalPool::new();
    for seed in 1..=4 {
        let ids = Arc::new(SeqIds::new(seed));
        let client = Client::builder(Arc::clone(&transport), Arc::clone(&shared), ids)
            .with_throttle(throttle.clone())
            .with_refusal_reader(|answer| {
                if answer.headers().contains_key("x-at-once") {
                    Refused::Concurrency
                } else {
                    Refused::Requests
                }
            })
            .build()
            .unwrap();
        for _ in 0..FLOWS_PER_CLIENT {
            let (client, peer) = (client.clone(), Arc::clone(&peer));
            pool.spawner().spawn_local(flow(client, peer)).unwrap();
        }
    }
    pool.run_until_stalled();
    while peer.now() < peer.end() && clock.advance_to_next_wake() {
        pool.run_until_stalled();
    }
    peer
}

/// Asks again and again. What was refused for longer than a call waits is tried again then.
async fn flow(client: Client, peer: Arc<Peer>) {
    while peer.now() < peer.end() {
        if let Err(error) = client.send(get()).await {
            let wait = error.retry_after().unwrap_or_default();
            let wait = TimeDelta::from_std(wait).unwrap();
            peer.pause(wait.num_milliseconds().max(1)).await;
        }
    }
}

#[track_caller]
fn check(name: &str, peer: &Peer, best: &[usize]) {
    let mut figures = Vec::new();
    for (phase, best) in (0_i64..).zip(best) {
        let (from, to) = (
            peer.rules.phase_ms * phase,
            peer.rules.phase_ms * (phase + 1),
        );
        let goodput = peer.per_mille(*best, from + SETTLED_MS, to);
        figures.push((*best, goodput, peer.refused(from, to)));
    }
    let shown = format!("{name}: (limit, goodput in per mille, refused of 100,000) {figures:?}");
    println!("{shown}");
    assert!(
        figures.iter().all(|(_, goodput, _)| *goodput >= 950),
        "{shown}"
    );
    assert!(
        figures.iter().all(|(_, _, refused)| *refused <= 500),
        "{shown}"
    );
}

fn changing(says_when: bool) -> Rules {
    Rules {
        requests: vec![6_000, 3_000, 9_000],
        phase_ms: 3_600_000,
        concurrent: 52,
        latency_ms: 150,
        says_when,
    }
}

#[test]
fn a_limit_that_changes_is_followed() {
    let rules = changing(true);
    check("with Retry-After", &asked(rules.clone()), &rules.requests);
}

#[test]
fn a_limit_that_changes_is_followed_without_being_told_when() {
    let rules = changing(false);
    check(
        "without Retry-After",
        &asked(rules.clone()),
        &rules.requests,
    );
}

#[test]
fn a_limit_on_requests_at_once_is_followed() {
    for says_when in [true, false] {
        // Nothing but requests at once is in the way; each takes 2.5 seconds in the mean.
        let rules = Rules {
            requests: vec![usize::MAX; 2],
            phase_ms: 1_800_000,
            concurrent: 52,
            latency_ms: 2_000,
            says_when,
        };
        let best = 52 * 300_000 / 2_500;
        check("at once", &asked(rules), &[best, best]);
    }
}
