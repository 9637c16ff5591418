use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use http::Uri;
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Client, Endpoint, Scope, Secret};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::client::GridClient;
use super::credential::{Authorizer, Signer};
use super::publisher::EventGridPublisher;
use crate::shared::variables::{Variables, of_process};

const BUILD: &str = "event_grid.build";
const PREFIX: &str = "OMNISYNC_AZURE_EVENT_GRID_";

/// The version of the publishing interface.
pub(super) const API_VERSION: &str = "2018-01-01";

/// Where topics take events, unless the endpoint says otherwise.
const PATH: &str = "/api/events";

/// Longest life of a signed token, in seconds: a year.
const LIFETIME_SECONDS_MAX: u32 = 31_536_000;

/// A custom topic or domain, and how events get there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventGridConfig {
    /// The endpoint as the portal shows it, such as
    /// `https://orders.westeurope-1.eventgrid.azure.net/api/events`. A URL without a path gets
    /// `/api/events`. Plain http to this machine only.
    pub endpoint: String,
    /// Who publishes. Default: a token of the client.
    #[serde(default)]
    pub credential: EventGridCredential,
    /// Largest event in JSON, in bytes. Default 1,048,576, what the service takes.
    #[serde(default = "megabyte")]
    pub event_bytes_max: usize,
    /// Largest body of a request, in bytes. Default 1,048,576, what the service takes.
    #[serde(default = "megabyte")]
    pub batch_bytes_max: usize,
    /// Events of a request. Default 1,000.
    #[serde(default = "thousand")]
    pub batch_events_max: usize,
}

/// How a publisher proves itself to a topic.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum EventGridCredential {
    /// A token of Entra ID for [`EventGridConfig::SCOPE`], which the client adds.
    #[default]
    Bearer,
    /// An access key, sent as it is.
    Key(Secret),
    /// Tokens that an access key signs: the key itself never travels.
    Sas {
        /// The key, in base64 as the portal shows it.
        key: Secret,
        /// How long a token is good, in seconds. Default 3,600.
        #[serde(default = "hour")]
        lifetime_seconds: u32,
    },
    /// A token that somebody else signed. It is not renewed.
    SasToken(Secret),
}

impl EventGridConfig {
    /// What tokens of Entra ID are asked for.
    pub const SCOPE: &'static str = "https://eventgrid.azure.net/.default";

