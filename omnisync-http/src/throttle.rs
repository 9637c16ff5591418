use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::policy::{Refused, Throttle, ThrottlePolicy, Turn};
use omnisync_core::port::Clock;
use tokio::sync::{Notify, Semaphore};

/// A [`Throttle`] for everything that talks to the same environment. Clones share what it learnt.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use omnisync_core::policy::{Refused, ThrottlePolicy};
/// # use omnisync_testkit::clock::ManualClock;
/// use omnisync_http::SharedThrottle;
///
/// # futures::executor::block_on(async {
/// # let clock = Arc::new(ManualClock::default().auto());
/// let throttle = SharedThrottle::new(ThrottlePolicy::default(), clock);
/// let turn = throttle.turn(Duration::from_secs(30)).await.expect("nobody is in the way");
/// // … send, and say what came of it:
/// turn.refused(Refused::Requests, Some(Duration::from_secs(90)));
/// let wait = throttle.turn(Duration::from_secs(30)).await.expect_err("the peer wants a pause");
/// assert_eq!(wait, Duration::from_secs(90));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct SharedThrottle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    throttle: Mutex<Throttle>,
    clock: Arc<dyn Clock>,
    /// Whoever holds the permit is the next in line; the others wait for it in order.
    line: Semaphore,
    /// Tells the next in line that a request has ended.
    ended: Notify,
}

impl SharedThrottle {
    /// Knows nothing yet.
    pub fn new(policy: ThrottlePolicy, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                throttle: Mutex::new(Throttle::new(policy)),
                clock,
                line: Semaphore::new(1),
                ended: Notify::new(),
            }),
        }
    }

    /// Waits for the turn of a request, first come, first served. Waiting for others to end does
    /// not count: each of them has a time limit of its own.
    ///
    /// # Errors
    /// How long the wait would be, when the turn is later than `wait_max` from now. Nothing is
    /// reserved then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line.
    pub async fn turn(&self, wait_max: Duration) -> Result<TurnGuard, Duration> {
        let shared = &*self.shared;
        let latest = later(shared.clock.now(), wait_max);
        // The semaphore is never closed.
        let _head = shared.line.acquire().await.ok();
        loop {
            let now = shared.clock.now();
            let turn = shared.locked().ask(now);
            match turn {
                Turn::Now => {
                    return Ok(TurnGuard {
                        shared: Arc::clone(&self.shared),
                        is_answered: false,
                    });
                }
                Turn::At(then) if then > latest => {
                    return Err((then - now).to_std().unwrap_or_default());
                }
                Turn::At(then) => shared.clock.sleep_until(then).await,
                Turn::AfterAnother => shared.ended.notified().await,
            }
        }
    }

    /// What is known about the peer.
    pub fn snapshot(&self) -> Throttle {
        self.shared.locked().clone()
    }
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one request. Say what came of it; a guard that is dropped counts as taken.
#[derive(Debug)]
#[must_use = "the turn ends when the guard is dropped"]
pub struct TurnGuard {
    shared: Arc<Shared>,
    is_answered: bool,
}

impl TurnGuard {
    /// The peer took the request, whatever came of it.
    pub fn taken(self) {}

    /// The peer refused the request for the time being.
    pub fn refused(mut self, why: Refused, retry_after: Option<Duration>) {
        self.is_answered = true;
        let now = self.shared.clock.now();
        self.shared.locked().refused(now, why, retry_after);
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.locked().taken();
        }
        self.shared.ended.notify_one();
    }
}

/// `instant + by`, at the end of time when that overflows.
pub(crate) fn later(instant: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| instant.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
