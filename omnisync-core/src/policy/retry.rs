use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Capped exponential backoff with injected jitter.
///
/// Attempt *n* waits between half of and the whole of `base × 2ⁿ⁻¹`, at most `cap`. Jitter is an
/// argument, so the same input gives the same delay.
///
/// ```
/// use std::time::Duration;
/// use omnisync_core::policy::RetryPolicy;
///
/// let policy = RetryPolicy::default();
/// assert_eq!(policy.delay(1, 1.0), Duration::from_secs(1));
/// assert_eq!(policy.delay(3, 1.0), Duration::from_secs(4));
/// assert_eq!(policy.delay(3, 0.0), Duration::from_secs(2));
/// assert_eq!(policy.delay(99, 1.0), Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Delay after the first failure, in milliseconds. Default 1,000.
    pub base_ms: u64,
    /// Longest delay, in milliseconds. Default 300,000.
    pub cap_ms: u64,
    /// Attempts in all before giving up. Default 10.
    pub attempts_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base_ms: 1_000,
            cap_ms: 300_000,
            attempts_max: 10,
        }
    }
}

impl RetryPolicy {
    /// How long to wait after failure number `attempt` (beginning with 1). `jitter` lies in
    /// `0.0..=1.0` and is clamped to it.
    pub fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(32);
        let whole = self
            .base_ms
            .saturating_mul(1_u64 << doublings)
            .min(self.cap_ms);
        let fraction = f64::midpoint(
            1.0,
            if jitter.is_nan() {
                1.0
            } else {
                jitter.clamp(0.0, 1.0)
            },
        );
        Duration::from_millis(whole).mul_f64(fraction)
    }

    /// True when `attempts` attempts were all that is allowed.
    pub fn is_exhausted(&self, attempts: u32) -> bool {
        attempts >= self.attempts_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_stay_between_half_and_all_of_the_capped_step(
            attempt in 0_u32..=u32::MAX,
            jitter in -1.0_f64..2.0,
        ) {
            let policy = RetryPolicy::default();
            let delay = policy.delay(attempt, jitter);
            prop_assert!(delay >= Duration::from_millis(policy.base_ms / 2));
            prop_assert!(delay <= Duration::from_millis(policy.cap_ms));
        }

        #[test]
        fn a_later_attempt_never_waits_less_with_the_same_jitter(
            attempt in 1_u32..60,
            jitter in 0.0_f64..1.0,
        ) {
            let policy = RetryPolicy::default();
            prop_assert!(policy.delay(attempt, jitter) <= policy.delay(attempt + 1, jitter));
        }
    }

    #[test]
    fn a_jitter_that_is_no_number_waits_the_whole_step() {
        assert_eq!(
            RetryPolicy::default().delay(1, f64::NAN),
            Duration::from_secs(1)
        );
    }
}
