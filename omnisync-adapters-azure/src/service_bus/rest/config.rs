use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Client, Endpoint, Scope, Secret};
use serde::Deserialize;

use super::super::RetryMode;
use super::super::copies::SCOPE;
use super::super::entity::Entity;
use super::super::sas::{ConnectionString, SasKey};
use super::client::RestClient;
use super::source::ServiceBusRestSource;
use crate::shared::variables::{Variables, of_process};

const BUILD: &str = "service_bus_rest.build";

/// What begins the names of environment variables.
const PREFIX: &str = "OMNISYNC_AZURE_SERVICE_BUS_REST_";

/// An entity of Service Bus, and how it is spoken to by HTTPS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceBusRestConfig {
    /// URL of the namespace, such as `https://acme.servicebus.windows.net`; plain http to this
    /// machine only.
    pub endpoint: String,
    /// Queue or topic.
    pub entity: String,
    /// Subscription of the topic.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Receives what the service itself set aside instead. Default false.
    #[serde(default)]
    pub dead_letters: bool,
    /// Queue that dead letters are sent to, since none can be made by HTTPS. Without it
    /// `DeadLetter` is `Unsupported`.
    #[serde(default)]
    pub quarantine: Option<String>,
    /// What `RetryAfter` does: a scheduled copy, which a topic gives to every subscription. Default
    /// for queues; has to be said for subscriptions, and not for dead letters, which have no
    /// `RetryAfter`.
    #[serde(default)]
    pub retry_mode: Option<RetryMode>,
    /// Name of a key, where the client has no tokens.
    #[serde(default)]
    pub key_name: Option<String>,
    /// The key.
    #[serde(default)]
    pub key: Option<Secret>,
    /// How long a signature made with the key works, in seconds. Default 3,600.
    #[serde(default = "signature_seconds")]
    pub signature_seconds: u32,
    /// Time for every request, beside the wait for messages, in milliseconds. Default 30,000.
    #[serde(default = "operation_timeout_ms")]
    pub operation_timeout_ms: u32,
    /// Largest message, in bytes. Default 1,048,576.
    #[serde(default = "message_bytes_max")]
    pub message_bytes_max: usize,
    /// Longest wait that the service is asked for at once, in seconds. Default 55.
    #[serde(default = "wait_seconds_max")]
    pub wait_seconds_max: u32,
    /// Messages that one `receive` takes at most, each by a request. Default 100.
    #[serde(default = "prefetch_max")]
    pub prefetch_max: usize,
}

