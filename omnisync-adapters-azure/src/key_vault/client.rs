//! Questions to a vault, by the client of the Azure SDK.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::http::headers::Headers;
use azure_security_keyvault_secrets::SecretClient;
use http::{HeaderMap, HeaderName, HeaderValue};
use omnisync_core::id::SecretName;
use omnisync_core::port::{Clock, SecretValue};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::HttpError;

use super::wire::{self, WireError};

pub(super) const GET: &str = "key_vault.get";

/// Longest wait that a vault is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A vault.
pub(super) struct VaultClient {
    sdk: SecretClient,
    clock: Arc<dyn Clock>,
}

impl VaultClient {
    pub(super) fn new(sdk: SecretClient, clock: Arc<dyn Clock>) -> Self {
        Self { sdk, clock }
    }

    /// The current version of a secret.
    pub(super) async fn get(&self, name: &SecretName) -> Result<SecretValue, PortError> {
        let answer = self.sdk.get_secret(name.as_str(), None).await;
        let answer = answer.map_err(|error| self.refused(name, &error))?;
        let secret = answer
            .into_model()
            // The SDK may quote what it could not read.
            .map_err(|_| unreadable(name))?;
        wire::secret(secret, self.clock.now()).map_err(|error| {
            let kind = match error {
                WireError::Missing(_) => ErrorKind::Unavailable,
                WireError::Disabled | WireError::TooEarly => ErrorKind::Denied,
            };
            failure(kind, name, &error.to_string())
        })
    }

    /// What an error of the SDK means. Its text is not told: it may quote the answer.
    fn refused(&self, name: &SecretName, error: &azure_core::Error) -> PortError {
        if let AzureErrorKind::HttpResponse {
            status,
            raw_response,
            ..
        } = error.kind()
        {
            let headers = raw_response.as_ref().map(|answer| answer.headers());
            let wait = headers.and_then(|headers| self.wait(headers));
            let (kind, what) = by_status(u16::from(*status));
            return failure(kind, name, what).no_sooner(wait);
        }
        if let Some(unanswered) = find::<HttpError>(error) {
            let kind = match unanswered.kind() {
                ErrorKind::Invalid => ErrorKind::Misconfigured,
                kind => kind,
            };
            let what = format!("cannot be asked for: {}", unanswered.target());
            return failure(kind, name, &what).no_sooner(unanswered.retry_after());
        }
        if let Some(untold) = find::<PortError>(error) {
            // Why there is no token.
            let what = format!("cannot be asked for without a token: {}", untold.report());
            return failure(untold.kind(), name, &what).no_sooner(untold.retry_after());
        }
        let what = "cannot be asked for: the vault wants tokens for another domain than its own, \
                    or answers as no vault does; check vault_url";
        failure(ErrorKind::Misconfigured, name, what)
    }

    fn wait(&self, from: &Headers) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in from.iter() {
            let name = HeaderName::try_from(name.as_str());
            let value = HeaderValue::try_from(value.as_str());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.insert(name, value);
            }
        }
        omnisync_http::retry_after(&headers, self.clock.now(), RETRY_AFTER_MAX)
    }
}

impl fmt::Debug for VaultClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultClient").finish_non_exhaustive()
    }
}

/// An error about a secret: `what` follows its name.
pub(super) fn failure(kind: ErrorKind, name: &SecretName, what: &str) -> PortError {
    PortError::new(kind, GET).with_detail(format!("{name} {what}"))
}

fn unreadable(name: &SecretName) -> PortError {
    let what = "was answered with something else; a proxy may stand in between";
    failure(ErrorKind::Unavailable, name, what)
}

fn by_status(status: u16) -> (ErrorKind, &'static str) {
    match status {
        401 => (
            ErrorKind::Denied,
            "may not be read: the vault takes tokens of another tenant",
        ),
        403 => (
            ErrorKind::Denied,
            "may not be read: give the identity the role Key Vault Secrets User, enable the \
             secret, and look at the network rules of the vault",
        ),
        404 => (ErrorKind::NotFound, "is not in the vault"),
        408 | 504 => (ErrorKind::TimedOut, "was not answered in time"),
        429 => (
            ErrorKind::Throttled,
            "was asked for too often: raise fresh_for_ms, or share one source",
        ),
        500..=599 => (ErrorKind::Unavailable, "cannot be had for the moment"),
        _ => (
            ErrorKind::Misconfigured,
            "cannot be asked for: check vault_url",
        ),
    }
}

/// An error of this type among the causes.
fn find<E: StdError + 'static>(error: &azure_core::Error) -> Option<&E> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.get_ref().map(|cause| cause as _);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // A wrapper of the SDK whose source is its own inside.
        cause = error.source();
    }
    None
}
