//! How much a peer with a hidden limit takes from those who ask as much as they can.
//!
//! The peer takes so many requests in any five minutes and so many at once, refuses the others with
//! whole seconds to wait, and changes its limit on the way. Time is virtual.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::policy::{Refused, RetryPolicy, Throttle, ThrottlePolicy, Turn};
use omnisync_testkit::rng::SplitMix64;

use crate::line::Line;

/// The limit of any window, until it changes, from then on, and at the end.
const LIMITS: [usize; 3] = [6_000, 9_000, 4_500];
const PHASE_MS: i64 = 3_600_000;
const WINDOW_MS: i64 = 300_000;
const CONCURRENT_MAX: usize = 52;
/// A request takes so long, and up to as much again.
const LATENCY_MS: i64 = 150;
/// Workers that wait and try again for themselves.
const WORKERS: usize = 16;

/// A peer with a limit.
#[derive(Default)]
struct Peer {
    taken: VecDeque<i64>,
    on_their_way: BinaryHeap<Reverse<i64>>,
    /// When something was taken, in milliseconds.
    all: Vec<i64>,
    refused: u64,
}

enum Answer {
    Taken { done: i64 },
    Refused { why: Refused, wait_s: u64 },
}

impl Peer {
    fn request(&mut self, now: i64, rng: &mut SplitMix64) -> Answer {
        let phase = usize::try_from(now / PHASE_MS).unwrap_or_default();
        let limit = LIMITS.get(phase).copied().unwrap_or_default();
        while self.taken.front().is_some_and(|at| at + WINDOW_MS <= now) {
            self.taken.pop_front();
        }
        while self.on_their_way.peek().is_some_and(|done| done.0 <= now) {
            self.on_their_way.pop();
        }
        if self.on_their_way.len() >= CONCURRENT_MAX {
            self.refused += 1;
            return Answer::Refused {
                why: Refused::Concurrency,
                wait_s: 1,
            };
        }
        if self.taken.len() >= limit {
            self.refused += 1;
            let excess = self.taken.len() - limit;
            let free = self.taken.get(excess).map_or(now, |at| at + WINDOW_MS);
            let wait = u64::try_from(free - now).unwrap_or_default();
            return Answer::Refused {
                why: Refused::Requests,
                wait_s: wait.div_ceil(1_000).max(1),
            };
        }
        self.taken.push_back(now);
        self.all.push(now);
        let done = now + LATENCY_MS + i64::from(rng.below(150));
        self.on_their_way.push(Reverse(done));
        Answer::Taken { done }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
enum Client {
    /// One throttle for all.
    Adaptive,
    /// Workers with capped exponential backoff and jitter, each for itself.
    Backoff,
    /// A fixed rate: the first limit, as if it were documented.
    Fixed,
}

/// Lets every kind of client ask for some virtual hours.
pub(crate) fn run() -> Line {
    let mut counts = std::collections::BTreeMap::new();
    for (name, client) in [
        ("adaptive", Client::Adaptive),
        ("backoff", Client::Backoff),
        ("fixed rate", Client::Fixed),
    ] {
        let peer = asked(client);
        for (what, per_mille) in findings(&peer) {
            counts.insert(format!("{name}, {what}"), per_mille);
        }
    }
    Line {
        measure: "m9".to_owned(),
        peer: "omnisync".to_owned(),
        counts,
        ..Line::default()
    }
}

fn asked(client: Client) -> Peer {
    let end = PHASE_MS * i64::try_from(LIMITS.len()).unwrap_or(i64::MAX);
    let mut peer = Peer::default();
    let mut rng = SplitMix64::new(9);
    match client {
        Client::Adaptive => adaptive(&mut peer, &mut rng, end),
        Client::Backoff => backoff(&mut peer, &mut rng, end),
        Client::Fixed => fixed(&mut peer, &mut rng, end),
    }
    peer
}

fn adaptive(peer: &mut Peer, rng: &mut SplitMix64, end: i64) {
    let mut throttle = Throttle::new(ThrottlePolicy::default());
    let mut done: BinaryHeap<Reverse<i64>> = BinaryHeap::new();
    let mut now = 0;
    while now < end {
        while done.peek().is_some_and(|at| at.0 <= now) {
            done.pop();
            throttle.taken();
        }
        let soonest = done.peek().map_or(end, |at| at.0);
        match throttle.ask(moment(now)) {
            Turn::Now => match peer.request(now, rng) {
                Answer::Taken { done: at } => done.push(Reverse(at)),
                Answer::Refused { why, wait_s } => {
                    let wait = Some(Duration::from_secs(wait_s));
                    throttle.refused(moment(now), why, wait);
                }
            },
            Turn::At(at) => now = soonest.min(milliseconds(at)).max(now + 1),
            Turn::AfterAnother => now = soonest.max(now + 1),
        }
    }
}

fn backoff(peer: &mut Peer, rng: &mut SplitMix64, end: i64) {
    let policy = RetryPolicy::default();
    let mut workers: BinaryHeap<Reverse<(i64, u32)>> =
        (0..WORKERS).map(|_| Reverse((0, 0))).collect();
    while let Some(Reverse((now, attempt))) = workers.pop() {
        if now >= end {
            return;
        }
        workers.push(Reverse(match peer.request(now, rng) {
            Answer::Taken { done } => (done, 0),
            Answer::Refused { wait_s, .. } => {
                let own = policy.delay(attempt + 1, rng.fraction());
                let wait = own.max(Duration::from_secs(wait_s));
                let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                (now.saturating_add(wait), attempt + 1)
            }
        }));
    }
}

fn fixed(peer: &mut Peer, rng: &mut SplitMix64, end: i64) {
    let first = LIMITS.first().copied().unwrap_or(1);
    let pause = WINDOW_MS / i64::try_from(first).unwrap_or(1);
    let mut now = 0;
    while now < end {
        now += match peer.request(now, rng) {
            Answer::Taken { .. } => pause,
            Answer::Refused { wait_s, .. } => i64::try_from(wait_s * 1_000).unwrap_or(pause),
        };
    }
}

/// What was taken in each phase, and in the second minute of each, in parts of a thousand of what
/// the limit allows; and refusals in parts of a thousand of all requests.
fn findings(peer: &Peer) -> Vec<(String, u64)> {
    let thousandth = |part: usize, whole: usize| {
        u64::try_from(part.saturating_mul(1_000) / whole.max(1)).unwrap_or_default()
    };
    let within = |from: i64, to: i64| peer.all.iter().filter(|at| (from..to).contains(at)).count();
    let mut findings = Vec::new();
    for (phase, limit) in (0_i64..).zip(LIMITS) {
        let start = phase * PHASE_MS;
        let windows = usize::try_from(PHASE_MS / WINDOW_MS).unwrap_or(1);
        let taken = within(start, start + PHASE_MS);
        let name = format!("phase {} per mille of the limit", phase + 1);
        findings.push((name, thousandth(taken, limit * windows)));
        let minute = within(start + 60_000, start + 120_000);
        let name = format!("phase {} per mille in its second minute", phase + 1);
        findings.push((name, thousandth(minute * 5, limit)));
    }
    let refused = usize::try_from(peer.refused).unwrap_or_default();
    let asked = peer.all.len() + refused;
    findings.push((
        "per 100,000 refused".to_owned(),
        thousandth(refused * 100, asked),
    ));
    findings
}

fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

/// Rounded up: whoever asks too early has to ask again.
fn milliseconds(moment: DateTime<Utc>) -> i64 {
    moment
        .timestamp_micros()
        .div_euclid(1_000)
        .saturating_add(1)
}
