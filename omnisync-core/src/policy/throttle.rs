use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How a [`Throttle`] feels its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottlePolicy {
    /// The sliding window that the peer counts requests in, in milliseconds. Default 300,000, that
    /// of Dataverse.
    pub window_ms: u32,
    /// Requests of a window that are tried before anything is known. Default 3,000.
    pub requests_start: u32,
    /// Requests of a window that are tried whatever was learnt: a refusal while few are sent says
    /// little about a limit. Default 60.
    pub requests_min: u32,
    /// Requests on their way at once that are tried before anything is known. Default 40.
    pub concurrent_start: u32,
    /// How long a limit that was met is believed before more is tried, in milliseconds. Up to four
    /// times as long for requests at once. Default 20,000.
    pub hold_ms: u32,
    /// Pause after a refusal that names none, in milliseconds. It doubles while every attempt after
    /// a pause is refused, up to 16 times as long. Default 1,000.
    pub pause_ms: u32,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            window_ms: 300_000,
            requests_start: 3_000,
            requests_min: 60,
            concurrent_start: 40,
            hold_ms: 20_000,
            pause_ms: 1_000,
        }
    }
}

/// Why a peer refused a request for the time being.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many requests in its window.
    Requests,
    /// Too many requests at once.
    Concurrency,
    /// It has too much to do, whoever caused it: that says nothing about a limit.
    Busy,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Now, and it counts from now on: say how it ended.
    Now,
    /// Not before this moment: ask again then.
    At(DateTime<Utc>),
    /// Not before one that is on its way has ended.
    AfterAnother,
}

/// Learns how many requests a peer takes, from its refusals alone.
///
/// A peer that counts in a sliding window answers late: whoever only slows down and speeds up meets
/// the limit a window after having caused it, and swings. So this counts as the peer does. What was
/// in the window when a request was refused is the limit; requests are spread over the window, and
/// after a while a little more is tried, then more and more, until the next refusal. Requests at
/// once are halved on a refusal, once for all refusals of a burst, and grow again while there is
/// work for all of them: up to those that were not refused. A limit that is met where it was met
/// before is believed: nothing is halved, and more is tried ever more rarely. A peer that does not
/// say for how long it refuses is asked ever more rarely, too.
///
/// Pure: the moment is an argument. Share one between everything that talks to the same
/// environment.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use omnisync_core::policy::{Refused, Throttle, ThrottlePolicy, Turn};
///
/// let now = DateTime::UNIX_EPOCH;
/// let mut throttle = Throttle::new(ThrottlePolicy::default());
/// assert_eq!(throttle.ask(now), Turn::Now);
/// throttle.refused(now, Refused::Requests, Some(std::time::Duration::from_secs(7)));
/// assert_eq!(throttle.ask(now), Turn::At(now + TimeDelta::seconds(7)));
/// ```
#[derive(Debug, Clone)]
pub struct Throttle {
    policy: ThrottlePolicy,
    /// Requests that a window is believed to take.
    limit: f64,
    /// Requests of each second of the window, and of all.
    sent: VecDeque<(i64, u32)>,
    total: u32,
    /// No request before.
    next: DateTime<Utc>,
    blocked_until: DateTime<Utc>,
    /// More is tried from then on.
    probe_from: DateTime<Utc>,
    /// What is tried more, as a part of the limit a second.
    step: f64,
    grown_at: DateTime<Utc>,
    /// Whether a request had to wait for its place in the window.
    is_wanting: bool,
    on_their_way: u32,
    concurrent: f64,
    /// Requests at once that were not refused when others were.
    ceiling: f64,
    /// More at once is tried from then on.
    raise_from: DateTime<Utc>,
    asked_at: DateTime<Utc>,
    /// How often in a row the ceiling was where it was before, up to a limit.
    met: u32,
    /// Refusals before belong to the burst that was answered already.
    burst_until: DateTime<Utc>,
    /// The pause after a refusal that names none, and when it ended.
    pause_s: f64,
    paused_until: DateTime<Utc>,
}

