use std::sync::Arc;

use futures::future::join_all;
use omnisync_adapters_azure::cosmos::{Container, Containers, CosmosConfig, Throughput};
use omnisync_conformance::cosmos_emulator::CosmosEmulatorOptions;
use omnisync_core::ErrorKind;
use omnisync_core::order::ORDERS;
use omnisync_core::port::{Collection, Expect, Query, StateStore, StateStoreExt};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::{Value, json};

use super::support::{Desk, block_on, key, put};

const BATCHES: Collection = Collection::new("batches");

#[test]
fn many_hosts_may_provision_at_once_and_again() {
    block_on(async {
        let desk = Desk::with(CosmosEmulatorOptions::default()).await;
        let stores: Vec<_> = (0..4)
            .map(|seed| desk.store_of(desk.config.clone(), seed))
            .collect();
        let done = join_all(
            stores
                .iter()
                .map(|store| store.provision(&[ORDERS, BATCHES])),
        )
        .await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        let store = desk.store();
        store
            .write_one(put("ORD-1", Expect::Absent, &json!({})))
            .await
            .unwrap();
        store.provision(&[ORDERS, BATCHES]).await.unwrap();
        assert!(store.get_one(&key("ORD-1")).await.unwrap().is_some());
    });
}

#[test]
fn a_container_has_the_partition_key_the_indexes_and_no_expiry_of_its_own() {
    block_on(async {
        let mut desk = Desk::with(CosmosEmulatorOptions::default()).await;
        desk.config = desk.config.with_throughput(Throughput::Autoscale(1_000));
        desk.store().provision(&[ORDERS]).await.unwrap();
        let created = desk
            .emulator
            .requests()
            .into_iter()
            .find(|request| request.method == "POST" && request.path.ends_with("/colls"))
            .unwrap();
        assert!(
            created
                .header("x-ms-cosmos-offer-autopilot-settings")
                .contains("1000")
        );
        let body: Value = serde_json::from_slice(&created.body).unwrap();
        assert_eq!(body["partitionKey"]["paths"], json!(["/orderId"]));
        assert_eq!(body["defaultTtl"], -1);
        let policy = body["indexingPolicy"].to_string();
        for path in [
            "/omsEvent/*",
            "/trail/*",
            "/processingStatus",
            "/ingestedAt",
            "/omnisync/dueAt",
        ] {
            assert!(policy.contains(path), "{path} in {policy}");
        }
    });
}

#[test]
fn a_container_with_another_partition_key_is_named() {
    block_on(async {
        let mut desk = Desk::open().await;
        let named = [("orders".to_owned(), Container::new("orders", "/customerId"))];
        desk.config = desk.config.with_containers(Containers::PerCollection {
            prefix: String::new(),
            named: named.into(),
        });
        let error = desk.store().provision(&[ORDERS]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("container orders"), "{error}");
        assert!(error.to_string().contains("partition key"), "{error}");
    });
}

/// Names the container of orders.
fn orders_in(desk: &Desk, container: &str) -> CosmosConfig {
    let named = [("orders".to_owned(), Container::new(container, "/id"))];
    desk.config
        .clone()
        .with_containers(Containers::PerCollection {
            prefix: String::new(),
            named: named.into(),
        })
}

#[test]
fn two_collections_do_not_get_the_same_container_unawares() {
    block_on(async {
        let desk = Desk::with(CosmosEmulatorOptions::default()).await;
        // Collections of the flows are known beforehand, others when they are named.
        let build = |config: CosmosConfig| {
            config.build(
                None,
                Arc::<ManualClock>::clone(&desk.clock),
                Arc::new(SeqIds::new(1)),
            )
        };
        let refused = build(orders_in(&desk, "batches")).unwrap_err();
        let drafts = Collection::new("drafts");
        let store = build(orders_in(&desk, "drafts")).unwrap();
        let provisioned = store.provision(&[drafts]).await.unwrap_err();
        for error in [refused, provisioned] {
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains("same container"), "{error}");
        }
        store.provision(&[ORDERS]).await.unwrap();
    });
}

/// Nothing would expire, or what still waits would.
#[test]
fn a_container_with_another_time_to_live_is_named() {
    block_on(async {
        let desk = Desk::open().await;
        for (container, ttl) in [("never", None), ("soon", Some(600))] {
            desk.create_container(container, ttl).await;
            let store = desk.store_of(orders_in(&desk, container), 1);
            let error = store.provision(&[ORDERS]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.to_string().contains("defaultTtl"), "{error}");
        }
    });
}

#[test]
fn without_containers_every_operation_says_what_to_do() {
    block_on(async {
        let desk = Desk::with(CosmosEmulatorOptions::default()).await;
        let store = desk.store();
        let read = store.get_one(&key("ORD-1")).await.unwrap_err();
        let written = store
            .write_one(put("ORD-1", Expect::Any, &json!({})))
            .await
            .unwrap_err();
        let queried = store.query(Query::all(ORDERS)).await.unwrap_err();
        for error in [read, written, queried] {
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{}", error.report());
            assert!(error.to_string().contains("provision"), "{error}");
            assert!(!error.is_ambiguous());
        }
    });
}
