//! What is answered to deliveries, and what the receiver gets to see.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use omnisync_adapters_azure::event_grid::{Begun, EventGridHandlerConfig, Taken, TakenStatus};
use omnisync_core::event::webhook::WebhookPolicy;
use omnisync_core::{ErrorKind, PortError};
use serde_json::json;

use super::support::{
    BATCHED, Receiver, STRUCTURED, event, json, open, open_with, post, request, words,
};

const ORIGIN: (&str, &str) = ("WebHook-Request-Origin", "eventgrid.azure.net");

#[tokio::test]
async fn the_handshake_consents_to_event_grid() {
    let policy = WebhookPolicy {
        origins: vec!["eventgrid.azure.net".to_owned()],
        deliveries_per_minute_max: NonZeroU32::new(100),
    };
    let receiver = Receiver::keeping();
    let config = EventGridHandlerConfig::default().with_webhook(policy);
    let handler = open_with(&receiver, config);
    let headers = [
        ORIGIN,
        ("WebHook-Request-Rate", "120"),
        (
            "WebHook-Request-Callback",
            "https://rp.example/validate?id=1",
        ),
    ];

    let response = handler.handle(request("OPTIONS", "/", &headers, "")).await;

    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["webhook-allowed-origin"],
        "eventgrid.azure.net"
    );
    assert_eq!(response.headers()["webhook-allowed-rate"], "100");
    assert!(
        response.headers()["allow"]
            .to_str()
            .unwrap()
            .contains("POST")
    );
    for headers in [&[][..], &[("WebHook-Request-Origin", "other.example")]] {
        let response = handler.handle(request("OPTIONS", "/", headers, "")).await;
        assert_eq!(response.status(), 400);
        assert!(!response.headers().contains_key("webhook-allowed-origin"));
    }
}

const VALIDATION: &str = r#"[{"id":"1","topic":"/subscriptions/1","subject":"",
    "eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","eventTime":"2026-01-01T00:00:00Z",
    "metadataVersion":"1","dataVersion":"1",
    "data":{"validationCode":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6","validationUrl":"https://x"}}]"#;

#[tokio::test]
async fn validation_events_are_answered_only_when_that_is_wanted() {
    let receiver = Receiver::keeping();
    let kind = ("aeg-event-type", "SubscriptionValidation");
    let response = open(&receiver).handle(post("/", &[kind], VALIDATION)).await;
    assert_eq!(response.status(), 400);

    let config = EventGridHandlerConfig::default().with_validation_events(true);
    let handler = open_with(&receiver, config);
    let response = handler.handle(post("/", &[kind], VALIDATION)).await;
    assert_eq!(response.status(), 200);
    let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6";
    assert_eq!(json(&response), json!({ "validationResponse": code }));

    let other = VALIDATION.replace("SubscriptionValidationEvent", "Other");
    let control = VALIDATION.replace("512d38b6", "a b");
    for body in ["", "[]", "{}", "[{}]", &other, &control] {
        let response = handler.handle(post("/", &[kind], body)).await;
        assert_eq!(response.status(), 400, "{body}");
    }
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn events_in_the_classic_schema_wait_for_the_repair_of_their_subscription() {
    let classic = r#"[{"id":"1","topic":"/t","subject":"s","eventType":"OMS.Order.Created",
        "eventTime":"2026-01-01T00:00:00Z","metadataVersion":"1","dataVersion":"1","data":{}}]"#;
    let kind = ("aeg-event-type", "Notification");
    let json = ("content-type", "application/json; charset=utf-8");
    for answered in [false, true] {
        let receiver = Receiver::keeping();
        let config = EventGridHandlerConfig::default().with_validation_events(answered);
        let handler = open_with(&receiver, config);
        let response = handler.handle(post("/", &[kind, json], classic)).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(receiver.take().is_empty());
        // CloudEvents that Event Grid delivers are notifications too.
        let binary = [
            kind,
            json,
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/orders"),
            ("ce-type", "T"),
        ];
        for request in [
            post("/", &[kind, STRUCTURED], &event("1").to_json()),
            post("/", &binary, "{}"),
        ] {
            assert_eq!(handler.handle(request).await.status(), 200);
        }
        assert_eq!(receiver.take().len(), 2);
    }
}

