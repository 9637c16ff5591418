use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{Either, select};
use http::{Request, Uri};
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Call, Client, HostAllowList, Limits};
use tokio::sync::Mutex;
use tracing::warn;

use super::config::EntraTokenConfig;
use super::jwt::{self, Key};

const DISCOVERY: &str = "event_grid.tokens.discovery";
const KEYS: &str = "event_grid.tokens.keys";

/// Largest document that is read, in bytes.
const DOCUMENT_BYTES_MAX: usize = 262_144;
/// Shortest time between two questions after one that brought nothing.
const FAILED_PAUSE: TimeDelta = TimeDelta::seconds(15);
/// Time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the question as a whole.
const FETCH_TIMEOUT: TimeDelta = TimeDelta::seconds(10);

/// Who publishes keys, and where.
pub(super) struct KeySource {
    /// The document that says where the keys are.
    pub(super) discovery: Uri,
    /// Whose document it has to be.
    pub(super) issuer: String,
    /// Where the keys may be.
    pub(super) hosts: HostAllowList,
}

/// The published keys, asked for by one caller at a time and not too often.
pub(super) struct KeyCache {
    client: Client,
    clock: Arc<dyn Clock>,
    source: KeySource,
    fresh_for: TimeDelta,
    good_for: TimeDelta,
    pause: TimeDelta,
    known: StdMutex<Known>,
    /// Held by whoever asks.
    asking: Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<[Key]>,
    fetched_at: Option<DateTime<Utc>>,
    asked_at: Option<DateTime<Utc>>,
    /// The question was answered with keys.
    was_answered: bool,
}

/// A key, or why there is none.
pub(super) enum Found {
    Key(Key),
    /// Not now. A key that is not published may be soon, and a refusal would be final.
    Unavailable(PortError),
}

impl KeyCache {
    pub(super) fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        source: KeySource,
        config: &EntraTokenConfig,
    ) -> Self {
        let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
        Self {
            client,
            clock,
            source,
            fresh_for: seconds(config.keys_seconds),
            good_for: seconds(config.keys_seconds_max),
            pause: seconds(config.keys_pause_seconds),
            known: StdMutex::default(),
            asking: Mutex::new(()),
        }
    }

    /// The key of this id.
    pub(super) async fn find(&self, id: &str) -> Found {
        if let Some(key) = self.fresh(id) {
            return Found::Key(key);
        }
        let _asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            // Who has a key that will do does not wait for a newer one.
            Err(_) => match self.usable(&self.known(), id, self.clock.now()) {
                Some(key) => return Found::Key(key),
                None => self.asking.lock().await,
            },
        };
        // Whoever asked before may have brought it.
        if let Some(key) = self.fresh(id) {
            return Found::Key(key);
        }
        let now = self.clock.now();
        let known = self.known();
        if let Some(left) = self.pause_left(&known, now) {
            return match self.usable(&known, id, now) {
                Some(key) => Found::Key(key),
                None => not_known(left),
            };
        }
        // It stays like this when the delivery that asks is given up.
        self.change(|known| {
            known.asked_at = Some(now);
            known.was_answered = false;
        });
        match self.fetch_in_time(now).await {
            Ok(keys) => {
                let found = keys.iter().find(|key| key.id == id).cloned();
                self.change(|known| {
                    known.keys = keys.into();
                    known.fetched_at = Some(now);
                    known.was_answered = true;
                });
                let pause = self.pause.to_std().unwrap_or_default();
                found.map_or_else(|| not_known(pause), Found::Key)
            }
            Err(error) => self.failed(&known, id, error),
        }
    }

    /// What is left when the keys could not be had. The pause begins only now: the question may
    /// have taken as long as it.
    fn failed(&self, known: &Known, id: &str, error: PortError) -> Found {
        let now = self.clock.now();
        self.change(|known| known.asked_at = Some(now));
        match self.usable(known, id, now) {
            Some(key) => {
                warn!(error = %error.report(), "keys of Entra ID were not renewed");
                Found::Key(key)
            }
            None => Found::Unavailable(error),
        }
    }

    fn fresh(&self, id: &str) -> Option<Key> {
        let known = self.known();
        let age = self.clock.now() - known.fetched_at?;
        let key = known.keys.iter().find(|key| key.id == id);
        key.filter(|_| age < self.fresh_for).cloned()
    }

    /// A key that may be used while no newer one can be had.
    fn usable(&self, known: &Known, id: &str, now: DateTime<Utc>) -> Option<Key> {
        let age = now - known.fetched_at?;
        let key = known.keys.iter().find(|key| key.id == id);
        key.filter(|_| age < self.good_for).cloned()
    }

    /// How long the keys are not to be asked for.
    fn pause_left(&self, known: &Known, now: DateTime<Utc>) -> Option<Duration> {
        let pause = if known.was_answered {
            self.pause
        } else {
            self.pause.min(FAILED_PAUSE)
        };
        let left = pause - (now - known.asked_at?);
        left.to_std().ok().filter(|left| !left.is_zero())
    }

    /// Deliveries wait for it, however many documents and attempts it takes.
    async fn fetch_in_time(&self, now: DateTime<Utc>) -> Result<Vec<Key>, PortError> {
        let fetch = pin!(self.fetch());
        let late = self.clock.sleep_until(now + FETCH_TIMEOUT);
        match select(fetch, late).await {
            Either::Left((keys, _)) => keys,
            Either::Right(_) => Err(PortError::new(ErrorKind::TimedOut, KEYS)
                .with_detail("the keys did not come in time")),
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, PortError> {
        let document = self.read(DISCOVERY, self.source.discovery.clone()).await?;
        let url = jwt::keys_at(&document, &self.source.issuer)
            .ok_or_else(|| unreadable(DISCOVERY, "the document is not that of the issuer"))?;
        let url = self.source.hosts.check(&url).map_err(|error| {
            unreadable(DISCOVERY, "the keys are said to be elsewhere").with_source(error)
        })?;
        let document = self.read(KEYS, url).await?;
        jwt::key_set(&document).ok_or_else(|| unreadable(KEYS, "there is no key for RS256"))
    }

    async fn read(&self, operation: &'static str, url: Uri) -> Result<Bytes, PortError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url;
        let limits = Limits {
            timeout: TIMEOUT,
            body_bytes_max: DOCUMENT_BYTES_MAX,
        };
        let call = Call::new(operation, request)
            .without_token()
            .with_limits(limits);
        Ok(self.client.send(call).await?.into_body())
    }

    fn known(&self) -> Known {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache")
            .field("issuer", &self.source.issuer)
            .finish_non_exhaustive()
    }
}

fn unreadable(operation: &'static str, what: &'static str) -> PortError {
    PortError::new(ErrorKind::Unavailable, operation).with_detail(what)
}

fn not_known(left: Duration) -> Found {
    warn!("a token came with a key that is not known");
    let error = PortError::new(ErrorKind::Unavailable, KEYS)
        .with_detail("the key of the token is not known, and keys were asked for just now");
    Found::Unavailable(error.with_retry_after(left))
}
