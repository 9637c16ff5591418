//! One session with its links, without IO: frames and commands go in, bytes and answers come out.

mod deliveries;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::{Bytes, BytesMut};
use fe2o3_amqp_types::definitions::{
    Error as WireError, Handle, ReceiverSettleMode, Role, SenderSettleMode,
};
use fe2o3_amqp_types::messaging::DeliveryState;
use fe2o3_amqp_types::performatives::{
    Attach, Begin, Close, Detach, End, Flow, Performative, Transfer,
};
use tokio::sync::{mpsc, oneshot};

use crate::service_bus::amqp::endpoint::Link;
use crate::service_bus::amqp::error::{AmqpError, Condition};
use crate::service_bus::amqp::frame::{self, FrameType};

/// Transfers that the peer may send before it hears from us again.
pub(in crate::service_bus::amqp) const INCOMING_WINDOW: u32 = 4_096;

/// Our only channel.
pub(in crate::service_bus::amqp) const CHANNEL: u16 = 0;

pub(in crate::service_bus::amqp) type Reply<T> = oneshot::Sender<Result<T, AmqpError>>;

/// What the owner of a connection asks for.
pub(in crate::service_bus::amqp) enum Command {
    Attach {
        attach: Box<Attach>,
        message_bytes_max: usize,
        reply: Reply<Attached>,
    },
    Detach {
        handle: u32,
    },
    Send {
        handle: u32,
        format: u32,
        payload: Bytes,
        reply: Reply<()>,
    },
    Credit {
        handle: u32,
        credit: u32,
        drain: bool,
    },
    Settle {
        handle: u32,
        delivery_id: u32,
        state: DeliveryState,
        reply: Reply<Option<DeliveryState>>,
    },
}

/// A link that the peer agreed to.
#[derive(Debug)]
pub(in crate::service_bus::amqp) struct Attached {
    pub(in crate::service_bus::amqp) handle: u32,
    /// The peer's side, with what it filled in.
    pub(in crate::service_bus::amqp) remote: Box<Attach>,
    /// What arrives; nothing on a link that sends.
    pub(in crate::service_bus::amqp) events: mpsc::UnboundedReceiver<Event>,
}

/// What happens on a link.
#[derive(Debug)]
pub(in crate::service_bus::amqp) enum Event {
    Arrived(Arrival),
    /// The peer used or gave up all credit.
    Drained,
    /// The last one.
    Ended(AmqpError),
}

/// A message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) delivery_id: u32,
    pub(crate) tag: Bytes,
    pub(crate) payload: Bytes,
    /// It was larger than allowed and has been thrown away.
    pub(crate) is_too_large: bool,
}

struct Outgoing {
    handle: u32,
    format: u32,
    payload: Bytes,
    /// The delivery, once its first piece was sent, and how much was.
    started: Option<(u32, usize)>,
    reply: Option<Reply<()>>,
}

struct Sent {
    handle: u32,
    reply: Reply<()>,
}

struct Settling {
    handle: u32,
    reply: Reply<Option<DeliveryState>>,
}

/// The session of a connection.
pub(in crate::service_bus::amqp) struct Engine {
    pub(in crate::service_bus::amqp) out: BytesMut,
    frame_bytes_max: usize,
    links: BTreeMap<u32, Link>,
    /// Handles of the peer to ours.
    remote_handles: HashMap<u32, u32>,
    /// Ours that the peer may still use, after we ended the link.
    ending: HashSet<u32>,
    queue: VecDeque<Outgoing>,
    sent: HashMap<u32, Sent>,
    settling: HashMap<u32, Settling>,
    next_handle: u32,
    next_delivery: u32,
    next_outgoing: u32,
    remote_window: u32,
    next_incoming: u32,
    window: u32,
}

