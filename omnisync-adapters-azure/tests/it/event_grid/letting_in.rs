//! Who may deliver.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_adapters_azure::event_grid::{
    DeliverySecrets, DeliveryTokens, EventGridHandler, EventGridHandlerConfig, FixedSecrets,
    NamedSecrets, SecretsFn, TokenRefusal,
};
use omnisync_core::id::SecretName;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::MemorySecrets;

use super::support::{Receiver, STRUCTURED, event, post};

const OLD: &str = "old-secret-of-the-webhook";
const NEW: &str = "new secret/of+the webhook&";

fn closed(secrets: Arc<dyn DeliverySecrets>) -> EventGridHandler {
    EventGridHandler::builder(Receiver::keeping())
        .with_secrets(secrets)
        .build()
        .unwrap()
}

async fn status(handler: &EventGridHandler, target: &str, headers: &[(&str, &str)]) -> u16 {
    let mut all = vec![STRUCTURED];
    all.extend_from_slice(headers);
    let request = post(target, &all, &event("1").to_json());
    handler.handle(request).await.status().as_u16()
}

#[tokio::test]
async fn a_shared_secret_lets_in_by_query_or_header() {
    let handler = closed(Arc::new(FixedSecrets::new([OLD, NEW]).unwrap()));
    let escaped = "/?code=new%20secret%2Fof%2Bthe+webhook%26&x=1";
    assert_eq!(status(&handler, &format!("/?code={OLD}"), &[]).await, 200);
    assert_eq!(status(&handler, escaped, &[]).await, 200);
    assert_eq!(
        status(&handler, "/", &[("x-omnisync-secret", NEW)]).await,
        200
    );
    for (target, headers) in [
        ("/", vec![]),
        ("/?code=", vec![]),
        ("/?code=old-secret-of-the-webhoo", vec![]),
        ("/?CODE=old-secret-of-the-webhook", vec![]),
        ("/?code=%ff%fe", vec![]),
        ("/", vec![("x-omnisync-secret", "wrong")]),
        // Which one counts would be for others to guess.
        ("/?code=wrong", vec![("x-omnisync-secret", OLD)]),
        ("/?code=wrong&code=old-secret-of-the-webhook", vec![]),
    ] {
        assert_eq!(
            status(&handler, target, &headers).await,
            401,
            "{target} {headers:?}"
        );
    }
}

#[tokio::test]
async fn nobody_without_the_secret_reaches_the_receiver() {
    let receiver = Receiver::keeping();
    let handler = EventGridHandler::builder(Arc::<Receiver>::clone(&receiver) as _)
        .with_secrets(Arc::new(FixedSecrets::new([OLD]).unwrap()))
        .with_config(EventGridHandlerConfig::for_event_grid().with_validation_events(true))
        .build()
        .unwrap();
    assert_eq!(
        status(
            &handler,
            "/",
            &[("aeg-event-type", "SubscriptionValidation")]
        )
        .await,
        401
    );
    assert_eq!(status(&handler, "/", &[]).await, 401);
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn a_secret_is_replaced_without_a_gap() {
    let secrets = Arc::new(Mutex::new(vec![OLD]));
    let source = Arc::clone(&secrets);
    let handler = closed(Arc::new(SecretsFn(move || {
        let secrets = source.lock().unwrap();
        Ok(secrets.iter().copied().map(Secret::new).collect())
    })));
    let (old, new) = ([("x-omnisync-secret", OLD)], [("x-omnisync-secret", NEW)]);
    for (now, expected) in [
        (vec![OLD], (200, 401)),
        (vec![OLD, NEW], (200, 200)),
        (vec![NEW], (401, 200)),
        // Nobody knows who may deliver, and a refusal would be final.
        (vec![], (503, 503)),
        (vec![""], (503, 503)),
    ] {
        *secrets.lock().unwrap() = now;
        let answers = (
            status(&handler, "/", &old).await,
            status(&handler, "/", &new).await,
        );
        assert_eq!(answers, expected);
        let empty = if expected.1 == 503 { 503 } else { 401 };
        assert_eq!(status(&handler, "/?code=", &[]).await, empty);
    }
}

#[tokio::test]
async fn a_function_may_say_that_it_knows_no_secret_now() {
    let handler = closed(Arc::new(SecretsFn(|| {
        Err(PortError::new(ErrorKind::Unavailable, "file"))
    })));
    assert_eq!(status(&handler, &format!("/?code={OLD}"), &[]).await, 503);
}

#[tokio::test]
async fn secrets_of_a_vault_are_replaced_while_deliveries_come() {
    let vault = MemorySecrets::new(Arc::new(ManualClock::default()));
    let [first, second] = ["first", "second"].map(|name| SecretName::new(name).unwrap());
    let names = [first.clone(), second.clone()];
    let handler = closed(Arc::new(
        NamedSecrets::new(Arc::new(vault.clone()), names).unwrap(),
    ));
    let (old, new) = ([("x-omnisync-secret", OLD)], [("x-omnisync-secret", NEW)]);
    let both = async || {
        let old = status(&handler, "/", &old).await;
        (old, status(&handler, "/", &new).await)
    };
    assert_eq!(both().await, (503, 503));
    vault.set(&first, OLD);
    assert_eq!(both().await, (200, 401));
    vault.set(&second, NEW);
    assert_eq!(both().await, (200, 200));
    vault.disable(&first);
    assert_eq!(both().await, (401, 200));
    vault.set_down(true);
    assert_eq!(both().await, (503, 503));
    vault.set_down(false);
    vault.deny(&second);
    assert_eq!(both().await, (503, 503));
    vault.set(&second, "short");
    assert_eq!(status(&handler, "/?code=short", &[]).await, 503);
    assert!(NamedSecrets::new(Arc::new(vault), []).is_err());
}

#[tokio::test]
async fn a_secret_that_is_too_short_keeps_nobody_with_another_out() {
    let vault = MemorySecrets::new(Arc::new(ManualClock::default()));
    let [first, second] = ["first", "second"].map(|name| SecretName::new(name).unwrap());
    let names = [first.clone(), second.clone()];
    let secrets = Arc::new(NamedSecrets::new(Arc::new(vault.clone()), names).unwrap());
    let handler = closed(Arc::<NamedSecrets>::clone(&secrets) as _);
    vault.set(&first, "short");
    vault.set(&second, NEW);
    let new = [("x-omnisync-secret", NEW)];
    assert_eq!(status(&handler, "/", &new).await, 200);
    assert_eq!(status(&handler, "/?code=short", &[]).await, 401);

    vault.set(&second, "small");
    assert_eq!(status(&handler, "/?code=short", &[]).await, 503);
    let error = secrets.secrets().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert_eq!(error.operation(), "event_grid.secrets");
    let report = error.report();
    assert!(
        report.contains("second") && !report.contains("small"),
        "{report}"
    );
}

/// Secrets that nobody can tell now.
#[derive(Debug)]
struct Down;

#[async_trait]
impl DeliverySecrets for Down {
    async fn secrets(&self) -> Result<Vec<Secret>, PortError> {
        let error = PortError::new(ErrorKind::Unavailable, "vault");
        Err(error.with_retry_after(Duration::from_secs(9)))
    }
}

#[tokio::test]
async fn deliveries_come_again_while_nobody_can_tell_the_secret() {
    let handler = closed(Arc::new(Down));
    let request = post("/?code=x", &[STRUCTURED], &event("1").to_json());
    let response = handler.handle(request).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "9");
    // Without a secret there is nothing to compare.
    assert_eq!(status(&handler, "/", &[]).await, 401);
}

