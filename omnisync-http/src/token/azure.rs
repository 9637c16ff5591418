use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken as AzureToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as AzureErrorKind;
use azure_core::time::OffsetDateTime;
use chrono::DateTime;
use omnisync_core::{ErrorKind, PortError, Secret};

use super::access::{AccessToken, TokenProvider};
use super::cache::TokenCache;
use super::scope::Scope;

const OPERATION: &str = "token.azure_core";

/// Tokens from any credential of the Azure SDK.
///
/// Such a credential counts the end of a token by the clock of this machine, as we do. Most keep
/// tokens themselves, so that one which a peer did not take may come again.
#[derive(Clone)]
pub struct AzureCredential {
    credential: Arc<dyn TokenCredential>,
}

impl AzureCredential {
    /// Asks `credential`.
    pub fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self { credential }
    }
}

impl fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureCredential").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenProvider for AzureCredential {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        let token = self
            .credential
            .get_token(&[scope.as_str()], None)
            .await
            .map_err(|error| failed(&error))?;
        let expires_at = DateTime::from_timestamp(token.expires_on.unix_timestamp(), 0)
            .ok_or_else(|| {
                let detail = "the credential gave a token that ends at no time; update it";
                PortError::new(ErrorKind::Corrupt, OPERATION).with_detail(detail)
            })?;
        Ok(AccessToken::new(
            Secret::new(token.token.secret()),
            expires_at,
        ))
    }
}

/// The other way round: clients of the Azure SDK take their tokens from the same cache.
#[async_trait]
impl TokenCredential for TokenCache {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AzureToken> {
        let failed = |error: PortError| azure_core::Error::new(AzureErrorKind::Credential, error);
        let scope = Scope::new(scopes.join(" ")).map_err(failed)?;
        let token = self.token(&scope).await.map_err(failed)?;
        let expires_on = OffsetDateTime::from_unix_timestamp(token.expires_at().timestamp())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH + azure_core::time::Duration::days(36_500));
        Ok(AzureToken::new(
            token.secret().expose().to_owned(),
            expires_on,
        ))
    }
}

/// What went wrong, without the texts of the SDK, which may quote the answer of the authority.
fn failed(error: &azure_core::Error) -> PortError {
    let (kind, what) = match error.kind() {
        AzureErrorKind::Credential => (
            ErrorKind::Denied,
            "the credential has no token; check its settings and its log",
        ),
        AzureErrorKind::Io | AzureErrorKind::Connection => (
            ErrorKind::Unavailable,
            "the credential did not reach the authority; check the network",
        ),
        AzureErrorKind::HttpResponse { status, .. } => match u16::from(*status) {
            429 => (ErrorKind::Throttled, "the authority asks for a pause"),
            408 | 500..=599 => (ErrorKind::Unavailable, "the authority fails for the moment"),
            _ => (
                ErrorKind::Denied,
                "the authority refused; check tenant, client id, credential and scope",
            ),
        },
        _ => (
            ErrorKind::Internal,
            "the credential failed; look at its own log",
        ),
    };
    PortError::new(kind, OPERATION).with_detail(what)
}
