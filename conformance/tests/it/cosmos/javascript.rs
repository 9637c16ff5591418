//! The official JavaScript client reads what the store writes, and the other way round.

use omnisync_conformance::node as conformance;
use omnisync_core::ErrorKind;
use omnisync_core::order::{ORDERS, OrderRecord};
use omnisync_core::port::{Action, Expect, Query, StateStoreExt};
use serde_json::{Value, json};

use super::support::{Desk, block_on, content, key, put, tag};

/// Runs a check of `js/cosmos.mjs` and reads what it reports.
async fn node(desk: &Desk, check: &str, more: &[&str]) -> Value {
    let mut script = conformance::script("cosmos.mjs").unwrap();
    script
        .args([check, &desk.emulator.endpoint(), desk.emulator.key()])
        .args(["oms-integration-db", "orders"])
        .args(more);
    conformance::answer(script).await.unwrap()
}

fn order(id: &str, status: &str, ingested_at: &str) -> Value {
    json!({
        "id": id, "orderId": id, "processingStatus": status, "ingestedAt": ingested_at,
        "omsEvent": { "data": { "totalAmount": 12_500.25, "note": "Zürich 北京" } },
        "batchId": null, "retryCount": 0, "ttl": 2_592_000
    })
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn the_official_client_sees_orders_as_dashboards_do() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let orders = [
            order("ORD-1", "Pending", "2026-03-14T08:00:15Z"),
            order("ORD-2", "Pending", "2026-03-14T09:00:15Z"),
            order("ORD-3", "Failed", "2026-03-14T07:00:15Z"),
            order(
                "A b/c".replace('/', "-").as_str(),
                "Pending",
                "2026-03-14T10:00:15Z",
            ),
        ];
        for order in &orders {
            let id = order["id"].as_str().unwrap();
            store
                .write_one(put(id, Expect::Absent, order))
                .await
                .unwrap();
        }
        let seen = node(&desk, "dashboard", &["Pending"]).await;
        let want = json!([
            { "orderId": "ORD-1", "processingStatus": "Pending", "ingestedAt": "2026-03-14T08:00:15Z" },
            { "orderId": "ORD-2", "processingStatus": "Pending", "ingestedAt": "2026-03-14T09:00:15Z" },
            { "orderId": "A b-c", "processingStatus": "Pending", "ingestedAt": "2026-03-14T10:00:15Z" },
        ]);
        assert_eq!(seen["orders"], want);
        assert_eq!(seen["ordered"], json!(["A b-c", "ORD-2", "ORD-1"]));
        assert_eq!(seen["one"]["omsEvent"], orders[0]["omsEvent"]);
        assert_eq!(seen["one"]["omnisync"]["state"], "Pending");
    });
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn a_document_of_the_official_client_in_our_layout_is_read() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        node(&desk, "write-ours", &["ORD-7"]).await;
        let found = store.get_one(&key("ORD-7")).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.expires_at), ("Pending", None));
        assert_eq!(found.due_at, "2026-03-14T08:00:15Z".parse().ok());
        let want = json!({
            "id": "ORD-7", "orderId": "ORD-7", "processingStatus": "Pending", "amount": 19.99
        });
        assert_eq!(found.parse::<Value>().unwrap(), want);
        let all = store
            .query_all(Query::all(ORDERS).in_state("Pending"), 10)
            .await
            .unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].etag, found.etag);
    });
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn either_client_notices_the_changes_of_the_other() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let body = order("ORD-1", "Pending", "2026-03-14T08:00:15Z");
        let first = tag(store
            .write_one(put("ORD-1", Expect::Absent, &body))
            .await
            .unwrap());
        // It replaces by our tag, and is refused by the tag that it has replaced.
        let seen = node(&desk, "replace", &["ORD-1", first.as_str()]).await;
        assert_eq!(seen["stale"], 412);
        let stale = put("ORD-1", Expect::Tag(first), &body);
        let error = store.write_one(stale).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let found = store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        assert_eq!(found.etag.as_str(), seen["etag"].as_str().unwrap());
        assert_eq!(
            found.parse::<Value>().unwrap()["processingStatus"],
            "Processing"
        );
    });
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn a_document_of_the_official_client_without_our_layout_is_named() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        node(&desk, "write-foreign", &["X-1"]).await;
        store
            .write_one(put("ORD-1", Expect::Absent, &json!({})))
            .await
            .unwrap();
        let found = store.get_one(&key("X-1")).await.unwrap().unwrap();
        let error = OrderRecord::from_document(&found).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("orders/X-1"), "{error}");
        let all = store.query_all(Query::all(ORDERS), 10).await.unwrap();
        assert_eq!(all.len(), 1);
    });
}

#[test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
fn the_official_client_takes_what_expires_as_valid() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let mut content = content(&order("ORD-1", "Processed", "2026-03-14T08:00:15Z"));
        content.expires_at = "2040-01-01T00:00:00Z".parse().ok();
        let mut write = put("ORD-1", Expect::Absent, &json!({}));
        write.action = Action::Put(content);
        store.write_one(write).await.unwrap();
        let seen = node(&desk, "upsert-again", &["ORD-1"]).await;
        assert!(
            seen["ttl"].as_i64().is_some_and(|seconds| seconds > 0),
            "{seen}"
        );
        let found = store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        assert_eq!(found.parse::<Value>().unwrap()["ttl"], 2_592_000);
    });
}
