//! A connection: one task moves its bytes for as long as somebody holds it.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use fe2o3_amqp_types::definitions::{Handle, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::performatives::{
    Attach, Begin, ChannelMax, MaxFrameSize, Open, Performative,
};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::super::dial::Duplex;
use super::engine::{CHANNEL, Command, Engine, INCOMING_WINDOW};
use super::error::AmqpError;
use super::frame::{self, FrameType};
use super::link::{AttachRequest, Receiver, Sender};
use super::sasl;

/// Bytes that may wait to be written before commands have to wait.
const OUT_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Smallest interval between two heartbeats, whatever the peer asks for.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);

/// Time to say good-bye.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How a connection is opened.
#[derive(Debug, Clone)]
pub(crate) struct OpenRequest {
    pub(crate) container_id: String,
    pub(crate) hostname: String,
    pub(crate) frame_bytes_max: u32,
    /// The peer has to be heard of within twice this time.
    pub(crate) idle: Duration,
    pub(crate) timeout: Duration,
}

/// A connection with one session. It ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Connection {
    commands: mpsc::UnboundedSender<Command>,
    timeout: Duration,
    name: std::sync::Arc<str>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens a connection over `io`.
    pub(crate) async fn open(
        mut io: Box<dyn Duplex>,
        request: OpenRequest,
    ) -> Result<Self, AmqpError> {
        let mut buffer = BytesMut::new();
        let opening = begin(&mut io, &mut buffer, &request);
        let (peer, session) = tokio::time::timeout(request.timeout, opening)
            .await
            .map_err(|_| AmqpError::TimedOut)??;
        let own = usize::try_from(request.frame_bytes_max).unwrap_or(usize::MAX);
        let theirs = usize::try_from(peer.max_frame_size.0).unwrap_or(usize::MAX);
        let engine = Engine::new(&session, theirs.min(own).max(512));
        let beat = peer.idle_time_out.filter(|ms| *ms > 0);
        let beat = beat.map(|ms| (Duration::from_millis(ms.into()) / 2).max(HEARTBEAT_MIN));
        let (commands, inbox) = mpsc::unbounded_channel();
        let driver = Driver {
            engine,
            inbox,
            buffer,
            frame_bytes_max: own,
            beat,
            silence_max: request.idle * 2,
        };
        tokio::spawn(driver.run(io));
        Ok(Self {
            commands,
            timeout: request.timeout,
            name: request.container_id.into(),
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Attaches a link that sends.
    pub(crate) async fn sender(&self, request: AttachRequest) -> Result<Sender, AmqpError> {
        let attached = self.attach(request, Role::Sender, 0).await?;
        let limit = attached.remote.max_message_size.filter(|max| *max > 0);
        let limit = limit.and_then(|max| usize::try_from(max).ok());
        let commands = self.commands.clone();
        Ok(Sender::new(commands, attached.handle, limit, self.timeout))
    }

    /// Attaches a link that receives messages of at most `message_bytes_max`.
    pub(crate) async fn receiver(
        &self,
        request: AttachRequest,
        message_bytes_max: usize,
    ) -> Result<Receiver, AmqpError> {
        let confirms = request.confirms;
        let attached = self
            .attach(request, Role::Receiver, message_bytes_max)
            .await?;
        if confirms && attached.remote.rcv_settle_mode != ReceiverSettleMode::Second {
            drop(Receiver::new(self.commands.clone(), attached, self.timeout));
            return Err(AmqpError::Protocol("it does not confirm settlements"));
        }
        Ok(Receiver::new(self.commands.clone(), attached, self.timeout))
    }

    async fn attach(
        &self,
        request: AttachRequest,
        role: Role,
        message_bytes_max: usize,
    ) -> Result<super::engine::Attached, AmqpError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let timeout = request.timeout.unwrap_or(self.timeout);
        let (snd_settle_mode, rcv_settle_mode) = if request.confirms {
            super::engine::PEEK_LOCK
        } else if role == Role::Sender {
            (SenderSettleMode::Unsettled, ReceiverSettleMode::First)
        } else {
            (SenderSettleMode::Settled, ReceiverSettleMode::First)
        };
        let attach = Attach {
            // The engine adds the handle to both.
            name: format!("{}-{}", request.label, self.name),
            handle: Handle(0),
            initial_delivery_count: (role == Role::Sender).then_some(0),
            // A peer that obeys ends the link for a larger message, again and again. We throw
            // such a message away instead and have it set aside.
            max_message_size: None,
            role,
            snd_settle_mode,
            rcv_settle_mode,
            source: Some(Box::new(request.source)),
            target: Some(Box::new(request.target.into())),
            unsettled: None,
            incomplete_unsettled: false,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: request.properties,
        };
        let command = Command::Attach {
            attach: Box::new(attach),
            message_bytes_max,
            reply,
        };
        self.commands.send(command).map_err(|_| AmqpError::Closed)?;
        wait(answer, timeout).await
    }
}

/// Waits for the answer to a command.
pub(super) async fn wait<T>(
    answer: tokio::sync::oneshot::Receiver<Result<T, AmqpError>>,
    timeout: Duration,
) -> Result<T, AmqpError> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(AmqpError::Closed),
        Err(_) => Err(AmqpError::TimedOut),
    }
}

