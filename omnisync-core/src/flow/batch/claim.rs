//! Claims the orders of an open batch, one by one.

use chrono::{DateTime, Utc};

use super::super::build::order_of;
use super::super::repository::{Decision, Saved, Stored};
use super::flow::BatchFlow;
use super::outcome::{Dropped, unreadable};
use crate::batch::{BatchRecord, Member};
use crate::error::{ErrorKind, PortError};
use crate::id::OrderId;
use crate::order::{Cause, Command, OrderRecord, OrderState, QuarantineReason};

/// Orders that are claimed with one write.
pub(super) const CLAIM_ORDERS: usize = 500;

/// What became of claiming one order.
enum Claim {
    Taken(Member),
    Dropped(Dropped),
}

impl BatchFlow {
    /// Claims the proposed orders one by one. `None` when the lease was lost on the way.
    pub(super) async fn claim(
        &self,
        mut batch: Stored<BatchRecord>,
        proposal: &[Member],
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<Option<(Stored<BatchRecord>, Vec<Member>)>, PortError> {
        let mut members = Vec::with_capacity(proposal.len());
        for chunk in proposal.chunks(CLAIM_ORDERS) {
            match self.renew_if_due(batch).await? {
                Saved::Yes(renewed) => batch = renewed,
                Saved::Lost => return Ok(None),
            }
            let ids: Vec<OrderId> = chunk.iter().map(|member| member.order.clone()).collect();
            let now = self.worker.now();
            let claims = self
                .repository
                .update_orders(&ids, |index, record| {
                    let proposed = chunk.get(index);
                    self.decide_claim(&batch.record, proposed, record, now)
                })
                .await?;
            for (order, claim) in ids.into_iter().zip(claims) {
                match claim {
                    Ok(Claim::Taken(member)) => members.push(member),
                    Ok(Claim::Dropped(reason)) => dropped.push((order, reason)),
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        dropped.push((order, unreadable(&error)));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some((batch, members)))
    }

    fn decide_claim(
        &self,
        batch: &BatchRecord,
        proposed: Option<&Member>,
        record: Option<OrderRecord>,
        now: DateTime<Utc>,
    ) -> Result<Decision<Claim>, PortError> {
        let Some(mut record) = record else {
            return Ok(Decision::Keep(Claim::Dropped(Dropped::Gone)));
        };
        // An earlier attempt at this batch claimed it, perhaps a moment ago: accept it. Taking
        // it for somebody else's would strand it.
        if record.state.batch() == Some(batch.id) {
            return Ok(Decision::Keep(Claim::Taken(Member::of(&record))));
        }
        // An order that returned to waiting since belongs to a later batch. A worker that lost
        // its lease long ago would else claim what this batch has already settled.
        let as_proposed = proposed.is_some_and(|member| *member == Member::of(&record));
        if record.state != OrderState::Pending || !as_proposed {
            return Ok(Decision::Keep(Claim::Dropped(Dropped::Gone)));
        }
        let change = self.worker.change(
            now,
            Cause::Batch {
                id: batch.id,
                epoch: batch.epoch,
            },
        );
        let mapped = order_of(&record)
            .map_err(|error| error.to_string())
            .and_then(|order| {
                self.spec
                    .format
                    .check(&order)
                    .map_err(|error| error.to_string())
            });
        let (command, claim) = match mapped {
            Ok(()) => {
                let claim = Claim::Taken(Member::of(&record));
                (
                    Command::Claim {
                        batch: batch.id,
                        epoch: batch.epoch,
                    },
                    claim,
                )
            }
            Err(detail) => {
                let reason = QuarantineReason::MappingFailed {
                    detail: detail.clone(),
                };
                let claim = Claim::Dropped(Dropped::MappingFailed { detail });
                (Command::Quarantine { reason }, claim)
            }
        };
        record.apply(command, &change).map_err(|error| {
            PortError::new(ErrorKind::Internal, "batch.claim").with_source(error)
        })?;
        Ok(Decision::Write(Box::new(record), claim))
    }
}
