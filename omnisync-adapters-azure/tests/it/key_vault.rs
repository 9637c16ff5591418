//! The secrets of a vault, by Microsoft's client over a vault in this process.

mod vault;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use futures::future::{join, join_all};
use omnisync_adapters_azure::key_vault::KeyVaultConfig;
use omnisync_core::ErrorKind;
use omnisync_core::id::SecretName;
use omnisync_core::port::{Clock as _, SecretSource};
use omnisync_testkit::contract::SecretSourceFixture;

use crate::log::Log;
use vault::{Bench, CANARY, Refusal, name};

const MINUTE: Duration = Duration::from_secs(60);
/// The default of `retry_pause_ms`.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

mod contract {
    omnisync_testkit::secret_source_contract!(fixture = super::Bench::new());
}

#[async_trait]
impl SecretSourceFixture for Bench {
    async fn source(&self) -> Arc<dyn SecretSource> {
        Arc::new(self.open())
    }

    async fn set(&self, name: &SecretName, value: &str, expires_at: Option<DateTime<Utc>>) {
        self.vault.set(name, value, expires_at);
    }

    async fn remove(&self, name: &SecretName) {
        self.vault.change(name, |secrets, name| {
            secrets.remove(name);
        });
    }

    async fn disable(&self, name: &SecretName) {
        self.refuse(name, Refusal::Disabled);
    }

    async fn deny(&self, name: &SecretName) {
        self.refuse(name, Refusal::Forbidden);
    }

    async fn set_down(&self, is_down: bool) {
        self.vault.set_down(is_down);
    }

    async fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

#[test]
fn the_vault_says_which_token_it_wants_and_gets_no_other() {
    let bench = Bench::new();
    bench.vault.set(&name("erp"), "a", None);
    bench.vault.set(&name("oms"), "b", None);
    let source = bench.open();
    block_on(source.get(&name("erp"))).unwrap();
    block_on(source.get(&name("oms"))).unwrap();
    let asked = bench.vault.asked();
    let seen: Vec<(&str, bool)> = asked
        .iter()
        .map(|request| {
            let path = request.uri().path().trim_end_matches('/');
            (path, request.headers().contains_key("authorization"))
        })
        .collect();
    let want = [
        ("/secrets/erp", false),
        ("/secrets/erp", true),
        ("/secrets/oms", true),
    ];
    assert_eq!(seen, want);
    assert_eq!(bench.tokens.scopes(), ["https://vault.azure.net/.default"]);
}

#[test]
fn a_vault_that_wants_tokens_for_another_domain_gets_none() {
    let bench = Bench::new();
    bench.vault.set(&name("erp"), "a", None);
    bench.vault.challenge("https://evil.example.com");
    let error = block_on(bench.open().get(&name("erp"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(bench.tokens.scopes().is_empty());
}

#[test]
fn a_secret_is_kept_and_a_rotation_is_seen() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "old", None);
    let old = block_on(source.get(&erp)).unwrap();
    bench.vault.set(&erp, "new", None);
    bench.vault.forget();
    bench.clock.advance(Duration::from_millis(299_999));
    let kept = block_on(source.get(&erp)).unwrap();
    assert_eq!(kept.version, old.version);
    assert!(bench.vault.asked().is_empty());
    bench.clock.advance(Duration::from_millis(1));
    let new = block_on(source.get(&erp)).unwrap();
    assert_eq!(new.value.expose(), "new");
    assert_ne!(new.version, old.version);
}

#[test]
fn a_refresh_sees_a_rotation_at_once() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "old", None);
    block_on(source.get(&erp)).unwrap();
    bench.vault.set(&erp, "new", None);
    assert_eq!(
        block_on(source.refresh(&erp)).unwrap().value.expose(),
        "new"
    );
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "new");
}

/// The question on its way may be answered with what is not taken any more.
#[test]
fn a_refresh_does_not_join_a_question_that_began_before_it() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&name("oms"), "first", None);
    block_on(source.get(&name("oms"))).unwrap();
    bench.vault.set(&erp, "a", None);
    bench.vault.forget();
    let all = join(
        source.get(&erp),
        join(source.refresh(&erp), source.get(&erp)),
    );
    let (first, (second, third)) = block_on(all);
    for got in [first, second, third] {
        assert_eq!(got.unwrap().value.expose(), "a");
    }
    assert_eq!(
        bench.vault.asked().len(),
        2,
        "one for both who get it, one to refresh"
    );
    bench.vault.forget();
    let all = join_all((0..5).map(|_| source.refresh(&erp)));
    assert!(block_on(all).iter().all(Result::is_ok));
    // The first asks, and the others share one that began after they came.
    assert_eq!(bench.vault.asked().len(), 2);
}

