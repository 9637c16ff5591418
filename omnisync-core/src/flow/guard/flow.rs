use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::super::repository::is_race;
use super::super::worker::Worker;
use super::record::{BreakerRecord, BreakerState};
use crate::error::{ErrorKind, PortError};
use crate::id::ETag;
use crate::policy::{Breaker, BreakerPolicy, BreakerReason};
use crate::port::{Expect, Notice, Notifier, StateStore, StateStoreExt as _, Written};

/// How a [`Guard`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardPolicy {
    /// When the breaker opens and for how long.
    pub breaker: BreakerPolicy,
    /// How long telling people may take, in milliseconds. Default 5,000.
    pub notify_ms_max: u32,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self {
            breaker: BreakerPolicy::default(),
            notify_ms_max: 5_000,
        }
    }
}

/// Lets calls to a peer through, or not.
///
/// Each worker counts what its own calls meet. When that opens the breaker, the state is stored,
/// and all workers leave the peer alone: what waits for it stays where it is. After a while one
/// worker tries; its answer closes the breaker, or opens it again. People are told when it opens
/// and when it closes, once for all workers, and again where telling them failed.
///
/// A store that fails while something is noted does not turn an answer of the peer into an error:
/// the worker itself goes by what it saw.
pub struct Guard {
    peer: String,
    store: Arc<dyn StateStore>,
    worker: Worker,
    notifier: Option<Arc<dyn Notifier>>,
    policy: GuardPolicy,
    seen: Mutex<Seen>,
}

/// What this worker saw.
#[derive(Debug, Default)]
struct Seen {
    breaker: Breaker,
    /// The store asked for a pause while something was noted.
    store_paused_until: Option<DateTime<Utc>>,
    /// The notifier failed: it is tried again then.
    notifier_paused_until: Option<DateTime<Utc>>,
}

