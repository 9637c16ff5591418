//! Messages on their way: sent in pieces as credit and window allow, and settled.

use std::collections::{HashSet, VecDeque};

use fe2o3_amqp_types::definitions::{AmqpError as AmqpCondition, Handle, Role};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState};
use fe2o3_amqp_types::performatives::{Disposition, Performative, Transfer};
use tokio::sync::oneshot;

use super::super::error::{AmqpError, Condition};
use super::super::frame;
use super::{CHANNEL, Engine, Outgoing, Reply, Sent, Settling, answer};

impl Engine {
    pub(super) fn settle(
        &mut self,
        handle: u32,
        delivery_id: u32,
        state: DeliveryState,
        reply: Reply<Option<DeliveryState>>,
    ) -> Result<(), AmqpError> {
        if !self.links.contains_key(&handle) {
            answer(reply, Err(AmqpError::Gone));
            return Ok(());
        }
        self.settling
            .insert(delivery_id, Settling { handle, reply });
        self.put(&Performative::Disposition(Disposition {
            role: Role::Receiver,
            first: delivery_id,
            last: None,
            settled: false,
            state: Some(state),
            batchable: false,
        }))
    }

    pub(super) fn disposition(&mut self, told: &Disposition) -> Result<(), AmqpError> {
        let last = told.last.unwrap_or(told.first);
        let span = last.wrapping_sub(told.first);
        let is_meant = |id: &u32| id.wrapping_sub(told.first) <= span;
        let is_over = told.settled || told.state.as_ref().is_some_and(DeliveryState::is_terminal);
        if !is_over {
            return Ok(());
        }
        match told.role {
            Role::Sender => {
                let settled = self.settling.extract_if(|id, _| is_meant(id));
                settled.for_each(|(_, one)| answer(one.reply, Ok(told.state.clone())));
                Ok(())
            }
            Role::Receiver => {
                let sent: Vec<_> = self.sent.extract_if(|id, _| is_meant(id)).collect();
                for (id, one) in sent {
                    answer(one.reply, outcome(told.state.as_ref()));
                    if !told.settled {
                        self.put(&Performative::Disposition(Disposition {
                            role: Role::Sender,
                            first: id,
                            last: None,
                            settled: true,
                            state: None,
                            batchable: false,
                        }))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Sends what credit and window allow, in order on each link.
    pub(super) fn pump(&mut self) -> Result<(), AmqpError> {
        let mut waits = HashSet::new();
        let mut later = VecDeque::new();
        while let Some(mut item) = self.queue.pop_front() {
            let is_given_up = item.started.is_none()
                && item.reply.as_ref().is_some_and(oneshot::Sender::is_closed);
            if is_given_up {
                continue;
            }
            if waits.contains(&item.handle) || !self.push(&mut item)? {
                waits.insert(item.handle);
                later.push_back(item);
            }
        }
        self.queue = later;
        Ok(())
    }

    /// Sends as much of a message as it may. True when all of it was sent.
    pub(super) fn push(&mut self, item: &mut Outgoing) -> Result<bool, AmqpError> {
        let Some(link) = self.links.get_mut(&item.handle) else {
            return Ok(true);
        };
        if item.started.is_none() {
            if link.credit == 0 || self.remote_window == 0 {
                return Ok(false);
            }
            link.credit -= 1;
            link.delivery_count = link.delivery_count.wrapping_add(1);
            let id = self.next_delivery;
            self.next_delivery = self.next_delivery.wrapping_add(1);
            item.started = Some((id, 0));
            if let Some(reply) = item.reply.take() {
                let handle = item.handle;
                self.sent.insert(id, Sent { handle, reply });
            }
        }
        let Some((id, mut offset)) = item.started else {
            return Ok(false);
        };
        loop {
            if self.remote_window == 0 {
                item.started = Some((id, offset));
                return Ok(false);
            }
            let rest = item.payload.get(offset..).unwrap_or_default();
            let mut transfer = transfer_of(item, id);
            let len = frame::put_piece(
                &mut self.out,
                CHANNEL,
                &mut transfer,
                rest,
                self.frame_bytes_max,
            )?;
            self.next_outgoing = self.next_outgoing.wrapping_add(1);
            self.remote_window -= 1;
            offset += len;
            if !transfer.more {
                return Ok(true);
            }
            if len == 0 {
                return Err(AmqpError::Protocol("its frames are too small"));
            }
        }
    }
}

/// What became of a message that was sent. Without a state it is what sources default to.
fn outcome(state: Option<&DeliveryState>) -> Result<(), AmqpError> {
    match state {
        Some(DeliveryState::Accepted(Accepted {})) | None => Ok(()),
        Some(DeliveryState::Rejected(rejected)) => {
            Err(AmqpError::Refused(rejected.error.as_ref().map_or_else(
                || Condition::new("rejected"),
                Condition::from,
            )))
        }
        Some(_) => {
            let condition = fe2o3_amqp_types::definitions::ErrorCondition::from(
                AmqpCondition::ResourceLimitExceeded,
            );
            Err(AmqpError::Refused(Condition::from(&condition)))
        }
    }
}

fn transfer_of(item: &Outgoing, id: u32) -> Transfer {
    Transfer {
        handle: Handle(item.handle),
        delivery_id: Some(id),
        delivery_tag: Some(id.to_be_bytes().to_vec().into()),
        message_format: Some(item.format),
        settled: Some(false),
        more: false,
        rcv_settle_mode: None,
        state: None,
        resume: false,
        aborted: false,
        batchable: false,
    }
}
