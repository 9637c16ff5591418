use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How many calls an environment grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetPolicy {
    /// Calls that may be made within the window; `None` for no limit. Default none.
    pub calls_max: Option<u64>,
    /// Calls that are kept back for what matters most, such as asking what became of an import.
    /// Default 0.
    pub calls_reserved: u64,
    /// The window, in seconds. Default 86,400.
    pub window_seconds: u32,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self {
            calls_max: None,
            calls_reserved: 0,
            window_seconds: 86_400,
        }
    }
}

/// How much a call matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// It can wait for a day.
    Normal,
    /// It may use what is kept back.
    High,
}

/// Accounts for the calls that are made against one environment, and says when there are no more.
///
/// Pure: the moment is an argument. Share one between everything that talks to the same
/// environment. Calls leave the account a window after they were made, in steps of a 96th of it.
///
/// ```
/// use chrono::DateTime;
/// use omnisync_core::policy::{BudgetPolicy, CallBudget, Priority};
///
/// let policy = BudgetPolicy { calls_max: Some(2), calls_reserved: 1, ..BudgetPolicy::default() };
/// let mut budget = CallBudget::new(policy);
/// let now = DateTime::UNIX_EPOCH;
/// assert!(budget.spend(now, Priority::Normal).is_ok());
/// assert!(budget.spend(now, Priority::Normal).is_err());
/// assert!(budget.spend(now, Priority::High).is_ok());
/// assert_eq!(budget.used(now), 2);
/// ```
#[derive(Debug, Clone)]
pub struct CallBudget {
    policy: BudgetPolicy,
    /// Calls by step of the window, oldest first.
    spent: VecDeque<(i64, u64)>,
    total: u64,
}

/// Steps that a window is counted in.
const STEPS: i64 = 96;

/// No call is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {calls_max} calls of the window are used; some come back at {until}")]
pub struct BudgetSpent {
    /// Calls that the window has for this priority.
    pub calls_max: u64,
    /// When the oldest ones leave the window.
    pub until: DateTime<Utc>,
}

impl CallBudget {
    /// An account without calls.
    pub fn new(policy: BudgetPolicy) -> Self {
        Self {
            policy,
            spent: VecDeque::new(),
            total: 0,
        }
    }

    /// Accounts for a call that is about to be made.
    ///
    /// # Errors
    /// [`BudgetSpent`] when none is left; nothing is accounted then.
    pub fn spend(&mut self, now: DateTime<Utc>, priority: Priority) -> Result<(), BudgetSpent> {
        self.check(now, priority)?;
        let step = self.step(now);
        match self.spent.back_mut() {
            Some((last, calls)) if *last >= step => *calls += 1,
            _ => self.spent.push_back((step, 1)),
        }
        self.total += 1;
        Ok(())
    }

    /// Whether a call can be made; nothing is accounted.
    ///
    /// # Errors
    /// [`BudgetSpent`] when none is left.
    pub fn check(&mut self, now: DateTime<Utc>, priority: Priority) -> Result<(), BudgetSpent> {
        self.forget(now);
        if let Some(all) = self.policy.calls_max {
            let calls_max = match priority {
                Priority::Normal => all.saturating_sub(self.policy.calls_reserved),
                Priority::High => all,
            };
            if self.total >= calls_max {
                let oldest = self.spent.front().map(|(step, _)| *step);
                let oldest = oldest.unwrap_or_else(|| self.step(now));
                let until = self.end_of(oldest);
                return Err(BudgetSpent { calls_max, until });
            }
        }
        Ok(())
    }

    /// Calls within the window that ends at `now`.
    pub fn used(&mut self, now: DateTime<Utc>) -> u64 {
        self.forget(now);
        self.total
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some((step, calls)) = self.spent.front().copied() {
            if now < self.end_of(step) {
                break;
            }
            self.total = self.total.saturating_sub(calls);
            self.spent.pop_front();
        }
    }

    fn step_ms(&self) -> i64 {
        (i64::from(self.policy.window_seconds.max(1)) * 1_000 / STEPS).max(1)
    }

    fn step(&self, now: DateTime<Utc>) -> i64 {
        now.timestamp_millis().div_euclid(self.step_ms())
    }

    /// When the calls of a step leave the window.
    fn end_of(&self, step: i64) -> DateTime<Utc> {
        let ms = step
            .saturating_add(STEPS + 1)
            .saturating_mul(self.step_ms());
        DateTime::UNIX_EPOCH
            .checked_add_signed(TimeDelta::milliseconds(ms))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_come_back_when_the_oldest_leave_the_window() {
        let mut budget = CallBudget::new(BudgetPolicy {
            calls_max: Some(3),
            window_seconds: 960,
            ..BudgetPolicy::default()
        });
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        for second in [0, 100, 200] {
            budget.spend(at(second), Priority::Normal).unwrap();
        }
        let spent = budget.spend(at(300), Priority::High).unwrap_err();
        assert_eq!(spent.until, at(970));
        assert!(budget.spend(at(969), Priority::Normal).is_err());
        assert!(budget.spend(spent.until, Priority::Normal).is_ok());
        assert_eq!(budget.used(at(10_000)), 0);
    }

    proptest! {
        #[test]
        fn no_window_ever_has_more_calls_than_granted(
            pauses in prop::collection::vec(0_i64..40_000, 1..400),
        ) {
            let policy = BudgetPolicy {
                calls_max: Some(20),
                window_seconds: 300,
                ..BudgetPolicy::default()
            };
            let mut budget = CallBudget::new(policy);
            let (mut now, mut made) = (0, Vec::new());
            for pause in pauses {
                now += pause;
                let at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(now);
                match budget.spend(at, Priority::Normal) {
                    Ok(()) => made.push(now),
                    Err(spent) => prop_assert!(spent.until > at),
                }
                let within = made.iter().filter(|then| **then > now - 300_000).count();
                prop_assert!(within <= 20);
            }
        }
    }
}