impl Engine {
    /// A session that the peer agreed to with `begin`; frames to it are at most
    /// `frame_bytes_max` long.
    pub(in crate::service_bus::amqp) fn new(begin: &Begin, frame_bytes_max: usize) -> Self {
        Self {
            out: BytesMut::new(),
            frame_bytes_max,
            links: BTreeMap::new(),
            remote_handles: HashMap::new(),
            ending: HashSet::new(),
            queue: VecDeque::new(),
            sent: HashMap::new(),
            settling: HashMap::new(),
            next_handle: 0,
            next_delivery: 0,
            next_outgoing: 0,
            remote_window: begin.incoming_window,
            next_incoming: begin.next_outgoing_id,
            window: INCOMING_WINDOW,
        }
    }

    /// Does what the owner asks for.
    pub(in crate::service_bus::amqp) fn command(
        &mut self,
        command: Command,
    ) -> Result<(), AmqpError> {
        match command {
            Command::Attach {
                attach,
                message_bytes_max,
                reply,
            } => self.attach(*attach, message_bytes_max, reply),
            Command::Detach { handle } => self.detach(handle, None),
            Command::Send {
                handle,
                format,
                payload,
                reply,
            } => {
                if !self.links.contains_key(&handle) {
                    answer(reply, Err(AmqpError::Gone));
                    return Ok(());
                }
                self.queue.push_back(Outgoing {
                    handle,
                    format,
                    payload,
                    started: None,
                    reply: Some(reply),
                });
                self.pump()
            }
            Command::Credit {
                handle,
                credit,
                drain,
            } => self.give_credit(handle, credit, drain),
            Command::Settle {
                handle,
                delivery_id,
                state,
                reply,
            } => self.settle(handle, delivery_id, state, reply),
        }
    }

    /// Takes a frame. An error ends the connection.
    pub(in crate::service_bus::amqp) fn frame(
        &mut self,
        body: Performative,
        payload: &Bytes,
    ) -> Result<(), AmqpError> {
        match body {
            Performative::Attach(attach) => self.attached(attach),
            Performative::Flow(flow) => self.flow(&flow),
            Performative::Transfer(transfer) => self.transfer(&transfer, payload),
            Performative::Disposition(disposition) => self.disposition(&disposition),
            Performative::Detach(detach) => self.detached(&detach),
            Performative::End(end) => Err(ended(end.error.as_ref())),
            Performative::Close(close) => Err(ended(close.error.as_ref())),
            Performative::Open(_) | Performative::Begin(_) => {
                Err(AmqpError::Protocol("it began twice"))
            }
        }
    }

    /// Says good-bye.
    pub(in crate::service_bus::amqp) fn close(&mut self) -> Result<(), AmqpError> {
        self.put(&Performative::End(End { error: None }))?;
        self.put(&Performative::Close(Close { error: None }))
    }

    /// Tells everybody who waits that the connection ended.
    pub(in crate::service_bus::amqp) fn fail(&mut self, error: &AmqpError) {
        let handles: Vec<u32> = self.links.keys().copied().collect();
        for handle in handles {
            self.drop_link(handle, error);
        }
    }

    fn attach(
        &mut self,
        mut attach: Attach,
        message_bytes_max: usize,
        reply: Reply<Attached>,
    ) -> Result<(), AmqpError> {
        let handle = self.next_handle;
        self.next_handle = self.next_handle.wrapping_add(1);
        attach.handle = Handle(handle);
        attach.name = format!("{}-{handle}", attach.name);
        let (events, receiver) = mpsc::unbounded_channel();
        let link = Link {
            role: attach.role.clone(),
            remote_handle: None,
            message_bytes_max,
            attaching: Some(reply),
            receiver: Some(receiver),
            events,
            delivery_count: 0,
            credit: 0,
            is_draining: false,
            partial: None,
        };
        self.links.insert(handle, link);
        self.put(&Performative::Attach(attach))
    }

