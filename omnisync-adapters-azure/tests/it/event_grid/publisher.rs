//! What is sent, and what becomes of every event.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use omnisync_adapters_azure::event_grid::{
    EventGridConfig, EventGridCredential, PublishOutcome, PublishRefusal, Published,
};
use omnisync_core::ErrorKind;
use omnisync_core::event::{CloudEvent, EventData};
use omnisync_http::{Client, Request, Scope, StaticToken, TokenCache, TransportErrorKind};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::Value;

use super::support::{
    KEY, Peer, TOPIC, answer, client, event, event_with, events, publisher, refusal,
};

const LARGEST: PublishRefusal = PublishRefusal::TooLarge;

fn refused(refusal: PublishRefusal) -> Published {
    Published::Refused(refusal)
}

fn malformed(code: &str) -> Published {
    refused(PublishRefusal::Malformed {
        code: Some(code.to_owned()),
    })
}

fn kind(outcome: &PublishOutcome) -> Option<ErrorKind> {
    outcome.error.as_ref().map(omnisync_core::PortError::kind)
}

/// The ids of the events of a request.
fn ids(request: &Request) -> Vec<String> {
    let events: Vec<Value> = serde_json::from_slice(request.body()).unwrap();
    events.iter().map(|event| event["id"].to_string()).collect()
}

#[tokio::test]
async fn events_travel_as_a_batch_with_data_as_it_is() {
    let peer = Peer::script([answer(200, "")]);
    let binary = CloudEvent::builder("2", "/orders", "T")
        .with_datacontenttype("application/octet-stream")
        .with_extension(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .with_data(EventData::Binary(vec![0, 255]))
        .build()
        .unwrap();
    let number = event_with("1", r#"{"total": 5000.00, "big": 12345678901234567890.10}"#);

    let outcome = publisher(&peer, |config| config)
        .publish(&[number, binary])
        .await;

    assert!(outcome.is_complete() && outcome.error.is_none());
    let sent = peer.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].method(), "POST");
    assert_eq!(
        sent[0].uri(),
        format!("{TOPIC}?api-version=2018-01-01").as_str()
    );
    let headers = sent[0].headers();
    assert_eq!(
        headers["content-type"],
        "application/cloudevents-batch+json; charset=utf-8"
    );
    assert_eq!(headers["aeg-sas-key"], KEY);
    assert!(headers["aeg-sas-key"].is_sensitive());
    let body = std::str::from_utf8(sent[0].body()).unwrap();
    assert_eq!(
        body,
        r#"[{"specversion":"1.0","id":"1","source":"/orders","type":"OMS.Order.Created","data":{"total": 5000.00, "big": 12345678901234567890.10}},{"specversion":"1.0","id":"2","source":"/orders","type":"T","datacontenttype":"application/octet-stream","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","data_base64":"AP8="}]"#
    );
}

#[tokio::test]
async fn nothing_is_sent_for_nothing() {
    let peer = Peer::script([]);
    let outcome = publisher(&peer, |config| config).publish(&[]).await;
    assert!(outcome.is_complete() && outcome.events.is_empty());
}

#[tokio::test]
async fn a_request_that_is_repeated_is_the_same_to_the_byte() {
    let peer = Peer::script([
        refusal(429, "TooManyRequests"),
        Err(TransportErrorKind::Cut),
        answer(200, ""),
    ]);
    let outcome = publisher(&peer, |config| config)
        .publish(&events(0..3))
        .await;
    assert!(outcome.is_complete());
    let sent = peer.take();
    assert_eq!(sent.len(), 3);
    for request in &sent[1..] {
        assert_eq!(request.body(), sent[0].body());
        assert_eq!(request.uri(), sent[0].uri());
        assert_eq!(request.headers(), sent[0].headers());
    }
}

