//! Sessions that are held: one lock for all of their messages.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::{Held, Shared};

impl Shared {
    /// Until when a session is held.
    pub(in crate::service_bus) fn session_until(&self, id: &str) -> Option<DateTime<Utc>> {
        self.sessions().get(id).copied()
    }

    /// One lock holds all of a session. It was asked for at `since`.
    pub(in crate::service_bus) fn session_renewed(
        &self,
        id: &str,
        until: DateTime<Utc>,
        since: DateTime<Utc>,
    ) {
        self.sessions().insert(id.to_owned(), until);
        let mut held = self.held();
        let of_session = held
            .values_mut()
            .filter(|held| !held.is_over && held.session.as_deref() == Some(id));
        of_session.for_each(|held| held.locked_until = until);
        drop(held);
        self.parking.keep_session(id, until, since);
    }

    /// A session whose link is gone. Whoever accepts it again gets other locks.
    pub(in crate::service_bus) fn session_over(&self, id: &str) {
        self.sessions().remove(id);
        let mut held = self.held();
        let of_session = held
            .values_mut()
            .filter(|held| held.session.as_deref() == Some(id));
        of_session.for_each(Held::end);
        drop(held);
        self.parking.drop_session(id);
    }

    /// Something of a session is not settled.
    pub(in crate::service_bus) fn has_session(&self, id: &str) -> bool {
        let is_of = |held: &Held| !held.is_over && held.session.as_deref() == Some(id);
        self.held().values().any(is_of) || self.parking.has_session(id)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, DateTime<Utc>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