#[test]
fn a_pause_that_the_vault_asks_for_is_kept_for_a_secret_that_was_never_had() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "a", None);
    bench.refuse(&erp, Refusal::Throttled);
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    bench.vault.set(&erp, "a", None);
    bench.vault.forget();
    bench.clock.advance(Duration::from_secs(50));
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(70)));
    let error = block_on(source.refresh(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(70)));
    assert!(bench.vault.asked().is_empty());
    bench.clock.advance(Duration::from_secs(70));
    assert_eq!(block_on(source.refresh(&erp)).unwrap().value.expose(), "a");
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "a");
}

#[test]
fn a_refresh_gives_the_kept_secret_while_the_vault_wants_a_pause() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "old", None);
    block_on(source.get(&erp)).unwrap();
    bench.refuse(&erp, Refusal::Throttled);
    bench.vault.forget();
    // Who waited for the question that was turned away does not ask once more.
    let both = block_on(join(source.refresh(&erp), source.refresh(&erp)));
    for got in [both.0, both.1, block_on(source.refresh(&erp))] {
        assert_eq!(got.unwrap().value.expose(), "old");
    }
    assert_eq!(bench.vault.asked().len(), 1);
    bench.vault.set(&erp, "new", None);
    bench.clock.advance(MINUTE * 2);
    assert_eq!(
        block_on(source.refresh(&erp)).unwrap().value.expose(),
        "new"
    );
}

#[test]
fn many_callers_ask_once() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "a", None);
    let all = block_on(join_all((0..20).map(|_| source.get(&erp))));
    assert!(
        all.iter()
            .all(|got| got.as_ref().unwrap().value.expose() == "a")
    );
    // The challenge, and the question.
    assert_eq!(bench.vault.asked().len(), 2);

    bench.vault.set_down(true);
    bench.vault.forget();
    let oms = name("oms");
    let all = block_on(join_all((0..20).map(|_| source.get(&oms))));
    assert!(
        all.iter()
            .all(|got| got.as_ref().unwrap_err().kind() == ErrorKind::Unavailable)
    );
    assert_eq!(bench.vault.asked().len(), 1);
}

#[test]
fn a_kept_secret_outlives_a_vault_that_is_down_for_a_while() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "a", None);
    block_on(source.get(&erp)).unwrap();
    bench.vault.set_down(true);
    bench.vault.forget();
    bench.clock.advance(MINUTE * 5);
    for _ in 0..5 {
        assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "a");
    }
    assert_eq!(bench.vault.asked().len(), 1, "it is left alone for a while");
    bench.clock.advance(Duration::from_secs(10));
    block_on(source.get(&erp)).unwrap();
    assert_eq!(bench.vault.asked().len(), 2);
    bench.clock.advance(MINUTE * 60);
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    bench.vault.set_down(false);
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "a");
}

#[test]
fn what_the_vault_refuses_is_not_given_any_more() {
    let erp = name("erp");
    for (status, kind) in [
        (401, ErrorKind::Denied),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (400, ErrorKind::Misconfigured),
    ] {
        let bench = Bench::new();
        let source = bench.open();
        bench.vault.set(&erp, "a", None);
        block_on(source.get(&erp)).unwrap();
        bench.refuse(&erp, Refusal::Status(status));
        bench.clock.advance(MINUTE * 5);
        let error = block_on(source.get(&erp)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        bench.vault.set_down(true);
        bench.clock.advance(RETRY_PAUSE);
        let error = block_on(source.get(&erp)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

#[test]
fn a_refusal_is_remembered_for_a_while() {
    let erp = name("erp");
    for (refusal, kind) in [
        (Refusal::Status(403), ErrorKind::Denied),
        (Refusal::Status(404), ErrorKind::NotFound),
        (Refusal::TooEarly, ErrorKind::Denied),
    ] {
        let bench = Bench::new();
        let source = bench.open();
        bench.vault.set(&erp, "a", None);
        block_on(source.get(&erp)).unwrap();
        bench.refuse(&erp, refusal);
        bench.clock.advance(MINUTE * 5);
        bench.vault.forget();
        let first = block_on(source.get(&erp)).unwrap_err();
        assert_eq!(first.kind(), kind, "{first}");
        bench
            .clock
            .advance(RETRY_PAUSE.saturating_sub(Duration::from_millis(1)));
        for _ in 0..5 {
            let error = block_on(source.get(&erp)).unwrap_err();
            assert_eq!(error.report(), first.report());
            assert_eq!(error.retry_after(), None);
        }
        assert_eq!(bench.vault.asked().len(), 1);
        bench.vault.set(&erp, "b", None);
        bench.clock.advance(Duration::from_millis(1));
        assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "b");
    }
}

#[test]
fn an_expired_secret_is_remembered_like_a_refusal() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    let until = bench.clock.now() + TimeDelta::seconds(30);
    bench.vault.set(&erp, "a", Some(until));
    block_on(source.get(&erp)).unwrap();
    bench.clock.advance(Duration::from_secs(30));
    bench.vault.forget();
    for _ in 0..5 {
        let error = block_on(source.get(&erp)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("expired"), "{error}");
    }
    assert_eq!(bench.vault.asked().len(), 1);
    let all = block_on(join_all((0..5).map(|_| source.refresh(&erp))));
    assert!(all.iter().all(Result::is_err));
    bench.vault.set(&erp, "b", None);
    bench.clock.advance(RETRY_PAUSE);
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "b");
}

/// A source says how late a change may be seen, and a new secret is one.
#[test]
fn a_refusal_is_remembered_no_longer_than_a_secret() {
    let bench = Bench::new();
    let config = KeyVaultConfig::new("https://acme.vault.azure.net").with_fresh_for_ms(1_000);
    let (source, erp) = (bench.build(config).unwrap(), name("erp"));
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    bench.vault.set(&erp, "a", None);
    bench.clock.advance(source.capability().seen_within);
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "a");
}

