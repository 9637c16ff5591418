//! The time outside of the simulation.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, NaiveDate, Utc};

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is measured is the simulator itself"
    )]
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.started.elapsed()
    }
}

/// The day in UTC.
#[expect(
    clippy::disallowed_methods,
    reason = "the ledger says on which day a tier really ran"
)]
pub(crate) fn today() -> NaiveDate {
    DateTime::<Utc>::from(SystemTime::now()).date_naive()
}

/// How many of `count` that is in a second.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> u128 {
    u128::from(count) * 1_000 / elapsed.as_millis().max(1)
}

/// Seconds, to the millisecond.
pub(crate) fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_per_second_and_survives_no_time_at_all() {
        assert_eq!(per_second(3_000, Duration::from_millis(1_500)), 2_000);
        assert_eq!(per_second(7, Duration::ZERO), 7_000);
        assert_eq!(
            per_second(u64::MAX, Duration::from_secs(1)),
            u128::from(u64::MAX)
        );
    }

    #[test]
    fn seconds_have_three_places() {
        let expected: f64 = "1.235".parse().unwrap();
        assert!((seconds(Duration::from_micros(1_234_567)) - expected).abs() < 1e-9);
    }
}
