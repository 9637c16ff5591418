use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::forward_to_pointee;
use crate::error::PortError;
use crate::id::SecretName;
use crate::secret::Secret;

/// Secrets by name: keys, connection strings, what applications prove themselves with.
///
/// Ask for a secret whenever it is used, and keep none: then it can be rotated while everything
/// runs.
///
/// # Contract
/// 1. A secret comes as it was stored, with its version and when it expires.
/// 2. `get` of a name that the source does not hold gives `NotFound`.
/// 3. A secret that was replaced is given with its new version, at the latest
///    [`seen_within`](SecretSourceCapability::seen_within) after it was; one that was removed is
///    not given any more from then on.
/// 4. A version is that of one value for ever: the same version, the same value.
/// 5. A secret that has expired is not given: `Denied`. Nor is one that is disabled.
/// 6. Where rights are missing, or were taken away `seen_within` ago, `get` gives `Denied`.
/// 7. While the source does not answer, a secret that was never got gives `Unavailable` or
///    `TimedOut`; when it answers again, so does `get`.
/// 8. Neither source, value nor error shows a secret.
///
/// # Cancel safety
/// Dropping a future has no effect that matters.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync + 'static {
    /// What this back end can do.
    fn capability(&self) -> SecretSourceCapability;

    /// The secret of this name, as it is now.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Misconfigured`, `Throttled`, `Unavailable`, `TimedOut`.
    async fn get(&self, name: &SecretName) -> Result<SecretValue, PortError>;
}

/// What a [`SecretSource`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretSourceCapability {
    /// How long after a change at the source the old value may still be given.
    pub seen_within: Duration,
}

impl SecretSourceCapability {
    /// A source that gives nothing older than `seen_within`.
    pub const fn new(seen_within: Duration) -> Self {
        Self { seen_within }
    }
}

/// A secret, and which one of those that the name had.
#[derive(Debug, Clone)]
pub struct SecretValue {
    /// The secret itself.
    pub value: Secret,
    /// Its version: another one after every change. Compare for equality only.
    pub version: String,
    /// When it stops to be given, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

impl SecretValue {
    /// True from the moment on at which it expires.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

forward_to_pointee!(SecretSource {
    fn capability(&self) -> SecretSourceCapability {
        (**self).capability()
    }
    async fn get(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        (**self).get(name).await
    }
});
