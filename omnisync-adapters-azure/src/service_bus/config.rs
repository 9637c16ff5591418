use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{Clock, IdSource};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Scope, Secret, TokenCache, is_loopback};
use serde::Deserialize;

use super::RetryMode;
use super::client::{Bus, Credential, Timeouts};
use super::copies::SCOPE;
use super::dial::{Dial, DialTarget};
use super::entity::Entity;
use super::sas::{ConnectionString, SasKey, host_of, port_of};
use super::sender::ServiceBusSender;
use super::source::{ServiceBusSource, SourceSettings};
use crate::shared::variables::{Variables, of_process};

const BUILD: &str = "service_bus.build";

/// What begins the names of environment variables.
const PREFIX: &str = "OMNISYNC_AZURE_SERVICE_BUS_";

/// Port of AMQP over TLS, and without it for emulators.
const PORT_TLS: u16 = 5_671;
const PORT_PLAIN: u16 = 5_672;

/// Smallest frame that a peer may insist on, in bytes.
const FRAME_BYTES_MIN: u32 = 512;

/// An entity of Service Bus, and how it is spoken to by AMQP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceBusConfig {
    /// Host of the namespace, such as `acme.servicebus.windows.net`; with a port for an emulator.
    pub namespace: String,
    /// Queue or topic.
    pub entity: String,
    /// Subscription of the topic, to receive from.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Receives what was set aside instead. Default false.
    #[serde(default)]
    pub dead_letters: bool,
    /// The entity requires sessions: one after another is accepted. Default false.
    #[serde(default)]
    pub sessions: bool,
    /// Name of a key, where no tokens are used.
    #[serde(default)]
    pub key_name: Option<String>,
    /// The key.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Speaks without TLS, which only this machine is spoken to with. Default false.
    #[serde(default)]
    pub emulator: bool,
    /// What `RetryAfter` does. Default: a scheduled copy on queues, holding the lock on
    /// subscriptions and for dead letters.
    #[serde(default)]
    pub retry_mode: Option<RetryMode>,
    /// Deliveries whose locks `RetryAfter` holds at most; with one more it answers `Exhausted`.
    /// Default 1,000.
    #[serde(default = "parked_max")]
    pub parked_max: usize,
    /// Messages that one `receive` takes at most, whatever it is asked for. Default 100.
    #[serde(default = "prefetch_max")]
    pub prefetch_max: u32,
    /// Largest message that is taken, in bytes; a larger one is set aside as `TooLarge`. Default
    /// 1,048,576.
    #[serde(default = "message_bytes_max")]
    pub message_bytes_max: usize,
    /// Largest frame, in bytes. Default 65,536.
    #[serde(default = "frame_bytes_max")]
    pub frame_bytes_max: u32,
    /// Time for every step at the broker, in milliseconds. Default 30,000.
    #[serde(default = "operation_timeout_ms")]
    pub operation_timeout_ms: u32,
    /// The broker has to be heard of within twice this time, in milliseconds. Default 60,000.
    #[serde(default = "idle_timeout_ms")]
    pub idle_timeout_ms: u32,
    /// How long `receive` waits for one more message once it has some, in milliseconds. Default 20.
    #[serde(default = "gather_ms")]
    pub gather_ms: u32,
    /// How long the broker may take to give up what it was asked to send, in milliseconds. Default
    /// 1,000.
    #[serde(default = "drain_timeout_ms")]
    pub drain_timeout_ms: u32,
    /// How long a signature made with a key works, in seconds. Default 3,600.
    #[serde(default = "signature_seconds")]
    pub signature_seconds: u32,
    /// How connections are opened again. Default: 4 attempts, 200 ms to 10 s apart.
    #[serde(default = "reconnect")]
    pub reconnect: RetryPolicy,
}

/// What a source or sender works with.
#[derive(Debug, Clone)]
pub struct ServiceBusParts {
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    tokens: Option<TokenCache>,
}

impl ServiceBusParts {
    /// Connections by `dial`, time and names by the ports of the host.
    pub fn new(dial: Arc<dyn Dial>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            dial,
            clock,
            ids,
            tokens: None,
        }
    }

    /// Authorizes by tokens of an identity, where no key is configured.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TokenCache) -> Self {
        self.tokens = Some(tokens);
        self
    }
}

