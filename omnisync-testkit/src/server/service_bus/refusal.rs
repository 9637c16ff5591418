//! Why something is not done, for AMQP, for `$management` and for REST.

use fe2o3_amqp_types::definitions::{Error, ErrorCondition};
use serde_amqp::primitives::Symbol;

/// A refusal: its condition, its status, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) condition: &'static str,
    pub(crate) status: u16,
    pub(crate) description: String,
}

impl Refusal {
    pub(crate) fn new(
        condition: &'static str,
        status: u16,
        description: impl Into<String>,
    ) -> Self {
        Self {
            condition,
            status,
            description: description.into(),
        }
    }

    pub(crate) fn lock_lost() -> Self {
        Self::new(
            "com.microsoft:message-lock-lost",
            410,
            "The lock supplied is invalid. Either the lock expired, or the message has already \
             been removed from the queue.",
        )
    }

    pub(crate) fn session_lock_lost() -> Self {
        Self::new(
            "com.microsoft:session-lock-lost",
            410,
            "The session lock has expired on the session. Accept the session again.",
        )
    }

    pub(crate) fn session_cannot_be_locked(session: &str) -> Self {
        Self::new(
            "com.microsoft:session-cannot-be-locked",
            410,
            format!(
                "The requested session '{session}' cannot be accepted. It may be locked by another receiver."
            ),
        )
    }

    pub(crate) fn timeout() -> Self {
        Self::new(
            "com.microsoft:timeout",
            408,
            "The operation did not complete within the allotted time.",
        )
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            "com.microsoft:server-busy",
            503,
            "The request was terminated because the entity is being throttled. Error code: 50009. \
             Please wait 2 seconds and try again.",
        )
    }

    pub(crate) fn not_found(entity: &str) -> Self {
        Self::new(
            "amqp:not-found",
            404,
            format!("The messaging entity '{entity}' could not be found."),
        )
    }

    pub(crate) fn message_not_found() -> Self {
        Self::new(
            "com.microsoft:message-not-found",
            404,
            "The messages that were asked for could not be found or locked.",
        )
    }

    pub(crate) fn unauthorized(description: &str) -> Self {
        Self::new("amqp:unauthorized-access", 401, description)
    }

    pub(crate) fn not_allowed(description: &str) -> Self {
        Self::new("amqp:not-allowed", 400, description)
    }

    pub(crate) fn bad_request(description: &str) -> Self {
        Self::new("amqp:invalid-field", 400, description)
    }

    pub(crate) fn not_implemented(description: String) -> Self {
        Self::new("amqp:not-implemented", 501, description)
    }

    pub(crate) fn detached() -> Self {
        Self::new(
            "amqp:link:detach-forced",
            500,
            "The link is force detached. Attach it again.",
        )
    }

    pub(crate) fn too_large(bytes: usize, bytes_max: usize) -> Self {
        Self::new(
            "amqp:link:message-size-exceeded",
            413,
            format!(
                "The received message (size:{bytes} bytes) exceeds the limit ({bytes_max} bytes) \
                 currently allowed on the link."
            ),
        )
    }

    /// The refusal as an error of AMQP.
    pub(crate) fn error(&self) -> Error {
        Error {
            condition: condition(self.condition),
            description: Some(self.description.clone()),
            info: None,
        }
    }
}

/// A condition by its name.
pub(crate) fn condition(name: &str) -> ErrorCondition {
    ErrorCondition::Custom(Symbol::from(name))
}
