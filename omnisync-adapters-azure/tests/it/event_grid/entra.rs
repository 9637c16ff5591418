//! Tokens of Entra ID, signed by keys that were made for these tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use futures::future::join_all;
use omnisync_adapters_azure::event_grid::{
    DeliveryTokens as _, EVENT_GRID_APP_ID, EntraTokenConfig, EntraTokens, TokenRefusal,
};
use omnisync_core::ErrorKind;
use omnisync_core::port::Clock as _;
use omnisync_testkit::clock::ManualClock;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

use super::support::{Peer, answer, client};

pub(crate) const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
pub(crate) const AUDIENCE: &str = "api://orders-webhook";
const KEYS_URL: &str = "https://login.microsoftonline.com/common/discovery/v2.0/keys";

pub(crate) fn pair(name: &str) -> RsaKeyPair {
    let der: &[u8] = match name {
        "stranger" => include_bytes!("keys/stranger.der"),
        _ => include_bytes!("keys/trusted.der"),
    };
    RsaKeyPair::from_der(der).unwrap()
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

pub(crate) fn sign(pair: &RsaKeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(crate) fn header(key: &str) -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": key})
}

pub(crate) fn claims(clock: &ManualClock) -> Value {
    let now = clock.now().timestamp();
    json!({
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
        "aud": AUDIENCE, "azp": EVENT_GRID_APP_ID, "ver": "2.0",
        "iat": now, "nbf": now, "exp": now + 3_600,
    })
}

fn published(ids: &[&str]) -> String {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair("trusted").public());
    let key = |id: &&str| {
        json!({"kty": "RSA", "use": "sig", "kid": id, "x5t": id,
            "n": URL_SAFE_NO_PAD.encode(&public.n), "e": URL_SAFE_NO_PAD.encode(&public.e)})
    };
    let mut keys: Vec<Value> = ids.iter().map(key).collect();
    keys.push(json!({"kty": "RSA", "use": "enc", "kid": "enc",
        "n": URL_SAFE_NO_PAD.encode(&public.n), "e": URL_SAFE_NO_PAD.encode(&public.e)}));
    keys.push(json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": "", "y": ""}));
    json!({ "keys": keys }).to_string()
}

/// An authority that a test can take down, and whose keys change once.
pub(crate) struct Authority {
    peer: Arc<Peer>,
    pub(crate) is_down: Arc<AtomicBool>,
    pub(crate) has_changed: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    pub(crate) clock: ManualClock,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::with_keys_at(KEYS_URL)
    }

    fn with_keys_at(keys_url: &'static str) -> Self {
        let is_down = Arc::new(AtomicBool::default());
        let has_changed = Arc::new(AtomicBool::default());
        let asked = Arc::new(AtomicUsize::default());
        let (down, changed, count) = (
            Arc::clone(&is_down),
            Arc::clone(&has_changed),
            Arc::clone(&asked),
        );
        let peer = Peer::by(move |request| {
            assert!(!request.headers().contains_key("authorization"));
            if down.load(Ordering::SeqCst) {
                return answer(503, "");
            }
            let path = request.uri().path();
            if path.ends_with("/.well-known/openid-configuration") {
                assert!(path.starts_with(&format!("/{TENANT}/v2.0/")));
                let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
                let document = json!({"issuer": issuer, "jwks_uri": keys_url});
                return answer(200, &document.to_string());
            }
            assert_eq!(request.uri(), KEYS_URL);
            count.fetch_add(1, Ordering::SeqCst);
            if changed.load(Ordering::SeqCst) {
                answer(200, &published(&["new"]))
            } else {
                answer(200, &published(&["old"]))
            }
        });
        Self {
            peer,
            is_down,
            has_changed,
            asked,
            clock: ManualClock::default(),
        }
    }

    /// The judge waits by a clock that stands still, and its client repeats by one that jumps.
    pub(crate) fn tokens(&self) -> EntraTokens {
        let http = client(&self.peer, &ManualClock::default().auto());
        EntraTokenConfig::new(TENANT, AUDIENCE)
            .build(http, Arc::new(self.clock.clone()))
            .unwrap()
    }

    pub(crate) fn token(&self, key: &str) -> String {
        sign(&pair("trusted"), &header(key), &claims(&self.clock))
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// 401, 403 or 503, as the webhook would answer; 200 for a token that lets in.
pub(crate) async fn status(tokens: &EntraTokens, token: &str) -> u16 {
    match tokens.check(token).await {
        Ok(()) => 200,
        Err(TokenRefusal::Invalid(_)) => 401,
        Err(TokenRefusal::NotAllowed(_)) => 403,
        Err(TokenRefusal::Unavailable(_)) => 503,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokens_of_both_versions_let_event_grid_in() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    assert_eq!(status(&tokens, &authority.token("old")).await, 200);
    let mut first = claims(&authority.clock);
    first["iss"] = json!(format!("https://sts.windows.net/{TENANT}/"));
    first["aud"] = json!(["other", AUDIENCE]);
    first["appid"] = first.as_object_mut().unwrap().remove("azp").unwrap();
    let token = sign(&pair("trusted"), &header("old"), &first);
    assert_eq!(status(&tokens, &token).await, 200);
    assert_eq!(authority.asked(), 1);
}

#[tokio::test]
async fn claims_that_do_not_hold_do_not_let_in() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    let now = authority.clock.now().timestamp();
    for (name, value, expected) in [
        (
            "iss",
            json!("https://login.microsoftonline.com/other/v2.0"),
            401,
        ),
        (
            "iss",
            json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0/")),
            401,
        ),
        ("iss", Value::Null, 401),
        ("aud", json!("api://other"), 401),
        ("aud", json!([]), 401),
        ("aud", json!(7), 401),
        ("exp", json!(now - 299), 200),
        ("exp", json!(now - 300), 401),
        ("exp", json!(i64::MAX), 401),
        ("exp", json!("soon"), 401),
        ("exp", Value::Null, 401),
        ("nbf", json!(now + 300), 200),
        // One of the clocks is wrong, and a refusal would be final.
        ("nbf", json!(now + 301), 503),
        ("nbf", json!(i64::MAX), 401),
        ("azp", json!("11111111-2222-3333-4444-555555555555"), 403),
        ("azp", Value::Null, 403),
        ("appid", json!("11111111-2222-3333-4444-555555555555"), 403),
    ] {
        let mut claims = claims(&authority.clock);
        claims[name] = value.clone();
        let token = sign(&pair("trusted"), &header("old"), &claims);
        assert_eq!(status(&tokens, &token).await, expected, "{name} {value}");
    }
}

#[tokio::test]
async fn only_a_token_that_is_good_otherwise_is_worth_waiting_for() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    let now = authority.clock.now().timestamp();
    for (name, value, expected) in [
        ("iss", json!("https://login.example"), 401),
        ("aud", json!("api://other"), 401),
        ("azp", json!("11111111-2222-3333-4444-555555555555"), 403),
        ("exp", json!(now - 300), 401),
    ] {
        let mut claims = claims(&authority.clock);
        claims["nbf"] = json!(now + 301);
        claims[name] = value;
        let token = sign(&pair("trusted"), &header("old"), &claims);
        assert_eq!(status(&tokens, &token).await, expected, "{name}");
    }
}

#[tokio::test]
async fn only_a_signature_by_the_published_key_counts() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    let good = authority.token("old");
    let claims = claims(&authority.clock);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (first, payload) = head.split_once('.').unwrap();
    let mut other = claims.clone();
    other["x"] = json!(1);
    let header_of = |alg: &str| json!({"alg": alg, "kid": "old"});
    // Signed by the trusted key over this very header: nothing but the algorithm is wrong.
    for alg in ["none", "HS256", "PS256", "RS512", "rs256", ""] {
        let token = sign(&pair("trusted"), &header_of(alg), &claims);
        assert_eq!(status(&tokens, &token).await, 401, "{alg}");
    }
    for token in [
        sign(&pair("stranger"), &header("old"), &claims),
        format!("{first}.{}.{signature}", part(&other)),
        format!("{head}."),
        head.to_owned(),
        format!("{good}.x"),
        format!(".{good}"),
        format!("{good}="),
        format!("{}.{payload}.", part(&header_of("none"))),
        sign(&pair("trusted"), &json!({"alg": "RS256"}), &claims),
        sign(
            &pair("trusted"),
            &json!({"alg": "RS256", "kid": "old", "crit": ["x"]}),
            &claims,
        ),
        sign(&pair("trusted"), &header("old"), &json!({"aud": AUDIENCE})),
        String::new(),
        "a.b.c".to_owned(),
        "\u{fe0f}.\u{fe0f}.".to_owned(),
        "x".repeat(20_000),
    ] {
        assert_eq!(status(&tokens, &token).await, 401, "{token}");
    }
    assert_eq!(status(&tokens, &good).await, 200);
}

