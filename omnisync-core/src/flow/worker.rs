use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use crate::id::WorkerId;
use crate::order::{Cause, Change};
use crate::policy::RetentionPolicy;
use crate::port::{Clock, IdSource};

/// Who does the work: a name for leases and trails, a clock, and ids.
///
/// A worker that starts again under the name of an earlier one takes its leases back at once.
/// Reuse a name only when the former holder is certainly dead, as a lock on a folder or a
/// stateful set's ordinal proves; else take a fresh name.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Name in leases and trails.
    pub id: WorkerId,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub ids: Arc<dyn IdSource>,
    /// How long terminal things stay.
    pub retention: RetentionPolicy,
}

impl Worker {
    /// A worker called `id`, with the default retention.
    pub fn new(id: WorkerId, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            id,
            clock,
            ids,
            retention: RetentionPolicy::default(),
        }
    }

    /// The same worker with another retention.
    #[must_use]
    pub fn with_retention(mut self, retention: RetentionPolicy) -> Self {
        self.retention = retention;
        self
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Milliseconds since `start`; 0 when the clock was set back in between.
    pub(crate) fn millis_since(&self, start: DateTime<Utc>) -> i64 {
        (self.now() - start).num_milliseconds().max(0)
    }

    pub(crate) fn change(&self, at: DateTime<Utc>, cause: Cause) -> Change {
        Change {
            at,
            actor: self.id.clone(),
            cause,
            retention: self.retention.order(),
        }
    }

    pub(crate) fn after(&self, delay: std::time::Duration) -> DateTime<Utc> {
        let delay = Duration::from_std(delay).unwrap_or(Duration::MAX);
        self.now()
            .checked_add_signed(delay)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
