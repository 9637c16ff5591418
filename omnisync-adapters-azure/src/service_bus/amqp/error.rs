//! What can go wrong on a connection, before it is an error of a port.

use std::fmt;
use std::sync::Arc;

use fe2o3_amqp_types::definitions::{Error as WireError, ErrorCondition};
use thiserror::Error;

use super::guard::Malformed;

/// Longest name of a condition that is kept, in bytes.
const CONDITION_BYTES_MAX: usize = 80;

/// The name of an error condition, such as `com.microsoft:server-busy`. The text that comes with
/// it is not kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Condition(Box<str>);

impl Condition {
    pub(crate) fn new(name: &str) -> Self {
        let legal = name.chars().filter(char::is_ascii_graphic);
        Self(legal.take(CONDITION_BYTES_MAX).collect())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&WireError> for Condition {
    fn from(error: &WireError) -> Self {
        Self::from(&error.condition)
    }
}

impl From<&ErrorCondition> for Condition {
    fn from(condition: &ErrorCondition) -> Self {
        match serde_amqp::to_value(condition) {
            Ok(serde_amqp::Value::Symbol(name)) => Self::new(name.as_str()),
            _ => Self::new("unknown"),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Failure of a step on a connection. Clones share their cause.
#[derive(Debug, Clone, Error)]
pub(crate) enum AmqpError {
    #[error("there is no connection to the host")]
    Dial(#[source] Arc<std::io::Error>),
    #[error("the connection broke")]
    Io(#[source] Arc<std::io::Error>),
    #[error("the peer does not keep to the protocol: {0}")]
    Protocol(&'static str),
    #[error("the peer sent a frame that cannot be read")]
    Malformed(#[source] Malformed),
    #[error("the peer refused to begin: {0}")]
    Handshake(&'static str),
    #[error("the connection ended")]
    Closed,
    #[error("the peer ended the connection with {0}")]
    ClosedWith(Condition),
    /// Before anything was sent.
    #[error("the link had ended before")]
    Gone,
    /// A step before the one with the effect, such as to attach the link for it.
    #[error("nothing was sent")]
    Before(#[source] Box<Self>),
    #[error("the link ended")]
    Detached,
    #[error("the peer ended the link with {0}")]
    DetachedWith(Condition),
    /// The answer to one message or delivery: it had no effect.
    #[error("the peer refused with {0}")]
    Refused(Condition),
    /// The answer of a request, by its status.
    #[error("the peer answered {status}{}", Of(.condition.as_ref()))]
    Status {
        status: i32,
        condition: Option<Condition>,
    },
    #[error("there was no answer in time")]
    TimedOut,
    #[error("the message is larger than the entity takes")]
    TooLarge,
    /// Before anything was sent.
    #[error("the message cannot be written")]
    Encode,
}

impl AmqpError {
    /// The condition that the peer named.
    pub(crate) fn condition(&self) -> Option<&str> {
        match self {
            Self::ClosedWith(condition)
            | Self::DetachedWith(condition)
            | Self::Refused(condition)
            | Self::Status {
                condition: Some(condition),
                ..
            } => Some(condition.as_str()),
            Self::Before(error) => error.condition(),
            _ => None,
        }
    }

    /// The peer answered the very step.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Status { .. })
    }

    /// Certainly nothing was sent.
    pub(crate) const fn was_not_sent(&self) -> bool {
        matches!(
            self,
            Self::Gone
                | Self::Before(_)
                | Self::TooLarge
                | Self::Encode
                | Self::Dial(_)
                | Self::Handshake(_)
        )
    }

    /// The same, of a step before the one with the effect.
    pub(crate) fn before(self) -> Self {
        if self.was_not_sent() {
            return self;
        }
        Self::Before(Box::new(self))
    }

    /// What went wrong, whatever it was on the way to.
    pub(crate) fn root(&self) -> &Self {
        match self {
            Self::Before(error) => error.root(),
            error => error,
        }
    }
}

impl From<Malformed> for AmqpError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

struct Of<'a>(Option<&'a Condition>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |condition| write!(f, ", {condition}"))
    }
}