impl ServiceBusRestConfig {
    /// The defaults for a queue or topic of the namespace at `endpoint`.
    pub fn new(endpoint: impl Into<String>, entity: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            entity: entity.into(),
            subscription: None,
            dead_letters: false,
            quarantine: None,
            retry_mode: None,
            key_name: None,
            key: None,
            signature_seconds: signature_seconds(),
            operation_timeout_ms: operation_timeout_ms(),
            message_bytes_max: message_bytes_max(),
            wait_seconds_max: wait_seconds_max(),
            prefetch_max: prefetch_max(),
        }
    }

    /// The defaults for the namespace of a connection string.
    ///
    /// # Errors
    /// `Misconfigured` for a text that is no connection string, or without an entity. The text is
    /// not part of the error.
    pub fn from_connection_string(text: &str, entity: Option<&str>) -> Result<Self, PortError> {
        let read = ConnectionString::parse(text)
            .map_err(|error| wrong("the connection string is not used").with_source(error))?;
        let entity = entity.map(str::to_owned).or(read.entity);
        let entity = entity.ok_or_else(|| wrong("the connection string names no entity"))?;
        let scheme = if read.is_plain { "http" } else { "https" };
        let mut config = Self::new(format!("{scheme}://{}", read.namespace), entity);
        if let Some(key) = read.key {
            config = config.with_key(key.name, key.key);
        }
        Ok(config)
    }

    /// Reads `OMNISYNC_AZURE_SERVICE_BUS_REST_…` of the environment: see
    /// [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, PortError> {
        Self::from_vars(of_process())
    }

    /// Reads `CONNECTION_STRING` or `ENDPOINT`, `ENTITY`, `SUBSCRIPTION` and `QUARANTINE`, each
    /// behind `OMNISYNC_AZURE_SERVICE_BUS_REST_`.
    ///
    /// # Errors
    /// `Misconfigured` when one is missing or wrong; names it.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        let variables = Variables::read(PREFIX, variables);
        let get = |name: &str| variables.get(name);
        let mut config = match (get("CONNECTION_STRING"), get("ENDPOINT"), get("ENTITY")) {
            (Some(text), _, entity) => Self::from_connection_string(text, entity)?,
            (None, Some(endpoint), Some(entity)) => Self::new(endpoint, entity),
            _ => {
                return Err(wrong(
                    "set OMNISYNC_AZURE_SERVICE_BUS_REST_CONNECTION_STRING, or _ENDPOINT and \
                     _ENTITY",
                ));
            }
        };
        config.subscription = get("SUBSCRIPTION").map(str::to_owned);
        config.quarantine = get("QUARANTINE").map(str::to_owned);
        Ok(config)
    }

    /// Receives from a subscription of the topic.
    #[must_use]
    pub fn with_subscription(mut self, name: impl Into<String>) -> Self {
        self.subscription = Some(name.into());
        self
    }

    /// Receives what the service itself set aside.
    #[must_use]
    pub fn dead_letters(mut self) -> Self {
        self.dead_letters = true;
        self
    }

    /// Sends dead letters to this queue.
    #[must_use]
    pub fn with_quarantine(mut self, queue: impl Into<String>) -> Self {
        self.quarantine = Some(queue.into());
        self
    }

    /// Says what `RetryAfter` does.
    #[must_use]
    pub fn with_retry_mode(mut self, mode: RetryMode) -> Self {
        self.retry_mode = Some(mode);
        self
    }

    /// Signs by a key.
    #[must_use]
    pub fn with_key(mut self, name: impl Into<String>, key: Secret) -> Self {
        self.key_name = Some(name.into());
        self.key = Some(key);
        self
    }

    /// What tokens have to be asked for.
    ///
    /// # Errors
    /// None: the scope is fixed.
    pub fn scope() -> Result<Scope, PortError> {
        Scope::new(SCOPE)
    }

    /// The source, over a client that authorizes by tokens for [`scope`](Self::scope) unless there
    /// is a key.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(
        self,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<ServiceBusRestSource, PortError> {
        let endpoint: Endpoint = self
            .endpoint
            .parse()
            .map_err(|error| wrong("endpoint is no URL of a namespace").with_source(error))?;
        let entity = Entity::new(
            &self.entity,
            self.subscription.as_deref(),
            self.dead_letters,
        )
        .ok_or_else(|| wrong("entity or subscription is no name of an entity"))?;
        self.check()?;
        let key = match (self.key_name, self.key) {
            (Some(name), Some(key)) => Some(SasKey { name, key }),
            (None, None) => None,
            _ => return Err(wrong("give key_name and key, or neither")),
        };
        let client = RestClient {
            http: client,
            endpoint,
            key,
            life: TimeDelta::seconds(self.signature_seconds.into()),
            timeout: Duration::from_millis(self.operation_timeout_ms.into()),
            message_bytes_max: self.message_bytes_max,
            clock,
        };
        let source = ServiceBusRestSource::new(client, entity, self.quarantine);
        Ok(source.with_limits(self.prefetch_max, self.wait_seconds_max))
    }

    fn check(&self) -> Result<(), PortError> {
        let is_name = |name: &String| Entity::new(name, None, false).is_some();
        let settings = [
            (
                self.quarantine.as_ref().is_some_and(|name| !is_name(name)),
                "quarantine is no name of a queue",
            ),
            (
                self.quarantine.as_ref() == Some(&self.entity),
                "quarantine is the entity itself",
            ),
            (
                self.retry_mode == Some(RetryMode::HoldLock),
                "retry_mode cannot be hold-lock by HTTPS",
            ),
            (
                self.subscription.is_some() && !self.dead_letters && self.retry_mode.is_none(),
                "a topic gives copies to every subscription: say retry_mode schedule-copy to \
                 accept that, or use AMQP",
            ),
            (
                self.dead_letters && self.retry_mode == Some(RetryMode::ScheduleCopy),
                "retry_mode is schedule-copy, but dead letters are not retried by HTTPS",
            ),
            (self.prefetch_max == 0, "prefetch_max is 0"),
            (
                self.signature_seconds < 60,
                "signature_seconds is less than 60",
            ),
            (self.operation_timeout_ms == 0, "operation_timeout_ms is 0"),
            (self.message_bytes_max == 0, "message_bytes_max is 0"),
        ];
        let bad = settings.into_iter().find(|(is_bad, _)| *is_bad);
        bad.map_or(Ok(()), |(_, what)| Err(wrong(what)))
    }
}

fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

const fn signature_seconds() -> u32 {
    3_600
}

const fn operation_timeout_ms() -> u32 {
    30_000
}

const fn message_bytes_max() -> usize {
    1_024 * 1_024
}

const fn wait_seconds_max() -> u32 {
    55
}

const fn prefetch_max() -> usize {
    100
}