/// Judges a token by its name.
#[derive(Debug)]
struct ByName;

#[async_trait]
impl DeliveryTokens for ByName {
    async fn check(&self, token: &str) -> Result<(), TokenRefusal> {
        match token {
            "good" => Ok(()),
            "other" => Err(TokenRefusal::NotAllowed("not this one")),
            "later" => Err(TokenRefusal::Unavailable(PortError::new(
                ErrorKind::Unavailable,
                "keys",
            ))),
            _ => Err(TokenRefusal::Invalid("no token")),
        }
    }
}

#[tokio::test]
async fn bearer_tokens_are_judged() {
    let handler = EventGridHandler::builder(Receiver::keeping())
        .with_tokens(Arc::new(ByName))
        .build()
        .unwrap();
    for (value, expected) in [
        ("Bearer good", 200),
        ("bearer  good", 200),
        ("Bearer bad", 401),
        ("Bearer other", 403),
        ("Bearer later", 503),
        ("Basic good", 401),
        ("good", 401),
        ("", 401),
    ] {
        let answer = status(&handler, "/", &[("authorization", value)]).await;
        assert_eq!(answer, expected, "{value}");
    }
    let twice = [
        ("authorization", "Bearer good"),
        ("authorization", "Bearer good"),
    ];
    assert_eq!(status(&handler, "/", &twice).await, 401);
    let response = handler.handle(post("/", &[STRUCTURED], "")).await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_secret_and_a_token_have_to_hold_together() {
    let handler = EventGridHandler::builder(Receiver::keeping())
        .with_secrets(Arc::new(FixedSecrets::new([OLD]).unwrap()))
        .with_tokens(Arc::new(ByName))
        .build()
        .unwrap();
    let secret = ("x-omnisync-secret", OLD);
    let token = ("authorization", "Bearer good");
    assert_eq!(status(&handler, "/", &[secret, token]).await, 200);
    assert_eq!(status(&handler, "/", &[secret]).await, 401);
    assert_eq!(status(&handler, "/", &[token]).await, 401);
}

#[test]
fn who_may_deliver_has_to_be_said() {
    let builder = || EventGridHandler::builder(Receiver::keeping());
    let secrets = || Arc::new(FixedSecrets::new([OLD]).unwrap());
    assert!(builder().build().is_err());
    assert!(
        builder()
            .with_secrets(secrets())
            .without_authentication()
            .build()
            .is_err()
    );
    assert!(builder().with_secrets(secrets()).build().is_ok());
    let config = EventGridHandlerConfig {
        secret_header: "not a name".to_owned(),
        ..EventGridHandlerConfig::default()
    };
    let wrong = builder()
        .with_config(config)
        .without_authentication()
        .build();
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Misconfigured);
}
