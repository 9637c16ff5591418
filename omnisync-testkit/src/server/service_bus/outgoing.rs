//! What goes to clients of its own accord: messages, responses, and what time brings.

use chrono::{DateTime, Utc};
use fe2o3_amqp_types::definitions::Handle;
use fe2o3_amqp_types::performatives::Transfer;
use serde_bytes::ByteBuf;

use super::address::{Node, Place};
use super::codec;
use super::engine::{End, Engine};
use super::fault::{Fault, Step};
use super::frame::{self, HEAD_BYTES};
use super::link::{LinkEnd, Unsettled};
use super::queue::{Handed, NO_SESSION};
use super::refusal::Refusal;
use crate::clock::later;

/// A delivery that is to go out on a link.
struct Delivery {
    tag: Vec<u8>,
    settled: bool,
    bytes: Vec<u8>,
}

/// What a link has to give.
struct Order {
    place: Place,
    session: Option<String>,
    locked: bool,
}

impl Engine {
    /// Sends whatever can be sent.
    pub(crate) fn pump(&mut self) -> Result<(), End> {
        self.obey()?;
        let now = self.now();
        if self.token_due().is_some_and(|due| due <= now) {
            return Err(End::Closed(Some(Refusal::new(
                "amqp:connection:forced",
                401,
                "The connection was closed: no token was put in time.",
            ))));
        }
        self.give_delayed(now);
        self.check_links(now);
        self.accept_waiting();
        let mut links = Vec::new();
        for (channel, state) in &mut self.channels {
            while state.window > 0 {
                let Some(frame) = state.held.pop_front() else {
                    break;
                };
                state.window -= 1;
                state.next_outgoing = state.next_outgoing.wrapping_add(1);
                self.out.extend(frame);
            }
            links.extend(state.links.keys().map(|handle| (*channel, *handle)));
        }
        for (channel, handle) in links {
            self.pump_link(channel, handle)?;
        }
        Ok(())
    }

    /// When to look again without anything having come.
    pub(crate) fn next_event(&self) -> Option<DateTime<Utc>> {
        let now = self.now();
        let checked = self.options(|it| it.access.checked);
        let delayed = self.delayed.iter().map(|(at, _, _)| *at);
        let waiting = self.waiting.iter().map(|it| it.until);
        let claims = checked.then(|| self.claims.next_end(now)).flatten();
        let own = [self.token_due(), claims, self.bus.lock().next_event()];
        delayed
            .chain(waiting)
            .chain(own.into_iter().flatten())
            .chain(self.held_back(now))
            .min()
    }

    /// When messages that a fault holds back are due. One that is due already waits for credit.
    fn held_back(&self, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let links = self.channels.values().flat_map(|it| it.links.values());
        let dues = links.filter_map(|link| match &link.end {
            LinkEnd::Outgoing(end) => end.held_back.as_ref().map(|(due, _)| *due),
            LinkEnd::Incoming(_) => None,
        });
        dues.filter(move |due| *due > now)
    }

    fn give_delayed(&mut self, now: DateTime<Utc>) {
        let (due, rest) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition(|(at, _, _)| *at <= now);
        self.delayed = rest;
        for (_, channel, answer) in due {
            self.give(channel, answer);
        }
    }

    /// Detaches links whose token, session or entity is gone.
    fn check_links(&mut self, now: DateTime<Utc>) {
        let checked = self.options(|it| it.access.checked);
        for (channel, handle) in self.entity_links() {
            let Some(state) = self.channels.get(&channel) else {
                continue;
            };
            let Some(link) = state.links.get(&handle) else {
                continue;
            };
            let Node::Entity(place) = &link.node else {
                continue;
            };
            let refusal = if checked && !self.claims.cover(&link.path, now) {
                Some(Refusal::unauthorized("ExpiredToken: The token is expired."))
            } else {
                self.gone(place, link)
            };
            if let Some(refusal) = refusal {
                self.detach(channel, handle, &refusal);
            }
        }
    }

