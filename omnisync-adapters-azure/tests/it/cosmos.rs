//! Settings, secrets and TLS of `CosmosStateStore`. What it does with documents is tested against
//! Microsoft's emulator, in the package of conformance tests.

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_adapters_azure::cosmos::{Container, Containers, CosmosConfig, CosmosStateStore};
use omnisync_core::port::{Collection, DocumentKey, StateStore, StateStoreExt};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{AccessToken, Scope, TokenCache, TokenProvider};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const ORDERS: Collection = Collection::new("orders");
/// Base64, so that it is a key.
const CANARY: &str = "Q0FOQVJZQ0FOQVJZQ0FOQQ==";

fn build(config: CosmosConfig) -> Result<CosmosStateStore, PortError> {
    let clock = Arc::new(ManualClock::default().auto());
    config.build(None, clock, Arc::new(SeqIds::new(1)))
}

fn with_key(endpoint: &str) -> CosmosConfig {
    CosmosConfig::new(endpoint, "oms").with_key(CANARY)
}

/// An authority that refuses, and notes what it was asked for.
#[derive(Debug)]
struct Refusing;

#[async_trait]
impl TokenProvider for Refusing {
    async fn token(&self, scope: &Scope) -> Result<AccessToken, PortError> {
        assert!(scope.as_str().ends_with("/.default"), "{scope}");
        Err(PortError::new(ErrorKind::Denied, "token.test").with_detail(CANARY))
    }
}

fn tokens() -> TokenCache {
    let clock = Arc::new(ManualClock::default().auto());
    TokenCache::new(Arc::new(Refusing), clock, Arc::new(SeqIds::new(2)))
}

#[test]
fn settings_that_cannot_be_are_named() {
    let set = |change: fn(&mut CosmosConfig)| {
        let mut config = with_key("https://acme.documents.azure.com");
        change(&mut config);
        let error = build(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        error.to_string()
    };
    for (what, found) in [
        (
            "endpoint",
            set(|config| config.endpoint = "acme".to_owned()),
        ),
        ("database", set(|config| config.database.clear())),
        ("key", set(|config| config.key = Some("no base64!".into()))),
        ("neither", set(|config| config.key = None)),
        (
            // What a region that is only read from has may be old.
            "preferred_regions",
            set(|config| config.preferred_regions = vec!["West US".to_owned()]),
        ),
        (
            "same container",
            set(|config| {
                let named = ["orders", "batches"];
                config.containers = Containers::PerCollection {
                    prefix: String::new(),
                    named: named
                        .map(|name| (name.to_owned(), Container::new("c", "/id")))
                        .into(),
                };
            }),
        ),
        (
            "body_bytes_max",
            set(|config| config.body_bytes_max = 4 << 20),
        ),
        (
            "concurrent_requests_max",
            set(|config| config.concurrent_requests_max = 0),
        ),
        (
            "throttle_retries_max",
            set(|config| config.throttle_retries_max = 101),
        ),
        ("timeout_ms", set(|config| config.timeout_ms = 0)),
        (
            "partition_key",
            set(|config| config.containers = Containers::Shared(Container::new("c", "orderId"))),
        ),
        (
            "partition_key",
            set(|config| config.containers = Containers::Shared(Container::new("c", "/ttl"))),
        ),
    ] {
        assert!(found.contains(what), "{what} in {found}");
    }
}

#[test]
fn plain_http_is_for_this_machine_and_never_for_tokens() {
    for endpoint in ["http://acme.documents.azure.com", "http://10.0.0.1:8081"] {
        let error = build(with_key(endpoint)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{endpoint}");
    }
    for endpoint in [
        "http://127.0.0.1:8081",
        "http://localhost:8081",
        "http://[::1]:8081",
    ] {
        assert!(build(with_key(endpoint)).is_ok(), "{endpoint}");
        let clock = Arc::new(ManualClock::default().auto());
        let by_tokens = CosmosConfig::new(endpoint, "oms");
        let error = by_tokens
            .build(Some(tokens()), clock, Arc::new(SeqIds::new(1)))
            .unwrap_err();
        assert!(error.to_string().contains("https"), "{error}");
    }
}

#[test]
fn settings_come_from_the_environment() {
    let variables = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        let named = pairs
            .map(|(name, value)| (format!("OMNISYNC_AZURE_COSMOS_{name}"), (*value).to_owned()));
        named.collect()
    };
    let least = [
        ("ENDPOINT", "https://acme.documents.azure.com"),
        ("DATABASE", "oms"),
    ];
    let config = CosmosConfig::from_vars(variables(&least)).unwrap();
    assert!(config.key.is_none());
    assert_eq!(config.containers, Containers::default());

    let all = [
        &least[..],
        &[
            ("KEY", CANARY),
            ("CONTAINER", "c"),
            ("READS", "session"),
            ("REGIONS", "East US, West US"),
        ],
    ]
    .concat();
    let config = CosmosConfig::from_vars(variables(&all)).unwrap();
    assert_eq!(config.preferred_regions, ["East US", "West US"]);
    assert_eq!(
        config.containers,
        Containers::Shared(Container::new("c", "/id"))
    );
    assert!(build(config).is_ok());

    let unknown = [&least[..], &[("READS", "newest")]].concat();
    let error = CosmosConfig::from_vars(variables(&unknown)).unwrap_err();
    assert!(error.to_string().contains("COSMOS_READS"), "{error}");
    let error = CosmosConfig::from_vars(variables(&least[..1])).unwrap_err();
    assert!(
        error.to_string().contains("OMNISYNC_AZURE_COSMOS_DATABASE"),
        "{error}"
    );
}

#[test]
fn settings_come_from_a_file() {
    let text = r#"{
        "endpoint": "https://acme.documents.azure.com", "database": "oms-integration-db",
        "throughput": { "autoscale": 4000 },
        "containers": { "per-collection": { "prefix": "oms-", "named": {
            "orders": { "partition_key": "/orderId" }, "batches": { "name": "b" } } } }
    }"#;
    let config: CosmosConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.concurrent_requests_max, 32);
    let unknown = text.replacen("\"database\"", "\"databse\": \"x\", \"database\"", 1);
    assert!(serde_json::from_str::<CosmosConfig>(&unknown).is_err());
}

