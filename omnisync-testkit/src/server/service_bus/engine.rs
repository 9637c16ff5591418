//! A connection without its socket: frames in, bytes out.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fe2o3_amqp_types::definitions::Handle;
use fe2o3_amqp_types::performatives::{
    Attach, Begin, ChannelMax, Close, Detach, Disposition, End as SessionEnd, Flow, MaxFrameSize,
    Open, Performative,
};
use serde::Serialize;

use super::codec::{self, Malformed};
use super::frame::{self, Frame};
use super::link::{Channel, INCOMING_WINDOW, LinkEnd, Waiting};
use super::options::ServiceBusOptions;
use super::refusal::Refusal;
use super::state::ServiceBus;
use super::token::Claims;
use crate::clock::later;

/// Sessions of the protocol in one connection.
const CHANNEL_MAX: u16 = 255;

/// A frame that every peer can read.
const FRAME_BYTES_MIN: u32 = 512;

/// How a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Without a word.
    Cut,
    /// With a frame that may say why.
    Closed(Option<Refusal>),
}

impl From<Malformed> for End {
    fn from(malformed: Malformed) -> Self {
        Self::refused("amqp:decode-error", &malformed.to_string())
    }
}

impl End {
    fn refused(condition: &'static str, description: &str) -> Self {
        Self::Closed(Some(Refusal::new(condition, 400, description)))
    }

    pub(crate) fn framing(description: &str) -> Self {
        Self::refused("amqp:connection:framing-error", description)
    }
}

/// An answer that a fault holds back.
#[derive(Debug)]
pub(crate) enum Answer {
    Disposition(Disposition),
    /// A response on the link of this handle.
    Response(u32, Vec<u8>),
    /// The answer to an attach.
    Attach(Box<Attach>),
}

pub(crate) struct Engine {
    pub(crate) bus: ServiceBus,
    pub(crate) id: u64,
    /// What is to be written.
    pub(crate) out: Vec<u8>,
    pub(crate) claims: Claims,
    pub(crate) channels: BTreeMap<u16, Channel>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) delayed: Vec<(DateTime<Utc>, u16, Answer)>,
    /// How often the peer wants to hear something.
    pub(crate) peer_idle_ms: Option<u32>,
    peer_frame_bytes_max: Option<u32>,
    since: DateTime<Utc>,
    detachments: u64,
    cuts: u64,
}

impl Engine {
    pub(crate) fn new(bus: ServiceBus, claims: Claims) -> Self {
        let (id, since, detachments, cuts) = {
            let mut state = bus.lock();
            state.counters.connections += 1;
            (
                state.next_connection(),
                state.now(),
                state.detachments,
                state.cuts,
            )
        };
        Self {
            bus,
            id,
            out: Vec::new(),
            claims,
            channels: BTreeMap::new(),
            waiting: Vec::new(),
            delayed: Vec::new(),
            peer_idle_ms: None,
            peer_frame_bytes_max: None,
            since,
            detachments,
            cuts,
        }
    }

    pub(crate) fn options<T>(&self, read: impl FnOnce(&ServiceBusOptions) -> T) -> T {
        read(&self.bus.lock().options)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.bus.lock().now()
    }

    /// Takes in a frame.
    pub(crate) fn on_frame(&mut self, frame: &Frame) -> Result<(), End> {
        if frame.kind != 0 {
            return Err(End::framing("a frame is of an unknown type"));
        }
        if frame.body.is_empty() {
            return Ok(());
        }
        let (performative, payload) = frame::performative(&frame.body)?;
        let opened = self.peer_frame_bytes_max.is_some();
        match performative {
            Performative::Open(open) if !opened => self.on_open(&open),
            Performative::Close(_) if opened => {
                self.send(0, &Close { error: None });
                return Err(End::Closed(None));
            }
            _ if !opened => return Err(End::framing("the connection is not open")),
            Performative::Begin(begin) => self.on_begin(frame.channel, &begin)?,
            performative => {
                if !self.channels.contains_key(&frame.channel) {
                    return Err(End::framing("the channel has no session"));
                }
                self.on_session(frame.channel, performative, payload)?;
            }
        }
        Ok(())
    }

    fn on_session(
        &mut self,
        channel: u16,
        performative: Performative,
        payload: &[u8],
    ) -> Result<(), End> {
        match performative {
            Performative::Attach(attach) => self.on_attach(channel, &attach),
            Performative::Flow(flow) => {
                self.on_flow(channel, &flow);
                Ok(())
            }
            Performative::Transfer(transfer) => self.on_transfer(channel, &transfer, payload),
            Performative::Disposition(disposition) => self.on_disposition(channel, &disposition),
            Performative::Detach(detach) => {
                self.on_detach(channel, &detach);
                Ok(())
            }
            Performative::End(_) => {
                self.end_channel(channel);
                self.send(channel, &SessionEnd { error: None });
                Ok(())
            }
            _ => Err(End::framing("a performative is out of place")),
        }
    }

