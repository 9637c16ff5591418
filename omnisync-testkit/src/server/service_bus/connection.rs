//! A connection and its socket: the way in, the frames, the beats of the heart.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fe2o3_amqp_types::performatives::Close;
use fe2o3_amqp_types::sasl::{SaslCode, SaslInit, SaslMechanisms, SaslOutcome};
use serde_amqp::primitives::Symbol;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::codec::{self, Malformed};
use super::engine::{End, Engine};
use super::frame;
use super::refusal::Refusal;
use super::state::ServiceBus;
use super::token::Claims;

const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
const AMQP_HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";

/// How long a client may take to say who it is.
const GREETING: Duration = Duration::from_secs(20);

/// How long the last frames may take to go out.
const FAREWELL: Duration = Duration::from_secs(2);

/// Length of the longest frame before the connection is open.
const GREETING_BYTES_MAX: u32 = 4_096;

/// Serves a connection until it ends.
pub(crate) async fn serve(bus: ServiceBus, stream: TcpStream, stopping: watch::Receiver<bool>) {
    // Many small frames go back and forth.
    drop(stream.set_nodelay(true));
    let (read, write) = stream.into_split();
    let mut wire = Wire {
        read,
        write,
        buffer: BytesMut::new(),
    };
    let Ok(Ok(Some(claims))) = timeout(GREETING, greet(&bus, &mut wire)).await else {
        return;
    };
    run(Engine::new(bus.clone(), claims), wire, stopping).await;
    // What this connection would have woken up for is somebody else's now.
    bus.tick();
}

struct Wire {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Wire {
    async fn header(&mut self) -> io::Result<[u8; 8]> {
        loop {
            if let Some(header) = self.buffer.first_chunk().copied() {
                drop(self.buffer.split_to(8));
                return Ok(header);
            }
            self.fill().await?;
        }
    }