#[tokio::test]
async fn no_secret_is_ever_shown() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let config = with_key(&endpoint);
    assert!(!format!("{config:?}").contains("Q0FOQVJZ"));
    let store = build(config).unwrap();
    assert!(!format!("{store:?}").contains("Q0FOQVJZ"), "{store:?}");
    let key = DocumentKey::new(ORDERS, "ORD-1");
    let error = store.get_one(&key).await.unwrap_err();
    for text in [error.report(), format!("{error:?}"), format!("{error:#?}")] {
        assert!(!text.contains("Q0FOQVJZ"), "{text}");
        assert!(!text.contains("sig="), "{text}");
    }
    assert!(error.report().contains("refused"), "{}", error.report());
}

#[tokio::test]
async fn an_https_account_is_spoken_to_by_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 1_024];
        let read = first.read(&mut hello).await.unwrap();
        hello.truncate(read);
        // From now on nobody is there.
        hello
    });
    let store = build(with_key(&endpoint).with_timeout_ms(5_000)).unwrap();
    let key = DocumentKey::new(ORDERS, "ORD-1");
    let error = store.get_one(&key).await.unwrap_err();
    let hello = server.await.unwrap();
    // A handshake record with a hello in it.
    assert_eq!((hello[0], hello[1], hello[5]), (22, 3, 1));
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.report());
    assert!(!error.is_ambiguous());
}

#[tokio::test]
async fn a_credential_without_a_token_is_told_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let clock = Arc::new(ManualClock::default().auto());
    let store = CosmosConfig::new(endpoint, "oms")
        .build(Some(tokens()), clock, Arc::new(SeqIds::new(1)))
        .unwrap();
    let error = store
        .get_one(&DocumentKey::new(ORDERS, "a"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.report());
    assert!(!error.report().contains(CANARY), "{}", error.report());
}

#[test]
fn it_says_what_it_can_do() {
    let store = build(with_key("https://acme.documents.azure.com")).unwrap();
    let capability = store.capability();
    assert!(capability.durable && capability.native_expiry);
    assert!(!capability.query_reads_own_writes);
    assert_eq!(capability.body_bytes_max, CosmosConfig::BODY_BYTES_LIMIT);
    assert_eq!(store.charges().total().operations, 0);
}
