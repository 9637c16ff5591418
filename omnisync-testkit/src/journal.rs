//! A journal of port calls.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use omnisync_core::error::ErrorKind;

use crate::fault::{Call, Effect, Interceptor, Verdict};

/// Records every call, and lets another interceptor decide about it.
#[derive(Debug, Default)]
pub struct Journal {
    next: Option<Arc<dyn Interceptor>>,
    entries: Mutex<Vec<Entry>>,
}

/// One recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The call.
    pub call: Call,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a call, as its caller saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It began and never came back: still running, or its caller was dropped.
    Open,
    /// The port returned a value.
    Done,
    /// The port returned an error of this kind.
    Refused(ErrorKind),
    /// An error of this kind was injected before the effect.
    FailedBefore(ErrorKind),
    /// The effect happened and an error of this kind was injected after it.
    LostAck(ErrorKind),
    /// The worker was killed before the effect.
    CrashedBefore,
    /// The worker was killed after the effect.
    CrashedAfter,
}

impl Journal {
    /// A journal that lets every call pass.
    pub fn new() -> Self {
        Self::default()
    }

    /// A journal of the calls that `next` decides about.
    pub fn over(next: Arc<dyn Interceptor>) -> Self {
        Self {
            next: Some(next),
            entries: Mutex::default(),
        }
    }

    /// Everything recorded so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.locked().clone()
    }

    /// The operations in order, such as `["state_store.get", "state_store.write"]`.
    pub fn operations(&self) -> Vec<&'static str> {
        self.locked()
            .iter()
            .map(|entry| entry.call.operation)
            .collect()
    }

    /// Forgets everything recorded so far.
    pub fn clear(&self) {
        self.locked().clear();
    }

    fn settle(&self, call: &Call, fate: Fate) {
        if let Some(entry) = self
            .locked()
            .iter_mut()
            .rev()
            .find(|entry| entry.call == *call)
        {
            entry.fate = fate;
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Interceptor for Journal {
    async fn before(&self, call: &Call) -> Verdict {
        self.locked().push(Entry {
            call: call.clone(),
            fate: Fate::Open,
        });
        let verdict = match &self.next {
            Some(next) => next.before(call).await,
            None => Verdict::Proceed,
        };
        match &verdict {
            Verdict::Proceed | Verdict::Distort(_) => {}
            Verdict::Fail(error) => self.settle(call, Fate::FailedBefore(error.kind())),
            Verdict::Crash => self.settle(call, Fate::CrashedBefore),
        }
        verdict
    }

    async fn after(&self, call: &Call, effect: Effect) -> Verdict {
        let verdict = match &self.next {
            Some(next) => next.after(call, effect).await,
            None => Verdict::Proceed,
        };
        let fate = match (&verdict, effect) {
            (Verdict::Proceed | Verdict::Distort(_), Effect::Done) => Fate::Done,
            (Verdict::Proceed | Verdict::Distort(_), Effect::Refused(kind)) => Fate::Refused(kind),
            (Verdict::Fail(error), _) => Fate::LostAck(error.kind()),
            (Verdict::Crash, _) => Fate::CrashedAfter,
        };
        self.settle(call, fate);
        verdict
    }
}

impl fmt::Display for Journal {
    /// One line a call, for the message of a failing test.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.locked()
            .iter()
            .try_for_each(|entry| writeln!(f, "{}: {:?}", entry.call, entry.fate))
    }
}
