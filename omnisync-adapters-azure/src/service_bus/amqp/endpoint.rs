//! One end of a link: what came of a message so far, and how many more may come.

use bytes::{Bytes, BytesMut};
use fe2o3_amqp_types::definitions::Role;
use fe2o3_amqp_types::performatives::Transfer;
use tokio::sync::mpsc;

use super::engine::{Arrival, Attached, Event, Reply};
use super::error::AmqpError;

/// Our end of a link.
pub(super) struct Link {
    pub(super) role: Role,
    pub(super) remote_handle: Option<u32>,
    pub(super) message_bytes_max: usize,
    /// Until the peer agreed.
    pub(super) attaching: Option<Reply<Attached>>,
    pub(super) receiver: Option<mpsc::UnboundedReceiver<Event>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    pub(super) is_draining: bool,
    pub(super) partial: Option<(Arrival, BytesMut)>,
}

impl Link {
    /// Takes a piece of a message.
    pub(super) fn take(&mut self, transfer: &Transfer, payload: &Bytes) -> Result<(), AmqpError> {
        let (mut arrival, mut bytes) = match self.partial.take() {
            Some(partial) => partial,
            None => self.first(transfer)?,
        };
        if transfer.aborted {
            return Ok(());
        }
        if bytes.len() + payload.len() > self.message_bytes_max {
            arrival.is_too_large = true;
            bytes = BytesMut::new();
        }
        let is_whole_in_one = bytes.is_empty() && !transfer.more;
        if arrival.is_too_large {
            // Thrown away; what it was is told by its tag.
        } else if is_whole_in_one {
            arrival.payload = payload.clone();
        } else {
            bytes.extend_from_slice(payload);
        }
        if transfer.more {
            self.partial = Some((arrival, bytes));
            return Ok(());
        }
        if !bytes.is_empty() {
            arrival.payload = bytes.freeze();
        }
        self.events.send(Event::Arrived(arrival)).ok();
        self.tell_drained();
        Ok(())
    }

    fn first(&mut self, transfer: &Transfer) -> Result<(Arrival, BytesMut), AmqpError> {
        self.delivery_count = self.delivery_count.wrapping_add(1);
        self.credit = self.credit.saturating_sub(1);
        let (Some(delivery_id), Some(tag)) = (transfer.delivery_id, &transfer.delivery_tag) else {
            return Err(AmqpError::Protocol("a message came without id or tag"));
        };
        let arrival = Arrival {
            delivery_id,
            tag: Bytes::copy_from_slice(tag),
            payload: Bytes::new(),
            is_too_large: false,
        };
        Ok((arrival, BytesMut::new()))
    }

    /// Says that all credit is gone, to whom asked for it.
    pub(super) fn tell_drained(&mut self) {
        if self.is_draining && self.credit == 0 && self.partial.is_none() {
            self.is_draining = false;
            self.events.send(Event::Drained).ok();
        }
    }
}
