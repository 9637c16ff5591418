//! The sessions of a queue: who holds them, and what they remember.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Whoever holds a session: a link of a connection.
pub(crate) type Holder = (u64, String);

#[derive(Debug, Default)]
pub(crate) struct Sessions(BTreeMap<String, Session>);

#[derive(Debug, Default)]
struct Session {
    state: Option<Vec<u8>>,
    updated: DateTime<Utc>,
    lock: Option<SessionLock>,
}

#[derive(Debug)]
struct SessionLock {
    holder: Holder,
    until: DateTime<Utc>,
}

impl Sessions {
    /// Locks a session; `false` when somebody else has it.
    pub(crate) fn lock(&mut self, session: &str, holder: Holder, until: DateTime<Utc>) -> bool {
        let session = self.0.entry(session.to_owned()).or_default();
        if session.lock.is_some() {
            return false;
        }
        session.lock = Some(SessionLock { holder, until });
        true
    }

    pub(crate) fn is_locked(&self, session: &str) -> bool {
        self.locked_until(session).is_some()
    }

    pub(crate) fn locked_until(&self, session: &str) -> Option<DateTime<Utc>> {
        let lock = self.0.get(session)?.lock.as_ref()?;
        Some(lock.until)
    }

    pub(crate) fn is_held_by(&self, session: &str, holder: &Holder) -> bool {
        let lock = self
            .0
            .get(session)
            .and_then(|session| session.lock.as_ref());
        lock.is_some_and(|lock| lock.holder == *holder)
    }

    /// Renews a lock; `false` when nobody holds it.
    pub(crate) fn renew(&mut self, session: &str, until: DateTime<Utc>) -> bool {
        let lock = self.0.get_mut(session).and_then(|it| it.lock.as_mut());
        lock.map(|lock| lock.until = until).is_some()
    }

    /// Gives a session back; `false` when the holder does not have it.
    pub(crate) fn release(&mut self, session: &str, holder: &Holder) -> bool {
        if !self.is_held_by(session, holder) {
            return false;
        }
        if let Some(session) = self.0.get_mut(session) {
            session.lock = None;
        }
        true
    }

    /// Ends the locks whose time is over; their sessions.
    pub(crate) fn expire(&mut self, now: DateTime<Utc>) -> Vec<String> {
        let mut expired = Vec::new();
        for (name, session) in &mut self.0 {
            if session.lock.as_ref().is_some_and(|lock| lock.until <= now) {
                session.lock = None;
                expired.push(name.clone());
            }
        }
        expired
    }

    pub(crate) fn next_event(&self) -> Option<DateTime<Utc>> {
        let locks = self.0.values().filter_map(|session| session.lock.as_ref());
        locks.map(|lock| lock.until).min()
    }

    pub(crate) fn state(&self, session: &str) -> Option<Vec<u8>> {
        self.0.get(session)?.state.clone()
    }

    pub(crate) fn set_state(&mut self, session: &str, state: Option<Vec<u8>>, now: DateTime<Utc>) {
        let session = self.0.entry(session.to_owned()).or_default();
        session.state = state;
        session.updated = now;
    }

    /// Sessions whose state was set after an instant.
    pub(crate) fn updated_since(&self, since: DateTime<Utc>) -> Vec<String> {
        let sessions = self.0.iter();
        let updated = sessions.filter(|(_, it)| it.state.is_some() && it.updated > since);
        updated.map(|(name, _)| name.clone()).collect()
    }
}
