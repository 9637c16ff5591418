//! Our Service Bus client and `@azure/service-bus` at the same broker: what the one sends the other
//! receives, and what the one sets aside the other finds.

mod tls;

use std::sync::Arc;
use std::time::Duration;

use omnisync_adapters_azure::service_bus::{
    OutgoingMessage, ServiceBusConfig, ServiceBusParts, ServiceBusSource, TlsDial,
};
use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_conformance::node;
use omnisync_core::event::decode_http;
use omnisync_core::port::{DeadLetterReason, Delivery, Disposition, EventSource as _, Settled};
use omnisync_testkit::server::service_bus::{Entity, ServiceBusOptions, ServiceBusServer};

/// A broker at which both meet.
struct Place(ServiceBusServer);

impl Place {
    async fn new() -> Self {
        let options = ServiceBusOptions::new(Arc::new(SystemClock))
            .with_entities([
                Entity::queue("orders"),
                Entity::queue("sessions").with(|it| it.sessions = true),
            ])
            .with_checked_tokens();
        Self(ServiceBusServer::start(options).await.unwrap())
    }

    fn config(&self) -> ServiceBusConfig {
        self.config_of("orders")
    }

    fn config_of(&self, entity: &str) -> ServiceBusConfig {
        let text = self.0.connection_string();
        ServiceBusConfig::from_connection_string(&text, Some(entity)).unwrap()
    }

    fn parts() -> ServiceBusParts {
        let dial = Arc::new(TlsDial::new().unwrap());
        ServiceBusParts::new(dial, Arc::new(SystemClock), Arc::new(SystemIds))
    }

    fn source(&self) -> ServiceBusSource {
        self.config().build(Self::parts()).unwrap()
    }

    async fn send(&self, messages: Vec<OutgoingMessage>) {
        let sender = self.config().build_sender(Self::parts()).unwrap();
        sender.send_batch(messages).await.unwrap();
    }

    /// Lets the other client do its part.
    async fn official(&self, check: &str) {
        let mut script = node::script("service_bus_exchange.mjs").unwrap();
        script.arg(check).arg(self.0.connection_string());
        node::answer(script).await.unwrap();
    }
}

async fn some(source: &ServiceBusSource, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let wait = Duration::from_secs(5);
        let more = source.receive(count - all.len(), wait).await.unwrap();
        assert!(!more.deliveries.is_empty(), "{} of {count}", all.len());
        all.extend(more.deliveries);
    }
    all
}

async fn one(source: &ServiceBusSource) -> Delivery {
    some(source, 1).await.remove(0)
}

fn order() -> OutgoingMessage {
    OutgoingMessage::new("{\"orderId\":\"ORD-1\"}")
        .with_message_id("m-1")
        .with_content_type("application/json")
        .with_subject("order.created")
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

macro_rules! checks {
    ($($name:ident => $test:expr,)*) => {
        $(
            #[test]
            #[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
            fn $name() {
                run(async {
                    let place = Place::new().await;
                    ($test)(place).await;
                });
            }
        )*
    };
}

checks! {
    bodies_of_the_official_client_arrive => bodies_arrive,
    properties_of_the_official_client_arrive => properties_arrive,
    a_batch_of_the_official_client_arrives => batch_arrives,
    a_session_of_the_official_client_arrives => session_arrives,
    the_official_client_reads_our_message => message_is_read,
    the_official_client_reads_our_bytes => bytes_are_read,
    the_official_client_reads_our_batch => batch_is_read,
    the_official_client_reads_our_session => session_is_read,
    the_official_client_reads_our_dead_letter => dead_letter_is_read,
    a_dead_letter_of_the_official_client_is_resubmitted => dead_letter_is_resubmitted,
    the_official_client_reads_what_we_retried => retry_is_read,
    attempts_of_the_official_client_count => attempts_count,
    what_we_completed_is_gone_for_the_official_client => completed_is_gone,
    what_we_hold_is_locked_for_the_official_client => held_is_locked,
}

async fn bodies_arrive(place: Place) {
    place.official("send_bodies").await;
    let source = place.source();
    let all = some(&source, 7).await;
    let large = vec![7; 200_000];
    let want: [(&str, &[u8]); 7] = [
        ("binary", &[0, 255, 10]),
        ("json", b"{\"orderId\":\"ORD-1\",\"total\":12.5}"),
        ("string", "\"Zürich\"".as_bytes()),
        ("null", b"null"),
        ("large", &large),
        ("value", b"text"),
        ("sequence", b"[1,\"two\",null]"),
    ];
    for (delivery, (id, body)) in all.iter().zip(want) {
        assert_eq!(delivery.header("message-id"), Some(id));
        assert!(delivery.body == body, "{id}: {} bytes", delivery.body.len());
    }
    for delivery in &all {
        source
            .settle(delivery, Disposition::Complete)
            .await
            .unwrap();
    }
}

async fn properties_arrive(place: Place) {
    place.official("send_properties").await;
    let delivery = one(&place.source()).await;
    for (name, value) in [
        ("message-id", "m-1"),
        ("correlation-id", "c-1"),
        ("subject", "order.created"),
        ("content-type", "application/json"),
        ("reply-to", "answers"),
        ("to", "orders"),
        ("region", "Zürich"),
        ("attempt", "3"),
        ("rush", "true"),
        ("ratio", "0.5"),
        ("at", "2023-11-14T22:13:20.123Z"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ] {
        assert_eq!(delivery.header(name), Some(value), "{name}");
    }
    assert_eq!((delivery.attempt, delivery.cursor.as_str()), (1, "1"));
    let headers = delivery
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()));
    let event = decode_http(headers, &delivery.body).unwrap();
    assert_eq!(event.into_events().unwrap()[0].id(), "e 1");
}

