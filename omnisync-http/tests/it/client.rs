//! Tokens, refusals before anything is sent, settings, and what an error tells.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::executor::block_on;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{
    AccessToken, Call, Client, ClientConfig, Limits, Scope, TokenCache, TokenProvider,
};
use omnisync_testkit::clock::ManualClock;

use crate::support::{
    Counting, Ids, Script, URL, answer, answer_with, builder, client, clock, get, seconds,
};

fn authorized(script: &Arc<Script>, clock: &ManualClock) -> Client {
    let provider = Counting::new(clock);
    let tokens = TokenCache::new(provider, Arc::new(clock.clone()), Ids::new(0.0));
    let scope = Scope::of_resource("https://acme.crm4.dynamics.com/").unwrap();
    builder(script, clock)
        .with_tokens(tokens, scope)
        .build()
        .unwrap()
}

fn write() -> Call {
    let request = http::Request::post(URL).body(Bytes::new()).unwrap();
    Call::new("crm.create", request)
}

fn tokens_of(script: &Script) -> Vec<String> {
    let seen = script.take();
    let token = |seen: crate::support::Seen| {
        let value = &seen.request.headers()["authorization"];
        assert!(value.is_sensitive());
        value.to_str().unwrap().to_owned()
    };
    seen.into_iter().map(token).collect()
}

#[test]
fn a_token_is_used_until_a_peer_does_not_take_it() {
    let clock = clock();
    let script = Script::new(&clock, [answer(204), answer(401), answer(204), answer(204)]);
    let client = authorized(&script, &clock);
    for _ in 0..3 {
        block_on(client.send(write())).unwrap();
    }
    let expected = ["token-1", "token-1", "token-2", "token-2"].map(|t| format!("Bearer {t}"));
    assert_eq!(tokens_of(&script), expected);
}