    fn gone(&self, place: &Place, link: &super::link::Link) -> Option<Refusal> {
        let mut state = self.bus.lock();
        let LinkEnd::Outgoing(end) = &link.end else {
            return state.check_target(place).err();
        };
        let queue = match state.queue(place) {
            Ok(queue) => queue,
            Err(refusal) => return Some(refusal),
        };
        let session = end.session.as_ref()?;
        let holder = (self.id, link.name.clone());
        let held = queue.sessions.is_held_by(session, &holder);
        (!held).then(Refusal::session_lock_lost)
    }

    fn pump_link(&mut self, channel: u16, handle: u32) -> Result<(), End> {
        let order = {
            let state = self.channels.get(&channel);
            let Some(link) = state.and_then(|state| state.links.get(&handle)) else {
                return Ok(());
            };
            match (&link.end, &link.node) {
                (LinkEnd::Incoming(_), _) => return Ok(()),
                (LinkEnd::Outgoing(end), _) if end.silent => return Ok(()),
                (LinkEnd::Outgoing(end), Node::Entity(place)) => Some(Order {
                    place: place.clone(),
                    session: end.session.clone(),
                    locked: end.locked,
                }),
                (LinkEnd::Outgoing(_), _) => None,
            }
        };
        while self.has_credit(channel, handle) {
            let more = match &order {
                Some(order) => self.pump_message(channel, handle, order)?,
                None => self.pump_response(channel, handle),
            };
            if !more {
                break;
            }
        }
        self.drain(channel, handle);
        Ok(())
    }

    fn has_credit(&mut self, channel: u16, handle: u32) -> bool {
        let state = self.channels.get_mut(&channel);
        let link = state.and_then(|state| state.outgoing(handle));
        link.is_some_and(|link| link.credit > 0)
    }

    /// Uses up what a draining receiver left of its credit.
    fn drain(&mut self, channel: u16, handle: u32) {
        let state = self.channels.get_mut(&channel);
        let Some(link) = state.and_then(|state| state.outgoing(handle)) else {
            return;
        };
        if !link.drain {
            return;
        }
        link.delivery_count = link.delivery_count.wrapping_add(link.credit);
        link.credit = 0;
        link.drain = false;
        let count = link.delivery_count;
        self.send_flow(channel, handle, count, 0, true);
    }

    fn pump_response(&mut self, channel: u16, handle: u32) -> bool {
        let state = self.channels.get_mut(&channel);
        let link = state.and_then(|state| state.outgoing(handle));
        let Some(bytes) = link.and_then(|link| link.responses.pop_front()) else {
            return false;
        };
        let tag = self.bus.lock().options.ids.unique().into_bytes().to_vec();
        let delivery = Delivery {
            tag,
            settled: true,
            bytes,
        };
        self.deliver(channel, handle, &delivery);
        true
    }

    fn pump_message(&mut self, channel: u16, handle: u32, order: &Order) -> Result<bool, End> {
        let now = self.now();
        let link = self.channels.get_mut(&channel);
        if let Some(link) = link.and_then(|state| state.outgoing(handle))
            && let Some((due, handed)) = link.held_back.take()
        {
            if now < due {
                link.held_back = Some((due, handed));
                return Ok(false);
            }
            self.hand_out(channel, handle, &order.place, &handed);
            return Ok(true);
        }
        let mut state = self.bus.lock();
        let session = order.session.as_deref();
        state.sweep();
        let queue = state.queues.get(&order.place.entity);
        let ready = queue
            .is_some_and(|queue| queue.has_ready(order.place.side, session.unwrap_or(NO_SESSION)));
        if !ready {
            return Ok(false);
        }
        let fault = state.take_fault(Step::Deliver);
        if let Some(
            fault @ (Fault::CutBefore
            | Fault::Busy
            | Fault::Unauthorized
            | Fault::Detached
            | Fault::Silent),
        ) = fault
        {
            drop(state);
            return self.withhold(channel, handle, fault);
        }
        let Some(handed) = state.take(&order.place, session, order.locked) else {
            return Ok(false);
        };
        drop(state);
        match fault {
            Some(Fault::CutAfter) => Err(End::Cut),
            Some(Fault::DetachedAfter) => {
                self.detach(channel, handle, &Refusal::detached());
                Ok(false)
            }
            Some(Fault::Delayed(by)) => {
                let link = self.channels.get_mut(&channel);
                if let Some(link) = link.and_then(|state| state.outgoing(handle)) {
                    link.held_back = Some((later(now, by), Box::new(handed)));
                }
                Ok(true)
            }
            _ => {
                self.hand_out(channel, handle, &order.place, &handed);
                Ok(true)
            }
        }
    }

