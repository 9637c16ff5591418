//! A connection seen by a peer that says exactly what it wants to.

use std::sync::Arc;

use bytes::BytesMut;
use fe2o3_amqp_types::definitions::{DeliveryTag, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Source, Target, TargetArchetype};
use fe2o3_amqp_types::performatives::{Attach, Transfer};
use omnisync_core::port::Clock as _;
use serde_amqp::Value;

use super::super::codec::{array_of, integer, map, string, uuid};
use super::super::fault::{Fault, Step};
use super::super::inspect::NewMessage;
use super::super::message::{Content, Stamp};
use super::super::options::Entity;
use super::*;
use crate::clock::ManualClock;

mod faults;

const FRAME_BYTES: u32 = 1_024;

struct Peer {
    engine: Engine,
    clock: ManualClock,
    read: Vec<(Performative, Vec<u8>)>,
    end: Option<End>,
}

impl Peer {
    /// A peer with an open connection and one session.
    fn new(change: impl FnOnce(&mut ServiceBusOptions)) -> Self {
        let clock = ManualClock::default();
        let mut options = ServiceBusOptions::new(Arc::new(clock.clone()));
        change(&mut options);
        let engine = Engine::new(ServiceBus::new(options), Claims::default());
        let mut peer = Self {
            engine,
            clock,
            read: Vec::new(),
            end: None,
        };
        let open = Open {
            container_id: "peer".to_owned(),
            hostname: None,
            max_frame_size: MaxFrameSize(FRAME_BYTES),
            channel_max: ChannelMax(7),
            idle_time_out: Some(60_000),
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        peer.say(&open, &[]);
        let begin = Begin {
            remote_channel: None,
            next_outgoing_id: 0,
            incoming_window: 100,
            outgoing_window: 100,
            handle_max: Handle(7),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        peer.say(&begin, &[]);
        peer.read.clear();
        peer
    }

    fn bus(&self) -> &ServiceBus {
        &self.engine.bus
    }

    fn say<T: Serialize>(&mut self, performative: &T, payload: &[u8]) {
        self.write(&frame::write(0, 0, &codec::encode(performative), payload));
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut buffer = BytesMut::from(bytes);
        while let Ok(Some(frame)) = frame::take(&mut buffer, u32::MAX) {
            if let Err(end) = self.engine.on_frame(&frame) {
                self.end = Some(end);
                return;
            }
        }
        self.pump();
    }

    fn pump(&mut self) {
        if let Err(end) = self.engine.pump() {
            self.end = Some(end);
        }
        let mut out = BytesMut::from(&self.engine.out[..]);
        self.engine.out.clear();
        while let Some(frame) = frame::take(&mut out, u32::MAX).unwrap() {
            let (performative, payload) = frame::performative(&frame.body).unwrap();
            self.read.push((performative, payload.to_vec()));
        }
    }

    fn attach(&mut self, handle: u32, role: Role, address: &str) {
        self.say(&link(handle, role, address), &[]);
    }

    fn flow(&mut self, handle: u32, credit: u32, window: u32, drain: bool) {
        let flow = Flow {
            next_incoming_id: Some(0),
            incoming_window: window,
            next_outgoing_id: 0,
            outgoing_window: 100,
            handle: Some(Handle(handle)),
            delivery_count: Some(0),
            link_credit: Some(credit),
            available: None,
            drain,
            echo: false,
            properties: None,
        };
        self.say(&flow, &[]);
    }

    fn transfer(&mut self, handle: u32, id: u32, message: &Content, more: bool) {
        let transfer = Transfer {
            handle: Handle(handle),
            delivery_id: Some(id),
            delivery_tag: Some(DeliveryTag::from(vec![1])),
            message_format: Some(0),
            settled: Some(false),
            more,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted: false,
            batchable: false,
        };
        self.say(&transfer, &message.encode(&Stamp::default()));
    }

    fn accept(&mut self, delivery: u32) {
        let disposition = Disposition {
            role: Role::Receiver,
            first: delivery,
            last: None,
            settled: false,
            state: Some(DeliveryState::Accepted(Accepted {})),
            batchable: false,
        };
        self.say(&disposition, &[]);
    }

    fn deliveries(&self) -> Vec<(Transfer, Vec<u8>)> {
        let transfers = self
            .read
            .iter()
            .filter_map(|(performative, payload)| match performative {
                Performative::Transfer(transfer) => Some((transfer.clone(), payload.clone())),
                _ => None,
            });
        transfers.collect()
    }

    fn dispositions(&self) -> Vec<Disposition> {
        let found = self
            .read
            .iter()
            .filter_map(|(performative, _)| match performative {
                Performative::Disposition(disposition) => Some(disposition.clone()),
                _ => None,
            });
        found.collect()
    }

    /// Condition of the last detach.
    fn detached(&self) -> Option<String> {
        self.read.iter().rev().find_map(|(performative, _)| {
            let Performative::Detach(detach) = performative else {
                return None;
            };
            let error = serde_amqp::to_value(&detach.error.as_ref()?.condition).unwrap();
            codec::text(&error).map(str::to_owned)
        })
    }
}

fn link(handle: u32, role: Role, address: &str) -> Attach {
    let (source, target) = match role {
        Role::Sender => ("peer", address),
        Role::Receiver => (address, "peer"),
    };
    Attach {
        name: format!("link-{handle}"),
        handle: Handle(handle),
        initial_delivery_count: (role == Role::Sender).then_some(0),
        role,
        snd_settle_mode: SenderSettleMode::Unsettled,
        rcv_settle_mode: ReceiverSettleMode::Second,
        source: Some(Box::new(Source::from(source))),
        target: Some(Box::new(TargetArchetype::Target(Target::from(target)))),
        unsettled: None,
        incomplete_unsettled: false,
        max_message_size: None,
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    }
}

fn condition(disposition: &Disposition) -> Option<String> {
    let Some(DeliveryState::Rejected(rejected)) = &disposition.state else {
        return None;
    };
    let condition = &rejected.error.as_ref()?.condition;
    let condition = serde_amqp::to_value(condition).unwrap();
    codec::text(&condition).map(str::to_owned)
}

#[test]
fn deliveries_carry_what_the_service_puts_on_the_wire() {
    let mut peer = Peer::new(|_| ());
    peer.bus()
        .send("orders", NewMessage::new("body").with_message_id("m"))
        .unwrap();
    peer.attach(3, Role::Receiver, "orders");
    peer.flow(3, 1, 100, false);
    let [(transfer, payload)] = &peer.deliveries()[..] else {
        panic!("one delivery")
    };
    assert_eq!(transfer.settled, Some(false));
    let tag = transfer.delivery_tag.clone().unwrap();
    let token = uuid::Uuid::from_slice_le(&tag).unwrap();
    assert_eq!(
        peer.bus().messages("orders")[0].state,
        super::super::MessageState::Locked(Some(later(peer.clock.now(), Duration::from_secs(30))))
    );
    // The header is first, and all of its five fields are there.
    let (header, rest) = codec::split(payload).unwrap();
    assert_eq!(header[..3], [0x00, 0x53, 0x70]);
    let (Value::List(fields), _) = codec::decode(&header[3..]).unwrap() else {
        panic!("a header is a list")
    };
    assert_eq!((fields.len(), &fields[4]), (5, &Value::Uint(0)));
    let (annotations, rest) = codec::split(rest).unwrap();
    let (annotations, _) = codec::decode(&annotations[3..]).unwrap();
    assert_eq!(
        codec::get(&annotations, "x-opt-lock-token"),
        Some(&uuid(token))
    );
    let (annotations, _) = codec::split(rest).unwrap();
    let (annotations, _) = codec::decode(&annotations[3..]).unwrap();
    let number = codec::get(&annotations, "x-opt-sequence-number");
    assert_eq!(number, Some(&Value::Long(1)));
    for key in ["x-opt-enqueued-time", "x-opt-locked-until"] {
        let value = codec::get(&annotations, key);
        assert!(matches!(value, Some(Value::Timestamp(_))), "{key}");
    }
    peer.accept(0);
    let [settled] = &peer.dispositions()[..] else {
        panic!("one disposition")
    };
    assert_eq!((settled.settled, &settled.state), (true, &None));
    assert_eq!(peer.bus().messages("orders"), []);
}

#[test]
fn a_settlement_after_the_lock_is_refused_on_the_link() {
    let mut peer = Peer::new(|_| ());
    peer.bus().send("orders", NewMessage::new("body")).unwrap();
    peer.attach(0, Role::Receiver, "orders");
    peer.flow(0, 1, 100, false);
    peer.clock.advance(Duration::from_secs(30));
    peer.accept(0);
    let refused = condition(&peer.dispositions()[0]);
    assert_eq!(refused.as_deref(), Some("com.microsoft:message-lock-lost"));
    assert_eq!(peer.bus().backlog("orders"), 1);
}

#[test]
fn credit_window_and_drain_are_kept() {
    let mut peer = Peer::new(|_| ());
    for _ in 0..4 {
        peer.bus().send("orders", NewMessage::new("body")).unwrap();
    }
    peer.attach(0, Role::Receiver, "orders");
    peer.pump();
    assert_eq!(peer.deliveries().len(), 0);
    peer.flow(0, 3, 2, false);
    assert_eq!(peer.deliveries().len(), 2);
    // The third one waits for the window, and the fourth one for credit.
    peer.flow(0, 3, 100, false);
    assert_eq!(peer.deliveries().len(), 3);
    peer.read.clear();
    peer.flow(0, 9, 100, true);
    assert_eq!(peer.deliveries().len(), 1);
    let drained = peer.read.iter().any(|(performative, _)| {
        matches!(performative, Performative::Flow(flow)
            if flow.drain && flow.link_credit == Some(0) && flow.delivery_count == Some(9))
    });
    assert!(drained);
}

#[test]
fn long_messages_go_in_frames_that_the_peer_takes() {
    let mut peer = Peer::new(|_| ());
    let body = vec![7; 5_000];
    peer.bus().send("orders", NewMessage::new(&body)).unwrap();
    peer.attach(0, Role::Receiver, "orders");
    peer.flow(0, 1, 100, false);
    let deliveries = peer.deliveries();
    assert!(deliveries.len() > 4);
    let (last, first) = deliveries.split_last().unwrap();
    assert!(first.iter().all(|(transfer, _)| transfer.more));
    assert!(!last.0.more);
    let whole: Vec<u8> = deliveries
        .iter()
        .flat_map(|(_, part)| part.clone())
        .collect();
    assert_eq!(Content::parse(&whole).unwrap().data(), body);
    // And back, in as many frames as the peer likes.
    peer.attach(1, Role::Sender, "orders");
    peer.transfer(1, 0, &Content::default(), true);
    peer.transfer(1, 0, &Content::of_data(&body), false);
    assert_eq!(peer.bus().messages("orders")[1].body, body);
}

#[test]
fn what_cannot_be_is_refused_link_by_link() {
    let mut peer = Peer::new(|it| {
        it.entities.push(Entity::topic("events", ["sub"]));
        it.entities
            .push(Entity::queue("sessions").with(|it| it.sessions = true));
    });
    for (handle, (role, address, refused)) in [
        (Role::Sender, "nowhere", "amqp:not-found"),
        (Role::Receiver, "nowhere", "amqp:not-found"),
        (Role::Receiver, "events", "amqp:not-found"),
        (Role::Sender, "orders/$deadletterqueue", "amqp:not-allowed"),
        (Role::Sender, "events/subscriptions/sub", "amqp:not-allowed"),
        (Role::Receiver, "sessions", "amqp:not-allowed"),
        (Role::Sender, "nowhere/$management", "amqp:not-found"),
    ]
    .into_iter()
    .enumerate()
    {
        let handle = u32::try_from(handle).unwrap();
        peer.read.clear();
        peer.attach(handle, role, address);
        assert_eq!(peer.detached().as_deref(), Some(refused), "{address}");
        assert_eq!(peer.read.len(), 2, "{address}");
    }
    assert_eq!(peer.end, None);
}

#[test]
fn a_connection_without_a_token_is_closed_in_time() {
    let mut peer = Peer::new(|_| ());
    peer.clock.advance(Duration::from_secs(19));
    peer.pump();
    assert_eq!(peer.end, None);
    peer.clock.advance(Duration::from_secs(1));
    peer.pump();
    assert!(matches!(&peer.end, Some(End::Closed(Some(refusal)))
        if refusal.condition == "amqp:connection:forced"));
}

#[test]
fn links_end_with_their_token() {
    let mut peer = Peer::new(|it| {
        it.access.checked = true;
        it.access.bearer_tokens.insert("good".to_owned());
    });
    peer.attach(0, Role::Receiver, "orders");
    assert_eq!(peer.detached().as_deref(), Some("amqp:unauthorized-access"));
    peer.attach(1, Role::Sender, "$cbs");
    peer.attach(2, Role::Receiver, "$cbs");
    peer.flow(2, 10, 100, false);
    for (number, (token, audience, status)) in [
        ("bad", "sb://127.0.0.1/orders", 401),
        ("good", "sb://127.0.0.1:5671/orders", 202),
        ("good", "sb://127.0.0.1/events", 202),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = Content::of_value(&string(token));
        request.set_message_id("id");
        request.put("operation", string("put-token"));
        request.put("type", string("jwt"));
        request.put("name", string(audience));
        peer.read.clear();
        peer.transfer(1, u32::try_from(number).unwrap(), &request, false);
        let (_, payload) = peer.deliveries().pop().unwrap();
        let response = Content::parse(&payload).unwrap();
        let found = response.application("status-code").and_then(integer);
        assert_eq!(found, Some(status), "{audience}");
        assert_eq!(response.correlation_id().as_deref(), Some("id"));
    }
    peer.read.clear();
    for (handle, address) in [
        (3, "orders"),
        (4, "orders/$management"),
        (5, "Orders/$deadletterqueue"),
    ] {
        peer.attach(handle, Role::Receiver, address);
    }
    assert_eq!(peer.detached(), None);
    peer.clock.advance(Duration::from_secs(3_600));
    peer.pump();
    assert_eq!(peer.detached().as_deref(), Some("amqp:unauthorized-access"));
    assert_eq!(peer.engine.entity_links(), []);
}

#[test]
fn bad_frames_close_the_connection() {
    for bytes in [
        // A frame of an unknown type.
        frame::write(3, 0, &[0x40], &[]),
        // Nothing that is a performative.
        frame::write(0, 0, &[0x40], &[]),
        frame::write(0, 0, &[0x00, 0x53, 0x99, 0x45], &[]),
        frame::write(0, 0, &[0x00, 0x53, 0x14, 0x45], &[]),
        frame::write(0, 0, &[0x00; 400], &[]),
        frame::write(0, 0, &[0x00, 0x53, 0x15, 0xC0, 0xFF, 0xFF], &[]),
        // A channel without a session, and a session twice.
        frame::write(0, 5, &[0x00, 0x53, 0x17, 0x45], &[]),
        frame::write(
            0,
            0,
            &[0x00, 0x53, 0x11, 0xC0, 0x05, 0x04, 0x40, 0x43, 0x43, 0x43],
            &[],
        ),
    ] {
        let mut peer = Peer::new(|_| ());
        peer.write(&bytes);
        assert!(
            matches!(peer.end, Some(End::Closed(Some(_)))),
            "{bytes:02X?}: {:?}",
            peer.end
        );
    }
}

#[test]
fn any_bytes_end_in_an_answer() {
    let mut numbers = crate::rng::SplitMix64::new(7);
    let mut good = Vec::new();
    for code in 0x10..=0x18 {
        good.push(vec![
            0x00, 0x53, code, 0xC0, 0x06, 0x04, 0x43, 0x43, 0x42, 0x43, 0x40,
        ]);
    }
    for round in 0..4_000_usize {
        let mut body = good[round % good.len()].clone();
        for _ in 0..=round % 5 {
            let byte = u8::try_from(numbers.below(256)).unwrap();
            let place = numbers.below(11);
            body[usize::try_from(place).unwrap()] = byte;
            if numbers.chance(250) {
                body.push(byte);
            }
        }
        let mut peer = Peer::new(|_| ());
        peer.write(&frame::write(0, 0, &body, &[]));
    }
}

#[test]
fn a_settlement_may_be_lost_before_or_after_it_took_effect() {
    for (fault, left) in [
        (Fault::CutBefore, 1),
        (Fault::CutAfter, 0),
        (Fault::Busy, 1),
        (Fault::Unauthorized, 1),
        (Fault::Detached, 1),
        (Fault::DetachedAfter, 0),
        (Fault::Silent, 1),
    ] {
        let mut peer = Peer::new(|_| ());
        peer.bus().send("orders", NewMessage::new("body")).unwrap();
        peer.attach(0, Role::Receiver, "orders");
        peer.flow(0, 1, 100, false);
        peer.bus().inject(Some(Step::Settle), fault);
        peer.accept(0);
        assert_eq!(peer.bus().backlog("orders"), left, "{fault:?}");
        let cut = matches!(fault, Fault::CutBefore | Fault::CutAfter);
        assert_eq!(peer.end == Some(End::Cut), cut, "{fault:?}");
        let answered = matches!(fault, Fault::Busy | Fault::Unauthorized);
        assert_eq!(
            peer.dispositions().len(),
            usize::from(answered),
            "{fault:?}"
        );
        let detached = matches!(fault, Fault::Detached | Fault::DetachedAfter);
        assert_eq!(peer.detached().is_some(), detached, "{fault:?}");
        assert_eq!(peer.bus().faults_left(), 0);
    }
}

#[test]
fn a_send_may_be_lost_before_or_after_it_took_effect() {
    for (fault, taken) in [
        (Fault::CutBefore, 0),
        (Fault::CutAfter, 1),
        (Fault::Busy, 0),
        (Fault::Detached, 0),
        (Fault::DetachedAfter, 1),
        (Fault::Silent, 0),
    ] {
        let mut peer = Peer::new(|_| ());
        peer.attach(0, Role::Sender, "orders");
        peer.bus().inject(Some(Step::Send), fault);
        peer.transfer(0, 0, &Content::of_data(b"x"), false);
        assert_eq!(peer.bus().backlog("orders"), taken, "{fault:?}");
        assert_eq!(peer.dispositions().len(), usize::from(fault == Fault::Busy));
    }
}

#[test]
fn a_delayed_answer_comes_when_the_clock_says_so() {
    let mut peer = Peer::new(|_| ());
    peer.attach(0, Role::Sender, "orders");
    let delay = Duration::from_secs(5);
    peer.bus().inject(Some(Step::Send), Fault::Delayed(delay));
    peer.transfer(0, 0, &Content::of_data(b"x"), false);
    assert_eq!(peer.bus().backlog("orders"), 1);
    assert_eq!(peer.dispositions().len(), 0);
    assert_eq!(
        peer.engine.next_event(),
        Some(later(peer.clock.now(), delay))
    );
    peer.clock.advance(delay);
    peer.pump();
    assert_eq!(peer.dispositions().len(), 1);
}

#[test]
fn management_answers_by_number_and_by_name() {
    let mut peer = Peer::new(|_| ());
    peer.bus().send("orders", NewMessage::new("body")).unwrap();
    peer.attach(0, Role::Receiver, "orders");
    peer.flow(0, 1, 100, false);
    let tag = peer.deliveries()[0].0.delivery_tag.clone().unwrap();
    let token = uuid::Uuid::from_slice_le(&tag).unwrap();
    peer.attach(1, Role::Sender, "orders/$management");
    peer.attach(2, Role::Receiver, "orders/$management");
    peer.flow(2, 10, 100, false);
    let tokens = map([(string("lock-tokens"), array_of(vec![uuid(token)]))]);
    let asked = [
        ("com.microsoft:renew-lock", tokens.clone(), 200),
        ("com.microsoft:nonsense", Value::Null, 501),
        ("com.microsoft:renew-lock", Value::Null, 400),
        ("com.microsoft:peek-message", map([]), 200),
        ("com.microsoft:renew-session-lock", map([]), 400),
        (
            "com.microsoft:update-disposition",
            map([
                (string("lock-tokens"), array_of(vec![uuid(token)])),
                (string("disposition-status"), string("completed")),
            ]),
            200,
        ),
        ("com.microsoft:renew-lock", tokens, 410),
        ("com.microsoft:peek-message", map([]), 204),
    ];
    for (number, (operation, body, status)) in asked.into_iter().enumerate() {
        let mut request = Content::of_value(&body);
        let id = Value::Ulong(u64::try_from(number).unwrap() + 500);
        request.set_property(0, id.clone());
        request.set_reply_to("peer");
        request.put("operation", string(operation));
        peer.read.clear();
        peer.transfer(1, u32::try_from(number).unwrap(), &request, false);
        let (_, payload) = peer.deliveries().pop().unwrap();
        let response = Content::parse(&payload).unwrap();
        let found = response.application("statusCode").and_then(integer);
        assert_eq!(found, Some(status), "{operation}");
        // The id comes back as what it was.
        assert_eq!(response.property(5), Some(&id));
    }
    assert_eq!(peer.bus().messages("orders"), []);
}

#[test]
fn links_go_when_they_are_told_to() {
    let mut peer = Peer::new(|_| ());
    peer.attach(0, Role::Receiver, "orders");
    peer.attach(1, Role::Sender, "orders");
    peer.bus().detach_links();
    peer.pump();
    assert_eq!(peer.detached().as_deref(), Some("amqp:link:detach-forced"));
    assert_eq!(peer.engine.entity_links(), []);
    peer.attach(0, Role::Receiver, "orders");
    peer.bus().remove_entity("orders");
    peer.pump();
    assert_eq!(peer.detached().as_deref(), Some("amqp:not-found"));
    peer.bus().cut_connections();
    peer.pump();
    assert_eq!(peer.end, Some(End::Cut));
}
