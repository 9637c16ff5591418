use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use omnisync_core::{PortError, Secret};
use zeroize::Zeroizing;

use super::scope::Scope;

/// A bearer token, and until when it works by our own clock.
#[derive(Clone)]
pub struct AccessToken {
    secret: Secret,
    expires_at: DateTime<Utc>,
}

impl AccessToken {
    /// A token that works until `expires_at`. Count that from the moment at which the token was
    /// asked for and the lifetime that the answer names: the clock of the other side may differ.
    pub const fn new(secret: Secret, expires_at: DateTime<Utc>) -> Self {
        Self { secret, expires_at }
    }

    /// The token itself.
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }

    /// When it stops to work.
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// True for clones of one another.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.secret.is_same(&other.secret)
    }

    /// The value of `authorization`, which no log of headers shows.
    pub(crate) fn header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.secret.expose()));
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Who gives tokens. Keeping them is the work of a [`TokenCache`](super::TokenCache).
///
/// # Contract
/// 1. Every call asks anew, and the token works from then on.
/// 2. `expires_at` is counted by our own clock.
/// 3. Errors say what to do, and hold neither secrets nor texts of the authority.
///
/// # Cancel safety
/// Dropping the future has no effect that matters.
#[async_trait]
pub trait TokenProvider: fmt::Debug + Send + Sync + 'static {
    /// A fresh token for `scope`.
    ///
    /// # Errors
    /// `Denied` when the credentials are wrong, `Unavailable`, `TimedOut` or `Throttled` when the
    /// authority does not answer for the moment, `Invalid` for a wrong setting, `Corrupt` for an
    /// answer that cannot be read.
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError>;
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: TokenProvider + ?Sized> TokenProvider for Arc<T> {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        (**self).token(scope).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: TokenProvider + ?Sized> TokenProvider for Box<T> {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        (**self).token(scope).await
    }
}
