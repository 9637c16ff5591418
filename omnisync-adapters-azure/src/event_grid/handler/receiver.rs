use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use omnisync_core::PortError;
use omnisync_core::event::{CloudEvent, EventError};
use serde_json::{Map, Value};

/// Takes the events of deliveries: into the store, into a queue, to a test.
///
/// [`IngestReceiver`](super::IngestReceiver) is the one for the order pipeline.
///
/// # Contract
/// 1. There is one answer for each event, in the order of the events.
/// 2. [`TakenStatus::Kept`] means that the event, or what is known of it, outlives a crash: Event
///    Grid forgets it.
/// 3. The same event may come again at any time, also at the same time.
/// 4. What can never be taken is [`TakenStatus::Refused`], or kept as evidence.
///
/// # Cancel safety
/// The server drops the future when the sender hangs up: the events come again.
#[async_trait]
pub trait DeliveryReceiver: fmt::Debug + Send + Sync + 'static {
    /// Takes the events of one delivery.
    async fn receive(&self, pushed: Pushed) -> Vec<Taken>;
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: DeliveryReceiver + ?Sized> DeliveryReceiver for Arc<T> {
    async fn receive(&self, pushed: Pushed) -> Vec<Taken> {
        (**self).receive(pushed).await
    }
}

/// The events of one delivery, and what Event Grid says about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pushed {
    /// The events, in their order.
    pub events: Vec<PushedEvent>,
    /// Name of the subscription (`aeg-subscription-name`).
    pub subscription: Option<String>,
    /// How often the delivery was tried before (`aeg-delivery-count`).
    pub delivery_count: Option<u32>,
}

/// An event of a delivery.
#[derive(Clone)]
pub struct PushedEvent {
    /// The event, or why it is none.
    pub event: Result<CloudEvent, EventError>,
    pub(super) raw: Option<Bytes>,
}

impl PushedEvent {
    /// The bytes to keep of an event that can never be taken: as it came where it is no event (in
    /// binary mode without its headers), else in JSON.
    pub fn evidence(&self) -> Bytes {
        match (&self.event, &self.raw) {
            (_, Some(raw)) => raw.clone(),
            (Ok(event), None) => event.to_json().into(),
            (Err(_), None) => Bytes::new(),
        }
    }
}

impl fmt::Debug for PushedEvent {
    /// Leaves data out: it is personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushedEvent")
            .field("event", &self.event)
            .field("raw_bytes", &self.raw.as_ref().map(Bytes::len))
            .finish()
    }
}

/// What became of an event, and what the sender is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub(super) status: TakenStatus,
    pub(super) retry_after: Option<Duration>,
    pub(super) told: Map<String, Value>,
}

/// What an event means for its delivery. The worst of a batch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TakenStatus {
    /// It is safe here: 200.
    Kept,
    /// It can never be taken and is not kept here: 400, and the batch goes to the dead letters of
    /// the subscription.
    Refused,
    /// It is larger than can be kept: 413, with the same consequence.
    TooLarge,
    /// It is not safe now: 503, and the batch comes again.
    Again,
}

impl Taken {
    /// It is safe; `verdict` says how, in a word.
    pub fn kept(verdict: impl Into<String>) -> Self {
        Self::of(TakenStatus::Kept).with("verdict", verdict.into())
    }

    /// It can never be taken, and is kept as evidence.
    pub fn set_aside(problem: &str, detail: &str) -> Self {
        Self::of(TakenStatus::Kept)
            .with("problem", problem)
            .with("detail", detail)
            .with("setAside", true)
    }

    /// It can never be taken. `problem` is a word, `detail` for people; neither quotes the event.
    pub fn refused(problem: &str, detail: &str) -> Self {
        Self::of(TakenStatus::Refused)
            .with("problem", problem)
            .with("detail", detail)
    }

    /// It is larger than can be kept.
    pub fn too_large(problem: &str) -> Self {
        Self::of(TakenStatus::TooLarge).with("problem", problem)
    }

    /// It could not be kept, for a reason that passes or that somebody here has to repair.
    pub fn again(error: &PortError) -> Self {
        let mut taken = Self::of(TakenStatus::Again).with("problem", error.kind().to_string());
        taken.retry_after = error.retry_after();
        taken
    }

    /// Tells something more about it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.told.insert(name.to_owned(), value.into());
        self
    }

    /// What it means for the delivery.
    pub const fn status(&self) -> TakenStatus {
        self.status
    }

    fn of(status: TakenStatus) -> Self {
        Self {
            status,
            retry_after: None,
            told: Map::new(),
        }
    }
}