#[test]
fn a_second_refusal_of_a_token_is_final() {
    let clock = clock();
    let script = Script::new(&clock, [answer(401), answer(401)]);
    let error = block_on(authorized(&script, &clock).send(write())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(tokens_of(&script), ["Bearer token-1", "Bearer token-2"]);
}

#[test]
fn a_refusal_without_a_token_is_final() {
    let (client, script, _) = client([answer(401)]);
    let error = block_on(client.send(get())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(script.take().len(), 1);
}

#[test]
fn a_fresh_token_does_not_cost_an_attempt() {
    let clock = clock();
    let steps = [500, 401, 500, 500, 200].map(answer);
    let script = Script::new(&clock, steps);
    let request = http::Request::get(URL).body(Bytes::new()).unwrap();
    block_on(authorized(&script, &clock).send(Call::new("crm.read", request))).unwrap();
    assert_eq!(script.take().len(), 5);
}

#[test]
fn a_call_that_needs_a_token_needs_a_cache() {
    let (client, script, _) = client([]);
    let error = block_on(client.send(write())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!error.is_effect_open());
    assert!(script.take().is_empty());
}

/// Never has a token.
#[derive(Debug)]
struct Broke(ErrorKind);

#[async_trait]
impl TokenProvider for Broke {
    async fn token(&self, _: &Scope) -> Result<AccessToken, PortError> {
        let error = PortError::new(self.0, "token.test");
        Err(error.with_retry_after(seconds(5)))
    }
}

#[test]
fn a_token_that_cannot_be_had_is_the_error_of_the_call() {
    for (kind, expected) in [
        (ErrorKind::Throttled, ErrorKind::Throttled),
        (ErrorKind::Denied, ErrorKind::Denied),
        // Nobody may take this for an answer about the item.
        (ErrorKind::NotFound, ErrorKind::Denied),
        (ErrorKind::Conflict, ErrorKind::Denied),
    ] {
        let clock = clock();
        let script = Script::new(&clock, []);
        let provider = Arc::new(Broke(kind));
        let tokens = TokenCache::new(provider, Arc::new(clock.clone()), Ids::new(0.0));
        let scope = Scope::new("s").unwrap();
        let client = builder(&script, &clock).with_tokens(tokens, scope).build();
        let error = block_on(client.unwrap().send(write())).unwrap_err();
        assert_eq!(error.kind(), expected);
        assert_eq!(error.retry_after(), Some(seconds(5)));
        let report = PortError::from(error).report();
        assert!(report.ends_with(&format!("token.test: {kind}")), "{report}");
    }
}

#[test]
fn nothing_is_sent_in_plain_text_or_with_a_user() {
    for url in [
        "http://acme.crm4.dynamics.com/",
        "http://127.0.0.1.evil.com/",
        "http://169.254.169.254/metadata/identity",
        "http://[fe80::1]/",
        "https://user:pass@acme.crm4.dynamics.com/",
        "ftp://127.0.0.1/",
        "/relative",
        "https://a:x/",
    ] {
        let Ok(request) = http::Request::get(url).body(Bytes::new()) else {
            continue;
        };
        let (client, script, _) = client([]);
        let error = block_on(client.send(Call::new("test", request).without_token())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(script.take().is_empty(), "{url}");
    }
}

#[test]
fn this_machine_may_be_asked_in_plain_text() {
    for url in [
        "http://127.8.7.6:80/",
        "http://[::1]:8080/",
        "http://LocalHost/",
    ] {
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        let (client, ..) = client([answer(200)]);
        block_on(client.send(Call::new("test", request).without_token())).unwrap();
    }
}

#[test]
fn limits_are_those_of_the_call_or_of_the_client() {
    let (client, script, _) = client([answer(200), answer(200)]);
    let own = Limits {
        timeout: seconds(1),
        body_bytes_max: 7,
    };
    block_on(client.send(get())).unwrap();
    block_on(client.send(get().with_limits(own))).unwrap();
    let limits: Vec<Limits> = script.take().iter().map(|seen| seen.limits).collect();
    assert_eq!(limits, [Limits::default(), own]);
}

#[test]
fn an_error_keeps_the_answer_for_the_adapter() {
    let body = r#"{"error":{"code":"0x80060882"}}"#;
    let (client, ..) = client([answer_with(412, &[("x-ms-version", "1")], body)]);
    let error = block_on(client.send(get())).unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.body(), body);
    assert_eq!(response.headers()["x-ms-version"], "1");
    let error = error.explained(ErrorKind::AlreadyExists, "0x80060882");
    assert_eq!(
        error.to_string(),
        "crm.read: already exists (GET https://acme.crm4.dynamics.com/api/data/v9.2/accounts: \
         answered 412: 0x80060882)"
    );
    assert_eq!(
        error.into_port("crm_sink.create").operation(),
        "crm_sink.create"
    );
}

#[test]
fn an_error_names_the_call_as_the_peer_knows_it() {
    let (client, script, _) = client([answer(400), answer(400)]);
    let error = block_on(client.send(get())).unwrap_err();
    let sent = &script.take()[0].request.headers()["x-ms-client-request-id"].clone();
    assert_eq!(error.request_id(), Some(sent.to_str().unwrap()));

    let request = http::Request::get(URL).header("x-ms-client-request-id", "mine");
    let call = Call::new("test", request.body(Bytes::new()).unwrap()).without_token();
    let error = block_on(client.send(call)).unwrap_err();
    assert_eq!(error.request_id(), Some("mine"));
}

#[test]
fn a_setting_out_of_range_is_refused() {
    let default = ClientConfig::default;
    for (config, field) in [
        (default().with_timeout_ms(0), "timeout_ms"),
        (default().with_body_bytes_max(0), "body_bytes_max"),
        (default().with_retry_percent_max(101), "retry_percent_max"),
        (default().with_user_agent("a\nb"), "user_agent"),
        (default().with_user_agent(""), "user_agent"),
    ] {
        let clock = clock();
        let script = Script::new(&clock, []);
        let error = builder(&script, &clock)
            .with_config(config)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().unwrap().contains(field), "{error}");
    }
    let unknown = serde_json::from_str::<ClientConfig>(r#"{"timeout_s":1}"#);
    assert!(unknown.is_err());
}
