use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::select;
use omnisync_core::id::Sha256;
use omnisync_core::port::{
    Clock, DeadLetterReason, Delivery, Disposition, EventSource, EventSourceCapability, Received,
    Settled,
};
use omnisync_core::{ErrorKind, PortError};
use tokio::sync::{Notify, mpsc};

use super::checkpoint::Checkpoint;
use super::config::NdjsonConfig;
use super::ledger::Ledger;
use super::progress::{End, Progress};
use super::reader::{self, Batch, Input, Line};
use super::wire::{DeadLetter, body_fields};
use crate::blocking;
use crate::file::{self, FileError};

const OPEN: &str = "event_source.open";
const RECEIVE: &str = "event_source.receive";
const SETTLE: &str = "event_source.settle";

/// Events from a file or a stream, one a line, read by offset.
///
/// Lines are handed out in the order of the input, as the bytes they are. A line that is not
/// settled comes again in the next run, from the checkpoint if one is configured.
#[derive(Debug)]
pub struct NdjsonSource {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// A regular file: its lines are there and need no waiting for.
    is_file: bool,
    unsettled_bytes_max: usize,
    batches: tokio::sync::Mutex<mpsc::Receiver<Batch>>,
    shared: Arc<Shared>,
    ledger: Option<Ledger>,
    /// Wakes those who wait in `receive` when a settlement may have changed what they wait for.
    settled: Notify,
}

/// What blocking work holds on to.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Taken before the state, never behind it.
    checkpoint: Option<Mutex<Checkpoint>>,
    checkpoint_every: u32,
}

#[derive(Debug, Default)]
struct State {
    progress: Progress,
    settled_since_saved: u32,
    /// `receive` said that the input has ended.
    said_ended: bool,
}

impl NdjsonSource {
    pub(super) fn start(
        config: &NdjsonConfig,
        clock: Arc<dyn Clock>,
        input: Input,
    ) -> Result<Self, PortError> {
        let ledger = config
            .dead_letter_path
            .as_deref()
            .map(Ledger::open)
            .transpose();
        let ledger = ledger.map_err(|error| error.port(OPEN))?;
        let mut checkpoint = config.checkpoint_path.clone().map(Checkpoint::new);
        let resume = checkpoint
            .as_mut()
            .map(Checkpoint::load)
            .transpose()?
            .flatten();
        let is_file = matches!(input, Input::File(_));
        let line_bytes_max = config.line_bytes_max;
        let (sender, batches) = mpsc::channel(reader::BATCHES_MAX);
        thread::Builder::new()
            .name("omnisync-ndjson".to_owned())
            .spawn(move || reader::run(input, resume, line_bytes_max, &sender))
            .map_err(FileError::at("start a thread to read", &config.path))
            .map_err(|error| error.port(OPEN))?;
        Ok(Self {
            path: config.path.clone(),
            clock,
            is_file,
            unsettled_bytes_max: config.unsettled_bytes_max,
            batches: tokio::sync::Mutex::new(batches),
            shared: Arc::new(Shared {
                state: Mutex::default(),
                checkpoint: checkpoint.map(Mutex::new),
                checkpoint_every: config.checkpoint_every,
            }),
            ledger,
            settled: Notify::new(),
        })
    }

    /// Waits for a batch and takes it in. Cancel safe: nothing is awaited behind the batch.
    async fn pull(&self) {
        let mut batches = self.batches.lock().await;
        if self
            .shared
            .state()
            .progress
            .wants_lines(self.unsettled_bytes_max)
        {
            let batch = batches.recv().await;
            self.shared.state().progress.take_in(batch);
        }
    }

    /// What can be said at once; `None` to wait.
    fn poll(&self, max: usize) -> Result<Option<Received>, PortError> {
        let state = &mut *self.shared.state();
        let progress = &mut state.progress;
        let deliveries = progress.hand_out(max, self.clock.now(), self.unsettled_bytes_max);
        if !deliveries.is_empty() {
            return Ok(Some(Received {
                deliveries,
                ended: false,
            }));
        }
        match progress.end() {
            Some(End::Failed { kind, text }) if progress.due_next().is_none() => {
                let kind = file::kind_of(&(*kind).into());
                Err(PortError::new(kind, RECEIVE).with_detail(format!(
                    "cannot read {}: {text}; {}",
                    self.path.display(),
                    file::advice(kind)
                )))
            }
            _ if progress.is_done() => Ok(Some(Received {
                deliveries,
                ended: true,
            })),
            _ => Ok(None),
        }
    }

    /// Waits until something may have changed, no longer than until `deadline`.
    async fn wait(&self, deadline: DateTime<Utc>, settled: impl Future<Output = ()>) {
        let (wants_lines, due_next) = {
            let progress = &self.shared.state().progress;
            (
                progress.wants_lines(self.unsettled_bytes_max),
                progress.due_next(),
            )
        };
        if wants_lines && self.is_file {
            return self.pull().await;
        }
        let until = due_next.map_or(deadline, |due_at| due_at.min(deadline));
        let settled = pin!(settled);
        let pause = select(settled, self.clock.sleep_until(until));
        if wants_lines {
            select(pin!(self.pull()), pause).await;
        } else {
            pause.await;
        }
    }

