use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::flow::{Fate, Ingest, Intaken};
use omnisync_core::id::OrderId;
use omnisync_core::order::intake::Verdict;
use omnisync_core::port::DeadLetterReason;
use omnisync_core::{ErrorKind, PortError};
use serde_json::Value;
use tracing::error;

use super::receiver::{DeliveryReceiver, Pushed, PushedEvent, Taken};

const CONFLICT: &str = "the order is known with other content for this revision";

/// Keeps what can never be taken, so that a person can look at it.
#[async_trait]
pub trait EvidenceKeeper: fmt::Debug + Send + Sync + 'static {
    /// Keeps it. The same evidence may come again.
    ///
    /// # Errors
    /// Any: the delivery comes again.
    async fn keep(&self, evidence: &Evidence) -> Result<(), PortError>;
}

/// An event that can never be taken.
#[derive(Clone)]
#[non_exhaustive]
pub struct Evidence {
    /// The word to count by.
    pub reason: DeadLetterReason,
    /// What is wrong, for people; quotes nothing of the event.
    pub description: String,
    /// The event: see [`PushedEvent::evidence`].
    pub body: bytes::Bytes,
}

impl fmt::Debug for Evidence {
    /// Leaves the body out: it holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("reason", &self.reason)
            .field("description", &self.description)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Events into the order pipeline: they are kept once the store has acknowledged them.
///
/// An event that can never be taken is refused, so that Event Grid puts it among the dead letters
/// of the subscription; with an [`EvidenceKeeper`] it is kept here instead.
#[derive(Debug)]
pub struct IngestReceiver {
    ingest: Arc<Ingest>,
    keeper: Option<Arc<dyn EvidenceKeeper>>,
}

impl IngestReceiver {
    /// Events go into `ingest`.
    pub const fn new(ingest: Arc<Ingest>) -> Self {
        Self {
            ingest,
            keeper: None,
        }
    }

    /// What can never be taken goes to `keeper`.
    #[must_use]
    pub fn with_evidence(mut self, keeper: Arc<dyn EvidenceKeeper>) -> Self {
        self.keeper = Some(keeper);
        self
    }

    async fn taken(&self, intaken: Intaken, event: Option<PushedEvent>) -> Taken {
        let (reason, description) = match &intaken.fate {
            Fate::Refused(refusal) => (refusal.reason, refusal.detail.clone()),
            Fate::Stored(Verdict::RevisionConflict) => {
                (DeadLetterReason::RevisionConflict, CONFLICT.to_owned())
            }
            Fate::Failed(error) if error.kind() == ErrorKind::TooLarge => {
                (DeadLetterReason::TooLarge, error.to_string())
            }
            Fate::Stored(_) | Fate::Failed(_) => return told(&intaken),
        };
        let (Some(keeper), Some(event)) = (&self.keeper, event) else {
            return told(&intaken);
        };
        let evidence = Evidence {
            reason,
            description,
            body: event.evidence(),
        };
        match keeper.keep(&evidence).await {
            Ok(()) => Taken::set_aside(reason.as_str(), &evidence.description),
            Err(error) => {
                error!(error = %error.report(), "evidence was not kept");
                Taken::again(&error)
            }
        }
    }
}

#[async_trait]
impl DeliveryReceiver for IngestReceiver {
    async fn receive(&self, pushed: Pushed) -> Vec<Taken> {
        // Without a keeper nobody asks for the events again.
        let kept = self.keeper.as_ref().map(|_| pushed.events.clone());
        let mut kept = kept.unwrap_or_default().into_iter();
        let events = pushed.events.into_iter().map(|event| event.event).collect();
        let mut taken = Vec::new();
        for intaken in self.ingest.accept(events).await {
            taken.push(self.taken(intaken, kept.next()).await);
        }
        taken
    }
}

/// What the sender is told about an event, without a keeper.
fn told(intaken: &Intaken) -> Taken {
    let order = intaken.order.as_ref().map(OrderId::as_str);
    match &intaken.fate {
        Fate::Stored(Verdict::RevisionConflict) => {
            let conflict = DeadLetterReason::RevisionConflict.as_str();
            Taken::refused(conflict, CONFLICT).with("order", order)
        }
        Fate::Stored(verdict) => Taken::kept(format!("{verdict:?}")).with("order", order),
        Fate::Refused(refusal) if refusal.reason == DeadLetterReason::TooLarge => {
            Taken::too_large(refusal.reason.as_str()).with("detail", refusal.detail.as_str())
        }
        Fate::Refused(refusal) => {
            let violations = serde_json::to_value(&refusal.violations);
            Taken::refused(refusal.reason.as_str(), &refusal.detail)
                .with("violations", violations.unwrap_or(Value::Null))
        }
        Fate::Failed(error) if error.kind() == ErrorKind::TooLarge => {
            Taken::too_large(DeadLetterReason::TooLarge.as_str()).with("order", order)
        }
        Fate::Failed(error) => {
            // The sender cannot repair the store; whoever runs it can.
            error!(error = %error.report(), "the store did not take an order");
            Taken::again(error).with("order", order)
        }
    }
}