#[tokio::test]
async fn every_form_of_delivery_is_read() {
    let receiver = Receiver::keeping();
    let handler = open(&receiver);
    let one = event("1").to_json();
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/orders"),
        ("ce-type", "OMS.Order.Created"),
        ("content-type", "application/json"),
        ("aeg-subscription-name", "ORDERS"),
        ("aeg-delivery-count", "2"),
    ];
    for request in [
        post("/", &[STRUCTURED], &one),
        post("/", &[BATCHED], &format!("[{one}]")),
        post("/", &binary, r#"{"total":12.50}"#),
    ] {
        let response = handler.handle(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(words(&response), ["Kept"]);
    }
    let seen = receiver.take();
    let [.., last] = seen.as_slice() else {
        panic!("three deliveries")
    };
    assert_eq!(last.subscription.as_deref(), Some("ORDERS"));
    assert_eq!(last.delivery_count, Some(2));
    for pushed in &seen {
        let event = pushed.events[0].event.as_ref().unwrap();
        assert_eq!(event.id(), "1");
        assert_eq!(event.data().as_json(), Some(r#"{"total":12.50}"#));
    }
    let empty = handler.handle(post("/", &[BATCHED], "[]")).await;
    assert_eq!((empty.status(), receiver.take().len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_bad_event_does_not_lose_the_good_ones_and_keeps_its_bytes() {
    let receiver = Receiver::keeping();
    let bad = r#"{ "specversion" : "1.0", "id": 7 }"#;
    let batch = format!(
        "[{},\n {bad} ,{}]",
        event("1").to_json(),
        event("3").to_json()
    );

    let response = open(&receiver).handle(post("/", &[BATCHED], &batch)).await;

    assert_eq!(response.status(), 400);
    assert_eq!(words(&response), ["Kept", "InvalidCloudEvent", "Kept"]);
    let pushed = receiver.take().remove(0);
    assert_eq!(pushed.events[1].evidence(), bad);
    assert_eq!(pushed.events[2].evidence(), event("3").to_json());
}

#[tokio::test]
async fn what_is_no_event_at_all_is_shown_to_the_receiver_who_may_keep_it() {
    let receiver = Receiver::by(|pushed| {
        let kept = |_: &_| Taken::set_aside("NoEvent", "it is kept");
        pushed.events.iter().map(kept).collect()
    });
    let handler = open(&receiver);
    for body in ["{", "\u{1}", r#"{"secret": 1}"#] {
        let response = handler.handle(post("/", &[STRUCTURED], body)).await;
        assert_eq!(response.status(), 200, "{body}");
        assert_eq!(receiver.take()[0].events[0].evidence(), body);
    }
    let avro = ("content-type", "application/cloudevents+avro");
    assert_eq!(handler.handle(post("/", &[avro], "x")).await.status(), 415);
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn the_worst_event_of_a_batch_decides() {
    let down = PortError::new(ErrorKind::Unavailable, "store")
        .with_retry_after(Duration::from_millis(6_200));
    let kept = Taken::kept("Kept");
    let refused = Taken::refused("Bad", "it is bad");
    let large = Taken::too_large("TooLarge");
    let again = Taken::again(&down);
    assert_eq!(again.status(), TakenStatus::Again);
    for (taken, status) in [
        (vec![kept.clone(), kept.clone()], 200),
        (vec![Taken::set_aside("Bad", "kept"), kept.clone()], 200),
        (vec![kept.clone(), refused.clone()], 400),
        (vec![large.clone(), refused.clone()], 413),
        (vec![large, again, refused], 503),
    ] {
        let ids: Vec<String> = (0..taken.len())
            .map(|id| event(&id.to_string()).to_json())
            .collect();
        let receiver = Receiver::by(move |_| taken.clone());
        let body = format!("[{}]", ids.join(","));
        let response = open(&receiver).handle(post("/", &[BATCHED], &body)).await;
        assert_eq!(response.status(), status);
        let wait = response.headers().get("retry-after");
        assert_eq!(wait.is_some(), status == 503);
        // Never sooner than the store asks for.
        assert!(wait.is_none_or(|wait| wait == "7"));
    }
}

#[tokio::test]
async fn an_event_that_the_receiver_forgets_comes_again() {
    for answers in [0, 1, 3] {
        let receiver = Receiver::by(move |_| vec![Taken::kept("Kept"); answers]);
        let body = format!("[{},{}]", event("1").to_json(), event("2").to_json());
        let response = open(&receiver).handle(post("/", &[BATCHED], &body)).await;
        assert_eq!(response.status(), 503);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_for_good() {
    let receiver = Receiver::keeping();
    let mut config = EventGridHandlerConfig::default().with_body_bytes_max(4_000);
    config.event_bytes_max = 1_000;
    config.batch_events_max = 3;
    let handler = open_with(&receiver, config);
    let one = event("1").to_json();
    let long = event(&"x".repeat(2_000)).to_json();
    let four = format!("[{one},{one},{one},{one}]");
    let body = post("/", &[STRUCTURED], &" ".repeat(4_001));
    assert_eq!(handler.handle(body).await.status(), 413);
    let announced = post("/", &[STRUCTURED, ("content-length", "4001")], "");
    let (parts, _) = announced.into_parts();
    let Begun::Answer(answer) = handler.begin(&parts).await else {
        panic!("nobody reads such a body")
    };
    assert_eq!(answer.status(), 413);
    assert!(receiver.take().is_empty());
    // What is here already is the receiver's to keep.
    for (form, body) in [(STRUCTURED, &long), (BATCHED, &four)] {
        let response = handler.handle(post("/", &[form], body)).await;
        assert_eq!(words(&response), ["TooLarge"]);
        assert_eq!(receiver.take()[0].events[0].evidence(), body);
    }
    // One that is too large does not lose the others.
    let batch = format!("[{one},{long}]");
    let response = handler.handle(post("/", &[BATCHED], &batch)).await;
    assert_eq!(
        (response.status(), words(&response)),
        (
            StatusCode::BAD_REQUEST,
            vec!["Kept".to_owned(), "TooLarge".to_owned()],
        )
    );
}

#[tokio::test]
async fn heads_have_limits() {
    let receiver = Receiver::keeping();
    let config = EventGridHandlerConfig {
        headers_max: 3,
        header_bytes_max: 200,
        ..EventGridHandlerConfig::default()
    };
    let handler = open_with(&receiver, config);
    let one = event("1").to_json();
    let long = "x".repeat(200);
    let many = [STRUCTURED, ("a", ""), ("b", ""), ("c", "")];
    for request in [
        post("/", &many, &one),
        post("/", &[STRUCTURED, ("a", &long)], &one),
        post(&format!("/?{long}"), &[STRUCTURED], &one),
    ] {
        assert_eq!(handler.handle(request).await.status(), 400);
    }
    assert_eq!(
        handler
            .handle(post("/", &[STRUCTURED], &one))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn other_methods_are_not_known() {
    let handler = open(&Receiver::keeping());
    for method in ["GET", "HEAD", "PUT", "DELETE", "TRACE", "X"] {
        let response = handler.handle(request(method, "/", &[], "")).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "OPTIONS, POST");
    }
}

#[tokio::test]
async fn too_many_at_once_come_again() {
    let receiver = Receiver::keeping();
    let config = EventGridHandlerConfig::default().with_deliveries_at_once_max(1);
    let handler = open_with(&receiver, config);
    let one = event("1").to_json();
    let (parts, body) = post("/", &[STRUCTURED], &one).into_parts();
    let Begun::Body(admission) = handler.begin(&parts).await else {
        panic!("there is a place")
    };

    let refused = handler.handle(post("/", &[STRUCTURED], &one)).await;

    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(admission.deliver(body).await.status(), 200);
    let (parts, _) = post("/", &[STRUCTURED], &one).into_parts();
    // A sender that goes away leaves its place.
    drop(handler.begin(&parts).await);
    assert_eq!(
        handler
            .handle(post("/", &[STRUCTURED], &one))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn an_origin_may_be_asked_of_deliveries() {
    let receiver = Receiver::keeping();
    let config = EventGridHandlerConfig::for_event_grid().with_origin_required(true);
    let handler = open_with(&receiver, config);
    let one = event("1").to_json();
    let without = handler.handle(post("/", &[STRUCTURED], &one)).await;
    assert_eq!(without.status(), 403);
    let with = handler.handle(post("/", &[STRUCTURED, ORIGIN], &one)).await;
    assert_eq!(with.status(), 200);
}

#[test]
fn a_handler_is_shared_between_tasks() {
    fn shared<T: Send + Sync + 'static>(_: &Arc<T>) {}
    fn spawned<F: Future + Send>(future: F) {
        drop(future);
    }
    let handler = Arc::new(open(&Receiver::keeping()));
    shared(&handler);
    spawned(handler.handle(post("/", &[], "")));
}