    /// Hands out nothing.
    fn withhold(&mut self, channel: u16, handle: u32, fault: Fault) -> Result<bool, End> {
        let refusal = match fault {
            Fault::Busy => Refusal::busy(),
            Fault::Unauthorized => Refusal::unauthorized("Unauthorized access."),
            Fault::Detached => Refusal::detached(),
            Fault::Silent => {
                let link = self.channels.get_mut(&channel);
                if let Some(link) = link.and_then(|state| state.outgoing(handle)) {
                    link.silent = true;
                }
                return Ok(false);
            }
            _ => return Err(End::Cut),
        };
        self.detach(channel, handle, &refusal);
        Ok(false)
    }

    fn hand_out(&mut self, channel: u16, handle: u32, place: &Place, handed: &Handed) {
        let bytes = handed.stored.encode(handed.token, handed.locked_until);
        // A lock token goes out as the bytes of a .NET GUID.
        let token = handed.token;
        let tag = token.unwrap_or_else(|| self.bus.lock().options.ids.unique());
        let delivery = Delivery {
            tag: tag.to_bytes_le().to_vec(),
            settled: token.is_none(),
            bytes,
        };
        let id = self.deliver(channel, handle, &delivery);
        if let (Some(state), Some(token)) = (self.channels.get_mut(&channel), token) {
            let unsettled = Unsettled {
                handle,
                place: place.clone(),
                token,
            };
            state.unsettled.insert(id, unsettled);
        }
    }

    /// Sends a delivery in as many frames as it takes; its number.
    fn deliver(&mut self, channel: u16, handle: u32, delivery: &Delivery) -> u32 {
        let frame_bytes_max = self.frame_bytes_max();
        let Some(state) = self.channels.get_mut(&channel) else {
            return 0;
        };
        let id = state.next_delivery;
        state.next_delivery = id.wrapping_add(1);
        if let Some(link) = state.outgoing(handle) {
            link.credit = link.credit.saturating_sub(1);
            link.delivery_count = link.delivery_count.wrapping_add(1);
        }
        let mut transfer = Transfer {
            handle: Handle(handle),
            delivery_id: Some(id),
            delivery_tag: Some(ByteBuf::from(delivery.tag.clone())),
            message_format: Some(0),
            settled: Some(delivery.settled),
            more: true,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted: false,
            batchable: false,
        };
        let mut rest = delivery.bytes.as_slice();
        loop {
            let head = codec::encode(&transfer).len();
            let room = frame_bytes_max.saturating_sub(HEAD_BYTES + head).max(1);
            let (part, left) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            transfer.more = !left.is_empty();
            let bytes = frame::write(0, channel, &codec::encode(&transfer), part);
            if state.window > 0 && state.held.is_empty() {
                state.window -= 1;
                state.next_outgoing = state.next_outgoing.wrapping_add(1);
                self.out.extend(bytes);
            } else {
                state.held.push_back(bytes);
            }
            if left.is_empty() {
                return id;
            }
            rest = left;
            transfer.delivery_id = None;
            transfer.delivery_tag = None;
            transfer.message_format = None;
            transfer.settled = None;
        }
    }
}
