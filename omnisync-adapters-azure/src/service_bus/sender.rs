use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fe2o3_amqp_types::messaging::{MessageId, Properties};
use omnisync_core::PortError;
use omnisync_core::policy::RetryPolicy;
use serde_amqp::Value;

use super::amqp::{AmqpError, BATCH_FORMAT, Message, PLAIN_FORMAT};
use super::client::{Bus, Failure};
use super::entity::Entity;
use super::failure::Effect;
use super::outgoing::OutgoingMessage;
use super::wire;

const SEND: &str = "service_bus.send";

/// Sends messages to a queue or topic. Made by
/// [`ServiceBusConfig::build_sender`](super::ServiceBusConfig::build_sender).
pub struct ServiceBusSender {
    bus: Arc<Bus>,
    entity: Entity,
    reconnect: RetryPolicy,
}

impl ServiceBusSender {
    pub(super) const fn new(bus: Arc<Bus>, entity: Entity, reconnect: RetryPolicy) -> Self {
        Self {
            bus,
            entity,
            reconnect,
        }
    }

    /// Sends a message and waits until the broker has it.
    ///
    /// # Errors
    /// `TooLarge`, `Denied`, `Misconfigured`, `Throttled`, `Exhausted`, `Invalid`. After
    /// `TimedOut` and `Unavailable` the message may have arrived
    /// ([`is_ambiguous`](PortError::is_ambiguous)): send it again with the same message id to an
    /// entity that detects duplicates.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the message.
    pub async fn send(&self, message: OutgoingMessage) -> Result<(), PortError> {
        let payload = encoded(message).encode();
        let payload = payload.map_err(|error| port(error.into()))?;
        self.deliver(payload, PLAIN_FORMAT).await
    }

    /// Sends messages in one piece: all of them arrive or none. They have to be of one session
    /// where the entity has sessions.
    ///
    /// # Errors
    /// As [`send`](Self::send). `TooLarge` when they are together larger than the entity takes.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_batch(
        &self,
        messages: impl IntoIterator<Item = OutgoingMessage> + Send,
    ) -> Result<(), PortError> {
        let messages: Vec<Message> = messages.into_iter().map(encoded).collect();
        let payload = batch(&messages);
        match payload.map_err(|error| port(error.into()))? {
            Some(payload) => self.deliver(payload, BATCH_FORMAT).await,
            None => Ok(()),
        }
    }

    async fn deliver(&self, payload: Bytes, format: u32) -> Result<(), PortError> {
        let name = &self.entity.name;
        let sent = self.bus.send(name, payload, format, &self.reconnect);
        sent.await.map_err(port)
    }
}

impl fmt::Debug for ServiceBusSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBusSender")
            .field("bus", &self.bus)
            .field("entity", &self.entity)
            .finish_non_exhaustive()
    }
}

fn port(error: Failure) -> PortError {
    error.into_port(SEND, Effect::Open)
}

/// The messages as one; `None` when there are none. What routes them is on the outside as well.
fn batch(messages: &[Message]) -> Result<Option<Bytes>, AmqpError> {
    let Some(first) = messages.first() else {
        return Ok(None);
    };
    let outside = Message {
        properties: Properties {
            message_id: first.properties.message_id.clone(),
            group_id: first.properties.group_id.clone(),
            ..Properties::default()
        },
        ..Message::default()
    };
    let inside: Vec<Bytes> = messages
        .iter()
        .map(Message::encode)
        .collect::<Result<_, _>>()?;
    outside.encode_around(&inside).map(Some)
}

fn encoded(message: OutgoingMessage) -> Message {
    let OutgoingMessage {
        body,
        message_id,
        correlation_id,
        content_type,
        session_id,
        subject,
        time_to_live,
        scheduled_at,
        properties,
    } = message;
    let mut encoded = Message::of_data(body);
    encoded.ttl_ms = time_to_live.map(milliseconds);
    encoded.properties = Properties {
        message_id: message_id.map(MessageId::String),
        correlation_id: correlation_id.map(MessageId::String),
        content_type: content_type.map(Into::into),
        group_id: session_id,
        subject,
        ..Properties::default()
    };
    for (name, value) in properties {
        encoded.set_property(&name, Value::String(value));
    }
    let at: Option<DateTime<Utc>> = scheduled_at;
    if let Some(at) = at {
        wire::schedule(&mut encoded, at);
    }
    encoded
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
