use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::forward_to_pointee;
use crate::error::PortError;

/// Tells people what they should know, beside the log.
///
/// # Contract
/// 1. A notice that was acknowledged has reached the channel.
/// 2. The same notice may come again, after an acknowledgement that was lost: its `id` is the
///    same, and nothing breaks.
///
/// # Cancel safety
/// A dropped `notify` may or may not have told it.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync + 'static {
    /// Tells a notice.
    ///
    /// # Errors
    /// `Unavailable`, `TimedOut`, `Throttled`, `Denied`. It is told again later.
    async fn notify(&self, notice: &Notice) -> Result<(), PortError>;
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The same for the same event, however often it is told.
    pub id: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What it is about, such as the name of a peer.
    pub subject: String,
    /// What happened.
    pub event: NoticeEvent,
}

impl Notice {
    /// A notice of `event`.
    pub fn new(
        id: impl Into<String>,
        at: DateTime<Utc>,
        subject: impl Into<String>,
        event: NoticeEvent,
    ) -> Self {
        Self {
            id: id.into(),
            at,
            subject: subject.into(),
            event,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match &self.event {
            NoticeEvent::PeerBlocked { because, until } => write!(
                f,
                "{subject} is left alone until {until}: {because}; what waits for it keeps its place"
            ),
            NoticeEvent::PeerBack => write!(f, "{subject} answers again"),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeEvent {
    /// A breaker opened: a peer is left alone.
    PeerBlocked {
        /// Why.
        because: String,
        /// When it is tried again.
        until: DateTime<Utc>,
    },
    /// A breaker closed: the peer answers again.
    PeerBack,
}

forward_to_pointee!(Notifier {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        (**self).notify(notice).await
    }
});
