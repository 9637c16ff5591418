use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// When a [`Breaker`] opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerPolicy {
    /// Failures in a row that open it. Default 3.
    pub failures_max: u32,
    /// Share of failed calls within the window that opens it, in percent. Default 50.
    pub failure_percent_max: u32,
    /// Calls within the window below which their share says nothing. Default 20.
    pub calls_min: u32,
    /// Times within the window that the peer may ask for a pause; one more opens it. Default 10.
    pub throttles_max: u32,
    /// How far back calls count, in milliseconds. Default 60,000.
    pub window_ms: u32,
    /// How long it stays open before one trial is let through, in milliseconds. Default 30,000.
    pub open_ms: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures_max: 3,
            failure_percent_max: 50,
            calls_min: 20,
            throttles_max: 10,
            window_ms: 60_000,
            open_ms: 30_000,
        }
    }
}

impl BreakerPolicy {
    /// Until when a breaker stays open that opens now.
    pub fn open_until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_add_signed(Duration::milliseconds(self.open_ms.into()))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Why a [`Breaker`] is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BreakerReason {
    /// Too many calls failed one after the other.
    FailuresInARow,
    /// Too large a share of the calls of the window failed.
    FailureShare,
    /// The peer asked for a pause too often.
    Throttles,
}

impl BreakerReason {
    /// The reason, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailuresInARow => "too many failures in a row",
            Self::FailureShare => "too many failures",
            Self::Throttles => "throttled too often",
        }
    }
}

/// Stops work against a peer that is down or overwhelmed, so that waiting messages are not worn
/// out.
///
/// Closed until too many calls fail, in a row or as a share of a window, or until the peer asks
/// for a pause too often; then open until a moment; then half open: one success closes it, one
/// failure opens it again.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use omnisync_core::policy::{Breaker, BreakerPolicy};
///
/// let policy = BreakerPolicy::default();
/// let now = DateTime::UNIX_EPOCH;
/// let mut breaker = Breaker::default();
/// for _ in 0..policy.failures_max {
///     breaker = breaker.failed(now, &policy);
/// }
/// assert_eq!(breaker.blocked_until(now), Some(now + TimeDelta::seconds(30)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    failures: u32,
    open_until: Option<DateTime<Utc>>,
    reason: Option<BreakerReason>,
    /// Calls of this half of the window, and of the half before it.
    recent: [Tally; 2],
}

/// What came of the calls of half a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    /// Which half since the epoch.
    half: i64,
    calls: u32,
    failures: u32,
    throttles: u32,
}

impl Breaker {
    /// Until when nothing may be tried; `None` when work may go on.
    pub fn blocked_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.open_until.filter(|until| now < *until)
    }

    /// Why it opened; `None` while it is closed.
    pub fn reason(&self) -> Option<BreakerReason> {
        self.reason
    }

    /// The peer answered. While it is open that was no trial: the call was on its way before, and
    /// closes nothing.
    #[must_use]
    pub fn succeeded(self, now: DateTime<Utc>, policy: &BreakerPolicy) -> Self {
        let count = |recent| counted(recent, now, policy, |tally| tally.calls += 1);
        if self.blocked_until(now).is_some() {
            return Self {
                recent: count(self.recent),
                ..self
            };
        }
        // After a trial the past is over.
        let recent = match self.open_until {
            Some(_) => <[Tally; 2]>::default(),
            None => self.recent,
        };
        Self {
            recent: count(recent),
            ..Self::default()
        }
    }

    /// The same, and blocked until `instant` at least: the peer asked to be left alone.
    #[must_use]
    pub fn blocked(self, instant: DateTime<Utc>) -> Self {
        Self {
            open_until: self.open_until.max(Some(instant)),
            ..self
        }
    }

    /// The peer failed at `now`.
    #[must_use]
    pub fn failed(self, now: DateTime<Utc>, policy: &BreakerPolicy) -> Self {
        let recent = counted(self.recent, now, policy, |tally| {
            tally.calls = tally.calls.saturating_add(1);
            tally.failures = tally.failures.saturating_add(1);
        });
        let failures = self.failures.saturating_add(1);
        let (calls, failed, _) = sum(&recent);
        let share_max = u64::from(policy.failure_percent_max);
        // A trial that fails opens it again.
        let reason = if let (Some(_), Some(reason)) = (self.open_until, self.reason) {
            Some(reason)
        } else if failures >= policy.failures_max {
            Some(BreakerReason::FailuresInARow)
        } else if calls >= u64::from(policy.calls_min) && failed * 100 >= calls * share_max {
            Some(BreakerReason::FailureShare)
        } else {
            None
        };
        Self {
            failures,
            open_until: self.opened(reason, now, policy),
            reason,
            recent,
        }
    }

    /// The peer asked for a pause at `now`: it is there, and has enough to do.
    #[must_use]
    pub fn throttled(self, now: DateTime<Utc>, policy: &BreakerPolicy) -> Self {
        let recent = counted(self.recent, now, policy, |tally| {
            tally.calls = tally.calls.saturating_add(1);
            tally.throttles = tally.throttles.saturating_add(1);
        });
        // A trial that is refused is no success.
        let again = self.open_until.and(self.reason);
        let (_, _, throttles) = sum(&recent);
        let often = throttles > u64::from(policy.throttles_max);
        let reason = again.or_else(|| often.then_some(BreakerReason::Throttles));
        Self {
            failures: 0,
            open_until: self.opened(reason, now, policy),
            reason,
            recent,
        }
    }

    /// Until when it is open: no shorter than it is already.
    fn opened(
        &self,
        reason: Option<BreakerReason>,
        now: DateTime<Utc>,
        policy: &BreakerPolicy,
    ) -> Option<DateTime<Utc>> {
        reason
            .map(|_| policy.open_until(now))
            .max(self.blocked_until(now))
    }
}

