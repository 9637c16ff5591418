use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound as _, Utc};
use omnisync_core::port::{Clock, IdSource};
use uuid::Uuid;

/// Longest sleep between two looks at the wall clock, so that a clock set forward is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Digits of a second that [`SystemClock`] gives: microseconds, as the stores keep them.
const SUBSECOND_DIGITS: u16 = 6;

/// The wall clock of this machine, to the microsecond. Sleeping needs a tokio runtime with time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the host's clock behind the port"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(SUBSECOND_DIGITS)
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        while let Ok(left) = (instant - self.now()).to_std() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLEEP_MAX)).await;
        }
    }
}

/// Random identifiers: `unique` is a time-ordered `UUIDv7`, `jitter` comes from a random
/// `UUIDv4`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn unique(&self) -> Uuid {
        Uuid::now_v7()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "this is the host's randomness behind the port"
    )]
    fn jitter(&self) -> f64 {
        let id = Uuid::new_v4();
        let (_, _, _, random) = id.as_fields();
        // The first byte carries the variant; the 32 bits behind it are random.
        let [_, a, b, c, d, ..] = *random;
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}
