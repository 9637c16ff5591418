use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_adapters_azure::service_bus::{ServiceBusRestConfig, ServiceBusSource};
use omnisync_core::port::{Clock as _, Delivery, Disposition, EventSource};
use omnisync_testkit::contract::EventSourceFixture;
use omnisync_testkit::fake::{DeadLetter, Message};
use omnisync_testkit::server::service_bus::{Entity, MessageState, NewMessage};

use super::support::{LOCK, World, run, take};

struct Amqp(World, Letters);

fn new_message(message: &Message) -> NewMessage {
    let new = NewMessage::new(&message.body);
    let headers = message.headers.iter();
    headers.fold(new, |new, (name, value)| match name.as_str() {
        "message-id" => new.with_message_id(value),
        _ => new.with_property(name, value),
    })
}

/// What an operator has taken out so far, through a source of ours.
#[derive(Default)]
struct Letters(Mutex<Vec<DeadLetter>>);

impl Letters {
    async fn take(&self, source: &impl EventSource, waiting: usize) -> Vec<DeadLetter> {
        let mut left = waiting;
        while left > 0 {
            for delivery in take(source, left).await {
                left -= 1;
                self.0.lock().unwrap().push(letter(&delivery));
                let done = source.settle(&delivery, Disposition::Complete).await;
                done.unwrap();
            }
        }
        self.0.lock().unwrap().clone()
    }
}

fn letter(delivery: &Delivery) -> DeadLetter {
    let headers = delivery.headers.iter();
    let message = headers.fold(Message::new(delivery.body.clone()), |message, header| {
        message.with_header(&header.0, &header.1)
    });
    let text = |name| delivery.header(name).unwrap_or_default().to_owned();
    DeadLetter {
        message,
        reason: text("dead-letter-reason"),
        description: text("dead-letter-description"),
    }
}

#[async_trait]
impl EventSourceFixture for Amqp {
    async fn publish(&self, messages: Vec<Message>) {
        for message in &messages {
            let sent = self.0.bus().send("orders", new_message(message));
            assert!(sent.unwrap());
        }
    }

    async fn source(&self) -> Arc<dyn EventSource> {
        Arc::new(self.0.source())
    }

    async fn restart(&self) -> Arc<dyn EventSource> {
        self.source().await
    }

    async fn pass(&self, by: Duration) {
        self.0.pass(by);
    }

    fn lock(&self) -> Option<Duration> {
        Some(LOCK)
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let dead = self.0.config().dead_letters();
        let dead = dead.build(self.0.parts()).unwrap();
        let waiting = self.0.bus().dead_letters("orders").len();
        self.1.take(&dead, waiting).await
    }

    fn finite(&self) -> bool {
        false
    }

    fn carries_headers(&self) -> bool {
        true
    }

    fn carries_any_bytes(&self) -> bool {
        true
    }
}

/// A subscription with the defaults: it holds locks.
struct Subscription {
    world: World,
    sources: Mutex<Vec<Weak<ServiceBusSource>>>,
    letters: Letters,
}

const ERP: &str = "orders/Subscriptions/erp";

impl Subscription {
    async fn new() -> Self {
        let topic = Entity::topic("orders", ["erp", "audit"]);
        Self {
            world: World::with([topic]).await,
            sources: Mutex::default(),
            letters: Letters::default(),
        }
    }

    /// Whether everything that is parked has more than half of its lock left.
    fn is_tended(&self) -> bool {
        let sources = self.sources.lock().unwrap();
        let sources = sources.iter().filter_map(Weak::upgrade);
        let parked: usize = sources.map(|source| source.parked()).sum();
        let half = self.world.clock.now() + LOCK / 2;
        let messages = self.world.bus().messages(ERP).into_iter();
        let fresh = messages
            .filter(|it| matches!(it.state, MessageState::Locked(Some(until)) if until > half));
        fresh.count() >= parked
    }
}