fn counted(
    [this, before]: [Tally; 2],
    now: DateTime<Utc>,
    policy: &BreakerPolicy,
    count: impl FnOnce(&mut Tally),
) -> [Tally; 2] {
    let half = now.timestamp_millis() / i64::from((policy.window_ms / 2).max(1));
    let fresh = Tally {
        half,
        ..Tally::default()
    };
    let [mut this, before] = match half - this.half {
        // A clock that is set back counts where it was.
        ..=0 => [this, before],
        1 => [fresh, this],
        _ => [fresh, Tally::default()],
    };
    count(&mut this);
    [this, before]
}

/// Calls, failures and throttles.
fn sum(recent: &[Tally; 2]) -> (u64, u64, u64) {
    let all = |count: fn(&Tally) -> u32| recent.iter().map(|tally| u64::from(count(tally))).sum();
    (
        all(|tally| tally.calls),
        all(|tally| tally.failures),
        all(|tally| tally.throttles),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_trial_through_later() {
        let policy = BreakerPolicy::default();
        let now = at(0);
        let breaker = Breaker::default().failed(now, &policy).failed(now, &policy);
        assert_eq!(breaker.blocked_until(now), None);
        let breaker = breaker.failed(now, &policy);
        let until = at(30);
        assert_eq!(breaker.blocked_until(now), Some(until));
        assert_eq!(breaker.reason(), Some(BreakerReason::FailuresInARow));
        assert_eq!(breaker.blocked_until(until), None);
        let again = breaker.failed(until, &policy);
        assert!(again.blocked_until(until).is_some());
        let closed = breaker.succeeded(until, &policy);
        assert_eq!((closed.blocked_until(until), closed.reason()), (None, None));
    }

    /// Calls of one a second, a failure or not as `fails` says; when it opened.
    fn opened_at(seconds: i64, fails: impl Fn(i64) -> bool) -> Option<(i64, BreakerReason)> {
        let policy = BreakerPolicy::default();
        let mut breaker = Breaker::default();
        for second in 0..seconds {
            breaker = if fails(second) {
                breaker.failed(at(second), &policy)
            } else {
                breaker.succeeded(at(second), &policy)
            };
            if let Some(reason) = breaker.reason() {
                return Some((second, reason));
            }
        }
        None
    }

    #[test]
    fn it_opens_on_a_share_of_failures_that_are_never_in_a_row() {
        let every_other = opened_at(600, |second| second % 2 == 1);
        assert_eq!(every_other, Some((19, BreakerReason::FailureShare)));
        assert_eq!(opened_at(600, |second| second % 3 == 1), None);
    }

    #[test]
    fn it_opens_when_the_peer_asks_for_a_pause_too_often_within_a_minute() {
        let policy = BreakerPolicy::default();
        let throttled = |every: i64, times: i64| {
            let calls = 0..times;
            calls.fold(Breaker::default(), |breaker, call| {
                breaker.throttled(at(call * every), &policy)
            })
        };
        assert_eq!(throttled(1, 10).reason(), None);
        assert_eq!(throttled(1, 11).reason(), Some(BreakerReason::Throttles));
        assert_eq!(throttled(7, 100).reason(), None);
        // Half open: the trial is asked for a pause again.
        let opened = throttled(1, 11);
        let trial = opened.throttled(at(100), &policy);
        assert_eq!(trial.blocked_until(at(100)), Some(at(130)));
    }

    #[test]
    fn calls_that_were_on_their_way_do_not_shorten_a_pause() {
        let policy = BreakerPolicy::default();
        let asked = Breaker::default().blocked(at(90));
        for breaker in [
            asked.succeeded(at(1), &policy),
            asked.failed(at(1), &policy),
            asked.throttled(at(1), &policy),
            (0..5).fold(asked, |breaker, _| breaker.failed(at(1), &policy)),
        ] {
            assert_eq!(breaker.blocked_until(at(1)), Some(at(90)));
        }
        let opened = (0..3).fold(Breaker::default(), |breaker, _| {
            breaker.failed(at(0), &policy)
        });
        let late = opened.succeeded(at(1), &policy);
        assert_eq!(late.blocked_until(at(1)), Some(at(30)));
        assert_eq!(late.reason(), opened.reason());
        assert_eq!(asked.succeeded(at(90), &policy).blocked_until(at(90)), None);
    }

    #[test]
    fn what_opened_it_does_not_count_after_it_closed() {
        let policy = BreakerPolicy::default();
        let mut breaker = Breaker::default();
        for _ in 0..30 {
            breaker = breaker.failed(at(0), &policy);
        }
        breaker = breaker.succeeded(at(31), &policy);
        for second in 32..60 {
            breaker = breaker.succeeded(at(second), &policy);
        }
        assert_eq!(breaker.failed(at(60), &policy).reason(), None);
    }
}
