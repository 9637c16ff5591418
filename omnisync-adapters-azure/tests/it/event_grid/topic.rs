//! Publisher, topic and handler together: every event arrives, however it goes wrong on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use omnisync_adapters_azure::event_grid::{
    DeadLettered, DeliveryReceiver, EventGridConfig, EventGridCredential, EventGridHandler,
    EventGridHandlerConfig, FixedSecrets, GridDeadLetterReason, Taken,
};
use omnisync_core::event::CloudEvent;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Limits, Transport, TransportError, TransportErrorKind};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use omnisync_testkit::server::event_grid::{EventGrid, EventGridServer, GridOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{Receiver, events};

const SECRET: &str = "the-secret-of-the-subscription";

fn options(clock: &ManualClock, batch_events_max: usize) -> GridOptions {
    GridOptions {
        target: format!("/hook?code={SECRET}"),
        batch_events_max,
        ..GridOptions::new(Arc::new(clock.clone()))
    }
}

fn handler(receiver: &Arc<Receiver>) -> EventGridHandler {
    let receiver: Arc<dyn DeliveryReceiver> = Arc::<Receiver>::clone(receiver);
    EventGridHandler::builder(receiver)
        .with_config(EventGridHandlerConfig::for_event_grid().with_origin_required(true))
        .with_secrets(Arc::new(FixedSecrets::new([SECRET]).unwrap()))
        .build()
        .unwrap()
}

fn batch(ids: std::ops::Range<u32>) -> String {
    omnisync_core::event::batch_to_json(&events(ids))
}

async fn deliver(grid: &EventGrid, handler: &EventGridHandler) -> usize {
    let webhook = async |request| Some(handler.handle(request).await);
    grid.deliver_due(webhook).await
}

/// The ids of what a receiver got.
fn ids(receiver: &Receiver) -> Vec<String> {
    let pushed = receiver.take();
    let events = pushed.iter().flat_map(|pushed| &pushed.events);
    events
        .map(|event| event.event.as_ref().unwrap().id().to_owned())
        .collect()
}

#[tokio::test]
async fn a_subscription_begins_with_consent_and_delivers_in_its_form() {
    for (size, deliveries) in [(1, 5), (2, 3), (10, 1)] {
        let clock = ManualClock::default();
        let grid = EventGrid::new(options(&clock, size));
        let receiver = Receiver::keeping();
        let handler = handler(&receiver);
        assert!(
            grid.handshake(async |request| Some(handler.handle(request).await))
                .await
        );
        assert!(grid.publish(&batch(0..5)));
        assert_eq!(deliver(&grid, &handler).await, deliveries);
        assert_eq!(ids(&receiver), ["0", "1", "2", "3", "4"]);
        assert_eq!((grid.waiting(), deliver(&grid, &handler).await), (0, 0));
    }
}

#[tokio::test]
async fn what_is_not_safe_comes_again_by_the_schedule() {
    let clock = ManualClock::default();
    let grid = EventGrid::new(options(&clock, 10));
    let down = Receiver::by(|pushed| {
        let error = PortError::new(ErrorKind::Unavailable, "store");
        pushed.events.iter().map(|_| Taken::again(&error)).collect()
    });
    grid.publish(&batch(0..2));
    let mut waits = Vec::new();
    for _ in 0..4 {
        deliver(&grid, &handler(&down)).await;
        let due = grid.next_due().unwrap();
        waits.push((due - omnisync_core::port::Clock::now(&clock)).num_seconds());
        clock.set(due);
    }
    assert_eq!(waits, [10, 30, 60, 300]);
    let counts: Vec<_> = down
        .take()
        .iter()
        .map(|pushed| pushed.delivery_count)
        .collect();
    assert_eq!(counts, [Some(0), Some(1), Some(2), Some(3)]);
    let receiver = Receiver::keeping();
    deliver(&grid, &handler(&receiver)).await;
    assert_eq!(ids(&receiver), ["0", "1"]);
}

#[tokio::test]
async fn a_delivery_that_is_given_up_loses_no_event() {
    let clock = ManualClock::default();
    let grid = EventGrid::new(options(&clock, 1));
    grid.publish(&batch(0..3));
    let first = AtomicBool::new(true);
    let stuck = async |_| {
        if !first.swap(false, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Some(Response::new(Bytes::new()))
    };
    assert!(grid.deliver_due(stuck).now_or_never().is_none());
    assert_eq!(
        (grid.waiting(), grid.delivered()),
        (2, vec!["0".to_owned()])
    );
    let receiver = Receiver::keeping();
    assert_eq!(deliver(&grid, &handler(&receiver)).await, 2);
    assert_eq!(ids(&receiver), ["1", "2"]);
    assert_eq!((grid.waiting(), grid.delivered().len()), (0, 3));
}

#[tokio::test]
async fn a_lost_answer_makes_a_duplicate() {
    let clock = ManualClock::default();
    let grid = EventGrid::new(options(&clock, 1));
    let receiver = Receiver::keeping();
    let handler = handler(&receiver);
    grid.publish(&batch(0..2));
    grid.lose_answers(1);
    deliver(&grid, &handler).await;
    clock.set(grid.next_due().unwrap());
    deliver(&grid, &handler).await;
    assert_eq!(ids(&receiver), ["0", "1", "0"]);
    assert_eq!(grid.delivered(), ["1", "0"]);
}

fn dead(grid: &EventGrid) -> Vec<(String, DeadLettered)> {
    let read = |letter: omnisync_testkit::server::event_grid::GridDeadLetter| {
        let event = CloudEvent::from_json(letter.json.as_bytes()).unwrap();
        assert_eq!(event.data().as_json(), Some(r#"{"total":12.50}"#));
        (letter.id, DeadLettered::of(&event).unwrap())
    };
    grid.dead_letters().into_iter().map(read).collect()
}

#[tokio::test]
async fn what_is_refused_is_a_dead_letter_at_once() {
    let clock = ManualClock::default();
    let grid = EventGrid::new(options(&clock, 1));
    let refusing = Receiver::by(|pushed| {
        let refused = |_: &_| Taken::refused("Bad", "it is bad");
        pushed.events.iter().map(refused).collect()
    });
    grid.publish(&batch(0..1));
    deliver(&grid, &handler(&refusing)).await;
    let letters = dead(&grid);
    assert_eq!(
        (letters[0].0.as_str(), letters[0].1.delivery_attempts),
        ("0", Some(1))
    );
    assert!(matches!(
        letters[0].1.reason,
        GridDeadLetterReason::Other(_)
    ));
    assert_eq!(grid.waiting(), 0);
}

#[tokio::test]
async fn a_webhook_that_never_answers_loses_the_event_after_a_day() {
    let clock = ManualClock::default();
    let grid = EventGrid::new(options(&clock, 1));
    grid.publish(&batch(0..1));
    while let Some(due) = grid.next_due() {
        clock.set(due);
        grid.deliver_due(async |_| None).await;
    }
    let (_, letter) = dead(&grid).remove(0);
    assert_eq!(letter.reason, GridDeadLetterReason::TimeToLiveExceeded);
    assert!(letter.last_delivered_at > letter.published_at);
}

/// One request a connection, in plain HTTP.
#[derive(Debug)]
struct Plain;

#[async_trait]
impl Transport for Plain {
    async fn send(
        &self,
        request: Request<Bytes>,
        _: Limits,
    ) -> Result<Response<Bytes>, TransportError> {
        let failed = |_| TransportError::new(TransportErrorKind::Cut);
        let authority = request.uri().authority().unwrap().as_str();
        let mut stream = TcpStream::connect(authority).await.map_err(failed)?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {}\r\n",
            request.method(),
            request.uri().path_and_query().unwrap(),
            request.body().len()
        );
        for (name, value) in request.headers() {
            head.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.map_err(failed)?;
        stream.write_all(request.body()).await.map_err(failed)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map_err(failed)?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let response = Response::builder().status(status);
        Ok(response
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap())
    }
}

#[tokio::test]
async fn events_go_from_the_publisher_to_the_receiver_through_a_topic() {
    let clock = ManualClock::default().auto();
    let options = options(&clock, 3);
    let key = options.key.clone();
    let server = EventGridServer::serve(EventGrid::new(options))
        .await
        .unwrap();
    let publisher = |key: &str| {
        let ids = Arc::new(SeqIds::new(1));
        let http = omnisync_http::Client::builder(Arc::new(Plain), Arc::new(clock.clone()), ids);
        EventGridConfig::new(server.endpoint())
            .with_credential(EventGridCredential::Key(key.into()))
            .with_batch_events_max(4)
            .build(http.build().unwrap(), Arc::new(clock.clone()))
            .unwrap()
    };
    let denied = publisher("d3Jvbmc=").publish(&events(0..1)).await;
    assert_eq!(denied.error.unwrap().kind(), ErrorKind::Denied);
    server.grid().refuse(1, 429);
    server.grid().refuse(1, 413);

    let outcome = publisher(&key).publish(&events(0..10)).await;

    assert!(outcome.is_complete());
    let receiver = Receiver::keeping();
    assert_eq!(deliver(server.grid(), &handler(&receiver)).await, 4);
    let mut ids = ids(&receiver);
    ids.sort();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}
