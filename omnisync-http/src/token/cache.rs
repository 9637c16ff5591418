use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use omnisync_core::PortError;
use omnisync_core::port::{Clock, IdSource};
use serde::{Deserialize, Serialize};

use super::access::{AccessToken, TokenProvider};
use super::scope::Scope;
use crate::throttle::later;

/// A refresh begins up to so much later than it could, so that workers spread.
const JITTER: f64 = 0.2;

/// When a [`TokenCache`] asks for the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenCacheConfig {
    /// How long before its end a token is replaced, in seconds, at most. Default 300. A token that
    /// lives for less than twice that is used for half of its life.
    pub refresh_before_s: u32,
    /// How long a failed refresh is not tried again while the old token works, in seconds. Default
    /// 30.
    pub refresh_pause_s: u32,
}

impl Default for TokenCacheConfig {
    fn default() -> Self {
        Self {
            refresh_before_s: 300,
            refresh_pause_s: 30,
        }
    }
}

/// Keeps one token a scope. Clones share them.
///
/// Callers that need a token at the same time wait for one request. It lives as long as any of
/// them: whoever gives up leaves it to the others. A token is replaced before it ends, and while
/// it still works a failed replacement is no error. When the authority asks for a pause, it gets
/// one.
#[derive(Clone)]
pub struct TokenCache {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Arc<dyn TokenProvider>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    config: TokenCacheConfig,
    scopes: Mutex<HashMap<Scope, Entry>>,
}

type Fetched = Result<AccessToken, Arc<PortError>>;
type Flight = Shared<BoxFuture<'static, Fetched>>;

#[derive(Default)]
struct Entry {
    kept: Option<Kept>,
    /// The request on its way. Its callers own it; when all gave up, it is over.
    flight: Option<WeakShared<BoxFuture<'static, Fetched>>>,
    /// Until when the authority asked to be left alone, and its answer.
    pause: Option<(DateTime<Utc>, Arc<PortError>)>,
    /// No refresh before, while the old token works.
    rest_until: Option<DateTime<Utc>>,
}

struct Kept {
    token: AccessToken,
    refresh_at: DateTime<Utc>,
}

/// What a caller does.
enum Step {
    Use(AccessToken),
    Refuse(Arc<PortError>),
    /// Waits for a request, with the token that still works meanwhile.
    Wait(Flight, Option<AccessToken>),
}

impl TokenCache {
    /// Keeps the tokens of `provider`.
    pub fn new(
        provider: Arc<dyn TokenProvider>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self::with_config(provider, clock, ids, TokenCacheConfig::default())
    }

    /// The same with other settings.
    pub fn with_config(
        provider: Arc<dyn TokenProvider>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        config: TokenCacheConfig,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                provider,
                clock,
                ids,
                config,
                scopes: Mutex::default(),
            }),
        }
    }

    /// A token for `scope` that works.
    ///
    /// # Errors
    /// Those of the provider.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the request to the other callers that wait for it.
    pub async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        let (flight, old) = match self.step(scope) {
            Step::Use(token) => return Ok(token),
            Step::Refuse(error) => return Err(copy(&error)),
            Step::Wait(flight, old) => (flight, old),
        };
        match (flight.await, old) {
            (Ok(token), _) => Ok(token),
            (Err(error), Some(old)) if self.inner.clock.now() < old.expires_at() => {
                tracing::warn!(
                    scope = scope.as_str(),
                    error = %error.report(),
                    "token was not refreshed; the old one still works"
                );
                Ok(old)
            }
            (Err(error), _) => Err(copy(&error)),
        }
    }

    /// Forgets `token`, which a peer did not take, unless another one has replaced it already.
    pub fn invalidate(&self, scope: &Scope, token: &AccessToken) {
        let mut scopes = self.inner.locked();
        if let Some(entry) = scopes.get_mut(scope) {
            entry.kept.take_if(|kept| kept.token.is_same(token));
        }
    }

    fn step(&self, scope: &Scope) -> Step {
        let now = self.inner.clock.now();
        let mut scopes = self.inner.locked();
        let entry = scopes.entry(scope.clone()).or_default();
        entry.pause.take_if(|(until, _)| *until <= now);
        let old = match &entry.kept {
            Some(kept) if now < kept.refresh_at => return Step::Use(kept.token.clone()),
            Some(kept) if now < kept.token.expires_at() => Some(kept.token.clone()),
            _ => None,
        };
        let rests = entry.pause.is_some() || entry.rest_until.is_some_and(|until| now < until);
        let flight = entry.flight.as_ref().and_then(WeakShared::upgrade);
        match (flight, old, &entry.pause) {
            // Somebody else refreshes, or did so in vain just now.
            (Some(_), Some(old), _) => Step::Use(old),
            (None, Some(old), _) if rests => Step::Use(old),
            (Some(flight), None, _) => Step::Wait(flight, None),
            (None, None, Some((_, error))) => Step::Refuse(Arc::clone(error)),
            (None, old, _) => {
                let flight = Arc::clone(&self.inner)
                    .fetch(scope.clone(), now)
                    .boxed()
                    .shared();
                entry.flight = flight.downgrade();
                Step::Wait(flight, old)
            }
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("provider", &self.inner.provider)
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn fetch(self: Arc<Self>, scope: Scope, asked_at: DateTime<Utc>) -> Fetched {
        let fetched = self.provider.token(&scope).await.map_err(Arc::new);
        let now = self.clock.now();
        let mut scopes = self.locked();
        let entry = scopes.entry(scope).or_default();
        entry.flight = None;
        match &fetched {
            Ok(token) => {
                entry.rest_until = None;
                entry.kept = Some(self.kept(token, asked_at));
            }
            Err(error) => {
                let rest = Duration::from_secs(self.config.refresh_pause_s.into());
                entry.rest_until = Some(later(now, rest));
                let asked = error.retry_after();
                entry.pause = asked.map(|asked| (later(now, asked), Arc::clone(error)));
            }
        }
        fetched
    }

    fn kept(&self, token: &AccessToken, asked_at: DateTime<Utc>) -> Kept {
        let life = (token.expires_at() - asked_at).to_std().unwrap_or_default();
        let before = Duration::from_secs(self.config.refresh_before_s.into()).min(life / 2);
        let spread = self.ids.jitter().clamp(0.0, 1.0) * JITTER;
        let before = before.mul_f64(1.0 - spread);
        Kept {
            token: token.clone(),
            refresh_at: later(asked_at, life.saturating_sub(before)),
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Scope, Entry>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error of one request for each of its callers.
fn copy(error: &Arc<PortError>) -> PortError {
    let mut copy = PortError::new(error.kind(), error.operation()).no_sooner(error.retry_after());
    if let Some(detail) = error.detail() {
        copy = copy.with_detail(detail);
    }
    match error.source() {
        Some(_) => copy.with_source(Cause(Arc::clone(error))),
        None => copy,
    }
}

/// The cause of an error that several callers share.
struct Cause(Arc<PortError>);

impl Cause {
    fn inner(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner()
            .map_or(Ok(()), |cause| fmt::Display::fmt(cause, f))
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner()
            .map_or(Ok(()), |cause| fmt::Debug::fmt(cause, f))
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner()?.source()
    }
}
