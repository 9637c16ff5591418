use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::forward_to_pointee;
use crate::error::PortError;

/// Where events come from: at least once, in any order.
///
/// # Contract
/// 1. `receive` gives at most `max` deliveries, and an empty list when nothing arrived within
///    `wait`.
/// 2. A delivery that is not settled is delivered again: after its lock ran out, or after a
///    restart.
/// 3. `Complete` and `DeadLetter` end a delivery: it does not come again while the source's
///    settlement lasts (`capability().settlement`).
/// 4. `RetryAfter` gives the delivery again no earlier than after the delay, with a higher
///    attempt number where the source counts attempts.
/// 5. A dead letter keeps body, reason and description, and can be read by an operator.
/// 6. Settling a delivery that is no longer held gives `LockLost`; nothing has been settled.
/// 7. Body and headers arrive as they were sent, whatever the bytes.
/// 8. A finite source says `ended` once everything was handed out and nothing will come again
///    without a restart.
/// 9. One bad item never stops the ones behind it.
/// 10. `extend` renews the lock of a held delivery; a source without locks gives `Unsupported`.
/// 11. What comes again is the same message: body and headers are those of the first time, and a
///     dead letter of it keeps them. Token and cursor may be others.
///
/// # Cancel safety
/// Deliveries of a dropped `receive` come again. A dropped `settle` may or may not have taken
/// effect.
#[async_trait]
pub trait EventSource: fmt::Debug + Send + Sync + 'static {
    /// What this source can do.
    fn capability(&self) -> EventSourceCapability;

    /// Takes up to `max` deliveries, waiting up to `wait` for the first.
    ///
    /// # Errors
    /// `Unavailable`, `TimedOut`, `Throttled`, `Denied`, `Corrupt`.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError>;

    /// Ends or returns a delivery.
    ///
    /// # Errors
    /// `LockLost` when the settlement did not take effect; `Unavailable`, `TimedOut`,
    /// `Throttled`, `Denied`, `Exhausted`.
    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError>;

    /// Renews the lock of a delivery and says until when it is held.
    ///
    /// # Errors
    /// `LockLost`, `Unsupported`, and as `receive`.
    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError>;
}

/// What an [`EventSource`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSourceCapability {
    /// How settlement lasts.
    pub settlement: SettlementMode,
    /// `extend` is supported.
    pub extend: bool,
    /// Dead letters are kept by the source itself.
    pub dead_letter: bool,
    /// `Delivery::attempt` counts.
    pub counts_attempts: bool,
}

impl EventSourceCapability {
    /// A queue with locks, attempts and a dead-letter queue.
    pub const fn queue() -> Self {
        Self {
            settlement: SettlementMode::PerMessage,
            extend: true,
            dead_letter: true,
            counts_attempts: true,
        }
    }

    /// A log that is read by offset.
    pub const fn log() -> Self {
        Self {
            settlement: SettlementMode::Watermark,
            extend: false,
            dead_letter: true,
            counts_attempts: false,
        }
    }
}

/// How settlement lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettlementMode {
    /// Each message is settled for good.
    PerMessage,
    /// A position moves forward once everything before it is settled. After a restart settled
    /// deliveries behind the stored position come again.
    Watermark,
}

/// Result of a [`EventSource::receive`].
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Deliveries, at most as many as asked for.
    pub deliveries: Vec<Delivery>,
    /// The source is finite and has handed out everything.
    pub ended: bool,
}

/// Names a delivery to its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryToken(pub String);

/// One message, held until it is settled.
#[derive(Clone)]
pub struct Delivery {
    /// Names the delivery to its source.
    pub token: DeliveryToken,
    /// How often it was delivered, beginning with 1; 1 where the source does not count.
    pub attempt: u32,
    /// Position in the source, for people: queue sequence number, or `line 17`.
    pub cursor: String,
    /// Protocol headers and application properties. Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The bytes that were sent.
    pub body: Bytes,
}

impl Delivery {
    /// The first header called `name` (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Delivery {
    /// Leaves the payload out: bodies hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("token", &self.token)
            .field("attempt", &self.attempt)
            .field("cursor", &self.cursor)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What shall happen to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Done for good.
    Complete,
    /// Again, no earlier than after this delay, and without burning attempts in seconds.
    RetryAfter(Duration),
    /// Set aside for people.
    DeadLetter {
        /// Why, as a word to count by.
        reason: DeadLetterReason,
        /// Where in the payload and what to do; never payload text.
        description: String,
    },
}

/// Why a delivery was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// The bytes are not JSON.
    JsonDeserialiseFailure,
    /// The envelope is not valid.
    InvalidCloudEvent,
    /// The event carries no order.
    NullPayload,
    /// The order breaks a rule.
    ValidationFailure,
    /// The type of event is not one that this pipeline handles.
    UnknownEventType,
    /// The message, or a part of it, is larger than allowed.
    TooLarge,
    /// The same revision of an order came with different content.
    RevisionConflict,
    /// The delivery was tried as often as the policy allows.
    AttemptsExhausted,
}

impl DeadLetterReason {
    /// The word that is stored and counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonDeserialiseFailure => "JsonDeserialiseFailure",
            Self::InvalidCloudEvent => "InvalidCloudEvent",
            Self::NullPayload => "NullPayload",
            Self::ValidationFailure => "ValidationFailure",
            Self::UnknownEventType => "UnknownEventType",
            Self::TooLarge => "TooLarge",
            Self::RevisionConflict => "RevisionConflict",
            Self::AttemptsExhausted => "AttemptsExhausted",
        }
    }
}

impl fmt::Display for DeadLetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a settlement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The delivery is done.
    Completed,
    /// The delivery comes again.
    Returned,
    /// The delivery was set aside now.
    DeadLettered,
    /// The delivery had been set aside before: this was a redelivery of it.
    AlreadyDeadLettered,
}

forward_to_pointee!(EventSource {
    fn capability(&self) -> EventSourceCapability {
        (**self).capability()
    }
    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        (**self).receive(max, wait).await
    }
    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        (**self).settle(delivery, disposition).await
    }
    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        (**self).extend(delivery).await
    }
});