    fn attached(&mut self, remote: Attach) -> Result<(), AmqpError> {
        let own = |link: &Link| link.remote_handle.is_none() && link.attaching.is_some();
        // Links are answered by name; ours end in their number.
        let number = remote.name.rsplit('-').next().and_then(|n| n.parse().ok());
        let handle = number.filter(|number| self.links.get(number).is_some_and(own));
        let Some((handle, link)) = handle.and_then(|h| Some((h, self.links.get_mut(&h)?))) else {
            // A link that nobody waits for any longer, or that the peer invented.
            let known = number.is_some_and(|number| self.ending.contains(&number));
            return known.then_some(()).ok_or(AmqpError::Protocol(
                "it attached a link that nobody asked for",
            ));
        };
        link.remote_handle = Some(remote.handle.0);
        self.remote_handles.insert(remote.handle.0, handle);
        let is_refused = match link.role {
            Role::Receiver => remote.source.is_none(),
            Role::Sender => remote.target.is_none(),
        };
        if is_refused {
            // A detach follows and says why.
            return Ok(());
        }
        link.delivery_count = remote.initial_delivery_count.unwrap_or(0);
        if let Some((reply, events)) = link.attaching.take().zip(link.receiver.take()) {
            let attached = Attached {
                handle,
                remote: Box::new(remote),
                events,
            };
            if reply.send(Ok(attached)).is_err() {
                return self.detach(handle, None);
            }
        }
        Ok(())
    }

    fn detach(&mut self, handle: u32, error: Option<WireError>) -> Result<(), AmqpError> {
        let Some(remote) = self.links.get(&handle).map(|link| link.remote_handle) else {
            return Ok(());
        };
        self.drop_link(handle, &AmqpError::Detached);
        if let Some(remote) = remote {
            self.remote_handles.insert(remote, handle);
        }
        self.ending.insert(handle);
        self.put(&Performative::Detach(Detach {
            handle: Handle(handle),
            closed: true,
            error,
        }))
    }

    fn detached(&mut self, detach: &Detach) -> Result<(), AmqpError> {
        let Some(handle) = self.remote_handles.remove(&detach.handle.0) else {
            return Ok(());
        };
        if self.ending.remove(&handle) {
            return Ok(());
        }
        let error = match &detach.error {
            Some(error) => AmqpError::DetachedWith(Condition::from(error)),
            None => AmqpError::Detached,
        };
        self.drop_link(handle, &error);
        self.put(&Performative::Detach(Detach {
            handle: Handle(handle),
            closed: true,
            error: None,
        }))
    }

    /// Forgets a link and answers everybody who waits for it.
    fn drop_link(&mut self, handle: u32, error: &AmqpError) {
        let Some(link) = self.links.remove(&handle) else {
            return;
        };
        if let Some(remote) = link.remote_handle {
            self.remote_handles.remove(&remote);
        }
        if let Some(reply) = link.attaching {
            answer(reply, Err(error.clone()));
        }
        link.events.send(Event::Ended(error.clone())).ok();
        for item in self.queue.extract_if_handle(handle) {
            // It has its reply for as long as nothing of it was sent.
            if let Some(reply) = item.reply {
                answer(reply, Err(unsent(error)));
            }
        }
        let sent = self.sent.extract_if(|_, sent| sent.handle == handle);
        sent.for_each(|(_, sent)| answer(sent.reply, Err(error.clone())));
        let settling = self.settling.extract_if(|_, one| one.handle == handle);
        settling.for_each(|(_, one)| answer(one.reply, Err(error.clone())));
    }

    fn flow(&mut self, flow: &Flow) -> Result<(), AmqpError> {
        let seen = flow.next_incoming_id.unwrap_or(0);
        let in_flight = self.next_outgoing.wrapping_sub(seen);
        self.remote_window = flow.incoming_window.saturating_sub(in_flight);
        let link = flow.handle.as_ref().and_then(|handle| {
            let own = self.remote_handles.get(&handle.0)?;
            self.links.get_mut(own)
        });
        if let Some(link) = link {
            match link.role {
                Role::Sender => {
                    let count = flow.delivery_count.unwrap_or(0);
                    let ahead = link.delivery_count.wrapping_sub(count);
                    link.credit = flow.link_credit.unwrap_or(0).saturating_sub(ahead);
                    if flow.drain && link.credit > 0 {
                        link.delivery_count = link.delivery_count.wrapping_add(link.credit);
                        link.credit = 0;
                    }
                }
                Role::Receiver => {
                    if let Some(count) = flow.delivery_count {
                        let given_up = count.wrapping_sub(link.delivery_count);
                        // Anything else is a flow that crossed ours.
                        if given_up <= link.credit {
                            link.credit -= given_up;
                            link.delivery_count = count;
                        }
                    }
                    link.tell_drained();
                }
            }
        }
        if flow.echo {
            self.put_flow(None)?;
        }
        self.pump()
    }

