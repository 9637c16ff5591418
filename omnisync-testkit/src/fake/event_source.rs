use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::select;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    Clock, DeadLetterReason, Delivery, DeliveryToken, Disposition, EventSource,
    EventSourceCapability, Received, Settled,
};

use super::{DeadLetter, Message};
use crate::clock::later;
use crate::rng::SplitMix64;

/// How a [`QueueSource`] behaves.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// How long a delivery is held. Default 60 seconds.
    pub lock: Duration,
    /// Report `ended` once nothing is left. Default `false`.
    pub finite: bool,
    /// The queue itself sets a message aside after this many deliveries. Default none.
    pub attempts_max: Option<u32>,
    /// Every message with a sequence number divisible by this is published twice. Default none.
    pub duplicate_every: Option<u64>,
    /// Hand messages out in an order drawn from this seed. Default: in order.
    pub shuffle_seed: Option<u64>,
    /// A message whose `message-id` was published within this time is dropped. Default: none is.
    pub duplicate_window: Option<Duration>,
    /// `RetryAfter` sends a copy for later, under another number, and completes the message, as a
    /// source does whose queue knows no delay for what was delivered. Default `false`.
    pub returns_by_copy: bool,
    /// Every return divisible by this breaks off between its copy and the completion: both come,
    /// and the call fails.
    /// Default none.
    pub broken_return_every: Option<u64>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(60),
            finite: false,
            attempts_max: None,
            duplicate_every: None,
            shuffle_seed: None,
            duplicate_window: None,
            returns_by_copy: false,
            broken_return_every: None,
        }
    }
}