async fn begin(
    io: &mut Box<dyn Duplex>,
    buffer: &mut BytesMut,
    request: &OpenRequest,
) -> Result<(Open, Begin), AmqpError> {
    sasl::begin(io, buffer, &request.hostname).await?;
    let open = Open {
        container_id: request.container_id.clone(),
        hostname: Some(request.hostname.clone()),
        max_frame_size: MaxFrameSize(request.frame_bytes_max),
        channel_max: ChannelMax(0),
        idle_time_out: Some(u32::try_from(request.idle.as_millis()).unwrap_or(u32::MAX)),
        outgoing_locales: None,
        incoming_locales: None,
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    };
    let session = Begin {
        remote_channel: None,
        next_outgoing_id: 0,
        incoming_window: INCOMING_WINDOW,
        outgoing_window: INCOMING_WINDOW,
        handle_max: Handle(u32::MAX),
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
    };
    let mut out = BytesMut::new();
    frame::put(&mut out, FrameType::Amqp, 0, &Performative::Open(open), &[])?;
    let session = Performative::Begin(session);
    frame::put(&mut out, FrameType::Amqp, CHANNEL, &session, &[])?;
    sasl::write(io, &out).await?;
    let Performative::Open(open) = next(io, buffer, request).await? else {
        return Err(AmqpError::Protocol("an open was expected"));
    };
    match next(io, buffer, request).await? {
        Performative::Begin(begin) => Ok((open, begin)),
        Performative::Close(close) => {
            Err(close.error.as_ref().map_or(AmqpError::Closed, |error| {
                AmqpError::ClosedWith(error.into())
            }))
        }
        _ => Err(AmqpError::Protocol("a begin was expected")),
    }
}

async fn next(
    io: &mut Box<dyn Duplex>,
    buffer: &mut BytesMut,
    request: &OpenRequest,
) -> Result<Performative, AmqpError> {
    let max = usize::try_from(request.frame_bytes_max).unwrap_or(usize::MAX);
    loop {
        let raw = sasl::next_frame(io, buffer, max).await?;
        if let Some((performative, _)) = frame::performative(&raw)? {
            return Ok(performative);
        }
    }
}

struct Driver {
    engine: Engine,
    inbox: mpsc::UnboundedReceiver<Command>,
    buffer: BytesMut,
    frame_bytes_max: usize,
    /// How often we have to be heard of.
    beat: Option<Duration>,
    silence_max: Duration,
}

impl Driver {
    async fn run(mut self, io: Box<dyn Duplex>) {
        let (mut reader, mut writer) = tokio::io::split(io);
        let error = match self.exchange(&mut reader, &mut writer).await {
            Ok(()) => AmqpError::Closed,
            Err(error) => error,
        };
        self.inbox.close();
        self.engine.fail(&error);
        while let Ok(command) = self.inbox.try_recv() {
            // Without a link every command is answered by an error.
            drop(command);
        }
        tracing::debug!(%error, "the connection to Service Bus ended");
        if self.engine.close().is_ok() {
            let out = std::mem::take(&mut self.engine.out);
            let farewell = async {
                writer.write_all(&out).await?;
                writer.shutdown().await
            };
            tokio::time::timeout(CLOSE_TIMEOUT, farewell).await.ok();
        }
    }

    /// Moves bytes until nobody holds the connection, or it fails.
    async fn exchange(
        &mut self,
        reader: &mut (impl tokio::io::AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), AmqpError> {
        let mut heard = Instant::now();
        let mut said = Instant::now();
        let mut is_dirty = false;
        loop {
            while let Some(raw) = frame::take(&mut self.buffer, self.frame_bytes_max)? {
                heard = Instant::now();
                self.take(&raw)?;
            }
            is_dirty |= !self.engine.out.is_empty();
            let beat = self.beat.map_or(self.silence_max, |beat| beat);
            let has_room = self.engine.out.len() < OUT_BYTES_MAX;
            tokio::select! {
                read = reader.read_buf(&mut self.buffer) => {
                    if read.map_err(|error| AmqpError::Io(error.into()))? == 0 {
                        return Err(AmqpError::Closed);
                    }
                }
                pushed = push(writer, &mut self.engine.out), if is_dirty => {
                    is_dirty = pushed.map_err(|error| AmqpError::Io(error.into()))?;
                    said = Instant::now();
                }
                command = self.inbox.recv(), if has_room => match command {
                    Some(command) => self.engine.command(command)?,
                    None => return Ok(()),
                },
                () = sleep_until(said + beat), if self.beat.is_some() && !is_dirty => {
                    frame::put_heartbeat(&mut self.engine.out);
                }
                () = sleep_until(heard + self.silence_max) => {
                    return Err(AmqpError::Protocol("nothing was heard of it in time"));
                }
            }
        }
    }

    fn take(&mut self, raw: &frame::RawFrame) -> Result<(), AmqpError> {
        if raw.kind != FrameType::Amqp as u8 {
            return Err(AmqpError::Protocol("a frame of AMQP was expected"));
        }
        match frame::performative(raw)? {
            Some((performative, payload)) => self.engine.frame(performative, &payload),
            None => Ok(()),
        }
    }
}

/// Writes what waits, or flushes when nothing does. True when it has to be called again.
async fn push(writer: &mut (impl AsyncWrite + Unpin), out: &mut BytesMut) -> std::io::Result<bool> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(false);
    }
    let written = writer.write_buf(out).await?;
    if written == 0 {
        return Err(std::io::ErrorKind::WriteZero.into());
    }
    Ok(true)
}