    fn give_credit(&mut self, handle: u32, credit: u32, drain: bool) -> Result<(), AmqpError> {
        let Some(link) = self.links.get_mut(&handle) else {
            return Ok(());
        };
        if !drain {
            link.credit = credit;
        }
        link.is_draining = drain;
        link.tell_drained();
        if drain && !link.is_draining {
            return Ok(());
        }
        self.put_flow(Some(handle))
    }

    fn put_flow(&mut self, handle: Option<u32>) -> Result<(), AmqpError> {
        self.window = INCOMING_WINDOW;
        let link = handle.and_then(|handle| self.links.get(&handle));
        let flow = Flow {
            next_incoming_id: Some(self.next_incoming),
            incoming_window: self.window,
            next_outgoing_id: self.next_outgoing,
            outgoing_window: INCOMING_WINDOW,
            handle: link.and(handle).map(Handle),
            delivery_count: link.map(|link| link.delivery_count),
            link_credit: link.map(|link| link.credit),
            available: None,
            drain: link.is_some_and(|link| link.is_draining),
            echo: false,
            properties: None,
        };
        self.put(&Performative::Flow(flow))
    }

    fn transfer(&mut self, transfer: &Transfer, payload: &Bytes) -> Result<(), AmqpError> {
        self.next_incoming = self.next_incoming.wrapping_add(1);
        self.window = self.window.saturating_sub(1);
        let own = self.remote_handles.get(&transfer.handle.0);
        if let Some(link) = own.and_then(|handle| self.links.get_mut(handle)) {
            link.take(transfer, payload)?;
        }
        if self.window < INCOMING_WINDOW / 2 {
            self.put_flow(None)?;
        }
        Ok(())
    }

    fn put(&mut self, performative: &Performative) -> Result<(), AmqpError> {
        frame::put(&mut self.out, FrameType::Amqp, CHANNEL, performative, &[])
    }
}

/// Takes the items of one link out of a queue.
trait ExtractIf {
    fn extract_if_handle(&mut self, handle: u32) -> Vec<Outgoing>;
}

impl ExtractIf for VecDeque<Outgoing> {
    fn extract_if_handle(&mut self, handle: u32) -> Vec<Outgoing> {
        let (out, rest) = std::mem::take(self)
            .into_iter()
            .partition(|item| item.handle == handle);
        *self = rest;
        Vec::from_iter::<Self>(out)
    }
}

/// Why a message that was still waiting will not be sent.
fn unsent(error: &AmqpError) -> AmqpError {
    match error {
        AmqpError::DetachedWith(_) | AmqpError::ClosedWith(_) => error.clone().before(),
        _ => AmqpError::Gone,
    }
}

/// A reply that nobody waits for any longer is dropped.
fn answer<T>(reply: Reply<T>, result: Result<T, AmqpError>) {
    reply.send(result).ok();
}

fn ended(error: Option<&WireError>) -> AmqpError {
    error.map_or(AmqpError::Closed, |error| {
        AmqpError::ClosedWith(Condition::from(error))
    })
}

/// A link that receives, and settles only what the peer confirms.
pub(in crate::service_bus::amqp) const PEEK_LOCK: (SenderSettleMode, ReceiverSettleMode) =
    (SenderSettleMode::Unsettled, ReceiverSettleMode::Second);