#[tokio::test]
async fn batches_keep_both_limits() {
    let peer = Peer::by(|_| answer(200, ""));
    let size = event("0").to_json().len();
    let by_count = publisher(&peer, |config| config.with_batch_events_max(2));
    assert!(by_count.publish(&events(0..5)).await.is_complete());
    assert_eq!(peer.batches(), [vec!["0", "1"], vec!["2", "3"], vec!["4"]]);

    let by_bytes = publisher(&peer, |config| config.with_batch_bytes_max(3 * size + 4));
    assert!(by_bytes.publish(&events(0..5)).await.is_complete());
    assert_eq!(peer.batches(), [vec!["0", "1", "2"], vec!["3", "4"]]);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_alone_and_never_sent() {
    let peer = Peer::script([answer(200, "")]);
    let large = event_with("large", &format!("{:?}", "x".repeat(2_000)));
    let publisher = publisher(&peer, |config| config.with_event_bytes_max(1_000));

    let outcome = publisher.publish(&[event("1"), large, event("2")]).await;

    let refusal = PublishRefusal::LargerThan { bytes_max: 1_000 };
    assert_eq!(
        outcome.events,
        [Published::Published, refused(refusal), Published::Published]
    );
    assert_eq!(peer.batches(), [["1", "2"]]);
    assert_eq!(outcome.refused().collect::<Vec<_>>(), [1]);
    assert!(!outcome.is_complete() && outcome.error.is_none());
}

#[tokio::test]
async fn a_batch_that_the_topic_finds_too_large_is_halved() {
    let peer = Peer::by(|request| match ids(request) {
        ids if ids.len() > 2 || ids == [r#""3""#] => answer(413, "<html>"),
        ids if ids.contains(&r#""3""#.to_owned()) => answer(413, ""),
        _ => answer(200, ""),
    });

    let outcome = publisher(&peer, |config| config)
        .publish(&events(0..6))
        .await;

    let mut expected = vec![Published::Published; 6];
    expected[3] = refused(LARGEST);
    assert_eq!(outcome.events, expected);
    assert!(outcome.error.is_none());
    let sent = peer.batches();
    assert_eq!(sent[0].len(), 6);
    assert_eq!(sent[1], ["0", "1", "2"]);
}

#[tokio::test]
async fn an_event_that_the_topic_does_not_take_is_found() {
    let peer = Peer::by(|request| {
        if ids(request).contains(&r#""5""#.to_owned()) {
            refusal(400, "InputJsonInvalid")
        } else {
            answer(200, "")
        }
    });

    let outcome = publisher(&peer, |config| config)
        .publish(&events(0..9))
        .await;

    let mut expected = vec![Published::Published; 9];
    expected[5] = malformed("InputJsonInvalid");
    assert_eq!(outcome.events, expected);
    assert!(outcome.error.is_none());
}

#[tokio::test]
async fn a_topic_that_refuses_everything_is_not_asked_for_ever() {
    let peer = Peer::by(|_| refusal(400, "InvalidRequest"));

    let outcome = publisher(&peer, |config| config)
        .publish(&events(0..200))
        .await;

    assert_eq!(kind(&outcome), Some(ErrorKind::Misconfigured));
    // It is not the events, so none of them is given up.
    assert_eq!(outcome.events, vec![Published::NotPublished; 200]);
    assert!(peer.take().len() < 30);
}

fn takes_all_but(bad: &'static [u32]) -> Arc<Peer> {
    Peer::by(move |request| {
        let is_bad = |id: &String| bad.iter().any(|bad| *id == format!("\"{bad}\""));
        if ids(request).iter().any(is_bad) {
            refusal(400, "InputJsonInvalid")
        } else {
            answer(200, "")
        }
    })
}

#[tokio::test]
async fn an_event_is_to_blame_only_once_the_topic_has_taken_another() {
    let peer = takes_all_but(&[0, 1]);
    let publisher = publisher(&peer, |config| config);
    for events in [&events(0..1)[..], &events(0..2)] {
        let outcome = publisher.publish(events).await;
        assert_eq!(kind(&outcome), Some(ErrorKind::Misconfigured));
        assert_eq!(outcome.events, vec![Published::NotPublished; events.len()]);
    }
    assert!(publisher.publish(&events(5..6)).await.is_complete());
    let outcome = publisher.publish(&events(0..1)).await;
    assert_eq!(outcome.events, [malformed("InputJsonInvalid")]);
    assert!(outcome.error.is_none());
}

#[tokio::test]
async fn a_topic_that_fails_before_it_takes_anything_blames_no_event() {
    let peer = Peer::by(|request| {
        let is_first = ids(request) == [r#""0""#];
        refusal(if is_first { 400 } else { 401 }, "Code")
    });
    let publisher = publisher(&peer, |config| config.with_batch_events_max(1));
    let outcome = publisher.publish(&events(0..2)).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Denied));
    assert_eq!(outcome.events, vec![Published::NotPublished; 2]);
}

#[tokio::test]
async fn bad_events_in_a_row_keep_nothing_from_the_good_ones_behind_them() {
    for batch_events_max in [1, 4, 100] {
        let peer = takes_all_but(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let publisher = publisher(&peer, |config| {
            config.with_batch_events_max(batch_events_max)
        });
        let outcome = publisher.publish(&events(0..15)).await;
        assert!(outcome.error.is_none());
        let mut expected = vec![malformed("InputJsonInvalid"); 10];
        expected.extend(vec![Published::Published; 5]);
        assert_eq!(outcome.events, expected);
    }
}

#[tokio::test]
async fn a_refusal_after_an_attempt_without_an_answer_leaves_an_event_unknown() {
    for status in [400, 413] {
        let peer = Peer::script([Err(TransportErrorKind::Cut), refusal(status, "Code")]);
        let publisher = publisher(&peer, |config| config);
        let outcome = publisher.publish(&events(0..1)).await;
        assert_eq!(outcome.events, [Published::Unknown], "{status}");
    }
    // The first attempt of the batch may have been taken.
    let peer = Peer::script([
        Err(TransportErrorKind::Cut),
        refusal(413, "Code"),
        answer(200, ""),
        refusal(401, "Code"),
    ]);
    let outcome = publisher(&peer, |config| config)
        .publish(&events(0..2))
        .await;
    assert_eq!(outcome.events, [Published::Published, Published::Unknown]);
    assert_eq!(kind(&outcome), Some(ErrorKind::Denied));
}

#[tokio::test]
async fn what_the_topic_says_after_a_lost_answer_leaves_the_events_of_the_request_unknown() {
    for status in [401, 403, 404, 302, 429] {
        let peer = Peer::script([
            Err(TransportErrorKind::Cut),
            refusal(status, "Code"),
            refusal(status, "Code"),
        ]);
        let publisher = publisher(&peer, |config| config.with_batch_events_max(1));
        let outcome = publisher.publish(&events(0..2)).await;
        assert_eq!(
            outcome.events,
            [Published::Unknown, Published::NotPublished],
            "{status}"
        );
        assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable), "{status}");
    }
}

#[tokio::test]
async fn only_200_says_that_the_topic_has_it() {
    for status in [201, 202, 204, 206] {
        let peer = Peer::by(move |_| answer(status, ""));
        let publisher = publisher(&peer, |config| config.with_batch_events_max(1));
        let outcome = publisher.publish(&events(0..2)).await;
        assert_eq!(
            outcome.events,
            [Published::Unknown, Published::NotPublished],
            "{status}"
        );
        let error = outcome.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.report().contains(&status.to_string()));
    }
}

