use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use omnisync_core::event::CloudEvent;
use omnisync_core::{ErrorKind, PortError};

use super::client::{GridClient, Sent};
use super::config::EventGridConfig;
use super::wire;

/// Events that are refused one after the other before another one is asked whether it is the topic
/// that refuses everything.
const MALFORMED_IN_A_ROW_MAX: usize = 8;

/// Publishes events to a custom topic or domain.
///
/// [`EventGridConfig::build`] makes one. A request that gets no answer is sent again with the same
/// bytes, so an event can arrive twice: receivers know it by its source and id.
#[derive(Debug)]
pub struct EventGridPublisher {
    client: GridClient,
    event_bytes_max: usize,
    batch_bytes_max: usize,
    batch_events_max: usize,
    /// The topic has taken something from here: its schema is the right one.
    has_taken: AtomicBool,
}

/// What became of events that were to be published.
#[derive(Debug)]
#[must_use = "events that are not published are named nowhere else"]
pub struct PublishOutcome {
    /// What became of each event, in the order of the events.
    pub events: Vec<Published>,
    /// What kept the rest from being published. [`Published::NotPublished`] comes from it, and
    /// [`Published::Unknown`] unless an event was refused only after an attempt without an answer.
    pub error: Option<PortError>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The topic has it.
    Published,
    /// It can never be published as it is.
    Refused(PublishRefusal),
    /// The topic does not have it. Publish it again.
    NotPublished,
    /// The topic may have it. Publish it again as it is.
    Unknown,
}

/// Why an event cannot be published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishRefusal {
    /// In JSON it has more bytes than `event_bytes_max` or a request may have.
    LargerThan {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// The topic finds it too large.
    TooLarge,
    /// The topic does not take it.
    Malformed {
        /// The code that the topic gives.
        code: Option<String>,
    },
}

impl PublishOutcome {
    /// True when the topic has every event.
    pub fn is_complete(&self) -> bool {
        self.events
            .iter()
            .all(|event| *event == Published::Published)
    }

    /// Positions of events that are to be published again.
    pub fn again(&self) -> impl Iterator<Item = usize> {
        self.positions(|event| matches!(event, Published::NotPublished | Published::Unknown))
    }

    /// Positions of events that can never be published as they are.
    pub fn refused(&self) -> impl Iterator<Item = usize> {
        self.positions(|event| matches!(event, Published::Refused(_)))
    }

    fn positions(&self, wanted: fn(&Published) -> bool) -> impl Iterator<Item = usize> {
        let events = self.events.iter().enumerate();
        events.filter_map(move |(index, event)| wanted(event).then_some(index))
    }
}

/// Requests to make, and what the ones before have shown.
struct Run<'a> {
    texts: Vec<&'a str>,
    fates: Vec<Published>,
    waiting: VecDeque<Vec<usize>>,
    /// Events that had an attempt without an answer: the topic may have them.
    open: Vec<bool>,
    /// Events that were refused as malformed before one was taken.
    malformed: Vec<usize>,
    has_taken: bool,
}

impl EventGridPublisher {
    pub(super) fn new(client: GridClient, config: &EventGridConfig) -> Self {
        Self {
            client,
            event_bytes_max: config.event_bytes_max,
            batch_bytes_max: config.batch_bytes_max,
            batch_events_max: config.batch_events_max,
            has_taken: AtomicBool::new(false),
        }
    }

    /// Publishes events in as few requests as the limits allow, one after the other.
    ///
    /// An event that is too large or malformed is refused alone: what it travelled with is sent
    /// without it. The first failure that concerns the topic as a whole ends the run. As long as the
    /// topic has never taken anything, what it calls malformed may be the fault of the topic: such
    /// events are [`Published::NotPublished`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the events of the request on its way unknown.
    pub async fn publish(&self, events: &[CloudEvent]) -> PublishOutcome {
        let texts: Vec<String> = events.iter().map(CloudEvent::to_json).collect();
        let mut run = self.plan(&texts);
        let mut error = self.work(&mut run).await;
        if !run.malformed.is_empty() && !self.has_taken.load(Ordering::Relaxed) {
            let blame = run.blame_topic();
            error.get_or_insert(blame);
        }
        PublishOutcome {
            events: run.fates,
            error,
        }
    }

