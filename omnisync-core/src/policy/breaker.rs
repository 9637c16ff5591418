use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// When a [`Breaker`] opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerPolicy {
    /// Failures in a row that open it. Default 3.
    pub failures_max: u32,
    /// How long it stays open before one trial is let through, in milliseconds. Default 30,000.
    pub open_ms: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures_max: 3,
            open_ms: 30_000,
        }
    }
}

/// Stops work against a peer that is down, so that waiting messages are not worn out.
///
/// Closed until `failures_max` failures in a row; then open until a moment; then half open: one
/// success closes it, one failure opens it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Breaker {
    failures: u32,
    open_until: Option<DateTime<Utc>>,
}

impl Breaker {
    /// Until when nothing may be tried; `None` when work may go on.
    pub fn blocked_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.open_until.filter(|until| now < *until)
    }

    /// The peer answered.
    #[must_use]
    pub fn succeeded(self) -> Self {
        Self::default()
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
        let failures = self.failures.saturating_add(1);
        let opens = failures >= policy.failures_max;
        let open_until = opens
            .then(|| now.checked_add_signed(Duration::milliseconds(policy.open_ms.into())))
            .flatten();
        Self {
            failures,
            open_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_trial_through_later() {
        let policy = BreakerPolicy::default();
        let now = DateTime::UNIX_EPOCH;
        let breaker = Breaker::default().failed(now, &policy).failed(now, &policy);
        assert_eq!(breaker.blocked_until(now), None);
        let breaker = breaker.failed(now, &policy);
        let until = now + Duration::seconds(30);
        assert_eq!(breaker.blocked_until(now), Some(until));
        assert_eq!(breaker.blocked_until(until), None);
        assert!(
            breaker
                .failed(until, &policy)
                .blocked_until(until)
                .is_some()
        );
        assert_eq!(breaker.succeeded().blocked_until(until), None);
    }
}
