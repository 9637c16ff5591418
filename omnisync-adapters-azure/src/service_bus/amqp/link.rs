//! The two kinds of links, as their owners hold them. Dropping one detaches it.

use std::time::Duration;

use bytes::Bytes;
use fe2o3_amqp_types::definitions::Fields;
use fe2o3_amqp_types::messaging::{DeliveryState, Source, Target};
use fe2o3_amqp_types::performatives::Attach;
use tokio::sync::{mpsc, oneshot};

use super::connection::wait;
use super::engine::{Arrival, Attached, Command, Event};
use super::error::AmqpError;

/// Which link is attached.
#[derive(Debug, Clone)]
pub(crate) struct AttachRequest {
    /// What its name begins with.
    pub(crate) label: &'static str,
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) properties: Option<Fields>,
    /// The peer confirms what the receiver settles.
    pub(crate) confirms: bool,
    /// Instead of that of the connection.
    pub(crate) timeout: Option<Duration>,
}

impl AttachRequest {
    /// A link that sends to `target`.
    pub(crate) fn to(label: &'static str, target: &str) -> Self {
        Self::between(label, label, target)
    }

    /// A link that receives from `source`.
    pub(crate) fn from(label: &'static str, source: &str) -> Self {
        Self::between(label, source, label)
    }

    pub(crate) fn between(label: &'static str, source: &str, target: &str) -> Self {
        Self {
            label,
            source: Source::from(source),
            target: Target::from(target),
            properties: None,
            confirms: false,
            timeout: None,
        }
    }
}

/// A link that sends.
#[derive(Debug)]
pub(crate) struct Sender {
    commands: mpsc::UnboundedSender<Command>,
    handle: u32,
    message_bytes_max: Option<usize>,
    timeout: Duration,
}

impl Sender {
    pub(super) const fn new(
        commands: mpsc::UnboundedSender<Command>,
        handle: u32,
        message_bytes_max: Option<usize>,
        timeout: Duration,
    ) -> Self {
        Self {
            commands,
            handle,
            message_bytes_max,
            timeout,
        }
    }

    /// Sends a message and waits until the peer has accepted it.
    pub(crate) async fn send(&self, payload: Bytes, format: u32) -> Result<(), AmqpError> {
        if self
            .message_bytes_max
            .is_some_and(|max| payload.len() > max)
        {
            return Err(AmqpError::TooLarge);
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Send {
            handle: self.handle,
            format,
            payload,
            reply,
        };
        self.commands.send(command).map_err(|_| AmqpError::Gone)?;
        wait(answer, self.timeout).await
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let handle = self.handle;
        self.commands.send(Command::Detach { handle }).ok();
    }
}

/// A link that receives.
#[derive(Debug)]
pub(crate) struct Receiver {
    commands: mpsc::UnboundedSender<Command>,
    attached: Attached,
    timeout: Duration,
    ended: Option<AmqpError>,
}

/// Settles what came by a link, without holding the link.
#[derive(Debug, Clone)]
pub(crate) struct Settler {
    commands: mpsc::UnboundedSender<Command>,
    handle: u32,
    timeout: Duration,
}

impl Receiver {
    pub(super) const fn new(
        commands: mpsc::UnboundedSender<Command>,
        attached: Attached,
        timeout: Duration,
    ) -> Self {
        Self {
            commands,
            attached,
            timeout,
            ended: None,
        }
    }

    /// What the peer answered when the link was attached.
    pub(crate) fn remote(&self) -> &Attach {
        &self.attached.remote
    }

    /// Lets the peer send so many messages.
    pub(crate) fn credit(&self, credit: u32) {
        self.give(credit, false);
    }

    /// Asks the peer to use its credit at once or to give it up. [`Event::Drained`] follows.
    pub(crate) fn drain(&self) {
        self.give(0, true);
    }

    fn give(&self, credit: u32, drain: bool) {
        let handle = self.attached.handle;
        let command = Command::Credit {
            handle,
            credit,
            drain,
        };
        self.commands.send(command).ok();
    }

    /// The next message; `None` when all credit was used or given up after [`Self::drain`].
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Arrival>, AmqpError> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        match self.attached.events.recv().await {
            Some(Event::Arrived(arrival)) => Ok(Some(arrival)),
            Some(Event::Drained) => Ok(None),
            Some(Event::Ended(error)) => Err(self.ended.insert(error).clone()),
            None => Err(self.ended.insert(AmqpError::Closed).clone()),
        }
    }

    pub(crate) fn settler(&self) -> Settler {
        Settler {
            commands: self.commands.clone(),
            handle: self.attached.handle,
            timeout: self.timeout,
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let handle = self.attached.handle;
        self.commands.send(Command::Detach { handle }).ok();
    }
}

impl Settler {
    /// Settles a delivery and waits for the word of the peer.
    pub(crate) async fn settle(
        &self,
        delivery_id: u32,
        state: DeliveryState,
    ) -> Result<Option<DeliveryState>, AmqpError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Settle {
            handle: self.handle,
            delivery_id,
            state,
            reply,
        };
        self.commands.send(command).map_err(|_| AmqpError::Gone)?;
        wait(answer, self.timeout).await
    }
}