/// A call that may be made. Say how it ended.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    /// The record under which this worker tries a peer that was left alone.
    trial: Option<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    record: BreakerRecord,
    etag: ETag,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("peer", &self.peer)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard of the peer called `peer`: all guards of that name share one breaker.
    pub fn new(
        peer: impl Into<String>,
        store: Arc<dyn StateStore>,
        worker: Worker,
        policy: GuardPolicy,
    ) -> Self {
        Self {
            peer: peer.into(),
            store,
            worker,
            notifier: None,
            policy,
            seen: Mutex::default(),
        }
    }

    /// Tells people when the breaker opens and closes.
    #[must_use]
    pub fn with_notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.notifier = Some(notifier);
        self
    }

    /// The stored state; `None` for a breaker that never opened.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn state(&self) -> Result<Option<BreakerRecord>, PortError> {
        Ok(self.known().await?.map(|known| known.record))
    }

    /// Asks whether a call may be made.
    ///
    /// # Errors
    /// `Unavailable` with the time until the next trial while the peer is left alone; those of
    /// the store.
    pub async fn enter(&self) -> Result<Permit, PortError> {
        let now = self.worker.now();
        let blocked = self.seen().breaker.blocked_until(now);
        if let Some(until) = blocked {
            let because = self.seen().breaker.reason().map(BreakerReason::as_str);
            return Err(self.closed_door(now, until, because.unwrap_or("it asked for a pause")));
        }
        let known = self.known().await.map_err(PortError::without_effect)?;
        let Some(known) = known else {
            return Ok(Permit { trial: None });
        };
        let known = self.tell(known).await;
        match known.record.state {
            BreakerState::Closed => Ok(Permit { trial: None }),
            BreakerState::Open | BreakerState::HalfOpen if now < known.record.until => {
                let because = known.record.because.as_deref().unwrap_or_default();
                Err(self.closed_door(now, known.record.until, because))
            }
            BreakerState::Open | BreakerState::HalfOpen => self.try_it(known, now).await,
        }
    }

    /// Notes how a call ended, and gives its result back.
    ///
    /// # Errors
    /// Those of the call, as they are.
    pub async fn leave<T>(
        &self,
        permit: Permit,
        result: Result<T, PortError>,
    ) -> Result<T, PortError> {
        let now = self.worker.now();
        let policy = &self.policy.breaker;
        let failure = result.as_ref().err().filter(|error| error.is_transient());
        let opened = {
            let mut seen = self.seen();
            let before = seen.breaker;
            seen.breaker = match failure {
                None => before.succeeded(now, policy),
                Some(error) if error.kind() == ErrorKind::Throttled => {
                    before.throttled(now, policy)
                }
                Some(_) => before.failed(now, policy),
            };
            seen.breaker.reason()
        };
        match (failure, permit.trial) {
            (None, Some(trial)) => self.close(trial, now).await,
            (Some(error), trial) if trial.is_some() || opened.is_some() => {
                let pause = error.retry_after().map(|delay| self.worker.after(delay));
                let until = policy.open_until(now).max(pause.unwrap_or(now));
                let because = match opened {
                    Some(reason) => format!("{} ({})", reason.as_str(), error.kind()),
                    None => format!("the trial failed ({})", error.kind()),
                };
                self.block(until);
                self.open(trial, because, until, now).await;
            }
            _ => {}
        }
        result
    }

    fn block(&self, until: DateTime<Utc>) {
        let mut seen = self.seen();
        seen.breaker = seen.breaker.blocked(until);
    }

    /// Takes the trial, unless another worker is faster.
    async fn try_it(&self, known: Known, now: DateTime<Utc>) -> Result<Permit, PortError> {
        let record = BreakerRecord {
            state: BreakerState::HalfOpen,
            since: now,
            until: self.policy.breaker.open_until(now),
            trial_by: Some(self.worker.id.clone()),
            ..known.record
        };
        let until = record.until;
        let because = record.because.clone().unwrap_or_default();
        match self.save(record, Expect::Tag(known.etag)).await {
            Ok(trial) => Ok(Permit { trial: Some(trial) }),
            Err(error) if is_race(&error) => Err(self.closed_door(now, until, &because)),
            Err(error) => Err(error.without_effect()),
        }
    }

    async fn close(&self, trial: Known, now: DateTime<Utc>) {
        let record = BreakerRecord {
            state: BreakerState::Closed,
            since: now,
            until: now,
            trial_by: None,
            is_told: false,
            ..trial.record
        };
        self.note(record, Expect::Tag(trial.etag)).await;
    }

    async fn open(
        &self,
        trial: Option<Known>,
        because: String,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let known = match trial {
            Some(trial) => Some(trial),
            None if self.store_is_paused(now) => return,
            None => match self.known().await {
                Ok(known) => known,
                Err(error) => return self.not_noted(&error),
            },
        };
        let fresh = BreakerRecord {
            peer: self.peer.clone(),
            state: BreakerState::Open,
            since: now,
            until,
            because: Some(because),
            trial_by: None,
            openings: 1,
            is_told: false,
        };
        let (record, expect) = match known {
            None => (fresh, Expect::Absent),
            // Who opened it in the meantime said the same.
            Some(Known { record, .. })
                if record.state == BreakerState::Open && record.until >= until =>
            {
                return;
            }
            // It was closed in between: this is another outage.
            Some(Known { record, etag }) if record.state == BreakerState::Closed => {
                let openings = record.openings.saturating_add(1);
                (BreakerRecord { openings, ..fresh }, Expect::Tag(etag))
            }
            // The same outage goes on, and people know.
            Some(Known { record, etag }) => {
                let on = BreakerRecord {
                    openings: record.openings,
                    is_told: record.is_told,
                    ..fresh
                };
                (on, Expect::Tag(etag))
            }
        };
        self.note(record, expect).await;
    }

    /// Saves what was seen and tells it. What cannot be saved is seen again soon enough.
    async fn note(&self, record: BreakerRecord, expect: Expect) {
        if self.store_is_paused(self.worker.now()) {
            return;
        }
        let (peer, state) = (&self.peer, record.state.as_str());
        warn!(peer = %peer, state, because = record.because.as_deref(), "breaker");
        match self.save(record, expect).await {
            Ok(known) => {
                self.tell(known).await;
            }
            Err(error) if is_race(&error) => {}
            Err(error) => self.not_noted(&error),
        }
    }

    /// Tells people of a state of which nobody was told.
    async fn tell(&self, known: Known) -> Known {
        let now = self.worker.now();
        let paused = self.seen().notifier_paused_until;
        let (Some(notifier), Some(notice)) = (&self.notifier, known.record.notice()) else {
            return known;
        };
        if known.record.is_told || paused.is_some_and(|until| now < until) {
            return known;
        }
        if let Err(error) = self.notified(notifier, &notice).await {
            warn!(peer = %self.peer, error = %error, "nobody was told of a breaker");
            let asked = error.retry_after().map(|delay| self.worker.after(delay));
            let until = self.policy.breaker.open_until(now);
            self.seen().notifier_paused_until = Some(until.max(asked.unwrap_or(until)));
            return known;
        }
        if self.store_is_paused(now) {
            return known;
        }
        let told = BreakerRecord {
            is_told: true,
            ..known.record.clone()
        };
        match self.save(told, Expect::Tag(known.etag.clone())).await {
            Ok(told) => told,
            Err(error) => {
                self.not_noted(&error);
                known
            }
        }
    }

    /// Tells a notice, and does not wait for ever: an answer of the peer waits behind it.
    async fn notified(
        &self,
        notifier: &Arc<dyn Notifier>,
        notice: &Notice,
    ) -> Result<(), PortError> {
        let limit = Duration::from_millis(self.policy.notify_ms_max.into());
        let late = self.worker.clock.sleep_until(self.worker.after(limit));
        match select(notifier.notify(notice), late).await {
            Either::Left((told, _)) => told,
            Either::Right(((), _)) => {
                let what = "the notifier did not answer in time";
                Err(PortError::new(ErrorKind::TimedOut, "guard.notify").with_detail(what))
            }
        }
    }

    async fn known(&self) -> Result<Option<Known>, PortError> {
        let key = BreakerRecord::key(&self.peer);
        let document = self.store.get_one(&key).await?;
        document
            .map(|document| {
                Ok(Known {
                    record: document.parse()?,
                    etag: document.etag,
                })
            })
            .transpose()
    }

    async fn save(&self, record: BreakerRecord, expect: Expect) -> Result<Known, PortError> {
        match self.store.write_one(record.to_write(expect)?).await? {
            Written::Put(etag) => Ok(Known { record, etag }),
            Written::Deleted => Err(PortError::new(ErrorKind::Internal, "guard.save")
                .with_detail("the store answered that it deleted what was put")),
        }
    }

    fn not_noted(&self, error: &PortError) {
        warn!(peer = %self.peer, error = %error, "the state of a breaker was not stored");
        if let Some(delay) = error.retry_after() {
            self.seen().store_paused_until = Some(self.worker.after(delay));
        }
    }

    fn store_is_paused(&self, now: DateTime<Utc>) -> bool {
        let paused = self.seen().store_paused_until;
        paused.is_some_and(|until| now < until)
    }

    fn closed_door(&self, now: DateTime<Utc>, until: DateTime<Utc>, because: &str) -> PortError {
        let peer = &self.peer;
        PortError::new(ErrorKind::Unavailable, "guard.enter")
            .with_detail(format!(
                "{peer} is left alone until {until}: {because}; what waits for it keeps its place"
            ))
            .with_retry_after((until - now).to_std().unwrap_or_default())
            .without_effect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