/// The first step beyond a limit, and the largest.
const STEP_MIN: f64 = 0.001;
const STEP_MAX: f64 = 0.1;
/// A step doubles in so many seconds.
const STEP_DOUBLES_S: f64 = 2.0;
/// How much faster than evenly requests may follow each other, so that what was missed is made up.
const HASTE: f64 = 1.1;
/// The limit is not believed to be more than this many times what was really sent.
const BELIEF_MAX: f64 = 2.0;
/// A ceiling of requests at once is the same as before within this part of it.
const SAME: f64 = 0.1;
/// The time that a ceiling is believed doubles so often.
const MET_MAX: u32 = 3;
/// What a request that was taken adds to those at once, as long as they are below the ceiling.
const RECOVERY: f64 = 0.5;
/// A pause that nobody named grows to so many times the first one.
const PAUSE_MAX: f64 = 16.0;

impl Throttle {
    /// Knows nothing yet.
    pub fn new(policy: ThrottlePolicy) -> Self {
        Self {
            policy,
            limit: f64::from(policy.requests_start.max(1)),
            sent: VecDeque::new(),
            total: 0,
            next: DateTime::<Utc>::MIN_UTC,
            blocked_until: DateTime::<Utc>::MIN_UTC,
            probe_from: DateTime::<Utc>::MIN_UTC,
            step: STEP_MIN,
            grown_at: DateTime::<Utc>::MIN_UTC,
            is_wanting: false,
            on_their_way: 0,
            concurrent: f64::from(policy.concurrent_start.max(1)),
            ceiling: f64::INFINITY,
            raise_from: DateTime::<Utc>::MIN_UTC,
            asked_at: DateTime::<Utc>::MIN_UTC,
            met: 0,
            burst_until: DateTime::<Utc>::MIN_UTC,
            pause_s: 0.0,
            paused_until: DateTime::<Utc>::MIN_UTC,
        }
    }

    /// Requests that a window is believed to take.
    pub fn requests_max(&self) -> f64 {
        self.limit
    }

    /// Requests at once that the peer is believed to take.
    pub fn concurrent_max(&self) -> f64 {
        self.concurrent
    }

    /// Asks for the turn of a request.
    pub fn ask(&mut self, now: DateTime<Utc>) -> Turn {
        self.forget(now);
        self.asked_at = now;
        if now < self.blocked_until {
            return Turn::At(self.blocked_until);
        }
        if f64::from(self.on_their_way) >= self.concurrent.floor() {
            return Turn::AfterAnother;
        }
        self.grow(now);
        let window_s = f64::from(self.policy.window_ms) / 1e3;
        if f64::from(self.total) >= self.limit.floor().max(1.0) {
            self.is_wanting = true;
            let oldest = self
                .sent
                .front()
                .map_or(now, |(second, _)| self.gone(*second));
            return Turn::At(oldest.max(after(now, 1e-3)));
        }
        if now < self.next {
            self.is_wanting = true;
            return Turn::At(self.next);
        }
        self.next = after(now.max(self.next), window_s / (self.limit * HASTE));
        self.total += 1;
        self.on_their_way += 1;
        let second = now.timestamp();
        match self.sent.back_mut() {
            Some((last, count)) if *last >= second => *count += 1,
            _ => self.sent.push_back((second, 1)),
        }
        Turn::Now
    }

    /// A request that had its turn was taken, whatever came of it.
    pub fn taken(&mut self) {
        // That few requests at once are taken says nothing about more.
        if f64::from(self.on_their_way) >= self.concurrent.floor() {
            let grown = self.concurrent + 1.0 / self.concurrent;
            if self.ceiling.is_infinite() {
                self.concurrent = grown;
            } else if self.concurrent < self.ceiling {
                self.concurrent = (self.concurrent + RECOVERY).min(self.ceiling);
            } else if self.asked_at >= self.raise_from {
                self.concurrent = grown;
                self.ceiling = grown;
            }
        }
        self.on_their_way = self.on_their_way.saturating_sub(1);
    }

