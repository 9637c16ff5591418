//! Deliveries that are held until their time has come, and the task that looks after them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::failure::Effect;
use super::hold::half_way;
use super::lock::later;
use super::settlement::Outcome;
use super::source::{EXTEND, Held, SETTLE, Shared};

/// How long a lock that was not renewed is left alone.
const TEND_PAUSE: Duration = Duration::from_secs(1);

/// Deliveries that are tended at the same time: one lost answer keeps no other waiting.
const TEND_AT_ONCE_MAX: usize = 16;

/// What is parked. A task of its own tends it, so that locks are held whether or not anybody
/// receives.
#[derive(Debug, Default)]
pub(super) struct Parking {
    all: StdMutex<HashMap<String, Parked>>,
    changed: Arc<Notify>,
    keeper: StdMutex<Option<JoinHandle<()>>>,
}

/// A delivery whose lock is renewed until it is given back.
#[derive(Debug, Clone)]
struct Parked {
    held: Held,
    until: DateTime<Utc>,
    /// When its lock is renewed next.
    tend_at: DateTime<Utc>,
}

impl Parking {
    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    pub(super) fn has_session(&self, id: &str) -> bool {
        let all = self.all();
        let mut sessions = all.values().map(|parked| parked.held.session.as_deref());
        sessions.any(|session| session == Some(id))
    }

    /// A session that ended takes what is parked of it along: it comes again by itself.
    pub(super) fn drop_session(&self, id: &str) {
        self.all()
            .retain(|_, parked| parked.held.session.as_deref() != Some(id));
    }

    /// One lock holds all of a session.
    pub(super) fn keep_session(&self, id: &str, until: DateTime<Utc>, since: DateTime<Utc>) {
        let mut all = self.all();
        let of_session = all
            .values_mut()
            .filter(|parked| parked.held.session.as_deref() == Some(id));
        of_session.for_each(|parked| parked.renewed(until, since));
    }

    /// Ends the task.
    pub(super) fn stop(&self) {
        if let Some(keeper) = self.keeper().take() {
            keeper.abort();
        }
    }

    /// What needs attention now.
    fn due(&self, now: DateTime<Utc>, busy: &HashSet<String>) -> Vec<String> {
        let all = self.all();
        let due = all
            .iter()
            .filter(|(token, parked)| parked.next() <= now && !busy.contains(*token));
        due.map(|(token, _)| token.clone()).collect()
    }

    /// When something needs attention next.
    fn next(&self, busy: &HashSet<String>) -> Option<DateTime<Utc>> {
        let all = self.all();
        let idle = all.iter().filter(|(token, _)| !busy.contains(*token));
        idle.map(|(_, parked)| parked.next()).min()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Parked>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeper(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Holds a delivery until then.
    pub(super) fn park(
        &self,
        token: &str,
        mut held: Held,
        until: DateTime<Utc>,
    ) -> Result<(), PortError> {
        // Nothing is made of it any more.
        held.raw = Bytes::new();
        let parked = Parked {
            tend_at: half_way(self.bus.clock.now(), held.locked_until),
            held,
            until,
        };
        {
            let mut all = self.parking.all();
            if all.len() >= self.settings.parked_max {
                return Err(self.is_full());
            }
            all.insert(token.to_owned(), parked);
        }
        self.parking.changed.notify_one();
        let mut keeper = self.parking.keeper();
        // A task ends with its runtime, which need not be that of the source.
        if keeper.as_ref().is_none_or(JoinHandle::is_finished) {
            let clock = Arc::clone(&self.bus.clock);
            let changed = Arc::clone(&self.parking.changed);
            *keeper = Some(tokio::spawn(tend(Weak::clone(&self.me), clock, changed)));
        }
        Ok(())
    }

    /// Nothing can be parked; said before anything is asked of the broker.
    pub(super) fn check_parking(&self) -> Result<(), PortError> {
        if self.parking.len() < self.settings.parked_max {
            return Ok(());
        }
        Err(self.is_full())
    }

    fn is_full(&self) -> PortError {
        let error = PortError::new(ErrorKind::Exhausted, SETTLE).with_detail(
            "parked_max deliveries are held already; this one comes again when its lock runs out",
        );
        tracing::warn!(
            parked_max = self.settings.parked_max,
            "no more can be parked"
        );
        error.without_effect()
    }

    /// Renews the lock of what is parked, or gives it back when it has waited long enough. What
    /// is parked stays so until there is an answer: dropping this loses nothing.
    async fn tend_one(&self, token: &str) {
        let Some(parked) = self.parking.all().get(token).cloned() else {
            return;
        };
        let now = self.bus.clock.now();
        if parked.held.locked_until <= now {
            tracing::warn!("the lock of a parked delivery ran out; it comes early");
        } else if parked.until <= now {
            let back = self.settle_held(&parked.held, &Outcome::Abandoned).await;
            if let Err(error) = back {
                let error = error.into_port(SETTLE, Effect::Open);
                tracing::debug!(error = %error.report(), "a delivery is given back by its lock");
            }
        } else {
            match self.renew(&parked.held).await {
                Ok(until) => return self.parking_renewed(token, &parked.held, until, now),
                Err(error) => {
                    let error = error.into_port(EXTEND, Effect::None);
                    tracing::warn!(error = %error.report(), "the lock of a parked delivery was not renewed");
                    if error.kind() != ErrorKind::LockLost {
                        let pause = later(self.bus.clock.now(), TEND_PAUSE);
                        if let Some(parked) = self.parking.all().get_mut(token) {
                            parked.tend_at = pause;
                        }
                        return;
                    }
                }
            }
        }
        self.parking.all().remove(token);
    }

    fn parking_renewed(
        &self,
        token: &str,
        held: &Held,
        until: DateTime<Utc>,
        since: DateTime<Utc>,
    ) {
        if let Some(session) = &held.session {
            self.session_renewed(session, until, since);
        } else if let Some(parked) = self.parking.all().get_mut(token) {
            parked.renewed(until, since);
        }
    }
}

/// Tends what is parked for as long as there is the source.
async fn tend(source: Weak<Shared>, clock: Arc<dyn Clock>, changed: Arc<Notify>) {
    let mut tasks = JoinSet::new();
    let mut busy = HashSet::new();
    loop {
        let Some(shared) = source.upgrade() else {
            return;
        };
        let free = TEND_AT_ONCE_MAX.saturating_sub(busy.len());
        let due = shared.parking.due(clock.now(), &busy);
        for token in due.into_iter().take(free) {
            busy.insert(token.clone());
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                shared.tend_one(&token).await;
                token
            });
        }
        let next = if busy.len() < TEND_AT_ONCE_MAX {
            shared.parking.next(&busy)
        } else {
            None
        };
        drop(shared);
        let at_next = async {
            match next {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed.notified() => {}
            () = at_next => {}
            Some(done) = tasks.join_next() => {
                if let Ok(token) = done {
                    busy.remove(&token);
                }
            }
        }
    }
}

impl Parked {
    /// When it needs attention: when half of its lock is over, or at its time.
    fn next(&self) -> DateTime<Utc> {
        self.until.min(self.tend_at)
    }

    /// Until when it is held by a renewal that was asked for at `since`.
    fn renewed(&mut self, until: DateTime<Utc>, since: DateTime<Utc>) {
        self.held.locked_until = until;
        self.tend_at = half_way(since, until);
    }
}
