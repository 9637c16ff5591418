//! What is received, and what a receive that was dropped leaves behind.

use std::time::Duration;

use omnisync_core::event::decode_http;
use omnisync_core::port::EventSource as _;
use omnisync_testkit::server::service_bus::{MessageState, NewMessage};

use super::support::{World, one, run, take};

#[test]
fn cloud_events_in_binary_mode_are_understood() {
    run(async {
        let world = World::new().await;
        let message = NewMessage::new("{\"orderId\":\"A-1\"}")
            .with_content_type("application/json")
            .with_property("cloudEvents:specversion", "1.0")
            .with_property("cloudEvents:id", "é 1")
            .with_property("cloudEvents:source", "/orders")
            .with_property("cloudEvents_type", "order.created");
        world.bus().send("orders", message).unwrap();
        let delivery = one(&world.source()).await;
        let headers = delivery
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()));
        let decoded = decode_http(headers, &delivery.body).unwrap();
        let event = decoded.into_events().unwrap().remove(0);
        assert_eq!((event.id(), event.source()), ("é 1", "/orders"));
        assert_eq!(event.event_type(), "order.created");
    });
}

#[test]
fn a_message_that_is_too_large_is_set_aside_and_stops_nothing() {
    run(async {
        let world = World::new().await;
        let config = world.config().with_message_bytes_max(1_000);
        let source = config.build(world.parts()).unwrap();
        world
            .bus()
            .send("orders", NewMessage::new(vec![7; 100_000]))
            .unwrap();
        world.bus().send("orders", NewMessage::new("good")).unwrap();
        let mut all = take(&source, 10).await;
        if all.is_empty() {
            all = take(&source, 10).await;
        }
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].body, "good");
        let letters = world.bus().dead_letters("orders");
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].dead_letter_reason.as_deref(), Some("TooLarge"));
    });
}

#[test]
fn what_comes_after_a_dropped_receive_is_not_lost() {
    run(async {
        let world = World::new().await;
        let source = world.source();
        {
            let waiting = source.receive(5, Duration::from_secs(60));
            let given_up = tokio::time::timeout(Duration::from_millis(300), waiting).await;
            assert!(given_up.is_err());
        }
        world.bus().send("orders", NewMessage::new("a")).unwrap();
        let delivery = one(&source).await;
        assert_eq!((delivery.attempt, delivery.body.as_ref()), (1, &b"a"[..]));
    });
}

#[test]
fn a_dropped_receive_leaves_nothing_open_that_the_next_one_does_not_want() {
    for (max, late) in [(1, 1), (3, 1), (3, 3)] {
        run(async {
            let world = World::new().await;
            let source = world.source();
            let waiting = source.receive(10, Duration::from_secs(60));
            let given_up = tokio::time::timeout(Duration::from_millis(300), waiting).await;
            assert!(given_up.is_err());
            let send = || world.bus().send("orders", NewMessage::new("a")).unwrap();
            let locked = || {
                let all = world.bus().messages("orders").into_iter();
                all.filter(|it| matches!(it.state, MessageState::Locked(_)))
                    .count()
            };
            (0..late).for_each(|_| assert!(send()));
            while locked() < late {
                tokio::task::yield_now().await;
            }
            (late..max).for_each(|_| assert!(send()));
            let mut came = take(&source, max).await.len();
            while came < max {
                came += take(&source, max - came).await.len();
            }
            assert!(send());
            let last = take(&world.source(), 1).await.len();
            assert_eq!(last, 1, "the last one is for whoever asks next");
        });
    }
}