    fn plan<'a>(&self, texts: &'a [String]) -> Run<'a> {
        let bytes_max = self
            .event_bytes_max
            .min(self.batch_bytes_max.saturating_sub(wire::BRACKETS));
        let mut fates = Vec::with_capacity(texts.len());
        let mut sizes = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            if text.len() > bytes_max {
                let refusal = PublishRefusal::LargerThan { bytes_max };
                fates.push(Published::Refused(refusal));
            } else {
                fates.push(Published::NotPublished);
                sizes.push((index, text.len()));
            }
        }
        let batches = wire::plan(&sizes, self.batch_bytes_max, self.batch_events_max);
        Run {
            texts: texts.iter().map(String::as_str).collect(),
            fates,
            waiting: batches.into(),
            open: vec![false; texts.len()],
            malformed: Vec::new(),
            has_taken: false,
        }
    }

    /// Makes requests until none is left, or until one fails for a reason that the next would
    /// meet too.
    async fn work(&self, run: &mut Run<'_>) -> Option<PortError> {
        while let Some((batch, is_probe)) = run.next() {
            match self.client.send(run.body(&batch)).await {
                Sent::Taken => {
                    run.has_taken = true;
                    self.has_taken.store(true, Ordering::Relaxed);
                    run.settle(&batch, &Published::Published);
                }
                Sent::TooLarge { is_open } => {
                    run.mark_open(&batch, is_open);
                    run.split(&batch, PublishRefusal::TooLarge);
                }
                Sent::Malformed { code, is_open } => {
                    run.mark_open(&batch, is_open);
                    if batch.len() == 1 {
                        run.malformed.extend(&batch);
                    }
                    run.split(&batch, PublishRefusal::Malformed { code });
                    if is_probe {
                        return Some(run.blame_topic());
                    }
                }
                Sent::Failed { error, is_open } => {
                    run.mark_open(&batch, is_open);
                    return Some(error);
                }
            }
        }
        None
    }
}

impl Run<'_> {
    /// The next request. After too many refusals in a row it is one event from the far end, which
    /// tells whether the topic refuses everything.
    fn next(&mut self) -> Option<(Vec<usize>, bool)> {
        if self.has_taken || self.malformed.len() < MALFORMED_IN_A_ROW_MAX {
            return self.waiting.pop_front().map(|batch| (batch, false));
        }
        let mut last = self.waiting.pop_back()?;
        let probe = last.pop()?;
        if !last.is_empty() {
            self.waiting.push_back(last);
        }
        Some((vec![probe], true))
    }

    /// It is not the events that are malformed, then.
    fn blame_topic(&mut self) -> PortError {
        let suspects = std::mem::take(&mut self.malformed);
        self.settle(&suspects, &Published::NotPublished);
        PortError::new(ErrorKind::Misconfigured, "event_grid.publish").with_detail(
            "the topic has taken nothing and calls every event malformed: check that its input \
             schema is CloudEvents 1.0, then the events",
        )
    }

    /// From now on nothing says that the topic does not have these.
    fn mark_open(&mut self, batch: &[usize], is_open: bool) {
        if !is_open {
            return;
        }
        for index in batch {
            if let Some(slot) = self.open.get_mut(*index) {
                *slot = true;
            }
        }
        self.settle(batch, &Published::Unknown);
    }

    fn body(&self, batch: &[usize]) -> bytes::Bytes {
        let texts: Vec<&str> = batch
            .iter()
            .filter_map(|index| self.texts.get(*index).copied())
            .collect();
        wire::batch(&texts)
    }

    fn settle(&mut self, batch: &[usize], fate: &Published) {
        for index in batch {
            let is_open = self.open.get(*index).copied().unwrap_or_default();
            if let Some(slot) = self.fates.get_mut(*index) {
                *slot = match fate {
                    Published::Published => Published::Published,
                    _ if is_open => Published::Unknown,
                    other => other.clone(),
                };
            }
        }
    }

    /// Halves a batch to find what is wrong with it; an event alone is found.
    fn split(&mut self, batch: &[usize], refusal: PublishRefusal) {
        if batch.len() <= 1 {
            self.settle(batch, &Published::Refused(refusal));
            return;
        }
        let (first, second) = batch.split_at(batch.len() / 2);
        self.waiting.push_front(second.to_vec());
        self.waiting.push_front(first.to_vec());
    }
}
