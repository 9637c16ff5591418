//! Mutants that treat their source differently.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::id::OrderId;
use omnisync_core::order::OrderRecord;
use omnisync_core::port::{
    DeadLetterReason, Delivery, Disposition, EventSource, Received, Settled, StateStore,
    StateStoreExt as _,
};

use super::{on_source, scenes};
use crate::zoo::Specimen;
use crate::zoo::mutated::SourceHabit;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "acknowledged-at-receipt",
            "a message is acknowledged when it comes, before its order is stored",
            &["I-O1", "I-O3"],
            [scenes::pair()],
            on_source(|_| AtReceipt),
        ),
        Specimen::new(
            "acknowledged-in-vain",
            "a message whose order could not be stored is acknowledged all the same",
            &["I-O1", "I-O3"],
            [scenes::pair()],
            on_source(|_| {
                Settling(|_, disposition| match disposition {
                    Disposition::RetryAfter(_) => Disposition::Complete,
                    other => other,
                })
            }),
        ),
        Specimen::new(
            "set-aside-at-once",
            "a message is set aside when the store fails for a moment",
            &["I-O1", "I-O3"],
            [scenes::pair()],
            on_source(|_| {
                Settling(|_, disposition| match disposition {
                    Disposition::RetryAfter(_) => Disposition::DeadLetter {
                        reason: DeadLetterReason::AttemptsExhausted,
                        description: "the store failed".to_owned(),
                    },
                    other => other,
                })
            }),
        ),
        Specimen::new(
            "returned-without-delay",
            "a message comes again at once while the store is away, until the queue gives it up",
            &["I-O1"],
            [scenes::outage()],
            on_source(|_| {
                Settling(|_, disposition| match disposition {
                    Disposition::RetryAfter(_) => Disposition::RetryAfter(Duration::ZERO),
                    other => other,
                })
            }),
        ),
        Specimen::new(
            "known-number-is-a-duplicate",
            "whatever carries the number of a known order is acknowledged unread",
            &["I-O3", "I-O10"],
            [scenes::changes()],
            on_source(|ports| KnownNumbers {
                store: Arc::clone(&ports.store),
            }),
        ),
        Specimen::new(
            "dead-letter-quotes-the-message",
            "a message is set aside with its whole text for a reason",
            &["I-X2"],
            [scenes::disputed()],
            on_source(|_| {
                Settling(|delivery, disposition| match disposition {
                    Disposition::DeadLetter { reason, .. } => Disposition::DeadLetter {
                        reason,
                        description: String::from_utf8_lossy(&delivery.body).into_owned(),
                    },
                    other => other,
                })
            }),
        ),
        Specimen::new(
            "message-logged",
            "every message is logged as it came",
            &["I-X2"],
            [scenes::pair()],
            on_source(|_| Talkative),
        ),
        Specimen::new(
            "panics-on-bad-input",
            "a message that cannot be read ends the process",
            &["I-X3"],
            [scenes::bad()],
            on_source(|_| Trusting),
        ),
    ]
}

#[derive(Debug)]
struct AtReceipt;

#[async_trait]
impl SourceHabit for AtReceipt {
    async fn receive(
        &self,
        source: &dyn EventSource,
        max: usize,
        wait: Duration,
    ) -> Result<Received, PortError> {
        let received = source.receive(max, wait).await?;
        for delivery in &received.deliveries {
            source.settle(delivery, Disposition::Complete).await?;
        }
        Ok(received)
    }

    async fn settle(
        &self,
        _: &dyn EventSource,
        _: &Delivery,
        _: Disposition,
    ) -> Result<Settled, PortError> {
        Ok(Settled::Completed)
    }
}

/// Settles otherwise than it is told.
#[derive(Debug)]
struct Settling(fn(&Delivery, Disposition) -> Disposition);

#[async_trait]
impl SourceHabit for Settling {
    async fn settle(
        &self,
        source: &dyn EventSource,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        source
            .settle(delivery, (self.0)(delivery, disposition))
            .await
    }
}

/// Lets only orders through whose number is new.
#[derive(Debug)]
struct KnownNumbers {
    store: Arc<dyn StateStore>,
}

#[async_trait]
impl SourceHabit for KnownNumbers {
    async fn receive(
        &self,
        source: &dyn EventSource,
        max: usize,
        wait: Duration,
    ) -> Result<Received, PortError> {
        let mut received = source.receive(max, wait).await?;
        let mut new: Vec<Delivery> = Vec::new();
        for delivery in received.deliveries {
            if self.is_known(&delivery, &new).await? {
                source.settle(&delivery, Disposition::Complete).await?;
            } else {
                new.push(delivery);
            }
        }
        received.deliveries = new;
        Ok(received)
    }
}

impl KnownNumbers {
    async fn is_known(&self, delivery: &Delivery, new: &[Delivery]) -> Result<bool, PortError> {
        let Some(order) = number(delivery) else {
            return Ok(false);
        };
        if new
            .iter()
            .any(|other| number(other).as_ref() == Some(&order))
        {
            return Ok(true);
        }
        let stored = self.store.get_one(&OrderRecord::key(&order)).await?;
        Ok(stored.is_some())
    }
}

fn number(delivery: &Delivery) -> Option<OrderId> {
    let event: serde_json::Value = serde_json::from_slice(&delivery.body).ok()?;
    OrderId::new(event.get("data")?.get("orderId")?.as_str()?).ok()
}

/// Logs whatever it receives.
#[derive(Debug)]
struct Talkative;

#[async_trait]
impl SourceHabit for Talkative {
    async fn receive(
        &self,
        source: &dyn EventSource,
        max: usize,
        wait: Duration,
    ) -> Result<Received, PortError> {
        let received = source.receive(max, wait).await?;
        for delivery in &received.deliveries {
            tracing::debug!(body = %String::from_utf8_lossy(&delivery.body), "message received");
        }
        Ok(received)
    }
}

/// Takes it for granted that every message can be read.
#[derive(Debug)]
struct Trusting;

#[async_trait]
impl SourceHabit for Trusting {
    async fn receive(
        &self,
        source: &dyn EventSource,
        max: usize,
        wait: Duration,
    ) -> Result<Received, PortError> {
        let received = source.receive(max, wait).await?;
        if received
            .deliveries
            .iter()
            .any(|delivery| number(delivery).is_none())
        {
            // As a panic does, but without a word on the terminal.
            std::panic::resume_unwind(Box::new("no order in the message"));
        }
        Ok(received)
    }
}