async fn batch_arrives(place: Place) {
    place.official("send_batch").await;
    let all = some(&place.source(), 20).await;
    let bodies: Vec<_> = all.iter().map(|delivery| delivery.body.to_vec()).collect();
    let want: Vec<_> = (0..20).map(|n: u32| n.to_string().into_bytes()).collect();
    assert_eq!(bodies, want);
}

async fn session_arrives(place: Place) {
    place.official("send_to_session").await;
    let config = place.config_of("sessions").with_sessions();
    let source = config.build(Place::parts()).unwrap();
    let all = some(&source, 2).await;
    for (delivery, body) in all.iter().zip(["a", "b"]) {
        assert_eq!(delivery.body, body);
        assert_eq!(delivery.header("session-id"), Some("s-1"));
        source.extend(delivery).await.unwrap();
        source
            .settle(delivery, Disposition::Complete)
            .await
            .unwrap();
    }
}

async fn message_is_read(place: Place) {
    let message = order()
        .with_correlation_id("c-1")
        .with_time_to_live(Duration::from_secs(3_600))
        .with_property("city", "Zürich")
        .with_property("empty", "");
    let sender = place.config().build_sender(Place::parts()).unwrap();
    sender.send(message).await.unwrap();
    place.official("receive").await;
}

async fn bytes_are_read(place: Place) {
    let sender = place.config().build_sender(Place::parts()).unwrap();
    let message = OutgoingMessage::new(vec![0xff; 200_000]);
    sender.send(message).await.unwrap();
    place.official("receive_bytes").await;
}

async fn batch_is_read(place: Place) {
    let message = |n: u32| OutgoingMessage::new(n.to_string()).with_message_id(format!("m-{n}"));
    place.send((0..20).map(message).collect()).await;
    place.official("receive_batch").await;
}

async fn session_is_read(place: Place) {
    let config = place.config_of("sessions");
    let sender = config.build_sender(Place::parts()).unwrap();
    let message = OutgoingMessage::new("a").with_session_id("s-9");
    sender.send(message).await.unwrap();
    place.official("receive_session").await;
}

async fn dead_letter_is_read(place: Place) {
    place.send(vec![order()]).await;
    let source = place.source();
    let delivery = one(&source).await;
    let disposition = Disposition::DeadLetter {
        reason: DeadLetterReason::ValidationFailure,
        description: "/total is not the sum, Zürich".to_owned(),
    };
    let settled = source.settle(&delivery, disposition).await.unwrap();
    assert_eq!(settled, Settled::DeadLettered);
    place.official("read_dead_letter").await;
}

async fn dead_letter_is_resubmitted(place: Place) {
    place.official("make_dead_letter").await;
    let dead = place.config().dead_letters().build(Place::parts()).unwrap();
    let letter = one(&dead).await;
    assert_eq!(letter.header("dead-letter-reason"), Some("NotToday"));
    assert_eq!(letter.header("dead-letter-description"), Some("come again"));
    dead.resubmit(&letter).await.unwrap();
    place.official("receive_resubmitted").await;
}

async fn retry_is_read(place: Place) {
    place.send(vec![order()]).await;
    let source = place.source();
    let delivery = one(&source).await;
    let later = Disposition::RetryAfter(Duration::from_millis(500));
    let settled = source.settle(&delivery, later).await.unwrap();
    assert_eq!(settled, Settled::Returned);
    place.official("receive_retried").await;
}

async fn attempts_count(place: Place) {
    place.official("abandon_twice").await;
    let delivery = one(&place.source()).await;
    assert_eq!(delivery.attempt, 3);
}

async fn completed_is_gone(place: Place) {
    place.send(vec![order()]).await;
    let source = place.source();
    let delivery = one(&source).await;
    source
        .settle(&delivery, Disposition::Complete)
        .await
        .unwrap();
    place.official("find_nothing").await;
}

async fn held_is_locked(place: Place) {
    place.send(vec![order()]).await;
    let source = place.source();
    let delivery = one(&source).await;
    place.official("lose_a_lock_to_us").await;
    source
        .settle(&delivery, Disposition::Complete)
        .await
        .unwrap();
}
