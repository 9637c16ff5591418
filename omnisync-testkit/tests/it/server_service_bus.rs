//! The Service Bus namespace over REST, and what its AMQP port does with strangers.

use std::sync::Arc;
use std::time::Duration;

use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::server::service_bus::{
    Entity, Fault, MessageState, NewMessage, ServiceBus, ServiceBusOptions, ServiceBusServer, Step,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server_fno::client::{Reply, send};

struct Place {
    server: ServiceBusServer,
    bus: ServiceBus,
    clock: ManualClock,
}

async fn place(change: impl FnOnce(&mut ServiceBusOptions)) -> Place {
    let clock = ManualClock::default();
    let mut options = ServiceBusOptions::new(Arc::new(clock.clone())).with_entities([
        Entity::queue("orders"),
        Entity::topic("events", ["sub"]),
        Entity::queue("sessions").with(|it| it.sessions = true),
    ]);
    change(&mut options);
    let server = ServiceBusServer::start(options).await.unwrap();
    let bus = server.service_bus().clone();
    Place { server, bus, clock }
}

impl Place {
    async fn ask(&self, method: &str, path: &str) -> Option<Reply> {
        self.ask_with(method, path, &[], b"").await
    }

    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Reply> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.server.rest_endpoint())
        };
        let headers = [&[("authorization", "Bearer a-token")], headers].concat();
        send(method, &url, &headers, body).await
    }

    async fn status(&self, method: &str, path: &str) -> u16 {
        self.ask(method, path).await.unwrap().status
    }
}

