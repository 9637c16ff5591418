//! What must never be shown: keys, tokens, shared secrets, and what was sent or answered.

use std::fmt::Write as _;
use std::sync::Arc;

use omnisync_adapters_azure::event_grid::{
    EventGridConfig, EventGridCredential, EventGridHandler, EventGridHandlerConfig, FixedSecrets,
};
use omnisync_http::TransportErrorKind;
use omnisync_testkit::clock::ManualClock;

use super::support::{
    BATCHED, KEY, Peer, Receiver, STRUCTURED, TOPIC, client, event_with, post, refusal,
};
use crate::log::Log;

const SHARED: &str = "canary-shared-secret";

#[tokio::test]
async fn nothing_secret_is_shown_or_logged() {
    let log = Log::begin();
    let mut shown = String::new();
    for credential in [
        EventGridCredential::Key(KEY.into()),
        EventGridCredential::sas(KEY),
        EventGridCredential::SasToken(KEY.into()),
    ] {
        for step in [401, 403, 404, 429, 500, 0] {
            let peer = Peer::by(move |_| match step {
                0 => Err(TransportErrorKind::Cut),
                status => refusal(status, "Code"),
            });
            let clock = ManualClock::default().auto();
            let config = EventGridConfig::new(TOPIC).with_credential(credential.clone());
            write!(shown, "{config:?}").unwrap();
            let publisher = config
                .build(client(&peer, &clock), Arc::new(clock))
                .unwrap();
            let event = event_with("1", r#"{"name": "canary-payload"}"#);
            let outcome = publisher.publish(&[event]).await;
            write!(shown, "{publisher:?} {outcome:?}").unwrap();
            let error = outcome.error.unwrap();
            write!(shown, "{error} {}", error.report()).unwrap();
            // A signed token is as good as the key.
            for request in peer.take() {
                let token = request.headers().get("aeg-sas-token");
                let signature = token.and_then(|token| token.to_str().unwrap().split("&s=").nth(1));
                assert!(signature.is_none_or(|signature| !shown.contains(signature)));
            }
        }
    }
    let config = EventGridHandlerConfig::for_event_grid().with_validation_events(true);
    let handler = EventGridHandler::builder(Receiver::keeping())
        .with_config(config)
        .with_secrets(Arc::new(FixedSecrets::new([SHARED]).unwrap()))
        .build()
        .unwrap();
    write!(shown, "{handler:?}").unwrap();
    let target = format!("/?code={SHARED}");
    let bad = r#"[{"specversion": "1.0", "id": "canary-payload"}, "canary-payload"]"#;
    for request in [
        post(&target, &[BATCHED], bad),
        post(&target, &[STRUCTURED], "{\"canary-payload\""),
        post("/?code=canary-wrong", &[STRUCTURED], bad),
        post(
            "/",
            &[STRUCTURED, ("authorization", "Bearer canary-token")],
            bad,
        ),
        post(&target, &[("content-type", "canary/payload; x")], bad),
    ] {
        let (parts, body) = request.clone().into_parts();
        write!(shown, "{:?}", handler.begin(&parts).await).unwrap();
        drop(body);
        let response = handler.handle(request).await;
        let body = String::from_utf8_lossy(response.body());
        write!(shown, "{body} {:?}", response.headers()).unwrap();
    }
    let logged = log.end();
    assert!(logged.contains("a delivery was not let in"), "{logged}");
    for text in [&shown, &logged] {
        assert!(!text.contains(KEY) && !text.contains("canary"), "{text}");
    }
}
