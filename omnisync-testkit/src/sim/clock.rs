use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::port::Clock;

use crate::clock::ManualClock;

/// The clock of one worker: the time of the run, and how far this clock is off.
#[derive(Debug, Clone)]
pub(super) struct WorkerClock {
    time: ManualClock,
    /// In milliseconds.
    skew: Arc<AtomicI64>,
    /// The latest time that anybody read from it, in milliseconds of the Unix epoch.
    latest: Arc<AtomicI64>,
}

impl WorkerClock {
    pub(super) fn new(time: ManualClock) -> Self {
        Self {
            time,
            skew: Arc::default(),
            latest: Arc::default(),
        }
    }

    /// Steps forward or back by milliseconds.
    pub(super) fn step(&self, by: i64) {
        self.skew.fetch_add(by, Ordering::SeqCst);
    }

    /// Shows the right time again.
    pub(super) fn correct(&self) {
        self.skew.store(0, Ordering::SeqCst);
    }

    /// Whether somebody read `instant`, or a later time, from it.
    pub(super) fn has_shown(&self, instant: DateTime<Utc>) -> bool {
        self.latest.load(Ordering::SeqCst) >= instant.timestamp_millis()
    }

    fn skew(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.skew.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Clock for WorkerClock {
    fn now(&self) -> DateTime<Utc> {
        let now = self.time.now();
        let now = now.checked_add_signed(self.skew()).unwrap_or(now);
        self.latest
            .fetch_max(now.timestamp_millis(), Ordering::SeqCst);
        now
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        let at = instant.checked_sub_signed(self.skew()).unwrap_or(instant);
        self.time.sleep_until(at).await;
    }
}
