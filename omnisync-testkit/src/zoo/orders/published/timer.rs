use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::options::PublishedOptions;

/// When the timers fired last. Clones share it: the platform keeps it outside the process, so a
/// host that starts again gets the timers of the one before and makes up for one firing that was
/// missed.
#[derive(Debug, Clone)]
pub struct Timers {
    pub(super) transform: Timer,
    pub(super) deliver: Timer,
    pub(super) lifecycle: Timer,
}

impl Timers {
    /// Timers that fire for the first time at their next instant after `now`.
    pub fn new(options: &PublishedOptions, now: DateTime<Utc>) -> Self {
        let timer = |every, after| Timer::new(every, after, now);
        Self {
            transform: timer(options.transform_every, Duration::ZERO),
            deliver: timer(options.deliver_every, options.deliver_after),
            lifecycle: timer(options.lifecycle_every, Duration::ZERO),
        }
    }
}

/// Fires at equal distances since the Unix epoch.
#[derive(Debug, Clone)]
pub(super) struct Timer {
    every: Duration,
    after: Duration,
    last: Arc<Mutex<i64>>,
}

/// One firing, by its number since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Firing(i64);

impl Timer {
    fn new(every: Duration, after: Duration, now: DateTime<Utc>) -> Self {
        let timer = Self {
            every,
            after,
            last: Arc::default(),
        };
        *timer.locked() = timer.number(now);
        timer
    }

    /// The firing that is due, if one is.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<Firing> {
        let number = self.number(now);
        let is_due = self.every.is_zero() || number > *self.locked();
        is_due.then_some(Firing(number))
    }

    /// Notes that a firing has been served.
    pub(super) fn served(&self, firing: Firing) {
        let mut last = self.locked();
        *last = firing.0.max(*last);
    }

    fn number(&self, now: DateTime<Utc>) -> i64 {
        let since = now - DateTime::UNIX_EPOCH - delta(self.after);
        let every = delta(self.every).num_milliseconds().max(1);
        since.num_milliseconds().div_euclid(every)
    }

    fn locked(&self) -> MutexGuard<'_, i64> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_timer_fires_once_at_each_distance() {
        let timer = Timer::new(4 * HOUR, HOUR / 4, at("2026-03-14T00:15:00Z"));
        assert!(timer.due(at("2026-03-14T04:14:59Z")).is_none());
        let firing = timer.due(at("2026-03-14T04:15:00Z")).unwrap();
        timer.served(firing);
        assert!(timer.due(at("2026-03-14T08:14:59Z")).is_none());
        assert!(timer.due(at("2026-03-14T08:15:00Z")).is_some());
    }

    #[test]
    fn a_firing_that_was_not_served_stays_due() {
        let timer = Timer::new(4 * HOUR, Duration::ZERO, at("2026-03-14T00:00:00Z"));
        let noon = at("2026-03-14T12:00:00Z");
        assert!(timer.due(noon).is_some());
        timer.served(timer.due(noon).unwrap());
        assert!(timer.due(noon).is_none());
    }

    #[test]
    fn a_timer_without_a_distance_is_always_due() {
        let now = at("2026-03-14T00:00:00Z");
        let timer = Timer::new(Duration::ZERO, Duration::ZERO, now);
        timer.served(timer.due(now).unwrap());
        assert!(timer.due(now).is_some());
    }
}