    async fn frame(&mut self) -> io::Result<frame::Frame> {
        loop {
            let frame = frame::take(&mut self.buffer, GREETING_BYTES_MAX);
            if let Some(frame) = frame.map_err(invalid)? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.read.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn invalid(malformed: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, malformed)
}

/// Lets a client in; `None` when it may not.
async fn greet(bus: &ServiceBus, wire: &mut Wire) -> io::Result<Option<Claims>> {
    if wire.header().await? != SASL_HEADER {
        // This is what would have been understood.
        wire.write.write_all(&SASL_HEADER).await?;
        return Ok(None);
    }
    let offered = ["ANONYMOUS", "PLAIN", "MSSBCBS"];
    let offered = SaslMechanisms {
        sasl_server_mechanisms: offered.map(Symbol::from).to_vec().into(),
    };
    let mut hello = SASL_HEADER.to_vec();
    hello.extend(frame::write(1, 0, &codec::encode(&offered), &[]));
    wire.write.write_all(&hello).await?;
    let init = wire.frame().await?;
    let (init, _) = codec::split(&init.body).map_err(invalid)?;
    let init: SaslInit = serde_amqp::from_slice(init)
        .map_err(|_| invalid(Malformed("the choice of a mechanism cannot be read")))?;
    let claims = admit(bus, &init);
    let outcome = SaslOutcome {
        code: match claims {
            Some(_) => SaslCode::Ok,
            None => SaslCode::Auth,
        },
        additional_data: None,
    };
    let outcome = frame::write(1, 0, &codec::encode(&outcome), &[]);
    wire.write.write_all(&outcome).await?;
    if claims.is_none() || wire.header().await? != AMQP_HEADER {
        return Ok(None);
    }
    wire.write.write_all(&AMQP_HEADER).await?;
    Ok(claims)
}

fn admit(bus: &ServiceBus, init: &SaslInit) -> Option<Claims> {
    match init.mechanism.as_str() {
        "ANONYMOUS" | "MSSBCBS" => Some(Claims::default()),
        "PLAIN" => {
            let state = bus.lock();
            let access = &state.options.access;
            let shown = init.initial_response.as_deref()?;
            let mut parts = shown.split(|byte| *byte == 0).skip(1);
            let known = parts.next() == Some(access.key_name.as_bytes())
                && parts.next() == Some(access.key.as_bytes());
            (known || !access.checked).then(Claims::of_key)
        }
        _ => None,
    }
}

async fn run(mut engine: Engine, wire: Wire, mut stopping: watch::Receiver<bool>) {
    let Wire {
        mut read,
        write,
        mut buffer,
    } = wire;
    let (outbox, inbox) = mpsc::unbounded_channel();
    let mut writer = tokio::spawn(write_all(write, inbox));
    let end = exchange(&mut engine, &mut read, &mut buffer, &outbox, &mut stopping).await;
    if let End::Closed(refusal) = end {
        if let Some(refusal) = refusal {
            let error = Some(refusal.error());
            engine.send(0, &Close { error });
        }
        drop(outbox.send(std::mem::take(&mut engine.out)));
        drop(outbox);
        drop(timeout(FAREWELL, &mut writer).await);
    }
    writer.abort();
}

/// Writes whatever comes, and never makes the reader wait.
async fn write_all(mut write: OwnedWriteHalf, mut inbox: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = inbox.recv().await {
        if write.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // The peer may be gone already.
    drop(write.shutdown().await);
}

/// Frames go back and forth until the connection ends.
async fn exchange(
    engine: &mut Engine,
    read: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    outbox: &mpsc::UnboundedSender<Vec<u8>>,
    stopping: &mut watch::Receiver<bool>,
) -> End {
    let bus = engine.bus.clone();
    let mut changes = bus.changes();
    let (clock, idle_ms) = engine.options(|it| (Arc::clone(&it.clock), it.idle_timeout_ms));
    let mut silence = Alarm::new(idle_ms);
    let mut beat = Alarm::new(None);
    loop {
        changes.mark_unchanged();
        if let Err(end) = turn(engine, buffer) {
            return end;
        }
        if !engine.out.is_empty() && outbox.send(std::mem::take(&mut engine.out)).is_err() {
            return End::Cut;
        }
        // A peer that hears nothing for as long as it said goes away.
        beat.set(engine.peer_idle_ms.map(|idle_ms| (idle_ms / 3).max(1)));
        let next_event = engine.next_event();
        let event = async {
            match next_event {
                Some(at) => clock.sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {
                return End::Closed(Some(Refusal::new(
                    "amqp:connection:forced",
                    503,
                    "The connection was closed: the broker is being shut down.",
                )));
            }
            filled = read.read_buf(buffer) => match filled {
                Ok(0) | Err(_) => return End::Cut,
                Ok(_) => silence.restart(),
            },
            _ = changes.changed() => {}
            () = event => bus.tick(),
            () = beat.rings() => {
                engine.out.extend(frame::write(0, 0, &[], &[]));
                beat.restart();
            }
            () = silence.rings() => {
                return End::Closed(Some(Refusal::new(
                    "amqp:resource-limit-exceeded",
                    408,
                    "The connection was closed: nothing was heard for too long.",
                )));
            }
        }
    }
}

/// Rings after a while, in the time of the machine: it is the wire that it listens to.
struct Alarm {
    after_ms: Option<u32>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(after_ms: Option<u32>) -> Self {
        let mut alarm = Self {
            after_ms: None,
            sleep: Box::pin(sleep(Duration::ZERO)),
        };
        alarm.set(after_ms);
        alarm
    }

    fn set(&mut self, after_ms: Option<u32>) {
        if self.after_ms != after_ms {
            self.after_ms = after_ms;
            self.restart();
        }
    }

    fn restart(&mut self) {
        if let Some(after_ms) = self.after_ms {
            let after = Duration::from_millis(after_ms.into());
            self.sleep.as_mut().reset(Instant::now() + after);
        }
    }

    async fn rings(&mut self) {
        match self.after_ms {
            Some(_) => self.sleep.as_mut().await,
            None => pending().await,
        }
    }
}

/// Takes in the frames that are there, and sends what there is to send.
fn turn(engine: &mut Engine, buffer: &mut BytesMut) -> Result<(), End> {
    let frame_bytes_max = engine.options(|it| it.frame_bytes_max);
    while let Some(frame) = frame::take(buffer, frame_bytes_max)? {
        engine.on_frame(&frame)?;
    }
    engine.pump()
}
