//! Links come: to entities, to where tokens are put, and to where entities are managed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fe2o3_amqp_types::definitions::{Fields, Handle, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::{FilterSet, TargetArchetype};
use fe2o3_amqp_types::performatives::{Attach, Detach};
use serde_amqp::Value;
use serde_amqp::primitives::Symbol;

use super::address::{Node, Place, path_of};
use super::codec;
use super::engine::{Answer, End, Engine};
use super::fault::{Fault, Step};
use super::link::{CREDIT, Incoming, Link, LinkEnd, Outgoing, Waiting};
use super::refusal::Refusal;
use crate::clock::later;

const SESSION_FILTER: &str = "com.microsoft:session-filter";
const TIMEOUT: &str = "com.microsoft:timeout";
const LOCKED_UNTIL: &str = "com.microsoft:locked-until-utc";

/// How long a link waits for a session that does not say it.
const SESSION_WAIT_MS: u32 = 60_000;

/// .NET ticks at the epoch of Unix.
const EPOCH_TICKS: i64 = 621_355_968_000_000_000;

/// A session of messages that a link holds.
struct Held {
    session: String,
    until: DateTime<Utc>,
}

/// What a link wants of sessions.
enum Wanted {
    Nothing,
    Any,
    This(String),
}

impl Engine {
    pub(crate) fn on_attach(&mut self, channel: u16, attach: &Attach) -> Result<(), End> {
        let handle = attach.handle.0;
        let taken = self
            .channels
            .get(&channel)
            .is_some_and(|state| state.links.contains_key(&handle));
        if taken {
            return Err(End::framing("a handle is in use"));
        }
        let fault = match Node::parse(&address_of(attach)) {
            Node::Entity(_) => self.bus.lock().take_fault(Step::Attach),
            Node::Tokens | Node::Management(_) => None,
        };
        match fault {
            None => self.answer_attach(channel, attach),
            Some(Fault::CutBefore) => return Err(End::Cut),
            Some(Fault::CutAfter) => {
                self.answer_attach(channel, attach);
                return Err(End::Cut);
            }
            Some(Fault::Silent) => {}
            Some(Fault::Busy) => self.refuse(channel, attach, &Refusal::busy()),
            Some(Fault::Unauthorized) => {
                let refusal = Refusal::unauthorized("Unauthorized access.");
                self.refuse(channel, attach, &refusal);
            }
            Some(Fault::Detached) => self.refuse(channel, attach, &Refusal::detached()),
            Some(Fault::DetachedAfter) => {
                self.answer_attach(channel, attach);
                self.detach_new(channel, attach);
            }
            Some(Fault::Delayed(by)) => {
                self.answer(channel, Answer::Attach(Box::new(attach.clone())), Some(by));
            }
        }
        Ok(())
    }

    /// Attaches a link or refuses it.
    pub(crate) fn answer_attach(&mut self, channel: u16, attach: &Attach) {
        let node = Node::parse(&address_of(attach));
        if let Err(refusal) = self.admit(channel, attach.clone(), node) {
            self.refuse(channel, attach, &refusal);
        }
    }

    /// Detaches a link that has just been attached or waits for a session, unless it was refused.
    fn detach_new(&mut self, channel: u16, attach: &Attach) {
        let handle = attach.handle.0;
        if self.forget_attach(channel, handle) {
            self.refuse(channel, attach, &Refusal::detached());
            return;
        }
        let state = self.channels.get(&channel);
        if state.is_some_and(|state| state.links.contains_key(&handle)) {
            self.detach(channel, handle, &Refusal::detached());
        }
    }

    fn admit(&mut self, channel: u16, attach: Attach, node: Node) -> Result<(), Refusal> {
        let place = match &node {
            Node::Tokens => {
                self.accept(channel, &attach, node, None);
                return Ok(());
            }
            Node::Management(place) | Node::Entity(place) => place.clone(),
        };
        let path = path_of(&address_of(&attach));
        let now = self.now();
        if self.options(|it| it.access.checked) && !self.claims.cover(&path, now) {
            let text = "Unauthorized access. 'Send' or 'Listen' claim(s) are required to perform \
                        this operation.";
            return Err(Refusal::unauthorized(text));
        }
        if let Node::Management(_) = &node {
            let mut state = self.bus.lock();
            if !state.topics.contains_key(&place.entity) {
                state.queue(&place)?;
            }
        } else if attach.role == Role::Sender {
            self.bus.lock().check_target(&place)?;
        } else {
            let sessions = self.bus.lock().queue(&place)?.has_sessions(place.side);
            match session_filter(&attach) {
                Wanted::Nothing => {}
                Wanted::Any => return self.accept_session(channel, attach, place, None),
                Wanted::This(it) => return self.accept_session(channel, attach, place, Some(&it)),
            }
            if sessions {
                return Err(Refusal::not_allowed(
                    "It is not possible for an entity that requires sessions to create a \
                     non-sessionful message receiver.",
                ));
            }
        }
        self.accept(channel, &attach, node, None);
        Ok(())
    }

