use std::sync::Arc;

use bytes::Bytes;
use omnisync_adapters_azure::cosmos::{
    Container, Containers, CosmosConfig, CosmosStateStore, Throughput,
};
use omnisync_conformance::cosmos_emulator::{CosmosEmulator, CosmosEmulatorOptions};
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Action, Collection, Content, DocumentKey, Expect, Write, Written};
use omnisync_http::{Limits, ReqwestConfig, Response, Transport};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Runs in a runtime of its own.
pub(super) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test)
}

/// An account, a clock, and stores over both.
pub(super) struct Desk {
    pub(super) emulator: CosmosEmulator,
    pub(super) clock: Arc<ManualClock>,
    pub(super) config: CosmosConfig,
}

impl Desk {
    /// An account with a container of orders.
    pub(super) async fn open() -> Self {
        let desk = Self::with(CosmosEmulatorOptions::default()).await;
        desk.store().provision(&[ORDERS]).await.unwrap();
        desk
    }

    /// An account without databases.
    pub(super) async fn with(options: CosmosEmulatorOptions) -> Self {
        let emulator = CosmosEmulator::start(options).await.unwrap();
        let config = CosmosConfig::new(emulator.endpoint(), "oms-integration-db")
            .with_key(emulator.key())
            .with_throughput(Throughput::Manual(400));
        Self {
            emulator,
            clock: Arc::new(ManualClock::default()),
            config,
        }
    }

    pub(super) fn store(&self) -> CosmosStateStore {
        self.store_of(self.config.clone(), 1)
    }

    pub(super) fn store_of(&self, config: CosmosConfig, seed: u32) -> CosmosStateStore {
        let clock = Arc::clone(&self.clock);
        config
            .build(None, clock, Arc::new(SeqIds::new(seed)))
            .unwrap()
    }

    /// Makes a container as an administrator does.
    pub(super) async fn create_container(&self, name: &str, default_ttl: Option<u32>) {
        let mut container = json!({
            "id": name,
            "partitionKey": { "paths": ["/id"], "kind": "Hash", "version": 2 },
        });
        if let Some(seconds) = default_ttl {
            container["defaultTtl"] = json!(seconds);
        }
        let path = "/dbs/oms-integration-db/colls";
        let answer = raw(&self.emulator, path, &[], &container).await;
        assert!(answer.status().is_success(), "{:?}", answer.body());
    }
}

/// Where the documents of orders are.
pub(super) const DOCUMENTS: &str = "/dbs/oms-integration-db/colls/orders/docs";

/// A request that no client makes.
pub(super) async fn raw(
    emulator: &CosmosEmulator,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Response {
    let mut request = http::Request::post(format!("{}{path}", emulator.endpoint()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .header("authorization", "type%3dmaster")
        .header("x-ms-version", "2020-07-15")
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let transport = ReqwestConfig::default().open().unwrap();
    transport.send(request, Limits::default()).await.unwrap()
}

/// Everything in one container.
pub(super) fn shared() -> Containers {
    Containers::Shared(Container::new("omnisync", "/id"))
}

pub(super) fn key(id: &str) -> DocumentKey {
    DocumentKey::new(ORDERS, id)
}

pub(super) fn content(body: &Value) -> Content {
    Content {
        state: "Pending".to_owned(),
        due_at: None,
        expires_at: None,
        body: RawValue::from_string(body.to_string()).unwrap(),
    }
}

pub(super) fn put(id: &str, expect: Expect, body: &Value) -> Write {
    Write {
        key: key(id),
        expect,
        action: Action::Put(content(body)),
    }
}

pub(super) fn tag(written: Written) -> omnisync_core::id::ETag {
    match written {
        Written::Put(tag) => tag,
        Written::Deleted => panic!("it was deleted"),
    }
}

/// The collections that the clauses write to.
pub(super) const CONTRACT: [Collection; 19] = [
    Collection::new("contract_c01"),
    Collection::new("contract_c02"),
    Collection::new("contract_c03"),
    Collection::new("contract_c04"),
    Collection::new("contract_c05"),
    Collection::new("contract_c06"),
    Collection::new("contract_c07"),
    Collection::new("contract_c08"),
    Collection::new("contract_c09"),
    Collection::new("contract_c09_other"),
    Collection::new("contract_c10"),
    Collection::new("contract_c11"),
    Collection::new("contract_c12"),
    Collection::new("contract_c12_other"),
    Collection::new("contract_c13"),
    Collection::new("contract_c14"),
    Collection::new("contract_c06_other"),
    Collection::new("contract_c08_other"),
    ORDERS,
];
