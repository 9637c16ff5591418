//! Keys of an authority that is slow, changes them, or says what must not be shown.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt as _;
use http::Response;
use omnisync_adapters_azure::event_grid::{DeliveryTokens as _, EntraTokenConfig};
use omnisync_http::{Client, Limits, Request, Transport, TransportError};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::json;

use super::entra::{AUDIENCE, Authority, TENANT, claims, header, pair, sign, status};
use super::support::{Peer, answer, client};
use crate::log::Log;

#[tokio::test]
async fn keys_for_other_uses_and_keys_that_were_taken_back_count_for_nothing() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    assert_eq!(status(&tokens, &authority.token("old")).await, 200);
    assert_eq!(status(&tokens, &authority.token("enc")).await, 503);
    authority.has_changed.store(true, Ordering::SeqCst);
    authority.later(300);
    assert_eq!(status(&tokens, &authority.token("new")).await, 200);
    for _ in 0..2 {
        assert_eq!(status(&tokens, &authority.token("old")).await, 503);
        assert_eq!(status(&tokens, &authority.token("enc")).await, 503);
        authority.later(300);
    }
}

/// Never answers.
#[derive(Debug, Default)]
struct Silent(AtomicUsize);

#[async_trait]
impl Transport for Silent {
    async fn send(&self, _: Request, _: Limits) -> Result<Response<Bytes>, TransportError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[tokio::test]
async fn deliveries_do_not_wait_for_ever_for_keys() {
    let authority = Authority::new();
    let clock = &authority.clock;
    let silent = Arc::new(Silent::default());
    let http: Arc<dyn Transport> = Arc::<Silent>::clone(&silent);
    let jumping = Arc::new(ManualClock::default().auto());
    let http = Client::builder(http, jumping, Arc::new(SeqIds::new(1)));
    let tokens = EntraTokenConfig::new(TENANT, AUDIENCE)
        .build(http.build().unwrap(), Arc::new(clock.clone()))
        .unwrap();
    let token = authority.token("old");
    let mut waiting = Box::pin(status(&tokens, &token));
    assert!((&mut waiting).now_or_never().is_none());
    authority.later(9);
    assert!((&mut waiting).now_or_never().is_none());
    authority.later(1);
    assert_eq!(waiting.now_or_never(), Some(503));
    // The pause begins when the question ends.
    authority.later(14);
    assert_eq!(status(&tokens, &token).now_or_never(), Some(503));
    assert_eq!(silent.0.load(Ordering::SeqCst), 1);
    authority.later(1);
    assert!(status(&tokens, &token).now_or_never().is_none());
    assert_eq!(silent.0.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn tokens_and_what_an_authority_says_are_not_shown() {
    let log = Log::begin();
    let authority = Authority::new();
    let mut strange = claims(&authority.clock);
    strange["name"] = json!("canary-claim");
    let mut for_others = strange.clone();
    for_others["aud"] = json!("canary-audience");
    let mut early = strange.clone();
    early["nbf"] = json!(i64::from(u32::MAX));
    let sign = |key: &str, claims| sign(&pair("trusted"), &header(key), claims);
    let shown_tokens = [
        sign("canary-key", &strange),
        sign("old", &for_others),
        sign("old", &early),
        "canary.canary.canary".to_owned(),
    ];
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let documents = [
        (503, "canary".to_owned()),
        (200, "canary".to_owned()),
        (
            200,
            json!({"issuer": "canary", "jwks_uri": "canary"}).to_string(),
        ),
        (
            200,
            json!({"issuer": issuer, "jwks_uri": "https://canary.example/"}).to_string(),
        ),
    ];
    let mut judges = vec![authority.tokens()];
    for (status, body) in documents {
        let peer = Peer::by(move |_| answer(status, &body));
        let http = client(&peer, &ManualClock::default().auto());
        let judge = EntraTokenConfig::new(TENANT, AUDIENCE);
        let clock = Arc::new(authority.clock.clone());
        judges.push(judge.build(http, clock).unwrap());
    }
    let mut shown = String::new();
    for judge in &judges {
        for token in &shown_tokens {
            let refusal = judge.check(token).await.unwrap_err();
            write!(shown, "{refusal:?} {judge:?}").unwrap();
            if let omnisync_adapters_azure::event_grid::TokenRefusal::Unavailable(error) = refusal {
                write!(shown, "{error} {}", error.report()).unwrap();
            }
        }
    }
    let logged = log.end();
    for told in ["a key that is not known", "check the clock"] {
        assert!(logged.contains(told), "{logged}");
    }
    for text in [&shown, &logged] {
        assert!(!text.contains("canary"), "{text}");
        for token in &shown_tokens {
            assert!(!text.contains(token.as_str()));
        }
    }
}