    /// A request that had its turn was refused for the time being.
    pub fn refused(&mut self, now: DateTime<Utc>, why: Refused, retry_after: Option<Duration>) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
        // The peer did not take it.
        if let Some((_, count)) = self.sent.back_mut() {
            *count = count.saturating_sub(1);
            self.total = self.total.saturating_sub(1);
        }
        self.forget(now);
        let until = match retry_after {
            Some(wait) => after(now, wait.as_secs_f64()),
            None => self.own_pause(now),
        };
        match why {
            Refused::Requests => {
                let seen = self.total.max(self.policy.requests_min).max(1);
                self.limit = self.limit.min(f64::from(seen));
                self.step = STEP_MIN;
                self.probe_from = after(now, f64::from(self.policy.hold_ms) / 1e3);
            }
            Refused::Concurrency if now >= self.burst_until => {
                self.lower(now);
                self.burst_until = until;
            }
            Refused::Busy => {}
            // It was not one of those that the peer works on.
            Refused::Concurrency => {
                self.ceiling = (self.ceiling - 1.0).max(1.0);
                self.concurrent = self.concurrent.min(self.ceiling);
            }
        }
        self.blocked_until = self.blocked_until.max(until);
    }

    /// Takes in the first refusal of a burst for too many requests at once.
    fn lower(&mut self, now: DateTime<Utc>) {
        let not_refused = f64::from(self.on_their_way.max(1));
        let is_same = self.ceiling.is_finite()
            && (not_refused - self.ceiling).abs() <= (SAME * self.ceiling).max(1.0);
        if is_same {
            self.concurrent = self.concurrent.min(not_refused);
            self.met = (self.met + 1).min(MET_MAX);
        } else {
            self.concurrent = (self.concurrent / 2.0).max(1.0);
            self.met = 0;
        }
        self.ceiling = not_refused;
        let hold_s = f64::from(self.policy.hold_ms) / 1e3;
        let times = match self.met {
            0 => 0.0,
            met => 2.0_f64.powi(met.saturating_sub(1).cast_signed()),
        };
        self.raise_from = after(now, hold_s * times);
    }

    /// The end of a pause that the peer did not name.
    fn own_pause(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        if now >= self.paused_until {
            let first = f64::from(self.policy.pause_ms) / 1e3;
            let since = now.signed_duration_since(self.paused_until);
            let is_first_after = since.as_seconds_f64() < self.pause_s;
            self.pause_s = if is_first_after {
                (self.pause_s * 2.0).min(first * PAUSE_MAX)
            } else {
                first
            };
            self.paused_until = after(now, self.pause_s);
        }
        self.paused_until
    }

    /// Tries more when a limit that stands in the way has held for long enough.
    fn grow(&mut self, now: DateTime<Utc>) {
        let passed = now.signed_duration_since(self.grown_at).as_seconds_f64();
        self.grown_at = now;
        let believed = BELIEF_MAX * f64::from(self.total.max(self.policy.requests_start));
        if !std::mem::take(&mut self.is_wanting) || now < self.probe_from || self.limit >= believed
        {
            return;
        }
        let passed = passed.clamp(0.0, 1.0);
        self.limit *= 1.0 + self.step * passed;
        self.step = (self.step * 2.0_f64.powf(passed / STEP_DOUBLES_S)).min(STEP_MAX);
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some((second, count)) = self.sent.front().copied() {
            if now < self.gone(second) {
                break;
            }
            self.total = self.total.saturating_sub(count);
            self.sent.pop_front();
        }
    }

    /// When all requests of a second have left the window.
    fn gone(&self, second: i64) -> DateTime<Utc> {
        let window_s = i64::from(self.policy.window_ms.div_ceil(1_000));
        let gone = second.saturating_add(window_s).saturating_add(1);
        DateTime::from_timestamp(gone, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// `seconds` after `moment`, or the end of time.
fn after(moment: DateTime<Utc>, seconds: f64) -> DateTime<Utc> {
    let span = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    TimeDelta::from_std(span)
        .ok()
        .and_then(|span| moment.checked_add_signed(span))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests;
