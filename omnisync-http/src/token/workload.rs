use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use http::Uri;
use omnisync_core::PortError;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::access::{AccessToken, TokenProvider};
use super::entra::{ask, authority, tokens_at};
use super::environment::Environment;
use super::error::TokenError;
use super::scope::Scope;
use crate::client::Client;

const OPERATION: &str = "token.workload_identity";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Largest federated token, in bytes.
const TOKEN_BYTES_MAX: u64 = 65_536;

/// An application of Entra ID that proves itself by a token which the platform writes to a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadIdentityConfig {
    /// The tenant: its id, or one of its domains.
    pub tenant: String,
    /// The application (client) id.
    pub client_id: String,
    /// The file, which the platform replaces from time to time.
    pub token_file: PathBuf,
    /// Who gives tokens. Default `https://login.microsoftonline.com`, the public cloud.
    #[serde(default = "authority")]
    pub authority: String,
}

impl WorkloadIdentityConfig {
    /// Reads `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE` and, where it is
    /// there, `AZURE_AUTHORITY_HOST`, for instance from [`std::env::vars`].
    ///
    /// # Errors
    /// `Invalid` when one of the first three is missing.
    pub fn from_env(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        const NAMES: [&str; 4] = [
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_AUTHORITY_HOST",
        ];
        let environment = Environment::of(variables, &NAMES);
        let read = || {
            Ok(Self {
                tenant: environment.need("AZURE_TENANT_ID")?.to_owned(),
                client_id: environment.need("AZURE_CLIENT_ID")?.to_owned(),
                token_file: environment.need("AZURE_FEDERATED_TOKEN_FILE")?.into(),
                authority: environment
                    .get("AZURE_AUTHORITY_HOST")
                    .map_or_else(authority, str::to_owned),
            })
        };
        read().map_err(|error: TokenError| error.port(OPERATION))
    }
}

/// Tokens for an application of Entra ID, by the token of the platform that it runs on.
pub struct WorkloadIdentity {
    tokens_at: Uri,
    client_id: String,
    token_file: PathBuf,
    client: Client,
}

impl WorkloadIdentity {
    /// Asks by `client`, which needs no tokens of its own and repeats what fails in passing.
    ///
    /// # Errors
    /// `Invalid` for a setting that cannot be right.
    pub fn new(config: WorkloadIdentityConfig, client: Client) -> Result<Self, PortError> {
        let tokens_at = tokens_at(&config.authority, &config.tenant, &config.client_id)
            .map_err(|error| error.port(OPERATION))?;
        Ok(Self {
            tokens_at,
            client_id: config.client_id,
            token_file: config.token_file,
            client,
        })
    }

    async fn ask(&self, scope: &Scope) -> Result<AccessToken, TokenError> {
        let assertion = read(&self.token_file).map_err(TokenError::File)?;
        let pairs = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.trim()),
            ("scope", scope.as_str()),
        ];
        ask(&self.client, OPERATION, &self.tokens_at, &pairs).await
    }
}

impl fmt::Debug for WorkloadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadIdentity")
            .field("tokens_at", &self.tokens_at)
            .field("client_id", &self.client_id)
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenProvider for WorkloadIdentity {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        self.ask(scope).await.map_err(|error| error.port(OPERATION))
    }
}

/// Reads the token anew: the platform has replaced it since. It is small and in memory, so that
/// reading it does not hold anybody up.
fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}