    /// Locks the session that a link asks for, or lets the link wait for one.
    fn accept_session(
        &mut self,
        channel: u16,
        attach: Attach,
        place: Place,
        wanted: Option<&str>,
    ) -> Result<(), Refusal> {
        let holder = (self.id, attach.name.clone());
        let accepted = self.bus.lock().accept_session(&place, wanted, &holder)?;
        if let Some((session, until)) = accepted {
            let held = Held { session, until };
            self.accept(channel, &attach, Node::Entity(place), Some(held));
            return Ok(());
        }
        let wait_ms = wait_of(&attach).unwrap_or(SESSION_WAIT_MS);
        let until = later(self.now(), Duration::from_millis(wait_ms.into()));
        self.waiting.push(Waiting {
            channel,
            attach,
            place,
            until,
        });
        Ok(())
    }

    /// Looks whether there is a session for the links that wait for one.
    pub(crate) fn accept_waiting(&mut self) {
        let now = self.now();
        for waiting in std::mem::take(&mut self.waiting) {
            let holder = (self.id, waiting.attach.name.clone());
            let accepted = self
                .bus
                .lock()
                .accept_session(&waiting.place, None, &holder);
            match accepted {
                Ok(Some((session, until))) => {
                    let held = Held { session, until };
                    let node = Node::Entity(waiting.place);
                    self.accept(waiting.channel, &waiting.attach, node, Some(held));
                }
                Ok(None) if now < waiting.until => self.waiting.push(waiting),
                Ok(None) => self.refuse(waiting.channel, &waiting.attach, &Refusal::timeout()),
                Err(refusal) => self.refuse(waiting.channel, &waiting.attach, &refusal),
            }
        }
    }

    fn accept(&mut self, channel: u16, attach: &Attach, node: Node, held: Option<Held>) {
        let handle = attach.handle.0;
        let mut reply = mirror(attach);
        if let Some(held) = &held {
            let filter = (Symbol::from(SESSION_FILTER), codec::string(&*held.session));
            let source = reply.source.get_or_insert_default();
            source.filter = Some(FilterSet::from_iter([filter]));
            let ticks = held.until.timestamp_micros() * 10 + EPOCH_TICKS;
            let until = (Symbol::from(LOCKED_UNTIL), Value::Long(ticks));
            reply.properties = Some(Fields::from_iter([until]));
        }
        let end = if attach.role == Role::Sender {
            let bytes_max = self.options(|it| it.message_bytes_max);
            reply.max_message_size = u64::try_from(bytes_max).ok();
            LinkEnd::Incoming(Incoming {
                credit: CREDIT,
                delivery_count: attach.initial_delivery_count.unwrap_or_default(),
                partial: None,
            })
        } else {
            LinkEnd::Outgoing(Outgoing {
                locked: attach.snd_settle_mode != SenderSettleMode::Settled,
                session: held.map(|held| held.session),
                target: target_of(attach),
                ..Outgoing::default()
            })
        };
        self.send(channel, &reply);
        if let LinkEnd::Incoming(link) = &end {
            self.send_flow(channel, handle, link.delivery_count, CREDIT, false);
        }
        let link = Link {
            name: attach.name.clone(),
            path: path_of(&address_of(attach)),
            node,
            end,
        };
        if let Some(state) = self.channels.get_mut(&channel) {
            state.links.insert(handle, link);
        }
    }

    /// Answers an attach as the protocol wants it: with nothing at this end, and then a detach.
    pub(crate) fn refuse(&mut self, channel: u16, attach: &Attach, refusal: &Refusal) {
        let mut reply = mirror(attach);
        if attach.role == Role::Sender {
            reply.target = None;
        } else {
            reply.source = None;
        }
        self.send(channel, &reply);
        let detach = Detach {
            handle: Handle(attach.handle.0),
            closed: true,
            error: Some(refusal.error()),
        };
        self.send(channel, &detach);
    }
}

/// The attach of this end.
fn mirror(attach: &Attach) -> Attach {
    let role = match attach.role {
        Role::Sender => Role::Receiver,
        Role::Receiver => Role::Sender,
    };
    Attach {
        name: attach.name.clone(),
        handle: attach.handle.clone(),
        initial_delivery_count: (role == Role::Sender).then_some(0),
        role,
        snd_settle_mode: attach.snd_settle_mode.clone(),
        rcv_settle_mode: if attach.role == Role::Sender {
            ReceiverSettleMode::First
        } else {
            attach.rcv_settle_mode.clone()
        },
        source: attach.source.clone(),
        target: attach.target.clone(),
        unsettled: None,
        incomplete_unsettled: false,
        max_message_size: None,
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    }
}

/// Where a link goes, as the client says it.
fn address_of(attach: &Attach) -> String {
    let address = if attach.role == Role::Sender {
        target_of(attach)
    } else {
        let source = attach.source.as_ref();
        source.and_then(|source| source.address.clone())
    };
    address.unwrap_or_default()
}

fn target_of(attach: &Attach) -> Option<String> {
    let TargetArchetype::Target(target) = attach.target.as_deref()?;
    target.address.clone()
}

/// The session that a link asks for.
fn session_filter(attach: &Attach) -> Wanted {
    let filter = attach.source.as_ref().and_then(|it| it.filter.as_ref());
    let wanted = filter.and_then(|it| it.get(&Symbol::from(SESSION_FILTER)));
    match wanted.map(codec::plain) {
        None => Wanted::Nothing,
        Some(wanted) => codec::text(wanted).map_or(Wanted::Any, |it| Wanted::This(it.to_owned())),
    }
}

fn wait_of(attach: &Attach) -> Option<u32> {
    let properties = attach.properties.as_ref()?;
    let wait = codec::integer(properties.get(&Symbol::from(TIMEOUT))?)?;
    u32::try_from(wait).ok()
}
