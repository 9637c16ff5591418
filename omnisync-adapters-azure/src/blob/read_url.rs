//! URLs by which others read a blob.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use omnisync_core::id::BlobName;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;
use tokio::sync::Mutex;

use super::client::{BlobClient, Signature, Step, instant};
use super::sign::{Key, ReadGrant};
use super::wire::DelegationKey;

/// Longest life of a delegated key, and with it of a URL.
pub(super) const LIFE_MAX: TimeDelta = TimeDelta::days(7);

/// For how long a delegated key is asked, at least: it signs many URLs.
const KEY_LIFE: TimeDelta = TimeDelta::hours(12);

/// A URL that opens one blob for reading, for whoever has it. `Debug` does not show it.
#[derive(Clone)]
pub struct SignedUrl {
    url: Secret,
    expires_at: DateTime<Utc>,
}

impl SignedUrl {
    /// The URL itself: for the one who is to read the blob, never for a log or an error.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    /// The URL as a secret.
    pub const fn secret(&self) -> &Secret {
        &self.url
    }

    /// When it stops to open the blob, by our own clock.
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedUrl")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A key that the account lent to an identity, and until when it works.
struct Lent {
    key: DelegationKey,
    until: DateTime<Utc>,
}

/// Signs URLs, by the key of the account or by one that it lends.
#[derive(Default)]
pub(super) struct UrlSigner {
    /// Held while a key is asked for, so that one request serves all.
    lent: Mutex<Option<Lent>>,
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSigner(..)")
    }
}

impl UrlSigner {
    pub(super) async fn read_url(
        &self,
        client: &BlobClient,
        name: &BlobName,
        valid_for: Duration,
    ) -> Result<SignedUrl, PortError> {
        let step = Step::ReadUrl;
        let skew = TimeDelta::seconds(client.settings.clock_skew_seconds.into());
        let life = TimeDelta::from_std(valid_for)
            .ok()
            .filter(|life| *life >= TimeDelta::seconds(1) && *life <= LIFE_MAX - skew);
        let life = life.ok_or_else(|| {
            let what = "valid_for is shorter than a second, or reaches beyond seven days";
            step.error(ErrorKind::Invalid, what)
        })?;
        let now = client.clock.now().trunc_subsecs(0);
        let (starts_at, expires_at) = (now - skew, now + life);
        let location = &client.location;
        let path = location.blob_path(name);
        let grant = |delegated| ReadGrant {
            resource: format!("/blob/{}{path}", location.account),
            starts_at: instant(starts_at),
            expires_at: instant(expires_at),
            is_private: !location.is_plain(),
            delegated,
        };
        let query = match &client.signature {
            Signature::Account(key) => key.read_query(&grant(None)),
            Signature::Bearer => {
                let lent = self.lent(client, starts_at, expires_at).await?;
                let key = Key::of(lent.value.expose()).ok_or_else(|| {
                    let what = "the service lent a key that is none";
                    step.error(ErrorKind::Unavailable, what)
                })?;
                key.read_query(&grant(Some(&lent)))
            }
            Signature::Shared(_) => {
                let what = "a shared access signature cannot make another one: use an account \
                            key or tokens";
                return Err(step.error(ErrorKind::Unsupported, what));
            }
        };
        let url = location.uri(&path, &query).map_err(|error| {
            step.error(ErrorKind::Internal, "the signed URL is no URL")
                .with_source(error)
        })?;
        Ok(SignedUrl {
            url: Secret::new(url.to_string()),
            expires_at,
        })
    }

    async fn lent(
        &self,
        client: &BlobClient,
        starts_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<DelegationKey, PortError> {
        let mut lent = self.lent.lock().await;
        if let Some(lent) = lent.as_ref().filter(|lent| lent.until >= expires_at) {
            return Ok(lent.key.clone());
        }
        let wanted = expires_at.max(starts_at + KEY_LIFE);
        let key = client.delegation_key(starts_at, wanted).await?;
        // The service may lend it for less.
        let until = DateTime::parse_from_rfc3339(&key.expiry)
            .map_or(wanted, |until| until.with_timezone(&Utc));
        if until < expires_at {
            let what = "the service lends keys for less than valid_for: ask for less";
            return Err(Step::ReadUrl.error(ErrorKind::Invalid, what));
        }
        *lent = Some(Lent {
            key: key.clone(),
            until,
        });
        Ok(key)
    }
}
