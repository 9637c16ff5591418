//! What clients send: messages, requests, tokens, and what became of deliveries.

use std::time::Duration;

use fe2o3_amqp_types::definitions::{Fields, Role};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Rejected};
use fe2o3_amqp_types::performatives::{Disposition, Flow, Transfer};
use serde_amqp::Value;

use super::address::{Node, Place};
use super::codec;
use super::engine::{Answer, End, Engine};
use super::fault::{Fault, Step};
use super::link::{CREDIT, LinkEnd, Partial, Unsettled};
use super::message::{BATCH_FORMAT, Content};
use super::queue::Outcome;
use super::refusal::Refusal;
use super::{cbs, management};
use crate::clock::later;

/// Length of the longest reason that a message is dead.
const REASON_CHARS_MAX: usize = 4_096;

/// Deliveries are refused rather than kept beyond so much more than the longest message.
const SLACK_BYTES: usize = 64 << 10;

impl Engine {
    pub(crate) fn on_flow(&mut self, channel: u16, flow: &Flow) {
        let Some(state) = self.channels.get_mut(&channel) else {
            return;
        };
        // A peer that has not heard of the session's first transfer counts from the beginning.
        let base = flow.next_incoming_id.unwrap_or_default();
        state.window = base
            .wrapping_add(flow.incoming_window)
            .wrapping_sub(state.next_outgoing);
        let Some(handle) = flow.handle.as_ref().map(|handle| handle.0) else {
            return;
        };
        let Some(link) = state.links.get_mut(&handle) else {
            // The link may have been detached from this side meanwhile.
            return;
        };
        match &mut link.end {
            LinkEnd::Outgoing(end) => {
                let seen = flow.delivery_count.unwrap_or_default();
                let granted = flow.link_credit.unwrap_or_default();
                end.credit = seen.wrapping_add(granted).wrapping_sub(end.delivery_count);
                if end.credit > granted {
                    end.credit = 0;
                }
                end.drain = flow.drain;
                let (count, credit) = (end.delivery_count, end.credit);
                if flow.echo && !flow.drain {
                    self.send_flow(channel, handle, count, credit, false);
                }
            }
            LinkEnd::Incoming(end) => {
                let (count, credit) = (end.delivery_count, end.credit);
                if flow.echo {
                    self.send_flow(channel, handle, count, credit, false);
                }
            }
        }
    }

    pub(crate) fn on_transfer(
        &mut self,
        channel: u16,
        transfer: &Transfer,
        payload: &[u8],
    ) -> Result<(), End> {
        let bytes_max = self.options(|it| it.message_bytes_max);
        let Some(state) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        state.next_incoming = state.next_incoming.wrapping_add(1);
        let handle = transfer.handle.0;
        let Some(link) = state.links.get_mut(&handle) else {
            // The link may have been detached from this side meanwhile.
            return Ok(());
        };
        let LinkEnd::Incoming(end) = &mut link.end else {
            return Err(End::framing("a transfer came on the link of a receiver"));
        };
        let partial = end.partial.get_or_insert_with(Partial::default);
        partial.id = transfer.delivery_id.unwrap_or(partial.id);
        partial.format = transfer.message_format.unwrap_or(partial.format);
        partial.settled |= transfer.settled.unwrap_or_default();
        partial.length += payload.len();
        if partial.length <= bytes_max.saturating_add(SLACK_BYTES) {
            partial.bytes.extend(payload);
        }
        if transfer.aborted {
            end.partial = None;
            return Ok(());
        }
        if transfer.more {
            return Ok(());
        }
        let Some(delivery) = end.partial.take() else {
            return Ok(());
        };
        if end.credit == 0 {
            let refusal = Refusal::new(
                "amqp:link:transfer-limit-exceeded",
                400,
                "The link has no credit.",
            );
            self.detach(channel, handle, &refusal);
            return Ok(());
        }
        end.delivery_count = end.delivery_count.wrapping_add(1);
        end.credit -= 1;
        let count = end.delivery_count;
        let node = link.node.clone();
        if end.credit < CREDIT / 2 {
            end.credit = CREDIT;
            self.send_flow(channel, handle, count, CREDIT, false);
        }
        self.on_delivery(channel, handle, &node, &delivery)
    }