#[tokio::test]
async fn keys_are_asked_for_once_however_many_deliveries_wait() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    let token = authority.token("old");
    let answers = join_all((0..20).map(|_| status(&tokens, &token))).await;
    assert_eq!(answers, [200; 20]);
    assert_eq!(authority.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_nobody_makes_us_ask_all_the_time() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    assert_eq!(status(&tokens, &authority.token("old")).await, 200);
    authority.has_changed.store(true, Ordering::SeqCst);
    // Somebody may have the new key, and a refusal would lose the delivery.
    let refusal = tokens.check(&authority.token("new")).await.unwrap_err();
    let TokenRefusal::Unavailable(error) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
    assert_eq!(authority.asked(), 1);
    authority.later(300);
    assert_eq!(status(&tokens, &authority.token("new")).await, 200);
    assert_eq!(authority.asked(), 2);
    authority.later(300);
    // It is not published, and may be soon.
    let refusal = tokens.check(&authority.token("invented")).await;
    let Err(TokenRefusal::Unavailable(error)) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
    for _ in 0..10 {
        assert_eq!(status(&tokens, &authority.token("invented")).await, 503);
    }
    assert_eq!(status(&tokens, &authority.token("new")).await, 200);
    assert_eq!(authority.asked(), 3);
}

#[tokio::test]
async fn known_keys_are_used_for_a_while_when_nobody_gives_newer_ones() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    assert_eq!(status(&tokens, &authority.token("old")).await, 200);
    authority.is_down.store(true, Ordering::SeqCst);
    authority.later(100_000);
    for _ in 0..5 {
        assert_eq!(status(&tokens, &authority.token("old")).await, 200);
    }
    // One question with its repetitions, not five.
    assert!(authority.peer.take().len() <= 2 + 3);
    authority.later(100_000);
    assert_eq!(status(&tokens, &authority.token("old")).await, 503);
    authority.is_down.store(false, Ordering::SeqCst);
    authority.later(300);
    assert_eq!(status(&tokens, &authority.token("old")).await, 200);
}

