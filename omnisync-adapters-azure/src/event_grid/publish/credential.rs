use std::fmt;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderName, HeaderValue};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;
use zeroize::Zeroizing;

use super::config::API_VERSION;
use super::sas;

const KEY: HeaderName = HeaderName::from_static("aeg-sas-key");
const TOKEN: HeaderName = HeaderName::from_static("aeg-sas-token");

/// Longest time before its end that a token is replaced.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(5);

/// Who publishes, ready for requests.
pub(super) enum Authorizer {
    /// A header that never changes.
    Header(HeaderName, HeaderValue),
    /// A token that the key signs anew before it ends.
    Sas(Box<Signer>),
    /// The client adds a token.
    Bearer,
}

impl Authorizer {
    pub(super) fn key(key: &Secret) -> Option<Self> {
        Some(Self::Header(KEY, header(key.expose())?))
    }

    pub(super) fn token(token: &Secret) -> Option<Self> {
        Some(Self::Header(TOKEN, header(token.expose())?))
    }

    /// The header for a request now; none when the client adds a token of its own.
    pub(super) fn header(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Option<(HeaderName, HeaderValue)>, PortError> {
        match self {
            Self::Header(name, value) => Ok(Some((name.clone(), value.clone()))),
            Self::Sas(signer) => signer.token(now).map(|value| Some((TOKEN, value))),
            Self::Bearer => Ok(None),
        }
    }

    pub(super) const fn is_bearer(&self) -> bool {
        matches!(self, Self::Bearer)
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header(..) => "Header(..)",
            Self::Sas(_) => "Sas(..)",
            Self::Bearer => "Bearer",
        })
    }
}

/// Signs tokens for one topic.
pub(super) struct Signer {
    url: String,
    key: Zeroizing<Vec<u8>>,
    lifetime: TimeDelta,
    current: Mutex<Option<(HeaderValue, DateTime<Utc>)>>,
}

impl Signer {
    pub(super) fn new(url: String, key: Zeroizing<Vec<u8>>, lifetime: TimeDelta) -> Self {
        Self {
            url,
            key,
            lifetime,
            current: Mutex::new(None),
        }
    }

    fn token(&self, now: DateTime<Utc>) -> Result<HeaderValue, PortError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // A token of a short life is used for half of it.
        let margin = RENEW_BEFORE.min(self.lifetime / 2);
        if let Some((token, expires_at)) = &*current
            && now < *expires_at - margin
            && now >= *expires_at - self.lifetime
        {
            return Ok(token.clone());
        }
        let failed =
            |what| PortError::new(ErrorKind::Internal, "event_grid.sign").with_detail(what);
        let expires_at = now
            .checked_add_signed(self.lifetime)
            .ok_or_else(|| failed("the clock stands at the end of time"))?;
        let token = sas::sign(&self.url, API_VERSION, &self.key, expires_at)
            .and_then(|token| header(&token))
            .ok_or_else(|| failed("the key does not sign"))?;
        *current = Some((token.clone(), expires_at));
        Ok(token)
    }
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
