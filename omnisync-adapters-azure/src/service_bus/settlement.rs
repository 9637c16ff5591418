//! The ways to settle a delivery, each answered by the broker.

use async_trait::async_trait;
use fe2o3_amqp_types::definitions::{Error as WireError, ErrorCondition, Fields};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Modified, Rejected};
use serde_amqp::Value;
use uuid::Uuid;

use super::amqp::{AmqpError, Condition, Settler, Update, symbol, update_disposition};
use super::client::{Bus, Failure};

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    Completed,
    /// Given back, for one delivery of those that the broker counts.
    Abandoned,
    DeadLettered {
        reason: &'a str,
        description: &'a str,
    },
}

/// A way to settle.
#[async_trait]
pub(super) trait Settlement: Send + Sync {
    /// Settles, and waits until the broker has confirmed it.
    async fn settle(&self, outcome: &Outcome<'_>) -> Result<(), Failure>;
}

/// On the link that a delivery came by.
pub(super) struct LinkSettlement<'a> {
    pub(super) settler: &'a Settler,
    pub(super) delivery_id: u32,
}

#[async_trait]
impl Settlement for LinkSettlement<'_> {
    async fn settle(&self, outcome: &Outcome<'_>) -> Result<(), Failure> {
        let told = self
            .settler
            .settle(self.delivery_id, state(outcome))
            .await?;
        match (told, outcome) {
            // The broker's word is the same as ours where it accepts a dead letter.
            (Some(DeliveryState::Rejected(rejected)), _) => match rejected.error {
                Some(error) if !is_own(&error) => {
                    Err(AmqpError::Refused(Condition::from(&error)).into())
                }
                None if !matches!(outcome, Outcome::DeadLettered { .. }) => {
                    Err(AmqpError::Refused(Condition::new("rejected")).into())
                }
                _ => Ok(()),
            },
            (Some(DeliveryState::Released(_)), _) => {
                Err(AmqpError::Refused(Condition::new("released")).into())
            }
            _ => Ok(()),
        }
    }
}

/// By the lock alone, when that link is gone. Not for sessions.
pub(super) struct ManagementSettlement<'a> {
    pub(super) bus: &'a Bus,
    pub(super) path: &'a str,
    pub(super) lock: Uuid,
}

#[async_trait]
impl Settlement for ManagementSettlement<'_> {
    async fn settle(&self, outcome: &Outcome<'_>) -> Result<(), Failure> {
        let update = match *outcome {
            Outcome::Completed => Update::Completed,
            Outcome::Abandoned => Update::Abandoned,
            Outcome::DeadLettered {
                reason,
                description,
            } => Update::Suspended {
                reason,
                description,
            },
        };
        let management = self.bus.management(self.path).await?;
        let settled = update_disposition(management.requester(), self.lock, &update).await;
        management.answered(settled)
    }
}

const DEAD_LETTER: &str = "com.microsoft:dead-letter";

fn is_own(error: &WireError) -> bool {
    Condition::from(error).as_str() == DEAD_LETTER
}

/// The outcome as the wire calls it.
pub(super) fn state(outcome: &Outcome<'_>) -> DeliveryState {
    match outcome {
        Outcome::Completed => DeliveryState::Accepted(Accepted {}),
        Outcome::Abandoned => DeliveryState::Modified(Modified {
            delivery_failed: None,
            undeliverable_here: Some(false),
            message_annotations: None,
        }),
        Outcome::DeadLettered {
            reason,
            description,
        } => {
            let mut info = Fields::new();
            let text = |text: &str| Value::String(text.to_owned());
            info.insert(symbol("DeadLetterReason"), text(reason));
            info.insert(symbol("DeadLetterErrorDescription"), text(description));
            let condition = ErrorCondition::Custom(symbol(DEAD_LETTER));
            DeliveryState::Rejected(Rejected {
                error: Some(WireError::new(condition, None, Some(info))),
            })
        }
    }
}