#[tokio::test]
async fn without_keys_deliveries_come_again() {
    let authority = Authority::new();
    authority.is_down.store(true, Ordering::SeqCst);
    assert_eq!(
        status(&authority.tokens(), &authority.token("old")).await,
        503
    );
}

#[tokio::test]
async fn a_question_that_failed_or_was_given_up_is_asked_again_soon() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    authority.is_down.store(true, Ordering::SeqCst);
    assert_eq!(status(&tokens, &authority.token("old")).await, 503);
    authority.is_down.store(false, Ordering::SeqCst);
    assert_eq!(status(&tokens, &authority.token("old")).await, 503);
    authority.later(15);
    let token = authority.token("old");
    // The sender hangs up while the keys are on their way.
    assert!(status(&tokens, &token).now_or_never().is_none());
    authority.later(15);
    assert_eq!(status(&tokens, &token).await, 200);
}

#[tokio::test]
async fn who_has_a_key_does_not_wait_for_a_newer_one() {
    let authority = Authority::new();
    let tokens = authority.tokens();
    assert_eq!(status(&tokens, &authority.token("old")).await, 200);
    authority.later(100_000);
    let token = authority.token("old");
    let mut asking = Box::pin(status(&tokens, &token));
    assert!((&mut asking).now_or_never().is_none());
    assert_eq!(status(&tokens, &token).now_or_never(), Some(200));
    assert_eq!(asking.await, 200);
}

#[tokio::test]
async fn keys_are_read_from_the_authority_alone() {
    for url in [
        "https://evil.example/keys",
        "http://login.microsoftonline.com/keys",
        "x",
    ] {
        let authority = Authority::with_keys_at(url);
        assert_eq!(
            status(&authority.tokens(), &authority.token("old")).await,
            503,
            "{url}"
        );
        assert_eq!(authority.asked(), 0);
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let authority = Authority::new();
    let good = || EntraTokenConfig::new(TENANT, AUDIENCE);
    let mut no_audience = good();
    no_audience.audiences.clear();
    let mut short = good();
    short.keys_seconds_max = 10;
    for (config, word) in [
        (EntraTokenConfig::new("contoso.com", AUDIENCE), "tenant"),
        (EntraTokenConfig::new("common", AUDIENCE), "tenant"),
        (EntraTokenConfig::new(TENANT, ""), "audiences"),
        (no_audience, "audiences"),
        (good().with_app_ids::<String>([]), "app_ids"),
        (good().with_authority("http://login.example"), "authority"),
        (good().with_authority("https://10.0.0.1"), "authority"),
        (short, "keys_seconds_max"),
    ] {
        let clock = Arc::new(authority.clock.clone());
        let built = config.build(client(&authority.peer, &authority.clock), clock);
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.report().contains(word), "{}", error.report());
    }
}