    fn on_open(&mut self, open: &Open) {
        let (own, idle_ms) = self.options(|it| (it.frame_bytes_max, it.idle_timeout_ms));
        let peer = open.max_frame_size.0.clamp(FRAME_BYTES_MIN, own);
        self.peer_frame_bytes_max = Some(peer);
        self.peer_idle_ms = open.idle_time_out.filter(|ms| *ms > 0);
        self.since = self.now();
        let reply = Open {
            container_id: format!("omnisync-service-bus-{}", self.id),
            hostname: open.hostname.clone(),
            max_frame_size: MaxFrameSize(own),
            channel_max: ChannelMax(CHANNEL_MAX),
            idle_time_out: idle_ms,
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.send(0, &reply);
    }

    fn on_begin(&mut self, channel: u16, begin: &Begin) -> Result<(), End> {
        if channel > CHANNEL_MAX || self.channels.contains_key(&channel) {
            return Err(End::framing("the channel cannot be used"));
        }
        let state = Channel::new(begin.next_outgoing_id, begin.incoming_window);
        self.channels.insert(channel, state);
        let reply = Begin {
            remote_channel: Some(channel),
            next_outgoing_id: 0,
            incoming_window: INCOMING_WINDOW,
            outgoing_window: INCOMING_WINDOW,
            handle_max: Handle(u32::MAX),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.send(channel, &reply);
        Ok(())
    }

    fn on_detach(&mut self, channel: u16, detach: &Detach) {
        let handle = detach.handle.0;
        self.forget_attach(channel, handle);
        if let Some(state) = self.channels.get_mut(&channel) {
            state.unsettled.retain(|_, it| it.handle != handle);
        }
        if self.forget_link(channel, handle) {
            let reply = Detach {
                handle: Handle(handle),
                closed: detach.closed,
                error: None,
            };
            self.send(channel, &reply);
        }
    }

    /// Forgets an attach that was not answered yet; `false` when there is none.
    pub(crate) fn forget_attach(&mut self, channel: u16, handle: u32) -> bool {
        let unanswered = self.waiting.len() + self.delayed.len();
        self.waiting
            .retain(|it| it.channel != channel || it.attach.handle.0 != handle);
        self.delayed.retain(|(_, it, answer)| {
            let is_attach = matches!(answer, Answer::Attach(attach) if attach.handle.0 == handle);
            *it != channel || !is_attach
        });
        self.waiting.len() + self.delayed.len() < unanswered
    }

    /// Forgets a link and gives back its session; `false` when there is none.
    pub(crate) fn forget_link(&mut self, channel: u16, handle: u32) -> bool {
        let Some(state) = self.channels.get_mut(&channel) else {
            return false;
        };
        let Some(link) = state.links.remove(&handle) else {
            return false;
        };
        if let (LinkEnd::Outgoing(end), super::address::Node::Entity(place)) =
            (&link.end, &link.node)
            && let Some(session) = &end.session
        {
            let holder = (self.id, link.name.clone());
            self.bus
                .change(|state| state.release_session(place, session, &holder));
        }
        true
    }

    fn end_channel(&mut self, channel: u16) {
        self.waiting.retain(|it| it.channel != channel);
        self.delayed.retain(|(_, it, _)| *it != channel);
        let links = self.channels.get(&channel).map(|it| it.links.keys());
        let handles: Vec<_> = links.into_iter().flatten().copied().collect();
        for handle in handles {
            self.forget_link(channel, handle);
        }
        self.channels.remove(&channel);
    }

    /// Detaches a link from this side. What the peer says of its deliveries meanwhile is still
    /// answered.
    pub(crate) fn detach(&mut self, channel: u16, handle: u32, refusal: &Refusal) {
        self.forget_link(channel, handle);
        let detach = Detach {
            handle: Handle(handle),
            closed: true,
            error: Some(refusal.error()),
        };
        self.send(channel, &detach);
    }

    /// What was asked of all connections since they were last looked at.
    pub(crate) fn obey(&mut self) -> Result<(), End> {
        let (detachments, cuts) = {
            let state = self.bus.lock();
            (state.detachments, state.cuts)
        };
        if cuts > self.cuts {
            return Err(End::Cut);
        }
        if detachments > self.detachments {
            self.detachments = detachments;
            for (channel, handle) in self.entity_links() {
                self.detach(channel, handle, &Refusal::detached());
            }
        }
        Ok(())
    }

    /// Channels and handles of the links to entities.
    pub(crate) fn entity_links(&self) -> Vec<(u16, u32)> {
        let mut found = Vec::new();
        for (channel, state) in &self.channels {
            for (handle, link) in &state.links {
                if matches!(link.node, super::address::Node::Entity(_)) {
                    found.push((*channel, *handle));
                }
            }
        }
        found
    }

    /// When a connection without a token has to go.
    pub(crate) fn token_due(&self) -> Option<DateTime<Utc>> {
        let within_ms = self.options(|it| it.token_within_ms)?;
        let due = later(self.since, Duration::from_millis(within_ms.into()));
        self.claims.is_empty().then_some(due)
    }

    /// Longest frame that both sides take.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        let agreed = self.peer_frame_bytes_max.unwrap_or(FRAME_BYTES_MIN);
        usize::try_from(agreed).unwrap_or(usize::MAX)
    }

    pub(crate) fn send<T: Serialize>(&mut self, channel: u16, performative: &T) {
        let head = codec::encode(performative);
        self.out.extend(frame::write(0, channel, &head, &[]));
    }

    /// Says how much a link takes or how much it has left.
    pub(crate) fn send_flow(
        &mut self,
        channel: u16,
        handle: u32,
        delivery_count: u32,
        credit: u32,
        drain: bool,
    ) {
        let Some(state) = self.channels.get(&channel) else {
            return;
        };
        let flow = Flow {
            next_incoming_id: Some(state.next_incoming),
            incoming_window: INCOMING_WINDOW,
            next_outgoing_id: state.next_outgoing,
            outgoing_window: INCOMING_WINDOW,
            handle: Some(Handle(handle)),
            delivery_count: Some(delivery_count),
            link_credit: Some(credit),
            available: None,
            drain,
            echo: false,
            properties: None,
        };
        self.send(channel, &flow);
    }
}

#[cfg(test)]
mod tests;