#[async_trait]
impl EventSourceFixture for Subscription {
    async fn publish(&self, messages: Vec<Message>) {
        for message in &messages {
            let sent = self.world.bus().send("orders", new_message(message));
            assert!(sent.unwrap());
        }
    }

    async fn source(&self) -> Arc<dyn EventSource> {
        let config = self.world.config().with_subscription("erp");
        let source = Arc::new(config.build(self.world.parts()).unwrap());
        self.sources.lock().unwrap().push(Arc::downgrade(&source));
        source
    }

    async fn restart(&self) -> Arc<dyn EventSource> {
        self.source().await
    }

    /// In steps, so that the source has the time that it would have.
    async fn pass(&self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let step = left.min(LOCK / 3);
            left -= step;
            self.world.pass(step);
            let tended = async {
                while !self.is_tended() {
                    tokio::task::yield_now().await;
                }
            };
            let tended = tokio::time::timeout(Duration::from_secs(20), tended).await;
            assert!(tended.is_ok(), "what is parked is tended without a receive");
        }
    }

    fn lock(&self) -> Option<Duration> {
        Some(LOCK)
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let dead = self.world.config().with_subscription("erp").dead_letters();
        let dead = dead.build(self.world.parts()).unwrap();
        let waiting = self.world.bus().dead_letters(ERP).len();
        self.letters.take(&dead, waiting).await
    }

    fn finite(&self) -> bool {
        false
    }

    fn carries_headers(&self) -> bool {
        true
    }

    fn carries_any_bytes(&self) -> bool {
        true
    }
}

/// By HTTPS, with a queue for dead letters or without one.
struct Rest {
    world: World,
    quarantine: Option<&'static str>,
    letters: Letters,
}

impl Rest {
    async fn new(quarantine: Option<&'static str>) -> Self {
        let entities = [Entity::queue("orders"), Entity::queue("poison")];
        Self {
            world: World::with(entities).await,
            quarantine,
            letters: Letters::default(),
        }
    }
}

#[async_trait]
impl EventSourceFixture for Rest {
    async fn publish(&self, messages: Vec<Message>) {
        for message in &messages {
            let sent = self.world.bus().send("orders", new_message(message));
            assert!(sent.unwrap());
        }
    }

    async fn source(&self) -> Arc<dyn EventSource> {
        let mut config = self.world.rest_config();
        config.quarantine = self.quarantine.map(str::to_owned);
        Arc::new(self.world.rest(config))
    }

    async fn restart(&self) -> Arc<dyn EventSource> {
        self.source().await
    }

    async fn pass(&self, by: Duration) {
        // A schedule is to the second by HTTPS: a copy may come so much later.
        self.world.pass(by + Duration::from_secs(1));
    }

    fn lock(&self) -> Option<Duration> {
        Some(LOCK)
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let poison = ServiceBusRestConfig {
            entity: "poison".to_owned(),
            ..self.world.rest_config()
        };
        let waiting = self.world.bus().messages("poison").len();
        self.letters.take(&self.world.rest(poison), waiting).await
    }

    fn finite(&self) -> bool {
        false
    }

    fn carries_headers(&self) -> bool {
        true
    }

    fn carries_any_bytes(&self) -> bool {
        true
    }
}

mod amqp {
    use super::{Amqp, Letters, World, run};

    omnisync_testkit::event_source_contract!(
        fixture = Amqp(World::new().await, Letters::default()),
        run = run
    );
}

mod subscription {
    use super::{Subscription, run};

    omnisync_testkit::event_source_contract!(fixture = Subscription::new().await, run = run);
}

mod rest {
    use super::{Rest, run};

    omnisync_testkit::event_source_contract!(fixture = Rest::new(Some("poison")).await, run = run);
}

mod rest_without_quarantine {
    use super::{Rest, run};

    omnisync_testkit::event_source_contract!(fixture = Rest::new(None).await, run = run);
}
