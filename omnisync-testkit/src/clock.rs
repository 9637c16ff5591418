//! Time that moves only when a test says so.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::port::Clock;

/// A clock in the hands of the test. Clones share the time.
///
/// A waiting `sleep_until` wakes when [`advance`](Self::advance) or [`set`](Self::set) moves the
/// clock past its instant. With [`auto`](Self::auto) a `sleep_until` moves the clock itself, so
/// that a single-threaded run never stands still.
///
/// ```
/// use std::time::Duration;
/// use omnisync_core::port::Clock;
/// use omnisync_testkit::clock::ManualClock;
///
/// let clock = ManualClock::default();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!((clock.now() - start).num_seconds(), 60);
/// ```
#[derive(Clone)]
pub struct ManualClock {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    now: DateTime<Utc>,
    auto: bool,
    sleepers: BTreeMap<(DateTime<Utc>, u64), Waker>,
    sleeps: u64,
}

impl Default for ManualClock {
    /// A clock that stands at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::new(DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default())
    }
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: DateTime<Utc>) -> Self {
        let inner = Inner {
            now: start,
            auto: false,
            sleepers: BTreeMap::new(),
            sleeps: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// The same clock, on which every `sleep_until` jumps to its instant and returns at once.
    #[must_use]
    pub fn auto(self) -> Self {
        self.locked().auto = true;
        self
    }

    /// Moves the clock forward and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        let now = later(self.now(), by);
        self.set(now);
    }

    /// Moves the clock to `instant`, which may lie in the past.
    pub fn set(&self, instant: DateTime<Utc>) {
        let due = {
            let mut inner = self.locked();
            inner.now = instant;
            let asleep = inner.sleepers.split_off(&(instant, u64::MAX));
            std::mem::replace(&mut inner.sleepers, asleep)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// The earliest instant that somebody sleeps until.
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        self.locked()
            .sleepers
            .keys()
            .next()
            .map(|(instant, _)| *instant)
    }

    /// Moves the clock to [`next_wake`](Self::next_wake); `false` when nobody sleeps.
    pub fn advance_to_next_wake(&self) -> bool {
        self.next_wake().map(|instant| self.set(instant)).is_some()
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.locked();
        f.debug_struct("ManualClock")
            .field("now", &inner.now)
            .field("auto", &inner.auto)
            .field("sleepers", &inner.sleepers.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.locked().now
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        if self.locked().auto {
            if self.now() < instant {
                self.set(instant);
            }
            return;
        }
        Sleep {
            clock: self,
            instant,
            number: None,
        }
        .await;
    }
}

/// `instant + by`, at the end of time when that overflows.
pub(crate) fn later(instant: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| instant.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

struct Sleep<'a> {
    clock: &'a ManualClock,
    instant: DateTime<Utc>,
    number: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock;
        let mut inner = clock.locked();
        if inner.now >= self.instant {
            return Poll::Ready(());
        }
        let number = self.number.unwrap_or(inner.sleeps + 1);
        inner.sleeps = inner.sleeps.max(number);
        inner
            .sleepers
            .insert((self.instant, number), cx.waker().clone());
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.clock.locked().sleepers.remove(&(self.instant, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;
    use futures::executor::block_on;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_sleeper_wakes_when_the_clock_passes_its_instant() {
        let clock = ManualClock::default();
        let instant = later(clock.now(), MINUTE);
        let mut sleep = pin!(clock.sleep_until(instant));
        assert!(sleep.as_mut().now_or_never().is_none());
        assert_eq!(clock.next_wake(), Some(instant));
        clock.advance(MINUTE / 2);
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.advance(MINUTE / 2);
        assert!(sleep.now_or_never().is_some());
        assert_eq!(clock.next_wake(), None);
    }

    #[test]
    fn a_dropped_sleep_is_forgotten() {
        let clock = ManualClock::default();
        let instant = later(clock.now(), MINUTE);
        {
            let mut sleep = pin!(clock.sleep_until(instant));
            assert!(sleep.as_mut().now_or_never().is_none());
        }
        assert_eq!(clock.next_wake(), None);
    }

    #[test]
    fn an_automatic_clock_jumps_forward_but_never_back() {
        let clock = ManualClock::default().auto();
        let start = clock.now();
        block_on(clock.sleep_until(later(start, MINUTE)));
        block_on(clock.sleep_until(start));
        assert_eq!(clock.now(), later(start, MINUTE));
    }

    #[test]
    fn advancing_to_the_next_wake_serves_sleepers_in_order() {
        let clock = ManualClock::default();
        let start = clock.now();
        let far = async { clock.sleep_until(later(start, 2 * MINUTE)).await };
        let near = async { clock.sleep_until(later(start, MINUTE)).await };
        let mut both = pin!(futures::future::join(far, near));
        assert!(both.as_mut().now_or_never().is_none());
        assert!(clock.advance_to_next_wake());
        assert_eq!(clock.now(), later(start, MINUTE));
        assert!(both.as_mut().now_or_never().is_none());
        assert!(clock.advance_to_next_wake());
        assert!(both.now_or_never().is_some());
        assert!(!clock.advance_to_next_wake());
    }
}