/// A queue with peek-lock, attempts, delayed redelivery and a dead-letter queue. Clones share
/// the messages; a delivery that a dead worker held comes again when its lock has run out.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use omnisync_core::port::EventSource;
/// use omnisync_testkit::clock::ManualClock;
/// use omnisync_testkit::fake::{Message, QueueOptions, QueueSource};
///
/// let queue = QueueSource::new(Arc::new(ManualClock::default()), QueueOptions::default());
/// queue.publish(Message::new("{}"));
/// let received = futures::executor::block_on(queue.receive(10, Duration::ZERO)).unwrap();
/// assert_eq!(received.deliveries.len(), 1);
/// assert_eq!(received.deliveries[0].attempt, 1);
/// ```
#[derive(Debug, Clone)]
pub struct QueueSource {
    clock: Arc<dyn Clock>,
    options: Arc<QueueOptions>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    messages: BTreeMap<u64, Queued>,
    published: u64,
    returns: u64,
    /// Since when the identifiers of messages are known.
    seen: BTreeMap<String, DateTime<Utc>>,
    dead_letters: Vec<DeadLetter>,
    shuffle: Option<SplitMix64>,
    changes: u64,
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Queued {
    message: Message,
    attempts: u32,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    /// Nobody holds it; it may be handed out from this instant on.
    FreeFrom(DateTime<Utc>),
    /// The delivery of this attempt holds it until this instant.
    Until(DateTime<Utc>),
}

impl Hold {
    const fn instant(&self) -> DateTime<Utc> {
        match self {
            Self::FreeFrom(instant) | Self::Until(instant) => *instant,
        }
    }
}

impl QueueSource {
    /// An empty queue that lives by `clock`.
    pub fn new(clock: Arc<dyn Clock>, options: QueueOptions) -> Self {
        let shuffle = options.shuffle_seed.map(SplitMix64::new);
        let inner = Inner {
            shuffle,
            ..Inner::default()
        };
        Self {
            clock,
            options: Arc::new(options),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Adds a message and wakes whoever waits for one.
    pub fn publish(&self, message: Message) {
        let now = self.clock.now();
        let mut inner = self.locked();
        if let Some(window) = self.options.duplicate_window
            && inner.is_known(&message, now, window)
        {
            return;
        }
        let sequence = inner.published + 1;
        let twice = self
            .options
            .duplicate_every
            .is_some_and(|every| every > 0 && sequence.is_multiple_of(every));
        if twice {
            inner.enqueue(message.clone(), now);
        }
        inner.enqueue(message, now);
        inner.changed();
    }

    /// What was set aside, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.locked().dead_letters.clone()
    }

    /// How many messages are not settled: free, held or delayed.
    pub fn unsettled(&self) -> usize {
        self.locked().messages.len()
    }

    /// Takes every lock away, as a broker that fails over does.
    pub fn lose_locks(&self) {
        let now = self.clock.now();
        let mut inner = self.locked();
        for queued in inner.messages.values_mut() {
            if matches!(queued.hold, Hold::Until(_)) {
                queued.hold = Hold::FreeFrom(now);
            }
        }
        inner.changed();
    }

    fn take(&self, max: usize) -> Taken {
        let now = self.clock.now();
        let mut inner = self.locked();
        inner.bury_exhausted(now, self.options.attempts_max);
        let free = inner
            .messages
            .iter()
            .filter(|(_, queued)| queued.hold.instant() <= now);
        let mut sequences: Vec<u64> = free.map(|(sequence, _)| *sequence).collect();
        if let Some(rng) = &mut inner.shuffle {
            sequences.sort_by_cached_key(|_| rng.next_u64());
        }
        sequences.truncate(max);
        let until = later(now, self.options.lock);
        let deliveries = sequences
            .iter()
            .filter_map(|at| inner.deliver(*at, until))
            .collect();
        let next = inner
            .messages
            .values()
            .map(|queued| queued.hold.instant())
            .min();
        let ended = self.options.finite && inner.messages.is_empty();
        Taken {
            received: Received { deliveries, ended },
            next,
            changes: inner.changes,
        }
    }

    /// Waits until something is published or returned.
    async fn change_after(&self, changes: u64) {
        poll_fn(|cx| {
            let mut inner = self.locked();
            if inner.changes != changes {
                return Poll::Ready(());
            }
            inner.waiting.retain(|waker| !waker.will_wake(cx.waker()));
            inner.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Taken {
    received: Received,
    /// When the next message that is held or delayed comes free.
    next: Option<DateTime<Utc>>,
    changes: u64,
}

#[async_trait]
impl EventSource for QueueSource {
    fn capability(&self) -> EventSourceCapability {
        EventSourceCapability::queue()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        let deadline = later(self.clock.now(), wait);
        loop {
            let taken = self.take(max);
            let received = taken.received;
            let over = self.clock.now() >= deadline;
            if !received.deliveries.is_empty() || received.ended || max == 0 || over {
                return Ok(received);
            }
            let until = taken.next.map_or(deadline, |next| next.min(deadline));
            select(
                self.clock.sleep_until(until),
                Box::pin(self.change_after(taken.changes)),
            )
            .await;
        }
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        let now = self.clock.now();
        let mut inner = self.locked();
        let sequence = inner.held("event_source.settle", delivery, now)?;
        match disposition {
            Disposition::Complete => {
                inner.messages.remove(&sequence);
                inner.changed();
                Ok(Settled::Completed)
            }
            Disposition::RetryAfter(delay) => {
                let from = later(now, delay);
                if self.options.returns_by_copy {
                    let whole = inner.copy(sequence, from, self.options.broken_return_every);
                    inner.changed();
                    return if whole {
                        Ok(Settled::Returned)
                    } else {
                        Err(
                            PortError::new(ErrorKind::Unavailable, "event_source.settle")
                                .with_detail("a copy was sent, the message was not completed"),
                        )
                    };
                } else if let Some(queued) = inner.messages.get_mut(&sequence) {
                    queued.hold = Hold::FreeFrom(from);
                }
                inner.changed();
                Ok(Settled::Returned)
            }
            Disposition::DeadLetter {
                reason,
                description,
            } => {
                inner.bury(sequence, reason, description);
                inner.changed();
                Ok(Settled::DeadLettered)
            }
        }
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        let now = self.clock.now();
        let mut inner = self.locked();
        let sequence = inner.held("event_source.extend", delivery, now)?;
        let until = later(now, self.options.lock);
        if let Some(queued) = inner.messages.get_mut(&sequence) {
            queued.hold = Hold::Until(until);
        }
        Ok(until)
    }
}

impl Inner {
    fn enqueue(&mut self, message: Message, now: DateTime<Utc>) {
        self.published += 1;
        let queued = Queued {
            message,
            attempts: 0,
            hold: Hold::FreeFrom(now),
        };
        self.messages.insert(self.published, queued);
    }

    /// Whether a message with this identifier was published within `window`; notes that it is now.
    fn is_known(&mut self, message: &Message, now: DateTime<Utc>, window: Duration) -> bool {
        let id = message
            .headers
            .iter()
            .find(|(name, _)| name == "message-id");
        let Some((_, id)) = id else { return false };
        self.seen.retain(|_, since| later(*since, window) > now);
        if self.seen.contains_key(id) {
            return true;
        }
        self.seen.insert(id.clone(), now);
        false
    }

    /// Puts a copy for later into the place of a message. A return that breaks off, which this
    /// says, leaves both.
    fn copy(&mut self, sequence: u64, from: DateTime<Utc>, broken_every: Option<u64>) -> bool {
        self.returns += 1;
        let breaks = broken_every.is_some_and(|every| self.returns.is_multiple_of(every));
        let Some(queued) = self.messages.get(&sequence) else {
            return false;
        };
        let copy = Queued {
            message: queued.message.clone(),
            attempts: queued.attempts,
            hold: Hold::FreeFrom(from),
        };
        self.published += 1;
        self.messages.insert(self.published, copy);
        if !breaks {
            self.messages.remove(&sequence);
        }
        !breaks
    }

    fn deliver(&mut self, sequence: u64, until: DateTime<Utc>) -> Option<Delivery> {
        let queued = self.messages.get_mut(&sequence)?;
        queued.attempts += 1;
        queued.hold = Hold::Until(until);
        Some(Delivery {
            token: token(sequence, queued.attempts),
            attempt: queued.attempts,
            cursor: sequence.to_string(),
            headers: queued.message.headers.clone(),
            body: queued.message.body.clone(),
        })
    }

    /// The sequence number of a delivery whose lock holds.
    fn held(
        &self,
        operation: &'static str,
        delivery: &Delivery,
        now: DateTime<Utc>,
    ) -> Result<u64, PortError> {
        let lost = || {
            PortError::new(ErrorKind::LockLost, operation)
                .with_detail(format!("message {}", delivery.cursor))
        };
        let (sequence, _) = delivery.token.0.split_once('.').ok_or_else(lost)?;
        let sequence = sequence.parse().map_err(|_| lost())?;
        let queued = self.messages.get(&sequence).ok_or_else(lost)?;
        let same = token(sequence, queued.attempts) == delivery.token;
        let holds = matches!(queued.hold, Hold::Until(until) if now < until);
        if same && holds {
            Ok(sequence)
        } else {
            Err(lost())
        }
    }

    fn bury(&mut self, sequence: u64, reason: DeadLetterReason, description: String) {
        if let Some(queued) = self.messages.remove(&sequence) {
            let reason = reason.as_str().to_owned();
            self.dead_letters.push(DeadLetter {
                message: queued.message,
                reason,
                description,
            });
        }
    }

    fn bury_exhausted(&mut self, now: DateTime<Utc>, attempts_max: Option<u32>) {
        let Some(attempts_max) = attempts_max else {
            return;
        };
        let exhausted: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, queued)| queued.attempts >= attempts_max && queued.hold.instant() <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in exhausted {
            let description = format!("delivered {attempts_max} times without settlement");
            self.bury(sequence, DeadLetterReason::AttemptsExhausted, description);
        }
    }

    fn changed(&mut self) {
        self.changes += 1;
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

fn token(sequence: u64, attempt: u32) -> DeliveryToken {
    DeliveryToken(format!("{sequence}.{attempt}"))
}
