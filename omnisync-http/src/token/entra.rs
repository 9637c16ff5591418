use std::fmt;

use async_trait::async_trait;
use http::Uri;
use http::header::{ACCEPT, CONTENT_TYPE};
use omnisync_core::{PortError, Secret};
use serde::Deserialize;

use super::access::{AccessToken, TokenProvider};
use super::environment::Environment;
use super::error::TokenError;
use super::scope::Scope;
use super::{form, wire};
use crate::call::{Call, Repeat};
use crate::client::Client;
use crate::endpoint::Endpoint;

const OPERATION: &str = "token.client_credentials";

/// The public cloud.
pub(super) const AUTHORITY: &str = "https://login.microsoftonline.com";

/// An application of Entra ID that proves itself by a secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntraConfig {
    /// The tenant: its id, or one of its domains.
    pub tenant: String,
    /// The application (client) id.
    pub client_id: String,
    /// The value of a client secret, not its id.
    pub client_secret: Secret,
    /// Who gives tokens. Default `https://login.microsoftonline.com`, the public cloud.
    #[serde(default = "authority")]
    pub authority: String,
}

pub(super) fn authority() -> String {
    AUTHORITY.to_owned()
}

impl EntraConfig {
    /// An application in the public cloud.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> Self {
        Self {
            tenant: tenant.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            authority: authority(),
        }
    }

    /// Reads `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and, where it is there,
    /// `AZURE_AUTHORITY_HOST`, for instance from [`std::env::vars`].
    ///
    /// # Errors
    /// `Invalid` when one of the first three is missing.
    pub fn from_env(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        const NAMES: [&str; 4] = [
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_CLIENT_SECRET",
            "AZURE_AUTHORITY_HOST",
        ];
        let environment = Environment::of(variables, &NAMES);
        let read = || {
            let tenant = environment.need("AZURE_TENANT_ID")?;
            let client_id = environment.need("AZURE_CLIENT_ID")?;
            let client_secret = environment.need("AZURE_CLIENT_SECRET")?;
            let config = Self::new(tenant, client_id, client_secret);
            Ok(match environment.get("AZURE_AUTHORITY_HOST") {
                Some(host) => config.with_authority(host),
                None => config,
            })
        };
        read().map_err(|error: TokenError| error.port(OPERATION))
    }

    /// Sets [`Self::authority`].
    #[must_use]
    pub fn with_authority(mut self, url: impl Into<String>) -> Self {
        self.authority = url.into();
        self
    }
}

/// Tokens for an application of Entra ID, by its secret.
pub struct EntraClientCredentials {
    tokens_at: Uri,
    client_id: String,
    client_secret: Secret,
    client: Client,
}

impl EntraClientCredentials {
    /// Asks by `client`, which needs no tokens of its own and repeats what fails in passing.
    ///
    /// # Errors
    /// `Invalid` for a setting that cannot be right.
    pub fn new(config: EntraConfig, client: Client) -> Result<Self, PortError> {
        let tokens_at = tokens_at(&config.authority, &config.tenant, &config.client_id)
            .and_then(|uri| {
                if config.client_secret.is_empty() {
                    return Err(TokenError::Setting("the client secret is empty"));
                }
                Ok(uri)
            })
            .map_err(|error| error.port(OPERATION))?;
        Ok(Self {
            tokens_at,
            client_id: config.client_id,
            client_secret: config.client_secret,
            client,
        })
    }
}

impl fmt::Debug for EntraClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraClientCredentials")
            .field("tokens_at", &self.tokens_at)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenProvider for EntraClientCredentials {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        let pairs = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
            ("scope", scope.as_str()),
        ];
        ask(&self.client, OPERATION, &self.tokens_at, &pairs)
            .await
            .map_err(|error| error.port(OPERATION))
    }
}

/// Where a tenant gives tokens.
pub(super) fn tokens_at(authority: &str, tenant: &str, client_id: &str) -> Result<Uri, TokenError> {
    let endpoint: Endpoint = authority
        .parse()
        .map_err(|error| TokenError::Url("the authority", error))?;
    let is_name = |text: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        !text.is_empty() && text.bytes().all(legal)
    };
    if !is_name(tenant) {
        let what = "the tenant is neither an id nor a domain; copy it from the portal";
        return Err(TokenError::Setting(what));
    }
    if !is_name(client_id) {
        let what = "the client id is no id; copy it from the application's overview";
        return Err(TokenError::Setting(what));
    }
    endpoint
        .join(&format!("/{tenant}/oauth2/v2.0/token"))
        .map_err(|error| TokenError::Url("the tenant", error))
}

/// Asks for a token by a form. Asking twice does no harm.
pub(super) async fn ask(
    client: &Client,
    operation: &'static str,
    tokens_at: &Uri,
    pairs: &[(&str, &str)],
) -> Result<AccessToken, TokenError> {
    let request = http::Request::post(tokens_at.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(form::body(pairs))
        .map_err(|_| TokenError::Setting("the authority makes no request"))?;
    let call = Call::new(operation, request)
        .with_repeat(Repeat::Safe)
        .without_token();
    let asked_at = client.clock().now();
    match client.send(call).await {
        Ok(response) => wire::granted(&response, asked_at),
        Err(error) => Err(TokenError::refused(error)),
    }
}
