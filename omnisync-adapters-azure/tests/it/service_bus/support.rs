use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_adapters_azure::service_bus::{
    ServiceBusConfig, ServiceBusParts, ServiceBusRestConfig, ServiceBusRestSource,
    ServiceBusSender, ServiceBusSource, TlsDial,
};
use omnisync_core::port::{Clock, DeadLetterReason, Delivery, Disposition, EventSource};
use omnisync_http::{Client, ReqwestConfig, Transport};
use omnisync_testkit::ids::SeqIds;
use omnisync_testkit::server::service_bus::{
    Entity, Manners, ServiceBus, ServiceBusOptions, ServiceBusServer,
};
use tokio::sync::Notify;

/// Real time, plus what a test adds: sockets need the one, locks the other.
#[derive(Clone)]
pub(crate) struct ShiftedClock {
    start: tokio::time::Instant,
    shift: Arc<Mutex<Duration>>,
    shifted: Arc<Notify>,
}

impl ShiftedClock {
    pub(crate) fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
            shift: Arc::default(),
            shifted: Arc::default(),
        }
    }

    pub(crate) fn pass(&self, by: Duration) {
        *self.shift.lock().unwrap() += by;
        self.shifted.notify_waiters();
    }
}

impl fmt::Debug for ShiftedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShiftedClock").field(&self.now()).finish()
    }
}

#[async_trait]
impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        let passed = self.start.elapsed() + *self.shift.lock().unwrap();
        DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::from_std(passed).unwrap()
    }

    async fn sleep_until(&self, instant: DateTime<Utc>) {
        loop {
            let shifted = self.shifted.notified();
            let Ok(left) = (instant - self.now()).to_std() else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = shifted => {}
            }
        }
    }
}

/// A broker and a clock that both ends live by.
pub(crate) struct World {
    pub(crate) clock: ShiftedClock,
    pub(crate) server: ServiceBusServer,
}

pub(crate) const LOCK: Duration = Duration::from_secs(30);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl World {
    pub(crate) async fn new() -> Self {
        Self::with([Entity::queue("orders")]).await
    }

    pub(crate) async fn with(entities: impl IntoIterator<Item = Entity>) -> Self {
        Self::with_options(|options| options.with_entities(entities).with_checked_tokens()).await
    }

    pub(crate) async fn with_options(
        change: impl FnOnce(ServiceBusOptions) -> ServiceBusOptions,
    ) -> Self {
        let clock = ShiftedClock::new();
        let options = change(ServiceBusOptions::new(Arc::new(clock.clone())));
        let server = ServiceBusServer::start(options).await.unwrap();
        Self { clock, server }
    }

    pub(crate) fn bus(&self) -> &ServiceBus {
        self.server.service_bus()
    }

    pub(crate) fn config(&self) -> ServiceBusConfig {
        ServiceBusConfig::from_connection_string(&self.server.connection_string(), Some("orders"))
            .unwrap()
            .with_operation_timeout_ms(3_000)
    }

    pub(crate) fn parts(&self) -> ServiceBusParts {
        let dial = Arc::new(TlsDial::new().unwrap());
        ServiceBusParts::new(dial, Arc::new(self.clock.clone()), Arc::new(SeqIds::new(7)))
    }

    /// Of a host whose clock goes wrong.
    pub(crate) fn clock_ahead(&self, by: Duration) -> ShiftedClock {
        ShiftedClock {
            start: self.clock.start,
            shift: Arc::new(Mutex::new(by)),
            shifted: Arc::default(),
        }
    }

    pub(crate) fn ahead(&self, by: Duration) -> ServiceBusParts {
        let clock = Arc::new(self.clock_ahead(by));
        let dial = Arc::new(TlsDial::new().unwrap());
        ServiceBusParts::new(dial, clock, Arc::new(SeqIds::new(7)))
    }

    pub(crate) fn source(&self) -> ServiceBusSource {
        self.config().build(self.parts()).unwrap()
    }

    pub(crate) fn sender(&self) -> ServiceBusSender {
        self.config().build_sender(self.parts()).unwrap()
    }

    pub(crate) fn rest_config(&self) -> ServiceBusRestConfig {
        let access = self.config();
        let name = access.key_name.unwrap();
        let config = ServiceBusRestConfig::new(self.server.rest_endpoint(), "orders");
        config.with_key(name, access.key.unwrap())
    }

    pub(crate) fn rest(&self, config: ServiceBusRestConfig) -> ServiceBusRestSource {
        self.rest_over(config, Arc::new(ReqwestConfig::default().open().unwrap()))
    }

    pub(crate) fn rest_over(
        &self,
        config: ServiceBusRestConfig,
        transport: Arc<dyn Transport>,
    ) -> ServiceBusRestSource {
        Self::rest_by(config, transport, Arc::new(self.clock.clone()))
    }

    pub(crate) fn rest_by(
        config: ServiceBusRestConfig,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> ServiceBusRestSource {
        let ids = Arc::new(SeqIds::new(9));
        let client = Client::builder(transport, Arc::clone(&clock), ids);
        config.build(client.build().unwrap(), clock).unwrap()
    }

    pub(crate) fn pass(&self, by: Duration) {
        self.clock.pass(by);
        self.bus().tick();
    }
}

/// A queue that detects duplicates, or not.
pub(crate) fn queue(name: &str, change: impl FnOnce(&mut Manners)) -> Entity {
    Entity::queue(name).with(change)
}

pub(crate) fn dead_letter(description: &str) -> Disposition {
    Disposition::DeadLetter {
        reason: DeadLetterReason::ValidationFailure,
        description: description.to_owned(),
    }
}

/// The only delivery that comes.
pub(crate) async fn one(source: &impl EventSource) -> Delivery {
    let mut all = take(source, 10).await;
    assert_eq!(all.len(), 1, "one delivery comes");
    all.remove(0)
}

pub(crate) async fn take(source: &impl EventSource, max: usize) -> Vec<Delivery> {
    let wait = Duration::from_millis(300);
    source.receive(max, wait).await.unwrap().deliveries
}

/// Runs a test with sockets.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}
