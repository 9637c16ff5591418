//! Fixtures around the fakes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::id::{BlobName, SecretName};
use omnisync_core::port::{BlobStage, Clock, EventSource, IdSource, SecretSource, StateStore};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::{
    BlobStageFixture, ClockFixture, EventSourceFixture, IdSourceFixture, SecretSourceFixture,
    StateStoreFixture,
};
use omnisync_testkit::fake::{
    DeadLetter, MemoryBlobStage, MemoryBlobStageOptions, MemorySecrets, MemoryStateStore,
    MemoryStateStoreOptions, Message, QueueOptions, QueueSource,
};
use omnisync_testkit::ids::SeqIds;

/// Wraps the port of a fixture, to break it.
pub(crate) type Wrap<P> = fn(Arc<P>) -> Arc<P>;

pub(crate) struct Store {
    pub(crate) fake: MemoryStateStore,
    pub(crate) wrap: Box<dyn Fn(MemoryStateStore) -> Arc<dyn StateStore> + Send + Sync>,
    pub(crate) forgets: bool,
}

impl Store {
    pub(crate) fn new(options: MemoryStateStoreOptions) -> Self {
        let fake = MemoryStateStore::new(options);
        Self {
            fake,
            wrap: Box::new(|fake| Arc::new(fake)),
            forgets: false,
        }
    }
}

#[async_trait]
impl StateStoreFixture for Store {
    async fn store(&self) -> Arc<dyn StateStore> {
        (self.wrap)(self.fake.clone())
    }

    async fn reopen(&self) -> Option<Arc<dyn StateStore>> {
        if !self.fake.capability().durable {
            return None;
        }
        let fake = if self.forgets {
            MemoryStateStore::default()
        } else {
            self.fake.clone()
        };
        Some((self.wrap)(fake))
    }

    async fn settle(&self) {
        self.fake.catch_up();
    }
}

pub(crate) struct Stage {
    pub(crate) fake: MemoryBlobStage,
    pub(crate) wrap: Box<dyn Fn(MemoryBlobStage) -> Arc<dyn BlobStage> + Send + Sync>,
    pub(crate) forgets: bool,
}

impl Stage {
    pub(crate) fn new(options: MemoryBlobStageOptions) -> Self {
        let fake = MemoryBlobStage::new(options);
        Self {
            fake,
            wrap: Box::new(|fake| Arc::new(fake)),
            forgets: false,
        }
    }
}

#[async_trait]
impl BlobStageFixture for Stage {
    async fn stage(&self) -> Arc<dyn BlobStage> {
        (self.wrap)(self.fake.clone())
    }

    async fn reopen(&self) -> Option<Arc<dyn BlobStage>> {
        if !self.fake.capability().durable {
            return None;
        }
        let fake = if self.forgets {
            MemoryBlobStage::default()
        } else {
            self.fake.clone()
        };
        Some((self.wrap)(fake))
    }

    async fn alter(&self, name: &BlobName) {
        assert!(self.fake.alter(name));
    }
}

pub(crate) struct Queue {
    pub(crate) clock: ManualClock,
    pub(crate) fake: QueueSource,
    pub(crate) options: QueueOptions,
    pub(crate) wrap: Wrap<dyn EventSource>,
}

impl Queue {
    pub(crate) fn new(options: QueueOptions) -> Self {
        let clock = ManualClock::default().auto();
        let fake = QueueSource::new(Arc::new(clock.clone()), options.clone());
        Self {
            clock,
            fake,
            options,
            wrap: |source| source,
        }
    }
}

#[async_trait]
impl EventSourceFixture for Queue {
    async fn publish(&self, messages: Vec<Message>) {
        for message in messages {
            self.fake.publish(message);
        }
    }

    async fn source(&self) -> Arc<dyn EventSource> {
        (self.wrap)(Arc::new(self.fake.clone()))
    }

    async fn restart(&self) -> Arc<dyn EventSource> {
        self.source().await
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn lock(&self) -> Option<Duration> {
        Some(self.options.lock)
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.fake.dead_letters()
    }

    fn finite(&self) -> bool {
        self.options.finite
    }

    fn carries_headers(&self) -> bool {
        true
    }

    fn carries_any_bytes(&self) -> bool {
        true
    }
}

#[derive(Default)]
pub(crate) struct Time(pub(crate) ManualClock);

#[async_trait]
impl ClockFixture for Time {
    async fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.0.clone())
    }

    async fn pass(&self, by: Duration) {
        self.0.advance(by);
    }
}

#[derive(Debug)]
pub(crate) struct Ids(pub(crate) [u32; 2]);

#[async_trait]
impl IdSourceFixture for Ids {
    async fn sources(&self) -> [Arc<dyn IdSource>; 2] {
        self.0
            .map(|seed| Arc::new(SeqIds::new(seed)) as Arc<dyn IdSource>)
    }
}

pub(crate) struct Vault {
    clock: ManualClock,
    secrets: MemorySecrets,
    pub(crate) wrap: Wrap<dyn SecretSource>,
}

impl Default for Vault {
    fn default() -> Self {
        let clock = ManualClock::default();
        let secrets = MemorySecrets::new(Arc::new(clock.clone()));
        Self {
            clock,
            secrets,
            wrap: |source| source,
        }
    }
}

#[async_trait]
impl SecretSourceFixture for Vault {
    async fn source(&self) -> Arc<dyn SecretSource> {
        (self.wrap)(Arc::new(self.secrets.clone()))
    }

    async fn set(&self, name: &SecretName, value: &str, expires_at: Option<DateTime<Utc>>) {
        self.secrets.set_until(name, value, expires_at);
    }

    async fn remove(&self, name: &SecretName) {
        self.secrets.remove(name);
    }

    async fn disable(&self, name: &SecretName) {
        self.secrets.disable(name);
    }

    async fn deny(&self, name: &SecretName) {
        self.secrets.deny(name);
    }

    async fn set_down(&self, is_down: bool) {
        self.secrets.set_down(is_down);
    }

    async fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}
