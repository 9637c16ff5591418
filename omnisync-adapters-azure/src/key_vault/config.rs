use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{AzureTransport, Client, Endpoint, TokenCache};
use serde::{Deserialize, Serialize};

use super::cache::Ages;
use super::client::VaultClient;
use super::source::KeyVaultSecrets;
use crate::shared::variables::{Variables, of_process};

const BUILD: &str = "key_vault.build";
const PREFIX: &str = "OMNISYNC_AZURE_KEY_VAULT_";

/// Which vault, and for how long its answers are good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyVaultConfig {
    /// URL of the vault, such as `https://acme.vault.azure.net`.
    pub vault_url: String,
    /// How long a secret is given without asking again, in milliseconds: so late a rotation may be
    /// seen. Default 300,000 (5 minutes).
    #[serde(default = "fresh_for_ms")]
    pub fresh_for_ms: u32,
    /// How long it is given on top of that while the vault does not answer, in milliseconds.
    /// Default 3,600,000 (an hour).
    #[serde(default = "stale_for_ms")]
    pub stale_for_ms: u32,
    /// Pause between two questions to a vault that does not answer, while there is an old value to
    /// give, in milliseconds. So long a refusal is remembered too, but no longer than
    /// `fresh_for_ms`. Default 10,000.
    #[serde(default = "retry_pause_ms")]
    pub retry_pause_ms: u32,
    /// Requires that the vault asks for tokens for its own domain. Set it to false only for a
    /// vault under a name that is not Microsoft's. Default true.
    #[serde(default = "yes")]
    pub verify_challenge_resource: bool,
}

impl KeyVaultConfig {
    /// The defaults for the vault at `vault_url`.
    pub fn new(vault_url: impl Into<String>) -> Self {
        Self {
            vault_url: vault_url.into(),
            fresh_for_ms: fresh_for_ms(),
            stale_for_ms: stale_for_ms(),
            retry_pause_ms: retry_pause_ms(),
            verify_challenge_resource: true,
        }
    }

    /// Reads the environment of this process; see [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, PortError> {
        Self::from_vars(of_process())
    }

    /// Reads `OMNISYNC_AZURE_KEY_VAULT_URL` and, where they are there,
    /// `OMNISYNC_AZURE_KEY_VAULT_FRESH_FOR_MS` and `OMNISYNC_AZURE_KEY_VAULT_STALE_FOR_MS`.
    ///
    /// # Errors
    /// `Misconfigured` for a variable that is missing or no number; names it.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        let variables = Variables::read(PREFIX, variables);
        let number = |name: &str, default: u32| {
            variables.parsed(name, default, "is no number of milliseconds", BUILD)
        };
        let mut config = Self::new(variables.need("URL", BUILD)?);
        config.fresh_for_ms = number("FRESH_FOR_MS", config.fresh_for_ms)?;
        config.stale_for_ms = number("STALE_FOR_MS", config.stale_for_ms)?;
        Ok(config)
    }

    /// Sets [`Self::fresh_for_ms`].
    #[must_use]
    pub fn with_fresh_for_ms(mut self, milliseconds: u32) -> Self {
        self.fresh_for_ms = milliseconds;
        self
    }

    /// Sets [`Self::stale_for_ms`].
    #[must_use]
    pub fn with_stale_for_ms(mut self, milliseconds: u32) -> Self {
        self.stale_for_ms = milliseconds;
        self
    }

    /// Sets [`Self::retry_pause_ms`].
    #[must_use]
    pub fn with_retry_pause_ms(mut self, milliseconds: u32) -> Self {
        self.retry_pause_ms = milliseconds;
        self
    }

    /// Sets [`Self::verify_challenge_resource`].
    #[must_use]
    pub fn with_verify_challenge_resource(mut self, verify: bool) -> Self {
        self.verify_challenge_resource = verify;
        self
    }

    /// The source, over a client that needs no tokens of its own. The vault says which tokens it
    /// wants; `tokens` brings them. The client repeats what fails in passing; nothing else does.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(
        self,
        client: Client,
        tokens: TokenCache,
        clock: Arc<dyn Clock>,
    ) -> Result<KeyVaultSecrets, PortError> {
        let endpoint: Endpoint = self.vault_url.parse().map_err(|error| {
            wrong("vault_url is no URL of a vault; give https://NAME.vault.azure.net")
                .with_source(error)
        })?;
        if endpoint.is_plain() {
            return Err(wrong(
                "vault_url is not https, without which no token is sent",
            ));
        }
        let options = SecretClientOptions {
            client_options: AzureTransport::new(client).into_options(),
            verify_challenge_resource: Some(self.verify_challenge_resource),
            ..SecretClientOptions::default()
        };
        let tokens: Arc<dyn TokenCredential> = Arc::new(tokens);
        let sdk = SecretClient::new(&endpoint.to_string(), tokens, Some(options))
            .map_err(|_| wrong("vault_url is no URL of a vault"))?;
        let ages = Ages {
            fresh_for: milliseconds(self.fresh_for_ms),
            stale_for: milliseconds(self.stale_for_ms),
            retry_pause: milliseconds(self.retry_pause_ms),
        };
        let vault = VaultClient::new(sdk, Arc::clone(&clock));
        Ok(KeyVaultSecrets::new(vault, ages, clock, self))
    }
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn wrong(what: impl Into<String>) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

const fn fresh_for_ms() -> u32 {
    300_000
}

const fn stale_for_ms() -> u32 {
    3_600_000
}

const fn retry_pause_ms() -> u32 {
    10_000
}

const fn yes() -> bool {
    true
}