fn properties(reply: &Reply) -> Value {
    serde_json::from_str(reply.header("brokerproperties").unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_goes_in_and_out_over_rest() {
    let place = place(|_| ()).await;
    let headers = [
        ("content-type", "application/json"),
        (
            "brokerproperties",
            r#"{"MessageId":"m-1","CorrelationId":"c","Label":"created","TimeToLive":90}"#,
        ),
        ("region", "\"EU\""),
        ("attempt", "3"),
    ];
    let reply = place
        .ask_with("POST", "/orders/messages", &headers, b"{\"a\":1}")
        .await
        .unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    let message = place
        .ask("POST", "/orders/messages/head?timeout=5")
        .await
        .unwrap();
    assert_eq!(message.status, 201);
    assert_eq!(message.body, b"{\"a\":1}");
    assert_eq!(message.header("content-type"), Some("application/json"));
    assert_eq!(message.header("region"), Some("\"EU\""));
    assert_eq!(message.header("attempt"), Some("3"));
    let said = properties(&message);
    assert_eq!(said["MessageId"], "m-1");
    assert_eq!(said["CorrelationId"], "c");
    assert_eq!(said["Label"], "created");
    assert_eq!(said["DeliveryCount"], 1);
    assert_eq!(said["SequenceNumber"], 1);
    assert_eq!(said["TimeToLive"], 90.0);
    assert_eq!(said["EnqueuedTimeUtc"], "Thu, 01 Jan 2026 00:00:00 GMT");
    assert_eq!(said["LockedUntilUtc"], "Thu, 01 Jan 2026 00:00:30 GMT");
    let location = message.header("location").unwrap().to_owned();
    let token = said["LockToken"].as_str().unwrap();
    assert_eq!(
        location,
        format!(
            "{}/orders/messages/m-1/{token}",
            place.server.rest_endpoint()
        )
    );
    place.clock.advance(Duration::from_secs(20));
    assert_eq!(place.status("POST", &location).await, 200);
    place.clock.advance(Duration::from_secs(20));
    assert_eq!(place.status("DELETE", &location).await, 200);
    let lost = place.ask("DELETE", &location).await.unwrap();
    assert_eq!(lost.status, 404);
    assert!(
        lost.text()
            .contains("No message was found with the specified")
    );
    assert_eq!(
        place
            .status("POST", "/orders/messages/head?timeout=0")
            .await,
        204
    );
}

#[tokio::test]
async fn a_lock_over_rest_is_given_back_lost_or_gone() {
    let place = place(|_| ()).await;
    place.bus.send("events", NewMessage::new("x")).unwrap();
    let head = "/events/subscriptions/sub/messages/head?timeout=0";
    let first = place.ask("POST", head).await.unwrap();
    let location = first.header("location").unwrap().to_owned();
    assert_eq!(place.status("PUT", &location).await, 200);
    let second = place.ask("POST", head).await.unwrap();
    assert_eq!(properties(&second)["DeliveryCount"], 2);
    let location = second.header("location").unwrap().to_owned();
    place.clock.advance(Duration::from_secs(30));
    for method in ["PUT", "POST", "DELETE"] {
        assert_eq!(place.status(method, &location).await, 404, "{method}");
    }
    place.bus.remove_entity("events");
    assert_eq!(place.status("DELETE", &location).await, 410);
    assert_eq!(place.status("POST", head).await, 404);
}

#[tokio::test]
async fn batches_deletes_and_dead_letters_work_over_rest() {
    let place = place(|_| ()).await;
    let batch = json!([
        {"Body": "one", "BrokerProperties": {"MessageId": "1"}, "UserProperties": {"n": 1}},
        {"Body": "two", "BrokerProperties": {"MessageId": "2"}},
        {"Body": "again", "BrokerProperties": {"MessageId": "2"}},
    ]);
    let headers = [("content-type", "application/vnd.microsoft.servicebus.json")];
    let body = batch.to_string();
    let reply = place
        .ask_with("POST", "/orders/messages", &headers, body.as_bytes())
        .await
        .unwrap();
    assert_eq!(reply.status, 201);
    assert_eq!(place.bus.counters().duplicates, 1);
    let first = place
        .ask("DELETE", "/orders/messages/head?timeout=0")
        .await
        .unwrap();
    assert_eq!((first.status, first.text().as_str()), (200, "one"));
    assert_eq!(first.header("n"), Some("1"));
    for _ in 0..10 {
        let message = place
            .ask("POST", "/orders/messages/head?timeout=0")
            .await
            .unwrap();
        let location = message.header("location").unwrap().to_owned();
        place.status("PUT", &location).await;
    }
    let dead = place
        .ask("POST", "/orders/$DeadLetterQueue/messages/head?timeout=0")
        .await
        .unwrap();
    assert_eq!(dead.text(), "two");
    assert_eq!(
        dead.header("deadletterreason"),
        Some("\"MaxDeliveryCountExceeded\"")
    );
    let location = dead.header("location").unwrap().to_owned();
    assert!(location.contains("/$DeadLetterQueue/messages/"));
    assert_eq!(place.status("DELETE", &location).await, 200);
    assert_eq!(place.bus.dead_letters("orders"), []);
}

#[tokio::test]
async fn a_receiver_over_rest_waits_for_a_message_and_no_longer() {
    let place = place(|_| ()).await;
    let waiting = place.ask("POST", "/orders/messages/head?timeout=10");
    let sending = async {
        tokio::task::yield_now().await;
        place.bus.send("orders", NewMessage::new("x")).unwrap();
    };
    let (reply, ()) = tokio::join!(waiting, sending);
    assert_eq!(reply.unwrap().status, 201);
    let waiting = place.ask("POST", "/orders/messages/head?timeout=10");
    let moving = async {
        while place.clock.next_wake().is_none() {
            tokio::task::yield_now().await;
        }
        place.clock.advance(Duration::from_secs(10));
    };
    let (reply, ()) = tokio::join!(waiting, moving);
    assert_eq!(reply.unwrap().status, 204);
}

#[tokio::test]
async fn rest_refuses_what_it_must() {
    let place = place(|it| it.message_bytes_max = 100).await;
    assert_eq!(place.status("POST", "/nowhere/messages").await, 404);
    assert_eq!(place.status("POST", "/nowhere/messages/head").await, 404);
    assert_eq!(place.status("POST", "/orders").await, 404);
    assert_eq!(place.status("PATCH", "/orders/messages").await, 405);
    assert_eq!(place.status("POST", "/sessions/messages").await, 400);
    assert_eq!(place.status("POST", "/sessions/messages/head").await, 400);
    let bad = [("brokerproperties", "{")];
    let reply = place.ask_with("POST", "/orders/messages", &bad, b"x").await;
    assert_eq!(reply.unwrap().status, 400);
    let reply = place
        .ask_with("POST", "/orders/messages", &[], &[0; 101])
        .await;
    assert_eq!(reply.unwrap().status, 413);
    let url = format!("{}/orders/messages", place.server.rest_endpoint());
    let reply = send("POST", &url, &[], b"x").await.unwrap();
    assert_eq!(reply.status, 401);
    assert_eq!(place.bus.messages("orders"), []);
}

#[tokio::test]
async fn tokens_are_checked_when_they_are_to_be() {
    let place = place(|it| {
        it.access.checked = true;
        it.access.key = "key".to_owned();
        it.access.key_name = "rule".to_owned();
        it.access.bearer_tokens.insert("good".to_owned());
    })
    .await;
    let url = format!("{}/orders/messages", place.server.rest_endpoint());
    // Signed with `key` for `http://localhost/orders` until 2026-01-01T01:00:00Z.
    let signed = "SharedAccessSignature sr=http%3A%2F%2Flocalhost%2Forders\
                  &sig=XPN0xLsUOwaYU12jGN06EcR%2Bvwcy7Jpi%2BwGXOsT5tsI%3D&se=1767229200&skn=rule";
    let forged = signed.replace("se=1767229200", "se=1767229300");
    let elsewhere = signed.replace("orders", "others");
    let ask = async |token: &str| {
        let headers = [("authorization", token)];
        send("POST", &url, &headers, b"x").await.unwrap().status
    };
    assert_eq!(ask(signed).await, 201);
    assert_eq!(ask(&forged).await, 401);
    assert_eq!(ask(&elsewhere).await, 401);
    assert_eq!(ask("SharedAccessSignature nonsense").await, 401);
    assert_eq!(ask("Bearer good").await, 201);
    assert_eq!(ask("Bearer bad").await, 401);
    place.clock.advance(Duration::from_secs(3_600));
    assert_eq!(ask(signed).await, 401);
    let shown = format!("{:?} {:?}", place.server, place.bus);
    assert!(
        !shown.contains("good") && !shown.contains("\"key\""),
        "{shown}"
    );
}

#[tokio::test]
async fn faults_strike_over_rest_as_well() {
    let place = place(|_| ()).await;
    let post = "/orders/messages";
    for (fault, taken, status) in [
        (Fault::CutBefore, 0, None),
        (Fault::CutAfter, 1, None),
        (Fault::Busy, 1, Some(503)),
        (Fault::Unauthorized, 1, Some(401)),
        (Fault::Detached, 1, None),
        (Fault::DetachedAfter, 2, None),
    ] {
        place.bus.inject(Some(Step::Send), fault);
        let reply = place.ask("POST", post).await;
        assert_eq!(reply.map(|reply| reply.status), status, "{fault:?}");
        assert_eq!(place.bus.backlog("orders"), taken, "{fault:?}");
    }
    let message = place
        .ask("POST", "/orders/messages/head?timeout=0")
        .await
        .unwrap();
    let location = message.header("location").unwrap().to_owned();
    place.bus.inject(Some(Step::Settle), Fault::CutAfter);
    assert!(place.ask("DELETE", &location).await.is_none());
    assert_eq!(place.status("DELETE", &location).await, 404);
    assert_eq!(place.bus.counters().completed, 1);
}

#[tokio::test]
async fn a_restart_keeps_messages_and_locks() {
    let place = place(|_| ()).await;
    place.bus.send("orders", NewMessage::new("x")).unwrap();
    let message = place
        .ask("POST", "/orders/messages/head?timeout=0")
        .await
        .unwrap();
    let location = message.header("location").unwrap().to_owned();
    let endpoints = (
        place.server.rest_endpoint(),
        place.server.connection_string(),
    );
    let Place { server, bus, clock } = place;
    let server = server.restart().await.unwrap();
    assert_eq!(
        (server.rest_endpoint(), server.connection_string()),
        endpoints
    );
    assert!(matches!(
        bus.messages("orders")[0].state,
        MessageState::Locked(Some(_))
    ));
    let place = Place { server, bus, clock };
    assert_eq!(place.status("DELETE", &location).await, 200);
}

#[tokio::test]
async fn a_peer_hears_a_heart_beat_and_a_silent_one_is_let_go() {
    let place = place(|it| it.idle_timeout_ms = Some(150)).await;
    // The peer wants to hear something every 30 milliseconds.
    let open: &[u8] = &[
        0, 0, 0, 22, 2, 0, 0, 0, 0x00, 0x53, 0x10, 0xC0, 9, 5, 0xA1, 1, b'p', 0x40, 0x40, 0x40,
        0x52, 30,
    ];
    let greeting = [SASL, &choose(b"ANONYMOUS"), b"AMQP\x00\x01\x00\x00", open];
    let heard = shout(&place, &greeting.concat()).await;
    let beats = heard
        .windows(8)
        .filter(|bytes| *bytes == [0, 0, 0, 8, 2, 0, 0, 0])
        .count();
    assert!(beats >= 2, "{beats}");
    assert!(String::from_utf8_lossy(&heard).contains("nothing was heard"));
}

/// What the broker says to these bytes before it hangs up.
async fn shout(place: &Place, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(place.server.amqp_host()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    drop(stream.read_to_end(&mut heard).await);
    heard
}

const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";

/// A frame that chooses a mechanism.
fn choose(mechanism: &[u8]) -> Vec<u8> {
    let length = u8::try_from(mechanism.len()).unwrap();
    let mut init = vec![0x00, 0x53, 0x41, 0xC0, length + 3, 1, 0xA3, length];
    init.extend(mechanism);
    let size = u8::try_from(init.len() + 8).unwrap();
    [&[0, 0, 0, size, 2, 1, 0, 0][..], &init].concat()
}

#[tokio::test]
async fn strangers_are_shown_the_way_and_the_door() {
    let place = place(|_| ()).await;
    // Whoever skips the greeting is told how it goes.
    assert_eq!(shout(&place, b"AMQP\x00\x01\x00\x00").await, SASL);
    assert_eq!(shout(&place, b"GET / HT").await, SASL);
    let heard = shout(&place, &[SASL, &choose(b"EXTERNAL")].concat()).await;
    let text = String::from_utf8_lossy(&heard);
    for mechanism in ["ANONYMOUS", "PLAIN", "MSSBCBS"] {
        assert!(text.contains(mechanism), "{text}");
    }
    assert!(!text.contains("EXTERNAL"));
    // The outcome is that this will not do.
    assert_eq!(heard.last(), Some(&1));
    let nonsense = [SASL, &[0, 0, 0, 9, 2, 1, 0, 0, 0xFF]].concat();
    assert!(shout(&place, &nonsense).await.starts_with(SASL));
    // A frame without an opened connection is answered with a reason.
    let early = [
        SASL,
        &choose(b"ANONYMOUS"),
        b"AMQP\x00\x01\x00\x00",
        &[0, 0, 0, 12, 2, 0, 0, 0, 0x00, 0x53, 0x17, 0x45],
    ];
    let heard = shout(&place, &early.concat()).await;
    assert!(String::from_utf8_lossy(&heard).contains("amqp:connection:framing-error"));
}
