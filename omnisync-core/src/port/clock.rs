use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::forward_to_pointee;

/// Time, as an argument that can be replaced.
///
/// # Contract
/// 1. `now` never goes backwards by more than the steps of the machine's own clock; flows
///    tolerate both directions.
/// 2. `sleep_until` returns at once for an instant that has passed.
/// 3. `sleep_until` returns no earlier than the instant, as seen by `now`.
///
/// # Cancel safety
/// Dropping the future of `sleep_until` ends the wait and has no other effect.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current instant, to the millisecond or finer.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until `instant`.
    async fn sleep_until(&self, instant: DateTime<Utc>);
}

/// Identifiers and jitter, as an argument that can be replaced.
///
/// # Contract
/// 1. Two calls of `unique` on any two sources give different values.
/// 2. `jitter` lies in `0.0..1.0`.
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// An identifier that nobody else has: names workers, never effects.
    fn unique(&self) -> Uuid;

    /// A fraction in `0.0..1.0` that spreads retries.
    fn jitter(&self) -> f64;
}

forward_to_pointee!(Clock {
    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }
    async fn sleep_until(&self, instant: DateTime<Utc>) {
        (**self).sleep_until(instant).await;
    }
});

forward_to_pointee!(IdSource {
    fn unique(&self) -> Uuid {
        (**self).unique()
    }
    fn jitter(&self) -> f64 {
        (**self).jitter()
    }
});
