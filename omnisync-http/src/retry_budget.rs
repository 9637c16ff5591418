use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// One repetition, in hundredths: a call pays in a percentage of one.
const REPEAT: u64 = 100;

/// The reserve is full again after so long without repetitions.
const REFILL_MS: u64 = 60_000;

/// What repetitions all calls of a client may spend together.
///
/// When a peer is down, every call fails and every call is repeated: the load grows just when it
/// should not. So each call pays in a part of a repetition, and a small reserve, which fills again
/// with time, serves clients that call rarely.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    percent: u64,
    full: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: u64,
    seen: DateTime<Utc>,
}

impl RetryBudget {
    pub(crate) fn new(percent: u32, reserve: u32, now: DateTime<Utc>) -> Self {
        let full = u64::from(reserve).saturating_mul(REPEAT);
        Self {
            percent: percent.into(),
            full,
            state: Mutex::new(State {
                left: full,
                seen: now,
            }),
        }
    }

    /// A call begins.
    pub(crate) fn pay_in(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ceiling = self.full.max(REPEAT);
        state.left = (state.left + self.percent).min(ceiling);
    }

    /// Whether one more repetition may be made.
    pub(crate) fn take(&self, now: DateTime<Utc>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.signed_duration_since(state.seen).num_milliseconds();
        let earned = u64::try_from(passed).unwrap_or(0).saturating_mul(self.full) / REFILL_MS;
        if earned > 0 || passed < 0 {
            state.seen = now;
            state.left = state
                .left
                .max(state.left.saturating_add(earned).min(self.full));
        }
        let is_enough = state.left >= REPEAT;
        if is_enough {
            state.left -= REPEAT;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn beyond_the_reserve_only_a_part_of_the_calls_is_repeated() {
        let now = DateTime::UNIX_EPOCH;
        let budget = RetryBudget::new(10, 3, now);
        let repeated = (0..100)
            .filter(|_| {
                budget.pay_in();
                budget.take(now)
            })
            .count();
        assert_eq!(repeated, 12);
    }

    #[test]
    fn the_reserve_fills_within_a_minute() {
        let start = DateTime::UNIX_EPOCH;
        let budget = RetryBudget::new(0, 6, start);
        let take_all = |now| {
            std::iter::repeat_with(|| budget.take(now))
                .take_while(|is| *is)
                .count()
        };
        assert_eq!(take_all(start), 6);
        assert_eq!(take_all(start + TimeDelta::seconds(30)), 3);
        assert_eq!(take_all(start + TimeDelta::hours(9)), 6);
        assert_eq!(take_all(start), 0);
    }

    #[test]
    fn nothing_is_repeated_without_percentage_and_reserve() {
        let budget = RetryBudget::new(0, 0, DateTime::UNIX_EPOCH);
        budget.pay_in();
        assert!(!budget.take(DateTime::<Utc>::MAX_UTC));
    }
}