    /// The defaults for the topic at `endpoint`.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            credential: EventGridCredential::default(),
            event_bytes_max: megabyte(),
            batch_bytes_max: megabyte(),
            batch_events_max: thousand(),
        }
    }

    /// Reads variables of the process: [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, PortError> {
        Self::from_vars(of_process())
    }

    /// Reads `OMNISYNC_AZURE_EVENT_GRID_ENDPOINT` and at most one of `…_KEY` (sent as it is),
    /// `…_SAS_KEY` (signs tokens) and `…_SAS_TOKEN`. Without those the client's token is used.
    ///
    /// # Errors
    /// `Misconfigured` when the endpoint is missing, or two credentials are given.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        let variables = Variables::read(PREFIX, variables);
        let endpoint = variables.need("ENDPOINT", BUILD)?;
        let mut credentials = Vec::new();
        if let Some(key) = variables.get("KEY") {
            credentials.push(EventGridCredential::Key(key.into()));
        }
        if let Some(key) = variables.get("SAS_KEY") {
            credentials.push(EventGridCredential::sas(key));
        }
        if let Some(token) = variables.get("SAS_TOKEN") {
            credentials.push(EventGridCredential::SasToken(token.into()));
        }
        if credentials.len() > 1 {
            return Err(wrong(
                "more than one of OMNISYNC_AZURE_EVENT_GRID_KEY, _SAS_KEY and _SAS_TOKEN is set",
            ));
        }
        let credential = credentials.pop().unwrap_or_default();
        Ok(Self::new(endpoint).with_credential(credential))
    }

    /// Sets [`Self::credential`].
    #[must_use]
    pub fn with_credential(mut self, credential: EventGridCredential) -> Self {
        self.credential = credential;
        self
    }

    /// Sets [`Self::event_bytes_max`].
    #[must_use]
    pub fn with_event_bytes_max(mut self, bytes: usize) -> Self {
        self.event_bytes_max = bytes;
        self
    }

    /// Sets [`Self::batch_bytes_max`].
    #[must_use]
    pub fn with_batch_bytes_max(mut self, bytes: usize) -> Self {
        self.batch_bytes_max = bytes;
        self
    }

    /// Sets [`Self::batch_events_max`].
    #[must_use]
    pub fn with_batch_events_max(mut self, events: usize) -> Self {
        self.batch_events_max = events;
        self
    }

    /// The scope for the tokens of the client.
    ///
    /// # Errors
    /// None: the name is a constant that is a scope.
    pub fn scope() -> Result<Scope, PortError> {
        Scope::new(Self::SCOPE)
    }

    /// The publisher, over a client that has tokens for [`Self::scope`] when the credential is
    /// [`EventGridCredential::Bearer`].
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(
        self,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<EventGridPublisher, PortError> {
        let settings = [
            (self.event_bytes_max == 0, "event_bytes_max is 0"),
            (self.batch_bytes_max <= 2, "batch_bytes_max holds no event"),
            (self.batch_events_max == 0, "batch_events_max is 0"),
        ];
        if let Some((_, what)) = settings.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(wrong(what));
        }
        let (url, uri) = self.topic()?;
        let authorizer = self.credential.authorizer(url)?;
        let client = GridClient::new(client, uri, authorizer, clock);
        Ok(EventGridPublisher::new(client, &self))
    }

    /// The URL that is signed, and the one that is asked.
    fn topic(&self) -> Result<(String, Uri), PortError> {
        let not_a_url = "endpoint is no URL of a topic";
        let endpoint: Endpoint = self
            .endpoint
            .trim()
            .parse()
            .map_err(|error| wrong(not_a_url).with_source(error))?;
        let mut url = endpoint.to_string();
        if url == endpoint.origin() {
            url.push_str(PATH);
        }
        let uri = format!("{url}?api-version={API_VERSION}")
            .parse()
            .map_err(|error: http::uri::InvalidUri| wrong(not_a_url).with_source(error))?;
        Ok((url, uri))
    }
}

impl EventGridCredential {
    /// Tokens that `key` signs for an hour each.
    pub fn sas(key: impl Into<Secret>) -> Self {
        Self::Sas {
            key: key.into(),
            lifetime_seconds: hour(),
        }
    }

    fn authorizer(&self, url: String) -> Result<Authorizer, PortError> {
        match self {
            Self::Bearer => Ok(Authorizer::Bearer),
            Self::Key(secret) | Self::SasToken(secret) if secret.is_empty() => {
                Err(wrong("the credential is empty"))
            }
            Self::Key(key) => {
                Authorizer::key(key).ok_or_else(|| wrong("the key is no header value"))
            }
            Self::SasToken(token) => {
                Authorizer::token(token).ok_or_else(|| wrong("the token is no header value"))
            }
            Self::Sas {
                key,
                lifetime_seconds,
            } => {
                if !(1..=LIFETIME_SECONDS_MAX).contains(lifetime_seconds) {
                    return Err(wrong("lifetime_seconds is 0 or longer than a year"));
                }
                // The cause would show where the key is wrong, and with which character.
                let bytes = STANDARD.decode(key.expose()).ok();
                let bytes = bytes
                    .filter(|bytes| !bytes.is_empty())
                    .ok_or_else(|| wrong("the key that signs is not base64; copy it again"))?;
                let lifetime = TimeDelta::seconds((*lifetime_seconds).into());
                let signer = Signer::new(url, Zeroizing::new(bytes), lifetime);
                Ok(Authorizer::Sas(Box::new(signer)))
            }
        }
    }
}

fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

const fn megabyte() -> usize {
    1_048_576
}

const fn thousand() -> usize {
    1_000
}

const fn hour() -> u32 {
    3_600
}
