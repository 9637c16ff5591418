//! The link layer against a peer of a few lines: what a broker that misbehaves does to it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fe2o3_amqp_types::definitions::{
    ConnectionError, Error as WireError, ErrorCondition, Handle, LinkError, Role,
};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Source, Target};
use fe2o3_amqp_types::performatives::{
    Attach, Begin, ChannelMax, Close, Detach, Disposition, Flow, MaxFrameSize, Open, Performative,
    Transfer,
};
use fe2o3_amqp_types::sasl::{SaslCode, SaslMechanisms, SaslOutcome};
use serde_amqp::primitives::{Array, Symbol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::connection::{Connection, OpenRequest};
use super::error::AmqpError;
use super::frame::{
    AMQP_PROTOCOL, FrameType, SASL_PROTOCOL, performative, put, put_heartbeat, take,
};
use super::link::{AttachRequest, Receiver};
use super::message::{Message, PLAIN_FORMAT};

const FRAME_BYTES_MAX: u32 = 4_096;

/// The other end.
struct Peer {
    io: DuplexStream,
    buffer: BytesMut,
}

impl Peer {
    async fn send(&mut self, body: Performative, payload: &[u8]) {
        let mut out = BytesMut::new();
        put(&mut out, FrameType::Amqp, 0, &body, payload).unwrap();
        self.io.write_all(&out).await.unwrap();
    }

    async fn sasl(&mut self, body: &(impl serde::Serialize + Sync)) {
        let mut out = BytesMut::new();
        put(&mut out, FrameType::Sasl, 0, body, &[]).unwrap();
        self.io.write_all(&out).await.unwrap();
    }

    /// The next frame; `None` for a heartbeat.
    async fn next(&mut self) -> Option<(Performative, Bytes)> {
        loop {
            if let Some(raw) = take(&mut self.buffer, 1 << 20).unwrap() {
                return performative(&raw).unwrap();
            }
            assert_ne!(self.io.read_buf(&mut self.buffer).await.unwrap(), 0);
        }
    }

    async fn body(&mut self) -> Performative {
        self.next().await.expect("no heartbeat").0
    }

    async fn header(&mut self) -> [u8; 8] {
        let mut header = [0; 8];
        self.io.read_exact(&mut header).await.unwrap();
        header
    }

    async fn begin(&mut self, idle_ms: Option<u32>) {
        assert_eq!(self.header().await, SASL_PROTOCOL);
        self.io.write_all(&SASL_PROTOCOL).await.unwrap();
        let names = ["PLAIN", "ANONYMOUS"].map(Symbol::from);
        let sasl_server_mechanisms = Array(names.to_vec());
        self.sasl(&SaslMechanisms {
            sasl_server_mechanisms,
        })
        .await;
        let mut init = BytesMut::new();
        while take(&mut init, 512).unwrap().is_none() {
            self.io.read_buf(&mut init).await.unwrap();
        }
        self.sasl(&SaslOutcome {
            code: SaslCode::Ok,
            additional_data: None,
        })
        .await;
        assert_eq!(self.header().await, AMQP_PROTOCOL);
        self.io.write_all(&AMQP_PROTOCOL).await.unwrap();
        assert!(matches!(self.body().await, Performative::Open(_)));
        assert!(matches!(self.body().await, Performative::Begin(_)));
        self.send(
            Performative::Open(Open {
                container_id: "peer".to_owned(),
                hostname: None,
                max_frame_size: MaxFrameSize(1_024),
                channel_max: ChannelMax(0),
                idle_time_out: idle_ms,
                outgoing_locales: None,
                incoming_locales: None,
                offered_capabilities: None,
                desired_capabilities: None,
                properties: None,
            }),
            &[],
        )
        .await;
        self.send(
            Performative::Begin(Begin {
                remote_channel: Some(0),
                next_outgoing_id: 5,
                incoming_window: 3,
                outgoing_window: 100,
                handle_max: Handle(10),
                offered_capabilities: None,
                desired_capabilities: None,
                properties: None,
            }),
            &[],
        )
        .await;
    }

    /// Agrees to the link that is asked for.
    async fn agree(&mut self, handle: u32) -> Attach {
        let Performative::Attach(asked) = self.body().await else {
            panic!("an attach was expected");
        };
        let mut agreed = asked.clone();
        agreed.handle = Handle(handle);
        agreed.role = match asked.role {
            Role::Sender => Role::Receiver,
            Role::Receiver => Role::Sender,
        };
        agreed.initial_delivery_count = Some(0);
        agreed
            .source
            .get_or_insert_with(|| Box::new(Source::from("s")));
        agreed
            .target
            .get_or_insert_with(|| Box::new(Target::from("t").into()));
        self.send(Performative::Attach(agreed), &[]).await;
        asked
    }

    async fn credit(&mut self, handle: u32, credit: u32, seen: u32, window: u32) {
        self.send(
            Performative::Flow(Flow {
                next_incoming_id: Some(seen),
                incoming_window: window,
                next_outgoing_id: 5,
                outgoing_window: 100,
                handle: Some(Handle(handle)),
                delivery_count: Some(0),
                link_credit: Some(credit),
                available: None,
                drain: false,
                echo: false,
                properties: None,
            }),
            &[],
        )
        .await;
    }

    async fn deliver(&mut self, handle: u32, id: u32, more: bool, payload: &[u8]) {
        let transfer = Transfer {
            handle: Handle(handle),
            delivery_id: Some(id),
            delivery_tag: Some(vec![7; 16].into()),
            message_format: Some(0),
            settled: Some(false),
            more,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted: false,
            batchable: false,
        };
        self.send(Performative::Transfer(transfer), payload).await;
    }

    async fn disposition(&mut self, role: Role, id: u32, state: Option<DeliveryState>) {
        let disposition = Disposition {
            role,
            first: id,
            last: Some(id),
            settled: true,
            state,
            batchable: false,
        };
        self.send(Performative::Disposition(disposition), &[]).await;
    }
}

fn request() -> OpenRequest {
    OpenRequest {
        container_id: "us".to_owned(),
        hostname: "peer".to_owned(),
        frame_bytes_max: FRAME_BYTES_MAX,
        idle: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
    }
}

async fn connected(idle_ms: Option<u32>, request: OpenRequest) -> (Connection, Peer) {
    let (ours, io) = duplex(1 << 16);
    let mut peer = Peer {
        io,
        buffer: BytesMut::new(),
    };
    let opened = Connection::open(Box::new(ours), request);
    let (connection, ()) = tokio::join!(opened, peer.begin(idle_ms));
    (connection.unwrap(), peer)
}

async fn receiving(message_bytes_max: usize) -> (Connection, Receiver, Peer) {
    let (connection, mut peer) = connected(None, request()).await;
    let mut attach = AttachRequest::from("receiver", "orders");
    attach.confirms = true;
    let attached = connection.receiver(attach, message_bytes_max);
    let (receiver, _) = tokio::join!(attached, peer.agree(9));
    (connection, receiver.unwrap(), peer)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

#[test]
fn a_message_is_sent_in_pieces_as_credit_and_window_allow() {
    run(async {
        let (connection, mut peer) = connected(None, request()).await;
        let attached = connection.sender(AttachRequest::to("sender", "orders"));
        let (sender, asked) = tokio::join!(attached, peer.agree(4));
        assert_eq!(asked.role, Role::Sender);
        let sender = sender.unwrap();
        let payload = Message::of_data(vec![1; 4_000]).encode().unwrap();
        let sent = sender.send(payload.clone(), PLAIN_FORMAT);
        let played = async {
            peer.credit(4, 1, 0, 3).await;
            let mut came = BytesMut::new();
            let mut frames = 0;
            loop {
                let (Performative::Transfer(transfer), piece) = peer.next().await.unwrap() else {
                    panic!("a transfer was expected");
                };
                frames += 1;
                came.extend_from_slice(&piece);
                if frames == 3 {
                    peer.credit(4, 0, 3, 3).await;
                }
                if !transfer.more {
                    break;
                }
            }
            assert!(frames > 3, "{frames} frames of 1,024 bytes");
            assert_eq!(came, payload);
            let accepted = DeliveryState::Accepted(Accepted {});
            peer.disposition(Role::Receiver, 0, Some(accepted)).await;
        };
        let (sent, ()) = tokio::join!(sent, played);
        sent.unwrap();
    });
}

#[test]
fn a_settlement_waits_for_the_word_of_the_peer() {
    run(async {
        let (_connection, mut receiver, mut peer) = receiving(10_000).await;
        receiver.credit(2);
        assert!(
            matches!(peer.body().await, Performative::Flow(flow) if flow.link_credit == Some(2))
        );
        peer.deliver(9, 5, true, b"ab").await;
        peer.deliver(9, 5, false, b"cd").await;
        let arrival = receiver.next().await.unwrap().unwrap();
        assert_eq!(arrival.payload, "abcd");
        let settler = receiver.settler();
        let settled = settler.settle(5, DeliveryState::Accepted(Accepted {}));
        let played = async {
            let Performative::Disposition(told) = peer.body().await else {
                panic!("a disposition was expected");
            };
            assert!(!told.settled && told.role == Role::Receiver);
            peer.disposition(Role::Sender, 5, None).await;
        };
        let (settled, ()) = tokio::join!(settled, played);
        assert_eq!(settled.unwrap(), None);
        receiver.drain();
        let Performative::Flow(flow) = peer.body().await else {
            panic!("a flow was expected");
        };
        assert!(flow.drain && flow.link_credit == Some(1) && flow.delivery_count == Some(1));
        let Performative::Flow(mut answer) = Performative::Flow(flow) else {
            return;
        };
        answer.handle = Some(Handle(9));
        answer.delivery_count = Some(2);
        answer.link_credit = Some(0);
        peer.send(Performative::Flow(answer), &[]).await;
        assert!(receiver.next().await.unwrap().is_none(), "drained");
    });
}

#[test]
fn a_link_that_ends_during_a_settlement_leaves_it_open() {
    run(async {
        let (_connection, mut receiver, mut peer) = receiving(10_000).await;
        receiver.credit(1);
        peer.body().await;
        peer.deliver(9, 5, false, b"a").await;
        receiver.next().await.unwrap();
        let settler = receiver.settler();
        let settled = settler.settle(5, DeliveryState::Accepted(Accepted {}));
        let played = async {
            peer.body().await;
            let error = WireError::new(LinkError::DetachForced, None, None);
            peer.send(
                Performative::Detach(Detach {
                    handle: Handle(9),
                    closed: true,
                    error: Some(error),
                }),
                &[],
            )
            .await;
        };
        let (settled, ()) = tokio::join!(settled, played);
        let error = settled.unwrap_err();
        assert_eq!(error.condition(), Some("amqp:link:detach-forced"));
        assert!(!error.was_not_sent());
        let again = settler.settle(5, DeliveryState::Accepted(Accepted {}));
        assert!(again.await.unwrap_err().was_not_sent());
        assert!(receiver.next().await.is_err());
    });
}

#[test]
fn a_message_that_is_too_large_costs_no_memory() {
    run(async {
        let (_connection, mut receiver, mut peer) = receiving(1_000).await;
        receiver.credit(2);
        peer.body().await;
        for _ in 0..10 {
            peer.deliver(9, 5, true, &[1; 500]).await;
        }
        peer.deliver(9, 5, false, b"end").await;
        peer.deliver(9, 6, false, b"next").await;
        let large = receiver.next().await.unwrap().unwrap();
        assert!(large.is_too_large && large.payload.is_empty());
        let next = receiver.next().await.unwrap().unwrap();
        assert_eq!(next.payload, "next");
    });
}

#[test]
fn no_limit_is_announced_that_would_end_the_link_for_a_larger_message() {
    run(async {
        let (connection, mut peer) = connected(None, request()).await;
        let attached = connection.receiver(AttachRequest::from("receiver", "s"), 1_000);
        let (attached, asked) = tokio::join!(attached, peer.agree(9));
        assert!(attached.is_ok());
        assert_eq!(asked.max_message_size, None);
    });
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let oversized = [0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0];
    let nonsense = [0, 0, 0, 0x0a, 2, 0, 0, 0, 0xc0, 0xff];
    let unknown = [0, 0, 0, 0x0b, 2, 0, 0, 0, 0x00, 0x53, 0x45];
    for bytes in [&oversized[..], &nonsense, &unknown] {
        run(async {
            let (connection, mut receiver, mut peer) = receiving(1_000).await;
            peer.io.write_all(bytes).await.unwrap();
            let error = receiver.next().await.unwrap_err();
            assert!(
                matches!(error, AmqpError::Malformed(_) | AmqpError::Protocol(_)),
                "{error:?}"
            );
            let attached = connection.sender(AttachRequest::to("sender", "orders"));
            assert!(attached.await.is_err() && connection.is_closed());
        });
    }
}

#[test]
fn the_peer_ends_the_connection_with_its_reason() {
    run(async {
        let (_connection, mut receiver, mut peer) = receiving(1_000).await;
        let condition = ErrorCondition::ConnectionError(ConnectionError::ConnectionForced);
        let error = Some(WireError::new(condition, None, None));
        peer.send(Performative::Close(Close { error }), &[]).await;
        let error = receiver.next().await.unwrap_err();
        assert_eq!(error.condition(), Some("amqp:connection:forced"));
    });
}

#[test]
fn heartbeats_are_sent_and_missed() {
    run(async {
        let mut impatient = request();
        impatient.idle = Duration::from_millis(300);
        let (connection, mut peer) = connected(Some(250), impatient).await;
        for _ in 0..3 {
            assert_eq!(peer.next().await, None, "we are heard of");
            let mut beat = BytesMut::new();
            put_heartbeat(&mut beat);
            peer.io.write_all(&beat).await.unwrap();
        }
        assert!(!connection.is_closed());
        // From now on the peer is silent, until the connection is given up.
        let gone = async {
            while !connection.is_closed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .unwrap();
    });
}

#[test]
fn a_connection_ends_when_nobody_holds_it() {
    run(async {
        let (connection, receiver, mut peer) = receiving(1_000).await;
        drop((connection, receiver));
        assert!(matches!(peer.body().await, Performative::Detach(_)));
        assert!(matches!(peer.body().await, Performative::End(_)));
        assert!(matches!(peer.body().await, Performative::Close(_)));
    });
}

#[test]
fn a_link_that_is_refused_says_why() {
    run(async {
        let (connection, mut peer) = connected(None, request()).await;
        let attached = connection.receiver(AttachRequest::from("receiver", "nothing"), 1_000);
        let played = async {
            let Performative::Attach(mut answer) = peer.body().await else {
                panic!("an attach was expected");
            };
            answer.role = Role::Sender;
            answer.source = None;
            answer.target = None;
            answer.initial_delivery_count = Some(0);
            peer.send(Performative::Attach(answer), &[]).await;
            let condition = fe2o3_amqp_types::definitions::AmqpError::NotFound;
            let error = Some(WireError::new(condition, None, None));
            peer.send(
                Performative::Detach(Detach {
                    handle: Handle(0),
                    closed: true,
                    error,
                }),
                &[],
            )
            .await;
        };
        let (attached, ()) = tokio::join!(attached, played);
        assert_eq!(attached.unwrap_err().condition(), Some("amqp:not-found"));
    });
}

#[test]
fn a_peer_without_sasl_is_told_apart() {
    run(async {
        let (ours, mut io) = duplex(1_024);
        let opened = Connection::open(Box::new(ours), request());
        let played = async { io.write_all(b"HTTP/1.1 400 Bad Request\r\n").await };
        let (opened, _) = tokio::join!(opened, played);
        assert!(matches!(opened.unwrap_err(), AmqpError::Protocol(_)));
    });
}