#[tokio::test]
async fn what_concerns_the_topic_ends_the_run() {
    for (status, expected) in [
        (401, ErrorKind::Denied),
        (403, ErrorKind::Denied),
        (404, ErrorKind::Misconfigured),
        (302, ErrorKind::Misconfigured),
        (429, ErrorKind::Throttled),
    ] {
        let peer = Peer::by(move |_| refusal(status, "SomeCode"));
        let publisher = publisher(&peer, |config| config.with_batch_events_max(1));

        let outcome = publisher.publish(&events(0..3)).await;

        assert_eq!(kind(&outcome), Some(expected), "{status}");
        assert_eq!(outcome.events, vec![Published::NotPublished; 3]);
        assert_eq!(outcome.again().count(), 3);
        let asked = if status == 429 { 3 } else { 1 };
        assert_eq!(peer.take().len(), asked, "{status}");
        let report = outcome.error.unwrap().report();
        assert_eq!(report.contains("SomeCode"), status != 429, "{report}");
    }
}

#[tokio::test]
async fn events_without_an_answer_are_unknown_and_the_rest_is_not_published() {
    for (step, first) in [
        (Err(TransportErrorKind::TimedOut), Published::Unknown),
        (Err(TransportErrorKind::NotSent), Published::NotPublished),
        (answer(503, ""), Published::Unknown),
    ] {
        let step = std::sync::Mutex::new(step);
        let peer = Peer::by(move |request| {
            let step = step.lock().unwrap();
            match (&*step, ids(request).contains(&r#""0""#.to_owned())) {
                (_, true) => answer(200, ""),
                (Ok(response), false) => Ok(response.clone()),
                (Err(kind), false) => Err(*kind),
            }
        });
        let publisher = publisher(&peer, |config| config.with_batch_events_max(1));

        let outcome = publisher.publish(&events(0..3)).await;

        assert_eq!(
            outcome.events,
            [Published::Published, first, Published::NotPublished]
        );
        assert!(outcome.error.unwrap().is_transient());
        assert_eq!(peer.take().len(), 4);
    }
}

fn token(headers: &HeaderMap) -> String {
    assert!(headers["aeg-sas-token"].is_sensitive());
    headers["aeg-sas-token"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_signs_tokens_and_signs_again_before_they_end() {
    let peer = Peer::by(|_| answer(200, ""));
    let clock = ManualClock::default().auto();
    let publisher = EventGridConfig::new(TOPIC)
        .with_credential(EventGridCredential::sas(KEY))
        .build(client(&peer, &clock), Arc::new(clock.clone()))
        .unwrap();
    let mut sent = Vec::new();
    for minutes in [0, 54, 2, 54] {
        clock.advance(Duration::from_secs(minutes * 60));
        assert!(publisher.publish(&events(0..1)).await.is_complete());
        let request = peer.take().remove(0);
        assert!(!request.headers().contains_key("aeg-sas-key"));
        sent.push(token(request.headers()));
    }
    assert_eq!(sent[0], sent[1]);
    assert_ne!(sent[1], sent[2]);
    assert_eq!(sent[2], sent[3]);
    let resource = "r=https%3A%2F%2Forders.westeurope-1.eventgrid.azure.net%2Fapi%2Fevents\
                    %3FapiVersion%3D2018-01-01&e=1%2F1%2F2026%201%3A00%3A00%20AM&s=";
    assert!(sent[0].starts_with(resource), "{}", sent[0]);
}

#[tokio::test]
async fn a_token_of_somebody_else_is_sent_as_it_is() {
    let peer = Peer::by(|_| answer(200, ""));
    let credential = EventGridCredential::SasToken("r=a&e=b&s=c".into());
    let publisher = publisher(&peer, |config| config.with_credential(credential));
    assert!(publisher.publish(&events(0..1)).await.is_complete());
    assert_eq!(token(peer.take()[0].headers()), "r=a&e=b&s=c");
}

#[tokio::test]
async fn tokens_of_entra_id_come_from_the_client() {
    let peer = Peer::by(|_| answer(200, ""));
    let clock = ManualClock::default().auto();
    let provider = Arc::new(StaticToken::new("t0ken".into()));
    let ids = Arc::new(SeqIds::new(1));
    let tokens = TokenCache::new(
        provider,
        Arc::new(clock.clone()),
        Arc::<SeqIds>::clone(&ids),
    );
    let scope = EventGridConfig::scope().unwrap();
    assert_eq!(
        scope,
        Scope::of_resource("https://eventgrid.azure.net").unwrap()
    );
    let client = Client::builder(Arc::<Peer>::clone(&peer), Arc::new(clock.clone()), ids)
        .with_tokens(tokens, scope)
        .build()
        .unwrap();
    let publisher = EventGridConfig::new(TOPIC)
        .build(client, Arc::new(clock))
        .unwrap();
    assert!(publisher.publish(&events(0..1)).await.is_complete());
    assert_eq!(peer.take()[0].headers()["authorization"], "Bearer t0ken");
}