#[test]
fn a_refresh_asks_in_spite_of_a_remembered_refusal() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    block_on(source.get(&erp)).unwrap_err();
    bench.vault.set(&erp, "a", None);
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(block_on(source.refresh(&erp)).unwrap().value.expose(), "a");
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "a");
}

#[test]
fn a_vault_that_asks_for_a_pause_gets_it() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    bench.vault.set(&erp, "a", None);
    bench.refuse(&erp, Refusal::Throttled);
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
    assert_eq!(error.retry_after(), Some(MINUTE * 2));
    assert_eq!(
        bench.vault.asked().len(),
        2,
        "one layer repeats, and not this"
    );
}

#[test]
fn a_kept_secret_is_not_given_beyond_its_end() {
    let bench = Bench::new();
    let (source, erp) = (bench.open(), name("erp"));
    let until = bench.clock.now() + TimeDelta::seconds(30);
    bench.vault.set(&erp, "a", Some(until));
    block_on(source.get(&erp)).unwrap();
    bench.vault.set_down(true);
    bench.clock.advance(Duration::from_secs(30));
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    bench.vault.set_down(false);
    let error = block_on(source.get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("expired"), "{error}");
    bench.vault.set(&erp, "b", None);
    bench.clock.advance(RETRY_PAUSE);
    assert_eq!(block_on(source.get(&erp)).unwrap().value.expose(), "b");
}

#[test]
fn a_secret_that_is_not_valid_yet_is_denied() {
    let bench = Bench::new();
    let erp = name("erp");
    bench.vault.set(&erp, "a", None);
    bench.refuse(&erp, Refusal::TooEarly);
    let error = block_on(bench.open().get(&erp)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(
        error.report().contains("not valid yet"),
        "{}",
        error.report()
    );
}

#[test]
fn without_a_token_nothing_is_known_about_the_secret() {
    let bench = Bench::new();
    bench.vault.set(&name("erp"), "a", None);
    bench.tokens.refuse();
    let error = block_on(bench.open().get(&name("erp"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("token"), "{error}");
}

#[test]
fn nothing_secret_is_shown() {
    let log = Log::begin();
    let mut shown = String::new();
    let erp = name("erp");
    for (refusal, is_kept) in [
        (Refusal::Status(403), false),
        (Refusal::Status(500), true),
        (Refusal::Status(200), true),
        (Refusal::Throttled, true),
        (Refusal::Disabled, false),
        (Refusal::TooEarly, false),
    ] {
        let bench = Bench::new();
        let source = bench.open();
        bench.vault.set(&erp, CANARY, None);
        let got = block_on(source.get(&erp)).unwrap();
        bench.refuse(&erp, refusal);
        bench.clock.advance(MINUTE * 5);
        let kept = block_on(source.get(&erp));
        assert_eq!(kept.is_ok(), is_kept, "{refusal:?} {kept:?}");
        bench.clock.advance(MINUTE * 500);
        let error = block_on(source.get(&erp)).unwrap_err();
        let report = error.report();
        write!(shown, "{got:?} {source:?} {kept:?} {error:?} {report}").unwrap();
    }
    let logged = log.end();
    assert!(logged.contains("secret was not refreshed"), "{logged}");
    for text in [&shown, &logged] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let bench = Bench::new();
    for url in [
        "",
        "acme",
        "http://acme.vault.azure.net",
        "http://127.0.0.1:1",
        "https://u:p@acme.vault.azure.net",
    ] {
        let error = bench.build(KeyVaultConfig::new(url)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{url}");
        assert!(error.to_string().contains("vault_url"), "{error}");
    }
    let from = |name: &str, value: &str| {
        let pair = |name: &str, value: &str| {
            (format!("OMNISYNC_AZURE_KEY_VAULT_{name}"), value.to_owned())
        };
        let url = pair("URL", "https://acme.vault.azure.net");
        KeyVaultConfig::from_vars([url, pair(name, value)])
    };
    assert_eq!(from("FRESH_FOR_MS", "1").unwrap().fresh_for_ms, 1);
    let error = from("STALE_FOR_MS", "1 h").unwrap_err();
    assert!(error.to_string().contains("STALE_FOR_MS"), "{error}");
    let error = KeyVaultConfig::from_vars([]).unwrap_err();
    assert!(error.to_string().contains("KEY_VAULT_URL"), "{error}");
}
