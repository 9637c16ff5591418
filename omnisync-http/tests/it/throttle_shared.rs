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

/// Requests of any window, one phase after the other.
const LIMITS: [usize; 3] = [6_000, 3_000, 9_000];
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
    /// Requests of any window, and requests at once, one phase after the other.
    phases: Vec<(usize, usize)>,
    phase_ms: i64,
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
        let phases = i64::try_from(self.rules.phases.len()).unwrap();
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
        let phases = &self.rules.phases;
        let (limit, concurrent) = phases[phase.min(phases.len() - 1)];
        if state.on_their_way >= concurrent {
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

    /// Per mille of `limit` that were taken between two moments.
    fn per_mille(&self, limit: usize, from: i64, to: i64) -> usize {
        let taken = within(&self.state.lock().unwrap().taken, from, to);
        let windows_ms = usize::try_from(WINDOW_MS).unwrap() * 1_000;
        taken * windows_ms / (limit * usize::try_from(to - from).unwrap())
    }

    /// Refusals of 100,000 requests between two moments.
    fn refused(&self, from: i64, to: i64) -> usize {
        let state = self.state.lock().unwrap();
        let refused = within(&state.refused, from, to);
        refused * 100_000 / (within(&state.taken, from, to) + refused).max(1)
    }
}

/// How many of these moments, which are in order, lie between two.
fn within(all: &[i64], from: i64, to: i64) -> usize {
    let before = |moment| all.partition_point(|at| *at < moment);
    before(to) - before(from)
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

/// In each phase, from a minute after the change on, 0.95 of what the limit allows is taken, and
/// in the whole phase few requests are refused. A limit that was lowered finds the window full, so
/// that requests come in bursts a window apart at first: five minutes for themselves have a little
/// less.
#[track_caller]
fn check(name: &str, peer: &Peer, best: &[usize]) {
    let mut figures = Vec::new();
    for (phase, best) in (0..).zip(best) {
        let start = peer.rules.phase_ms * phase;
        let (from, to) = (start + SETTLED_MS, start + peer.rules.phase_ms);
        let worst = (from..=to - WINDOW_MS)
            .step_by(20_000)
            .map(|from| peer.per_mille(*best, from, from + WINDOW_MS))
            .min();
        let whole = peer.per_mille(*best, from, to);
        figures.push((*best, whole, worst.unwrap(), peer.refused(start, to)));
    }
    let shown = "limit, per mille of it, in the worst five minutes, refused of 100,000";
    for (_, whole, worst, refused) in &figures {
        let is_good = *whole >= 950 && *worst >= 850 && *refused <= 500;
        assert!(is_good, "{name} ({shown}): {figures:?}");
    }
}

fn changing(says_when: bool) -> Rules {
    Rules {
        phases: LIMITS.map(|limit| (limit, 52)).into(),
        phase_ms: 2_400_000,
        latency_ms: 150,
        says_when,
    }
}

#[test]
fn a_limit_that_changes_is_followed() {
    check("with Retry-After", &asked(changing(true)), &LIMITS);
}

#[test]
fn a_limit_that_changes_is_followed_without_being_told_when() {
    check("without Retry-After", &asked(changing(false)), &LIMITS);
}

#[test]
fn a_limit_on_requests_at_once_is_followed() {
    let limits = [52, 30, 60];
    for says_when in [true, false] {
        // Nothing but requests at once is in the way; each takes 2.5 seconds in the mean.
        let rules = Rules {
            phases: limits.map(|concurrent| (usize::MAX, concurrent)).into(),
            phase_ms: 900_000,
            latency_ms: 2_000,
            says_when,
        };
        let best = limits.map(|concurrent| concurrent * 300_000 / 2_500);
        check("at once", &asked(rules), &best);
    }
}
