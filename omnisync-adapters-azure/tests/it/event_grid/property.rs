//! No bytes bring a handler down.

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use http::{HeaderName, HeaderValue, Method, Request};
use omnisync_adapters_azure::event_grid::{EventGridHandler, EventGridHandlerConfig, FixedSecrets};
use proptest::prelude::*;

use super::support::{BATCHED, Receiver, STRUCTURED, open_with};

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let names = prop::sample::select(vec![
        "content-type",
        "content-length",
        "authorization",
        "ce-id",
        "ce-source",
        "ce-specversion",
        "ce-type",
        "ce-x",
        "aeg-event-type",
        "aeg-delivery-count",
        "webhook-request-origin",
        "webhook-request-rate",
        "webhook-request-callback",
        "x-omnisync-secret",
    ]);
    let usual = prop::sample::select(vec![
        STRUCTURED.1,
        BATCHED.1,
        "application/json",
        "1.0",
        "SubscriptionValidation",
        "eventgrid.azure.net",
        "Bearer a.b.c",
    ]);
    let values = prop_oneof![
        usual.prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    (names, values).prop_filter_map("a header value", |(name, value)| {
        let value = HeaderValue::from_bytes(&value).ok()?;
        Some((HeaderName::from_static(name), value))
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "null",
        "1e400",
        "\"id\"",
        "\"data\"",
        "\"a\"",
        "\"specversion\":\"1.0\"",
        "\"source\":\"/a\"",
        "\"type\":\"T\"",
        "\"id\":\"1\"",
        "\\u00",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(parts, 0..30).prop_map(|parts| parts.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn every_request_gets_an_answer(
        method in prop::sample::select(vec![Method::POST, Method::OPTIONS, Method::GET]),
        query in "[ -~]{0,30}",
        headers in prop::collection::vec(header(), 0..8),
        body in body(),
        closed in any::<bool>(),
    ) {
        let target = format!("/?{query}");
        let target = target.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        for (name, value) in headers {
            request.headers_mut().append(name, value);
        }
        let config = EventGridHandlerConfig::for_event_grid().with_validation_events(true);
        let handler = if closed {
            EventGridHandler::builder(Receiver::keeping())
                .with_config(config)
                .with_secrets(Arc::new(FixedSecrets::new(["0123456789abcdef"]).unwrap()))
                .build()
                .unwrap()
        } else {
            open_with(&Receiver::keeping(), config)
        };
        let status = block_on(handler.handle(request)).status().as_u16();
        prop_assert!([200, 400, 401, 405, 413, 415].contains(&status), "{}", status);
    }
}
