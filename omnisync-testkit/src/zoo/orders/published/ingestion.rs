use std::sync::Arc;
use std::time::Duration;

use omnisync_core::error::PortError;
use omnisync_core::id::OrderId;
use omnisync_core::json::{self, Limits};
use omnisync_core::order::validate;
use omnisync_core::port::{
    Clock, DeadLetterReason, Delivery, Disposition, EventSource, StateStore,
};
use serde_json::value::RawValue;

use super::document::{Documents, OrderDocument, Status, rules};
use super::options::PublishedOptions;

/// The types of event that the subscription lets through. There is none for a cancellation.
const EVENT_TYPES: [&str; 2] = ["OMS.Order.Created", "OMS.Order.Updated"];

/// The function that every message of the bus starts: one document per order number.
#[derive(Debug)]
pub struct Ingestion {
    documents: Documents,
    clock: Arc<dyn Clock>,
    deliveries_max: u32,
}

/// What became of a message.
#[derive(Debug)]
pub enum Ingested {
    /// There was none.
    Idle,
    /// A document was written.
    Stored {
        /// The order.
        order: OrderId,
    },
    /// A document with this order number was there already: the message was completed unread.
    Duplicate {
        /// The order.
        order: OrderId,
    },
    /// The subscription does not route its type; the message is gone.
    Filtered,
    /// It was set aside.
    DeadLettered {
        /// Why.
        reason: DeadLetterReason,
    },
    /// The store or the bus failed: the message is free again, at once.
    Abandoned {
        /// What failed.
        error: PortError,
    },
    /// The function ended with an exception, and the platform abandoned the message.
    Failed {
        /// The exception.
        error: PortError,
        /// Whether the message was really given back; if not, its lock has to run out.
        returned: bool,
    },
}

impl Ingestion {
    /// The function over `store`.
    pub fn new(
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        options: &PublishedOptions,
    ) -> Self {
        Self {
            documents: Documents::new(store, Arc::clone(&clock), options.document_age_max),
            clock,
            deliveries_max: options.deliveries_max,
        }
    }

    /// Takes one message from `source` and handles it.
    ///
    /// # Errors
    /// Those of receiving. Everything later is an outcome of the message.
    pub async fn run_once(&self, source: &dyn EventSource) -> Result<Ingested, PortError> {
        let received = source.receive(1, Duration::ZERO).await?;
        let Some(delivery) = received.deliveries.first() else {
            return Ok(Ingested::Idle);
        };
        let ended = if delivery.attempt > self.deliveries_max {
            // Workers that died let their locks run out: that counts as well.
            self.bury(source, delivery).await
        } else {
            self.function(source, delivery).await
        };
        Ok(match ended {
            Ok(ingested) => ingested,
            Err(error) => {
                let returned = self.abandon(source, delivery).await.is_ok();
                Ingested::Failed { error, returned }
            }
        })
    }

    /// The published function. An error is an exception that leaves it.
    async fn function(
        &self,
        source: &dyn EventSource,
        delivery: &Delivery,
    ) -> Result<Ingested, PortError> {
        let (order, oms_event) = match read(&delivery.body) {
            Reading::Order(order, oms_event) => (order, oms_event),
            Reading::Filtered => {
                source.settle(delivery, Disposition::Complete).await?;
                return Ok(Ingested::Filtered);
            }
            // Nobody drains the dead-letter queue, in the design or here (hole O9).
            Reading::Refused(reason, description) => {
                return dead_letter(source, delivery, reason, description).await;
            }
        };
        let existing = match self.documents.get(order.as_str()).await {
            Ok(existing) => existing,
            Err(error) => return self.abandoned(source, delivery, error).await,
        };
        // Whatever carries a known order number counts as a duplicate: every update is lost
        // (hole O2), and so is a changed order that is sent again (hole O4).
        if existing.is_some() {
            source.settle(delivery, Disposition::Complete).await?;
            return Ok(Ingested::Duplicate { order });
        }
        let document = OrderDocument {
            id: order.to_string(),
            order_id: order.to_string(),
            processing_status: Status::Pending,
            oms_event,
            ingested_at: self.clock.now(),
            picked_up_at: None,
            processed_at: None,
            batch_id: None,
            blob_reference: None,
            retry_count: 0,
            ttl: self.documents.ttl(),
        };
        // Between the read above and this write another delivery of the order may have been
        // ingested, claimed and packed. The write makes it Pending again (hole O1).
        if let Err(error) = self.documents.upsert(&document).await {
            return self.abandoned(source, delivery, error).await;
        }
        match source.settle(delivery, Disposition::Complete).await {
            Ok(_) => Ok(Ingested::Stored { order }),
            Err(error) => self.abandoned(source, delivery, error).await,
        }
    }

