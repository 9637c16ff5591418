use std::path::PathBuf;
use std::sync::Arc;

use omnisync_adapters_azure::service_bus::{
    ServiceBusConfig, ServiceBusParts, ServiceBusRestConfig, TlsDial,
};
use omnisync_adapters_local::NdjsonConfig;
use omnisync_core::port::EventSource;
use serde::Deserialize;

use super::Surroundings;
use crate::error::HostError;

/// Where events come from.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum EventsSettings {
    /// A file, an event a line. Every process reads all of it.
    File {
        path: PathBuf,
        /// Where lines go that can never be accepted.
        dead_letters: PathBuf,
    },
    /// A queue or subscription of Service Bus.
    ServiceBus(Box<ServiceBusConfig>),
    /// The same by HTTPS alone, where AMQP is not let through.
    ServiceBusRest(Box<ServiceBusRestConfig>),
}

impl EventsSettings {
    pub(super) fn open(self, around: &Surroundings) -> Result<Arc<dyn EventSource>, HostError> {
        let clock = Arc::clone(&around.clock);
        Ok(match self {
            Self::File { path, dead_letters } => {
                let config = NdjsonConfig::new(path).with_dead_letter_path(dead_letters);
                Arc::new(config.open(clock)?)
            }
            Self::ServiceBus(config) => {
                let dial = Arc::new(TlsDial::new()?);
                let parts = ServiceBusParts::new(dial, clock, Arc::clone(&around.ids));
                let tokens = match config.key {
                    Some(_) => None,
                    None => around.azure()?.tokens(),
                };
                let parts = match tokens {
                    Some(tokens) => parts.with_tokens(tokens),
                    None => parts,
                };
                Arc::new(config.build(parts)?)
            }
            Self::ServiceBusRest(config) => {
                let scope = match config.key {
                    Some(_) => None,
                    None => Some(ServiceBusRestConfig::scope()?),
                };
                Arc::new(config.build(around.azure()?.client(scope)?, clock)?)
            }
        })
    }
}