    async fn dead_letter(
        &self,
        delivery: &Delivery,
        reason: DeadLetterReason,
        description: &str,
    ) -> Result<Settled, PortError> {
        let ledger = self.ledger.as_ref().ok_or_else(|| {
            PortError::new(ErrorKind::Unsupported, SETTLE)
                .with_detail("no dead_letter_path is configured; name a file for dead letters")
        })?;
        let line: Line = {
            let state = self.shared.state();
            state
                .progress
                .held(&delivery.token)
                .cloned()
                .ok_or_else(|| lock_lost(delivery))?
        };
        let (body, body_base64) = body_fields(&line.body);
        let letter = DeadLetter {
            line: line.end.line,
            offset: line.start.offset,
            reason: reason.as_str(),
            description,
            sha256: Sha256::of(&line.body),
            input: line.end.input,
            truncated_from_bytes: line.is_truncated().then_some(line.bytes),
            body,
            body_base64,
        };
        let is_new = ledger.append(&letter).await?;
        self.finish(delivery).await?;
        Ok(if is_new {
            Settled::DeadLettered
        } else {
            Settled::AlreadyDeadLettered
        })
    }

    async fn finish(&self, delivery: &Delivery) -> Result<(), PortError> {
        let is_due = {
            let state = &mut *self.shared.state();
            if !state.progress.finish(&delivery.token) {
                return Err(lock_lost(delivery));
            }
            state.settled_since_saved = state.settled_since_saved.saturating_add(1);
            let is_due = state.settled_since_saved >= self.shared.checkpoint_every;
            if is_due {
                state.settled_since_saved = 0;
            }
            is_due
        };
        self.settled.notify_waiters();
        if is_due && self.shared.checkpoint.is_some() {
            let shared = Arc::clone(&self.shared);
            blocking::run(SETTLE, move || {
                shared.save().map_err(|error| error.port(SETTLE))
            })
            .await
            // The delivery is settled; without a checkpoint it merely comes again once.
            .unwrap_or_else(|error| tracing::warn!(%error, "a checkpoint was not written"));
        }
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the place up to which everything is settled. It is forgotten only once the reader
    /// of the source knows of the end: until then a restart must not begin anew.
    fn save(&self) -> Result<(), FileError> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(());
        };
        // Whoever comes last writes the latest place: it is looked up under the lock.
        let mut checkpoint = checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let (said_ended, watermark) = {
            let state = self.state();
            (state.said_ended, state.progress.watermark())
        };
        match watermark {
            _ if said_ended => checkpoint.clear(),
            Some(position) => checkpoint.save(position),
            None => Ok(()),
        }
    }
}

impl Drop for NdjsonSource {
    fn drop(&mut self) {
        if let Err(error) = self.shared.save() {
            tracing::warn!(%error, "a checkpoint was not written");
        }
    }
}

#[async_trait]
impl EventSource for NdjsonSource {
    fn capability(&self) -> EventSourceCapability {
        let mut capability = EventSourceCapability::log();
        capability.dead_letter = self.ledger.is_some();
        capability
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        if max == 0 {
            return Ok(Received::default());
        }
        let deadline = later(self.clock.now(), wait);
        let mut is_last = false;
        loop {
            // Listens before it looks, so that no settlement in between is missed.
            let mut settled = pin!(self.settled.notified());
            settled.as_mut().enable();
            match self.poll(max)? {
                Some(received) if received.ended => {
                    self.shared.state().said_ended = true;
                    let shared = Arc::clone(&self.shared);
                    let save = move || shared.save().map_err(|error| error.port(RECEIVE));
                    blocking::run(RECEIVE, save).await?;
                    return Ok(received);
                }
                Some(received) => return Ok(received),
                None if is_last => return Ok(Received::default()),
                None => self.wait(deadline, settled).await,
            }
            is_last = self.clock.now() >= deadline && !self.reads_file();
        }
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        match disposition {
            Disposition::Complete => {
                self.finish(delivery).await?;
                Ok(Settled::Completed)
            }
            Disposition::RetryAfter(delay) => {
                let due_at = later(self.clock.now(), delay);
                if !self
                    .shared
                    .state()
                    .progress
                    .give_back(&delivery.token, due_at)
                {
                    return Err(lock_lost(delivery));
                }
                self.settled.notify_waiters();
                Ok(Settled::Returned)
            }
            Disposition::DeadLetter {
                reason,
                description,
            } => self.dead_letter(delivery, reason, &description).await,
        }
    }

    async fn extend(&self, _delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        Err(
            PortError::new(ErrorKind::Unsupported, "event_source.extend")
                .with_detail("lines of a file have no locks to renew"),
        )
    }
}

impl NdjsonSource {
    /// True while the next lines are on disk and merely have to be read.
    fn reads_file(&self) -> bool {
        self.is_file
            && self
                .shared
                .state()
                .progress
                .wants_lines(self.unsettled_bytes_max)
    }
}

fn lock_lost(delivery: &Delivery) -> PortError {
    PortError::new(ErrorKind::LockLost, SETTLE)
        .with_detail(format!("the delivery of {} is not held", delivery.cursor))
}

fn later(now: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(delay)
        .ok()
        .and_then(|delay| now.checked_add_signed(delay))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