impl ServiceBusConfig {
    /// The defaults for a queue or topic of `namespace`.
    pub fn new(namespace: impl Into<String>, entity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            entity: entity.into(),
            subscription: None,
            dead_letters: false,
            sessions: false,
            key_name: None,
            key: None,
            emulator: false,
            retry_mode: None,
            parked_max: parked_max(),
            prefetch_max: prefetch_max(),
            message_bytes_max: message_bytes_max(),
            frame_bytes_max: frame_bytes_max(),
            operation_timeout_ms: operation_timeout_ms(),
            idle_timeout_ms: idle_timeout_ms(),
            gather_ms: gather_ms(),
            drain_timeout_ms: drain_timeout_ms(),
            signature_seconds: signature_seconds(),
            reconnect: reconnect(),
        }
    }

    /// The defaults for the namespace of a connection string, and the entity that it names; give
    /// `entity` where it names none.
    ///
    /// # Errors
    /// `Misconfigured` for a text that is no connection string, or without an entity. The text is
    /// not part of the error.
    pub fn from_connection_string(text: &str, entity: Option<&str>) -> Result<Self, PortError> {
        let read = ConnectionString::parse(text)
            .map_err(|error| wrong("the connection string is not used").with_source(error))?;
        let entity = entity.map(str::to_owned).or(read.entity);
        let entity = entity.ok_or_else(|| wrong("the connection string names no entity"))?;
        let mut config = Self::new(read.namespace, entity);
        config.emulator = read.is_plain;
        if let Some(key) = read.key {
            config.key_name = Some(key.name);
            config.key = Some(key.key);
        }
        Ok(config)
    }

    /// Reads `OMNISYNC_AZURE_SERVICE_BUS_…` of the environment: see [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, PortError> {
        Self::from_vars(of_process())
    }

    /// Reads `CONNECTION_STRING` or `NAMESPACE`, `ENTITY`, `SUBSCRIPTION`, `SESSIONS` and
    /// `DEAD_LETTERS`, each behind `OMNISYNC_AZURE_SERVICE_BUS_`.
    ///
    /// # Errors
    /// `Misconfigured` when one is missing or wrong; names it.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        let variables = Variables::read(PREFIX, variables);
        let get = |name: &str| variables.get(name);
        let flag = |name: &str| variables.parsed(name, false, "is neither true nor false", BUILD);
        let mut config = match (get("CONNECTION_STRING"), get("NAMESPACE"), get("ENTITY")) {
            (Some(text), _, entity) => Self::from_connection_string(text, entity)?,
            (None, Some(namespace), Some(entity)) => Self::new(namespace, entity),
            _ => {
                return Err(wrong(
                    "set OMNISYNC_AZURE_SERVICE_BUS_CONNECTION_STRING, or _NAMESPACE and _ENTITY",
                ));
            }
        };
        config.subscription = get("SUBSCRIPTION").map(str::to_owned);
        config.sessions = flag("SESSIONS")?;
        config.dead_letters = flag("DEAD_LETTERS")?;
        Ok(config)
    }

    /// Receives from a subscription of the topic.
    #[must_use]
    pub fn with_subscription(mut self, name: impl Into<String>) -> Self {
        self.subscription = Some(name.into());
        self
    }

    /// Receives what was set aside.
    #[must_use]
    pub fn dead_letters(mut self) -> Self {
        self.dead_letters = true;
        self
    }

    /// Accepts one session after another.
    #[must_use]
    pub fn with_sessions(mut self) -> Self {
        self.sessions = true;
        self
    }

    /// Signs by a key.
    #[must_use]
    pub fn with_key(mut self, name: impl Into<String>, key: Secret) -> Self {
        self.key_name = Some(name.into());
        self.key = Some(key);
        self
    }

    /// Says what `RetryAfter` does.
    #[must_use]
    pub fn with_retry_mode(mut self, mode: RetryMode) -> Self {
        self.retry_mode = Some(mode);
        self
    }

    /// Sets [`Self::parked_max`].
    #[must_use]
    pub fn with_parked_max(mut self, deliveries: usize) -> Self {
        self.parked_max = deliveries;
        self
    }

    /// Sets [`Self::message_bytes_max`].
    #[must_use]
    pub fn with_message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// Sets [`Self::operation_timeout_ms`].
    #[must_use]
    pub fn with_operation_timeout_ms(mut self, ms: u32) -> Self {
        self.operation_timeout_ms = ms;
        self
    }

    /// Sets [`Self::reconnect`].
    #[must_use]
    pub fn with_reconnect(mut self, policy: RetryPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// What tokens have to be asked for.
    ///
    /// # Errors
    /// None: the scope is fixed.
    pub fn scope() -> Result<Scope, PortError> {
        Scope::new(SCOPE)
    }

    /// The source. Nothing is sent before its first use, which has to be within a tokio runtime.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(self, parts: ServiceBusParts) -> Result<ServiceBusSource, PortError> {
        let entity = self.entity()?;
        // A copy of a dead letter would go to the living, and one for a subscription to all.
        let default = if entity.subscription.is_some() || entity.dead_letters {
            RetryMode::HoldLock
        } else {
            RetryMode::ScheduleCopy
        };
        let retry_mode = self.retry_mode.unwrap_or(default);
        let settings = SourceSettings {
            retry_mode,
            parked_max: self.parked_max,
            sessions: self.sessions && !self.dead_letters,
            prefetch_max: self.prefetch_max,
            message_bytes_max: self.message_bytes_max,
            gather: Duration::from_millis(self.gather_ms.into()),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms.into()),
            reconnect: self.reconnect,
        };
        let bus = self.bus(parts)?;
        Ok(ServiceBusSource::new(bus, entity, settings))
    }

    /// A sender to the queue or topic.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_sender(self, parts: ServiceBusParts) -> Result<ServiceBusSender, PortError> {
        let entity = self.entity()?;
        let reconnect = self.reconnect;
        Ok(ServiceBusSender::new(self.bus(parts)?, entity, reconnect))
    }

    fn entity(&self) -> Result<Entity, PortError> {
        Entity::new(
            &self.entity,
            self.subscription.as_deref(),
            self.dead_letters,
        )
        .ok_or_else(|| wrong("entity or subscription is no name of an entity"))
    }

    fn bus(self, parts: ServiceBusParts) -> Result<Arc<Bus>, PortError> {
        self.check()?;
        let host = host_of(&self.namespace).to_owned();
        let port = port_of(&self.namespace)
            .map_err(|error| wrong("the port of namespace is no number").with_source(error))?;
        let credential = match (self.key_name, self.key, parts.tokens) {
            (Some(name), Some(key), _) => Credential::Key {
                key: SasKey { name, key },
                life: TimeDelta::seconds(self.signature_seconds.into()),
            },
            (None, None, Some(tokens)) => Credential::Tokens(tokens, Self::scope()?),
            _ => {
                return Err(wrong(
                    "give key_name and key, or neither and tokens by ServiceBusParts::with_tokens",
                ));
            }
        };
        let default = if self.emulator { PORT_PLAIN } else { PORT_TLS };
        let target = DialTarget {
            host,
            port: port.unwrap_or(default),
            tls: !self.emulator,
        };
        let timeouts = Timeouts {
            operation: Duration::from_millis(self.operation_timeout_ms.into()),
            idle: Duration::from_millis(self.idle_timeout_ms.into()),
            frame_bytes_max: self.frame_bytes_max,
        };
        let audience = format!("sb://{}/", self.namespace);
        let bus = Bus::new(
            target,
            audience,
            credential,
            timeouts,
            parts.dial,
            parts.clock,
            parts.ids,
        );
        Ok(Arc::new(bus))
    }

    fn check(&self) -> Result<(), PortError> {
        let host = host_of(&self.namespace);
        let settings = [
            (
                host.is_empty() || self.namespace.contains(['/', '@', '?', '#', ' ']),
                "namespace is no host",
            ),
            (
                self.emulator && !is_loopback(host),
                "emulator is for this machine only: 127.0.0.1, [::1] or localhost",
            ),
            (
                self.dead_letters && self.retry_mode == Some(RetryMode::ScheduleCopy),
                "retry_mode is schedule-copy, but dead letters are held by their locks",
            ),
            (self.parked_max == 0, "parked_max is 0"),
            (self.prefetch_max == 0, "prefetch_max is 0"),
            (self.message_bytes_max == 0, "message_bytes_max is 0"),
            (
                self.frame_bytes_max < FRAME_BYTES_MIN,
                "frame_bytes_max is less than 512",
            ),
            (self.operation_timeout_ms == 0, "operation_timeout_ms is 0"),
            (self.idle_timeout_ms == 0, "idle_timeout_ms is 0"),
            (
                self.signature_seconds < 60,
                "signature_seconds is less than 60",
            ),
            (
                self.reconnect.attempts_max == 0,
                "reconnect.attempts_max is 0",
            ),
        ];
        let bad = settings.into_iter().find(|(is_bad, _)| *is_bad);
        bad.map_or(Ok(()), |(_, what)| Err(wrong(what)))
    }
}

fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

const fn parked_max() -> usize {
    1_000
}

const fn prefetch_max() -> u32 {
    100
}

const fn message_bytes_max() -> usize {
    1_024 * 1_024
}

const fn frame_bytes_max() -> u32 {
    65_536
}

const fn operation_timeout_ms() -> u32 {
    30_000
}

const fn idle_timeout_ms() -> u32 {
    60_000
}

const fn gather_ms() -> u32 {
    20
}

const fn drain_timeout_ms() -> u32 {
    1_000
}

const fn signature_seconds() -> u32 {
    3_600
}

const fn reconnect() -> RetryPolicy {
    RetryPolicy {
        base_ms: 200,
        cap_ms: 10_000,
        attempts_max: 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let named = |(name, value): &(&str, &str)| (format!("{PREFIX}{name}"), (*value).to_owned());
        pairs.iter().map(named).collect()
    }

    #[test]
    fn the_environment_is_read() {
        let config = ServiceBusConfig::from_vars(vars(&[
            ("CONNECTION_STRING", "Endpoint=sb://acme.servicebus.windows.net;SharedAccessKeyName=n;SharedAccessKey=canary"),
            ("ENTITY", "orders"),
            ("SUBSCRIPTION", "erp"),
            ("SESSIONS", "true"),
        ]))
        .unwrap();
        assert_eq!(config.namespace, "acme.servicebus.windows.net");
        assert_eq!(config.subscription.as_deref(), Some("erp"));
        assert!(config.sessions && !config.emulator && !config.dead_letters);
        assert!(!format!("{config:?}").contains("canary"));
        for bad in [
            &[][..],
            &[("NAMESPACE", "a")],
            &[("NAMESPACE", "a"), ("ENTITY", "q"), ("SESSIONS", "yes")],
        ] {
            let error = ServiceBusConfig::from_vars(vars(bad)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
        }
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let good = || ServiceBusConfig::new("acme.servicebus.windows.net", "orders");
        assert!(good().check().is_ok());
        let plain = ServiceBusConfig {
            emulator: true,
            ..good()
        };
        let small = ServiceBusConfig {
            frame_bytes_max: 100,
            ..good()
        };
        let url = ServiceBusConfig::new("https://acme.example.com", "orders");
        for (config, what) in [
            (plain, "emulator"),
            (small, "frame_bytes_max"),
            (url, "namespace"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.detail().unwrap().starts_with(what), "{what}");
        }
        let read = serde_json::from_str::<ServiceBusConfig>(
            "{\"namespace\":\"a.example.com\",\"entity\":\"q\",\"retry_mode\":\"hold-lock\"}",
        );
        assert_eq!(read.unwrap().retry_mode, Some(RetryMode::HoldLock));
        let unknown = "{\"namespace\":\"a\",\"entity\":\"q\",\"colour\":1}";
        assert!(serde_json::from_str::<ServiceBusConfig>(unknown).is_err());
    }
}
