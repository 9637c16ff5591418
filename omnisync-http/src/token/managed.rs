use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use omnisync_core::{PortError, Secret};
use serde::Deserialize;

use super::access::{AccessToken, TokenProvider};
use super::environment::Environment;
use super::error::TokenError;
use super::scope::Scope;
use super::{form, wire};
use crate::call::Call;
use crate::client::Client;
use crate::endpoint::{Endpoint, Plain};

const OPERATION: &str = "token.managed_identity";

/// The instance metadata service of virtual machines.
const METADATA: &str = "http://169.254.169.254";

const METADATA_PATH: &str = "/metadata/identity/oauth2/token";
const METADATA_VERSION: &str = "2018-02-01";
const APP_VERSION: &str = "2019-08-01";

/// What the metadata service answers while the identity is not there yet or it is updated itself.
const METADATA_NOT_READY: &[u16] = &[404, 410, 500, 501, 502, 503, 504, 505, 507];

/// Where a machine or an app of Azure finds its identity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagedIdentityConfig {
    /// Client id of a user-assigned identity. Default: the one that the system assigned.
    pub client_id: Option<String>,
    /// `IDENTITY_ENDPOINT` of App Service, Functions and Container Apps. Default none: the
    /// metadata service of virtual machines is asked.
    pub app_endpoint: Option<String>,
    /// `IDENTITY_HEADER`, which goes with it.
    pub app_header: Option<Secret>,
    /// Another metadata service than that at 169.254.169.254, such as a proxy of pods.
    pub metadata_host: Option<String>,
}

impl ManagedIdentityConfig {
    /// Reads `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`, `AZURE_POD_IDENTITY_AUTHORITY_HOST` and
    /// `AZURE_CLIENT_ID`, each where it is there, for instance from [`std::env::vars`].
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        const NAMES: [&str; 4] = [
            "IDENTITY_ENDPOINT",
            "IDENTITY_HEADER",
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            "AZURE_CLIENT_ID",
        ];
        let environment = Environment::of(variables, &NAMES);
        let get = |name| environment.get(name).map(str::to_owned);
        Self {
            client_id: get("AZURE_CLIENT_ID"),
            app_endpoint: get("IDENTITY_ENDPOINT"),
            app_header: get("IDENTITY_HEADER").map(Secret::new),
            metadata_host: get("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
        }
    }

    /// Sets [`Self::client_id`].
    #[must_use]
    pub fn with_client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }
}

/// Tokens for the identity that Azure gave to this machine or app.
///
/// It is asked in plain http by design: at a loopback or link-local address, which never leaves
/// the machine that hosts it.
pub struct ManagedIdentity {
    place: Place,
    client_id: Option<String>,
    client: Client,
}

enum Place {
    App { endpoint: Endpoint, header: Secret },
    Metadata { endpoint: Endpoint },
}

impl ManagedIdentity {
    /// Asks by `client`, which needs no tokens of its own and repeats what fails in passing. Give
    /// it some attempts: an updated metadata service is away for more than a minute.
    ///
    /// # Errors
    /// `Invalid` for a setting that cannot be right.
    pub fn new(config: ManagedIdentityConfig, client: Client) -> Result<Self, PortError> {
        let place = Place::of(&config).map_err(|error| error.port(OPERATION))?;
        Ok(Self {
            place,
            client_id: config.client_id,
            client,
        })
    }

    fn request(&self, scope: &Scope) -> Result<http::Request<Bytes>, TokenError> {
        let (endpoint, path, version) = match &self.place {
            Place::App { endpoint, .. } => (endpoint, "", APP_VERSION),
            Place::Metadata { endpoint } => (endpoint, METADATA_PATH, METADATA_VERSION),
        };
        let mut pairs = vec![("api-version", version), ("resource", scope.resource())];
        pairs.extend(self.client_id.as_deref().map(|id| ("client_id", id)));
        let uri = endpoint
            .query(path, &form::encode(&pairs))
            .map_err(|error| TokenError::Url("the identity endpoint", error))?;
        let mut request = http::Request::get(uri).extension(Plain::LinkLocal);
        match &self.place {
            Place::App { header, .. } => {
                let mut value = HeaderValue::from_str(header.expose())
                    .map_err(|_| TokenError::Setting("IDENTITY_HEADER is no header value"))?;
                value.set_sensitive(true);
                request = request.header("x-identity-header", value);
            }
            Place::Metadata { .. } => request = request.header("metadata", "true"),
        }
        request
            .body(Bytes::new())
            .map_err(|_| TokenError::Setting("the identity endpoint makes no request"))
    }

    async fn ask(&self, scope: &Scope) -> Result<AccessToken, TokenError> {
        let is_metadata = matches!(self.place, Place::Metadata { .. });
        let also = if is_metadata { METADATA_NOT_READY } else { &[] };
        let call = Call::new(OPERATION, self.request(scope)?)
            .with_repeat_also(also)
            .without_token();
        let asked_at = self.client.clock().now();
        match self.client.send(call).await {
            Ok(response) => wire::granted(&response, asked_at),
            Err(error) if is_metadata && error.status() == Some(StatusCode::BAD_REQUEST) => {
                Err(TokenError::NoIdentity)
            }
            Err(error) => Err(TokenError::refused(error)),
        }
    }
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Place::App { endpoint, .. } | Place::Metadata { endpoint }) = &self.place;
        f.debug_struct("ManagedIdentity")
            .field("endpoint", endpoint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenProvider for ManagedIdentity {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        self.ask(scope).await.map_err(|error| error.port(OPERATION))
    }
}

impl Place {
    fn of(config: &ManagedIdentityConfig) -> Result<Self, TokenError> {
        let read = |text: &str, name| {
            Endpoint::link_local(text).map_err(|error| TokenError::Url(name, error))
        };
        match (&config.app_endpoint, &config.app_header) {
            (Some(endpoint), Some(header)) => Ok(Self::App {
                endpoint: read(endpoint, "IDENTITY_ENDPOINT")?,
                header: header.clone(),
            }),
            (Some(_), None) => Err(TokenError::Environment("IDENTITY_HEADER")),
            (None, Some(_)) => Err(TokenError::Environment("IDENTITY_ENDPOINT")),
            (None, None) => {
                let host = config.metadata_host.as_deref().unwrap_or(METADATA);
                let endpoint = read(host, "the metadata host")?;
                Ok(Self::Metadata { endpoint })
            }
        }
    }
}
