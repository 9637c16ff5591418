//! What is known of one secret, and how long it is good.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::PortError;
use omnisync_core::port::SecretValue;

/// How long answers are good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    pub(super) fresh_for: Duration,
    pub(super) stale_for: Duration,
    pub(super) retry_pause: Duration,
}

impl Ages {
    /// How long a value is good for a vault that does not answer.
    fn whole(&self) -> Duration {
        self.fresh_for.saturating_add(self.stale_for)
    }
}

/// One secret. The gate is held while it is asked for, so that one question serves all.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) gate: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// No question before, while the old value is good enough.
    rest_until: Option<DateTime<Utc>>,
    /// The number of the question that began last.
    begun: u64,
    /// The number of the one that was answered last.
    answered: u64,
    /// Why that one failed.
    failure: Option<PortError>,
    /// While the vault is left alone where there is nothing to give.
    pause: Option<Pause>,
}

/// A time without questions after one that failed.
struct Pause {
    error: PortError,
    since: DateTime<Utc>,
    length: Duration,
    /// The vault asked for it. Otherwise a refusal is remembered, so that whoever comes again and
    /// again costs no question each time.
    is_asked: bool,
}

impl Pause {
    /// The pause after a question that failed, if there is one.
    fn after(error: &PortError, now: DateTime<Utc>, ages: &Ages) -> Option<Self> {
        let asked = error.retry_after();
        let length = match asked {
            Some(length) => length,
            None if error.is_transient() => return None,
            // A secret that is set meanwhile is seen as soon as any change is.
            None => ages.retry_pause.min(ages.fresh_for),
        };
        Some(Self {
            error: again(error),
            since: now,
            length,
            is_asked: asked.is_some(),
        })
    }

    /// What to tell while it lasts.
    fn error(&self, now: DateTime<Utc>) -> Option<PortError> {
        if !is_within(self.since, self.length, now) {
            return None;
        }
        let left = || (later(self.since, self.length) - now).to_std().ok();
        let left = self.is_asked.then(left).flatten();
        Some(again(&self.error).no_sooner(left))
    }
}

impl State {
    /// The kept value, where it is not older than this.
    fn good(&self, good_for: Duration, now: DateTime<Utc>) -> Option<SecretValue> {
        let kept = self.kept.as_ref()?;
        let is_good = is_within(kept.asked_at, good_for, now) && !kept.value.is_expired(now);
        is_good.then(|| kept.value.clone())
    }
}

#[derive(Clone)]
struct Kept {
    value: SecretValue,
    asked_at: DateTime<Utc>,
}

/// What to do for a caller.
pub(super) enum Look {
    Use(SecretValue),
    /// Ask, unless a question after this one was answered meanwhile.
    Ask(u64),
    /// There is nothing to give, and the vault is not to be asked yet.
    Fail(PortError),
}

impl Slot {
    pub(super) fn look(&self, now: DateTime<Utc>, ages: &Ages) -> Look {
        let state = self.locked();
        let rests = state.rest_until.is_some_and(|until| now < until);
        let good_for = if rests { ages.whole() } else { ages.fresh_for };
        if let Some(value) = state.good(good_for, now) {
            return Look::Use(value);
        }
        match state.pause.as_ref().and_then(|pause| pause.error(now)) {
            Some(error) => Look::Fail(error),
            None => Look::Ask(state.answered),
        }
    }

    /// The number of the question that began last: it may be on its way.
    pub(super) fn begun(&self) -> u64 {
        self.locked().begun
    }

    /// Begins a question, and gives its number.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.locked();
        state.begun += 1;
        state.begun
    }

    /// What came of a question of somebody else that began after the one of this number, if there
    /// was one.
    pub(super) fn since(&self, number: u64) -> Option<Result<SecretValue, PortError>> {
        let state = self.locked();
        if state.answered <= number {
            return None;
        }
        match (&state.failure, &state.kept) {
            (Some(error), _) => Some(Err(copy(error))),
            (None, Some(kept)) => Some(Ok(kept.value.clone())),
            (None, None) => None,
        }
    }

    /// What there is to give while the vault wants to be left alone, if it does.
    pub(super) fn in_asked_pause(
        &self,
        now: DateTime<Utc>,
        ages: &Ages,
    ) -> Option<Result<SecretValue, PortError>> {
        let state = self.locked();
        let pause = state.pause.as_ref().filter(|pause| pause.is_asked)?;
        let error = pause.error(now)?;
        Some(state.good(ages.whole(), now).ok_or(error))
    }

    pub(super) fn keep(&self, number: u64, value: SecretValue, asked_at: DateTime<Utc>) {
        let mut state = self.locked();
        state.kept = Some(Kept { value, asked_at });
        state.rest_until = None;
        state.failure = None;
        state.pause = None;
        state.answered = number;
    }

    /// The old value, where it is good enough for a vault that does not answer.
    pub(super) fn failed(
        &self,
        number: u64,
        error: &PortError,
        now: DateTime<Utc>,
        ages: &Ages,
    ) -> Option<SecretValue> {
        let mut state = self.locked();
        state.answered = number;
        if !error.is_transient() {
            // The vault did answer: what it gave before is no longer so.
            state.kept = None;
        }
        let old = state.good(ages.whole(), now);
        state.failure = old.is_none().then(|| copy(error));
        state.pause = Pause::after(error, now, ages);
        let pause = error.retry_after().unwrap_or_default();
        state.rest_until = old
            .is_some()
            .then(|| later(now, pause.max(ages.retry_pause)));
        old
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True while less than `good_for` has passed. A clock that was set back does not make it longer.
fn is_within(asked_at: DateTime<Utc>, good_for: Duration, now: DateTime<Utc>) -> bool {
    asked_at <= now && now < later(asked_at, good_for)
}

fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| at.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// An error of one question for another who waited for it.
fn copy(error: &PortError) -> PortError {
    again(error).no_sooner(error.retry_after())
}

/// The same error without its delay.
fn again(error: &PortError) -> PortError {
    let copy = PortError::new(error.kind(), error.operation());
    match error.detail() {
        Some(detail) => copy.with_detail(detail),
        None => copy,
    }
}