    async fn abandoned(
        &self,
        source: &dyn EventSource,
        delivery: &Delivery,
        error: PortError,
    ) -> Result<Ingested, PortError> {
        let is_last = self.abandon(source, delivery).await?;
        Ok(if is_last {
            Ingested::DeadLettered {
                reason: DeadLetterReason::AttemptsExhausted,
            }
        } else {
            Ingested::Abandoned { error }
        })
    }

    /// Gives the message back; `true` when the broker then set it aside, as it does after the
    /// last delivery. The lock is released at once, so an outage uses up all deliveries of a
    /// message within moments (hole O8).
    async fn abandon(
        &self,
        source: &dyn EventSource,
        delivery: &Delivery,
    ) -> Result<bool, PortError> {
        let is_last = delivery.attempt >= self.deliveries_max;
        if is_last {
            self.bury(source, delivery).await?;
        } else {
            let at_once = Disposition::RetryAfter(Duration::ZERO);
            source.settle(delivery, at_once).await?;
        }
        Ok(is_last)
    }

    /// What the broker does with a message that was delivered too often.
    async fn bury(
        &self,
        source: &dyn EventSource,
        delivery: &Delivery,
    ) -> Result<Ingested, PortError> {
        let reason = DeadLetterReason::AttemptsExhausted;
        let description = format!("delivered {} times", self.deliveries_max);
        dead_letter(source, delivery, reason, description).await
    }
}

async fn dead_letter(
    source: &dyn EventSource,
    delivery: &Delivery,
    reason: DeadLetterReason,
    description: String,
) -> Result<Ingested, PortError> {
    let disposition = Disposition::DeadLetter {
        reason,
        description,
    };
    source.settle(delivery, disposition).await?;
    Ok(Ingested::DeadLettered { reason })
}

/// What a message carries.
enum Reading {
    Order(OrderId, Box<RawValue>),
    Filtered,
    Refused(DeadLetterReason, String),
}

/// Reads a message. Only its routing depends on its type: an update that comes first is stored
/// like a new order (hole O3).
fn read(body: &[u8]) -> Reading {
    let refused = |error: &dyn ToString| {
        Reading::Refused(DeadLetterReason::JsonDeserialiseFailure, error.to_string())
    };
    let envelope = match json::parse(body, &Limits::default()) {
        Ok(envelope) => envelope,
        Err(error) => return refused(&error),
    };
    let event_type = envelope.get("type").and_then(|word| word.as_str());
    if event_type.is_some_and(|word| !EVENT_TYPES.contains(&word)) {
        return Reading::Filtered;
    }
    let data = match envelope.get("data") {
        Some(data) if !data.is_null() => data,
        _ => {
            return Reading::Refused(
                DeadLetterReason::NullPayload,
                "the event carries no order".to_owned(),
            );
        }
    };
    let order = match validate(data, &rules()) {
        Ok(valid) => valid.order.order_id,
        Err(violations) => {
            let broken: Vec<String> = violations.iter().map(ToString::to_string).collect();
            return Reading::Refused(DeadLetterReason::ValidationFailure, broken.join("; "));
        }
    };
    match RawValue::from_string(data.raw.to_owned()) {
        Ok(oms_event) => Reading::Order(order, oms_event),
        Err(error) => refused(&error),
    }
}
