//! What both ways of speaking to the service know of locks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::{ErrorKind, PortError};

/// How long a lock is believed to last when the service does not say.
pub(super) const LOCK_UNSAID: Duration = Duration::from_secs(30);

/// How long after its lock a delivery is remembered whose settlement was not answered: whoever
/// settles it again hears that the effect is open.
pub(super) const OPEN_KEPT: Duration = Duration::from_secs(600);

/// The end of a lock that was given at `since` by our own clock. One that was over before it
/// began says that the clocks differ: then the service alone knows, and is asked. That is logged
/// once.
pub(super) fn believed(
    until: DateTime<Utc>,
    since: DateTime<Utc>,
    was_skewed: &AtomicBool,
) -> DateTime<Utc> {
    if since < until {
        return until;
    }
    if !was_skewed.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            %until, now = %since,
            "our clock is ahead of that of the broker by more than a lock; set it right"
        );
    }
    later(since, LOCK_UNSAID)
}

/// `at + by`, at the end of time when that overflows.
pub(super) fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| at.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The lock of a delivery is lost.
pub(super) fn lost(operation: &'static str, what: &'static str) -> PortError {
    PortError::new(ErrorKind::LockLost, operation).with_detail(what)
}

/// The same, unless it ended with an earlier settlement whose answer was lost.
pub(super) fn open(operation: &'static str) -> PortError {
    PortError::new(ErrorKind::Unavailable, operation).with_detail(
        "its lock is over, perhaps since an earlier settlement took effect; otherwise the message \
         comes again",
    )
}