    fn on_delivery(
        &mut self,
        channel: u16,
        handle: u32,
        node: &Node,
        delivery: &Partial,
    ) -> Result<(), End> {
        match node {
            Node::Entity(place) => self.on_message(channel, handle, place, delivery),
            Node::Tokens => {
                let request = Content::parse(&delivery.bytes)?;
                self.answer_delivery(channel, delivery, Ok(()), None);
                self.on_token(channel, handle, &request)
            }
            Node::Management(place) => {
                let request = Content::parse(&delivery.bytes)?;
                self.answer_delivery(channel, delivery, Ok(()), None);
                self.on_request(channel, handle, place, &request)
            }
        }
    }

    fn on_message(
        &mut self,
        channel: u16,
        handle: u32,
        place: &Place,
        delivery: &Partial,
    ) -> Result<(), End> {
        let fault = self.bus.lock().take_fault(Step::Send);
        match fault {
            Some(Fault::CutBefore) => return Err(End::Cut),
            Some(Fault::Silent) => return Ok(()),
            Some(Fault::Detached) => {
                self.detach(channel, handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Busy) => {
                self.answer_delivery(channel, delivery, Err(Refusal::busy()), None);
                return Ok(());
            }
            Some(Fault::Unauthorized) => {
                let refusal = Refusal::unauthorized("Unauthorized access.");
                self.answer_delivery(channel, delivery, Err(refusal), None);
                return Ok(());
            }
            _ => {}
        }
        let sent = self.take_in(place, delivery);
        match fault {
            Some(Fault::CutAfter) => return Err(End::Cut),
            Some(Fault::DetachedAfter) => {
                self.detach(channel, handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Delayed(by)) => self.answer_delivery(channel, delivery, sent, Some(by)),
            _ => self.answer_delivery(channel, delivery, sent, None),
        }
        Ok(())
    }

    fn take_in(&self, place: &Place, delivery: &Partial) -> Result<(), Refusal> {
        let bytes_max = self.options(|it| it.message_bytes_max);
        if delivery.length > bytes_max {
            return Err(Refusal::too_large(delivery.length, bytes_max));
        }
        let messages = if delivery.format == BATCH_FORMAT {
            Content::unpack(&delivery.bytes)
        } else {
            Content::parse(&delivery.bytes).map(|message| vec![message])
        };
        let messages = messages
            .map_err(|malformed| Refusal::new("amqp:decode-error", 400, malformed.to_string()))?;
        self.bus.change(|state| state.send(place, &messages))?;
        Ok(())
    }

    /// Says what became of a delivery that came in.
    fn answer_delivery(
        &mut self,
        channel: u16,
        delivery: &Partial,
        outcome: Result<(), Refusal>,
        by: Option<Duration>,
    ) {
        if delivery.settled {
            return;
        }
        let state = match outcome {
            Ok(()) => DeliveryState::Accepted(Accepted {}),
            Err(refusal) => rejected(&refusal),
        };
        let disposition = Disposition {
            role: Role::Receiver,
            first: delivery.id,
            last: None,
            settled: true,
            state: Some(state),
            batchable: false,
        };
        self.answer(channel, Answer::Disposition(disposition), by);
    }

    /// Answers now, or so much later.
    pub(crate) fn answer(&mut self, channel: u16, answer: Answer, by: Option<Duration>) {
        match by {
            Some(by) => {
                let at = later(self.now(), by);
                self.delayed.push((at, channel, answer));
            }
            None => self.give(channel, answer),
        }
    }

    pub(crate) fn give(&mut self, channel: u16, answer: Answer) {
        match answer {
            Answer::Disposition(disposition) => self.send(channel, &disposition),
            Answer::Response(handle, bytes) => {
                let state = self.channels.get_mut(&channel);
                if let Some(link) = state.and_then(|state| state.outgoing(handle)) {
                    link.responses.push_back(bytes);
                }
            }
            Answer::Attach(attach) => self.answer_attach(channel, &attach),
        }
    }

    fn on_token(&mut self, channel: u16, handle: u32, request: &Content) -> Result<(), End> {
        let fault = self.bus.lock().take_fault(Step::PutToken);
        match fault {
            Some(Fault::CutBefore) => return Err(End::Cut),
            Some(Fault::Silent) => return Ok(()),
            Some(Fault::Detached) => {
                self.detach(channel, handle, &Refusal::detached());
                return Ok(());
            }
            _ => {}
        }
        let put = match fault {
            Some(Fault::Unauthorized) => Err(Refusal::unauthorized("The token is refused.")),
            Some(Fault::Busy) => Err(Refusal::busy()),
            _ => cbs::put_token(&self.bus, &mut self.claims, request),
        };
        let by = match fault {
            Some(Fault::CutAfter) => return Err(End::Cut),
            Some(Fault::DetachedAfter) => {
                self.detach(channel, handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Delayed(delay)) => Some(delay),
            _ => None,
        };
        self.respond(channel, &Node::Tokens, request, cbs::reply(&put), by);
        Ok(())
    }

    fn on_request(
        &mut self,
        channel: u16,
        handle: u32,
        place: &Place,
        request: &Content,
    ) -> Result<(), End> {
        let fault = self.bus.lock().take_fault(Step::Manage);
        let refused = match fault {
            Some(Fault::CutBefore) => return Err(End::Cut),
            Some(Fault::Silent) => return Ok(()),
            Some(Fault::Detached) => {
                self.detach(channel, handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Busy) => Some(Refusal::busy()),
            Some(Fault::Unauthorized) => Some(Refusal::unauthorized("Unauthorized access.")),
            _ => None,
        };
        let answer = match refused {
            Some(refusal) => Err(refusal),
            None => self
                .bus
                .change(|state| management::answer(state, place, request)),
        };
        let by = match fault {
            Some(Fault::CutAfter) => return Err(End::Cut),
            Some(Fault::DetachedAfter) => {
                self.detach(channel, handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Delayed(delay)) => Some(delay),
            _ => None,
        };
        let node = Node::Management(place.clone());
        self.respond(channel, &node, request, management::reply(answer), by);
        Ok(())
    }

    /// Sends a response to where the request wants it.
    fn respond(
        &mut self,
        channel: u16,
        node: &Node,
        request: &Content,
        mut response: Content,
        by: Option<Duration>,
    ) {
        if let Some(id) = request.raw_message_id() {
            response.set_correlation_id(id.clone());
        }
        let reply_to = request.reply_to();
        if let Some(reply_to) = &reply_to {
            response.set_to(reply_to);
        }
        let bytes = response.encode(&super::message::Stamp::default());
        // The link of the response may be in another session of the connection.
        let own = self.channels.contains_key(&channel).then_some(channel);
        let others = self.channels.keys().copied().filter(|it| *it != channel);
        let order: Vec<_> = own.into_iter().chain(others).collect();
        for channel in order {
            let state = self.channels.get(&channel);
            let handle = state.and_then(|state| state.responder(node, reply_to.as_deref()));
            if let Some(handle) = handle {
                self.answer(channel, Answer::Response(handle, bytes), by);
                return;
            }
        }
    }

    pub(crate) fn on_disposition(
        &mut self,
        channel: u16,
        disposition: &Disposition,
    ) -> Result<(), End> {
        if disposition.role == Role::Sender {
            return Ok(());
        }
        let first = disposition.first;
        let last = disposition.last.unwrap_or(first).max(first);
        let state = self.channels.get(&channel);
        let deliveries: Vec<(u32, Unsettled)> = state
            .into_iter()
            .flat_map(|state| state.unsettled.range(first..=last))
            .map(|(id, delivery)| (*id, delivery.clone()))
            .collect();
        for (id, delivery) in deliveries {
            self.on_outcome(channel, id, &delivery, disposition)?;
        }
        Ok(())
    }

    fn on_outcome(
        &mut self,
        channel: u16,
        id: u32,
        delivery: &Unsettled,
        disposition: &Disposition,
    ) -> Result<(), End> {
        let Some(outcome) = disposition.state.as_ref().and_then(outcome_of) else {
            if disposition.settled {
                self.forget_delivery(channel, id);
            }
            return Ok(());
        };
        let fault = self.bus.lock().take_fault(Step::Settle);
        let outcome = match fault {
            Some(Fault::CutBefore) => return Err(End::Cut),
            Some(Fault::Silent) => return Ok(()),
            Some(Fault::Detached) => {
                self.detach(channel, delivery.handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Busy) => Err(Refusal::busy()),
            Some(Fault::Unauthorized) => Err(Refusal::unauthorized("Unauthorized access.")),
            _ => outcome,
        };
        let settled = outcome.and_then(|outcome| {
            self.bus
                .change(|state| state.settle(&delivery.place, delivery.token, outcome))
        });
        self.forget_delivery(channel, id);
        let by = match fault {
            Some(Fault::CutAfter) => return Err(End::Cut),
            Some(Fault::DetachedAfter) => {
                self.detach(channel, delivery.handle, &Refusal::detached());
                return Ok(());
            }
            Some(Fault::Delayed(delay)) => Some(delay),
            _ => None,
        };
        if !disposition.settled {
            let reply = Disposition {
                role: Role::Sender,
                first: id,
                last: None,
                settled: true,
                state: settled.err().map(|refusal| rejected(&refusal)),
                batchable: false,
            };
            self.answer(channel, Answer::Disposition(reply), by);
        }
        Ok(())
    }

    fn forget_delivery(&mut self, channel: u16, id: u32) {
        if let Some(state) = self.channels.get_mut(&channel) {
            state.unsettled.remove(&id);
        }
    }
}

fn rejected(refusal: &Refusal) -> DeliveryState {
    DeliveryState::Rejected(Rejected {
        error: Some(refusal.error()),
    })
}

/// What a client wants to become of a delivery; `None` while it does not say it.
fn outcome_of(state: &DeliveryState) -> Option<Result<Outcome, Refusal>> {
    Some(Ok(match state {
        DeliveryState::Accepted(_) => Outcome::Complete,
        DeliveryState::Released(_) => Outcome::Abandon(Vec::new()),
        DeliveryState::Modified(modified) => {
            let properties = properties_of(modified.message_annotations.as_ref());
            if modified.undeliverable_here == Some(true) {
                Outcome::Defer(properties)
            } else {
                Outcome::Abandon(properties)
            }
        }
        DeliveryState::Rejected(rejected) => return Some(dead_letter(rejected)),
        DeliveryState::Received(_) => return None,
    }))
}

fn dead_letter(rejected: &Rejected) -> Result<Outcome, Refusal> {
    let info = rejected
        .error
        .as_ref()
        .and_then(|error| error.info.as_deref());
    let mut properties = properties_of(info);
    let mut said = |key: &str| {
        let position = properties.iter().position(|(name, _)| name == key)?;
        let (_, value) = properties.swap_remove(position);
        codec::text(&value).map(str::to_owned)
    };
    let reason = said("DeadLetterReason");
    let description = said("DeadLetterErrorDescription");
    let parts = [&reason, &description];
    if parts
        .into_iter()
        .flatten()
        .any(|it| it.chars().count() > REASON_CHARS_MAX)
    {
        return Err(Refusal::bad_request("A dead-letter reason is too long."));
    }
    Ok(Outcome::DeadLetter {
        reason,
        description,
        properties,
    })
}

fn properties_of(fields: Option<&Fields>) -> Vec<(String, Value)> {
    let entries = fields.into_iter().flat_map(|fields| fields.iter());
    entries
        .map(|(key, value)| (key.as_str().to_owned(), value.clone()))
        .collect()
}
