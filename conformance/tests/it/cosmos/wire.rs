use chrono::TimeDelta;
use omnisync_adapters_azure::cosmos::Reads;
use omnisync_conformance::cosmos_emulator::{CosmosEmulator, CosmosEmulatorOptions, Recorded};
use omnisync_core::ErrorKind;
use omnisync_core::order::{ORDERS, OrderRecord};
use omnisync_core::port::{
    Action, Clock, Collection, DocumentKey, Expect, Query, StateStore, StateStoreExt, Write,
};
use serde_json::{Value, json};

use super::support::{DOCUMENTS, Desk, block_on, content, key, put, raw, shared, tag};

async fn foreign(emulator: &CosmosEmulator, id: &str, document: &Value) {
    let partition = json!([id]).to_string();
    let headers = [
        ("x-ms-documentdb-partitionkey", partition.as_str()),
        ("x-ms-documentdb-is-upsert", "true"),
    ];
    let answer = raw(emulator, DOCUMENTS, &headers, document).await;
    assert!(answer.status().is_success(), "{:?}", answer.body());
}

fn bodies(requests: &[Recorded]) -> Vec<Value> {
    let writes = requests
        .iter()
        .filter(|request| request.is_document_write());
    writes
        .filter_map(|request| serde_json::from_slice(&request.body).ok())
        .collect()
}

#[test]
fn only_a_document_that_expires_has_a_ttl_counted_from_its_write() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let mut write = put("ORD-1", Expect::Any, &json!({ "ttl": 2_592_000 }));
        store.write_one(write.clone()).await.unwrap();
        for seconds in [30, -30] {
            let mut content = content(&json!({ "ttl": 2_592_000 }));
            content.expires_at = Some(desk.clock.now() + TimeDelta::seconds(seconds));
            write.action = Action::Put(content);
            store.write_one(write.clone()).await.unwrap();
        }
        let written = bodies(&desk.emulator.requests());
        let ttls: Vec<&Value> = written.iter().map(|body| &body["ttl"]).collect();
        assert_eq!(ttls, [&Value::Null, &json!(30), &json!(1)]);
        let found: Value = store
            .get_one(&key("ORD-1"))
            .await
            .unwrap()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(found, json!({ "ttl": 2_592_000 }));
    });
}

#[test]
fn conditions_travel_as_headers() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let first = tag(store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap());
        let replace = put("ORD-1", Expect::Tag(first.clone()), &json!(2));
        store.write_one(replace).await.unwrap();
        store
            .write_one(put("ORD-1", Expect::Any, &json!(3)))
            .await
            .unwrap();
        let requests = desk.emulator.requests();
        let writes: Vec<_> = requests
            .iter()
            .filter(|request| request.is_document_write())
            .collect();
        let methods: Vec<&str> = writes
            .iter()
            .map(|request| request.method.as_str())
            .collect();
        assert_eq!(methods, ["POST", "PUT", "POST"]);
        assert_eq!(writes[0].header("if-match"), "");
        assert_eq!(writes[1].header("if-match"), first.as_str());
        assert_eq!(
            writes[2].header("x-ms-documentdb-is-upsert").to_lowercase(),
            "true"
        );
        for write in writes {
            assert_eq!(write.header("x-ms-documentdb-partitionkey"), "[\"ORD-1\"]");
            assert!(
                write
                    .header("authorization")
                    .starts_with("type%3Dmaster%26ver%3D1.0%26sig%3D")
            );
        }
    });
}

#[test]
fn reads_and_queries_name_the_session_of_the_writes() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store_of(desk.config.clone().with_reads(Reads::Session), 1);
        store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap();
        let before = desk.emulator.requests().len();
        store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        store.query(Query::all(ORDERS)).await.unwrap();
        let requests = desk.emulator.requests().split_off(before);
        let asked: Vec<_> = requests
            .iter()
            .filter(|request| request.is_document())
            .collect();
        assert!(asked.len() >= 2);
        for request in asked {
            assert!(
                request.header("x-ms-session-token").contains('#'),
                "{request:?}"
            );
        }
    });
}

#[test]
fn reads_and_queries_ask_for_what_every_host_wrote() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap();
        let before = desk.emulator.requests().len();
        store.get_one(&key("ORD-1")).await.unwrap().unwrap();
        store.query(Query::all(ORDERS)).await.unwrap();
        let requests = desk.emulator.requests().split_off(before);
        let asked: Vec<_> = requests
            .iter()
            .filter(|request| request.is_document())
            .collect();
        assert!(asked.len() >= 2);
        for request in asked {
            let strategy = request.header("x-ms-cosmos-read-consistency-strategy");
            assert_eq!(strategy, "LatestCommitted");
        }
    });
}

#[test]
fn queries_are_conditions_that_every_gateway_serves() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let query = Query::all(ORDERS)
            .in_state("Pending")
            .due_before(desk.clock.now());
        store.query(query.clone()).await.unwrap();
        store.query(query.without_bodies()).await.unwrap();
        let requests = desk.emulator.requests();
        let queries: Vec<_> = requests
            .iter()
            .filter(|request| request.is_query())
            .collect();
        assert!(queries.len() >= 2);
        for query in queries {
            let body: Value = serde_json::from_slice(&query.body).unwrap();
            let text = body["query"].as_str().unwrap().to_uppercase();
            for word in [
                "ORDER BY", "TOP", "DISTINCT", "GROUP", "COUNT", "OFFSET", "LIMIT",
            ] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    });
}

#[test]
fn an_undivided_query_with_an_order_is_refused_as_by_the_service() {
    block_on(async {
        let desk = Desk::open().await;
        let headers = [
            ("x-ms-documentdb-isquery", "True"),
            ("x-ms-documentdb-query-enablecrosspartition", "True"),
            ("content-type", "application/query+json"),
        ];
        let ordered = json!({ "query": "SELECT * FROM c\norder  by c.ingestedAt" });
        let answer = raw(&desk.emulator, DOCUMENTS, &headers, &ordered).await;
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["x-ms-substatus"], "1004");
        let plain = json!({ "query": "SELECT * FROM c" });
        assert_eq!(
            raw(&desk.emulator, DOCUMENTS, &headers, &plain)
                .await
                .status(),
            200
        );
    });
}

#[test]
fn an_empty_page_is_not_the_end() {
    block_on(async {
        let desk = Desk::with(CosmosEmulatorOptions::default().beginning_queries_empty()).await;
        let store = desk.store();
        store.provision(&[ORDERS]).await.unwrap();
        store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap();
        let page = store.query(Query::all(ORDERS)).await.unwrap();
        assert!(page.documents.is_empty());
        assert!(page.continuation.is_some());
        let all = store.query_all(Query::all(ORDERS), 10).await.unwrap();
        assert_eq!(all.len(), 1);
    });
}

#[test]
fn every_page_is_asked_for_and_none_behind_the_last() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        for number in 0..3 {
            let id = format!("ORD-{number}");
            store
                .write_one(put(&id, Expect::Absent, &json!(1)))
                .await
                .unwrap();
        }
        let mut query = Query::all(ORDERS).with_page_items_max(2);
        let mut sizes = Vec::new();
        loop {
            let page = store.query(query.clone()).await.unwrap();
            sizes.push(page.documents.len());
            query.continuation = page.continuation;
            if query.continuation.is_none() {
                break;
            }
        }
        assert_eq!(sizes.iter().sum::<usize>(), 3);
        assert!(sizes.iter().all(|size| *size <= 2), "{sizes:?}");
        let requests = desk.emulator.requests();
        let asked = requests.iter().filter(|request| request.is_query()).count();
        assert_eq!(asked, sizes.len(), "{sizes:?}");
    });
}

#[test]
fn foreign_continuations_are_refused_before_anything_is_sent() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        for number in 0..3 {
            let id = format!("ORD-{number}");
            store
                .write_one(put(&id, Expect::Absent, &json!(1)))
                .await
                .unwrap();
        }
        let query = Query::all(ORDERS).with_page_items_max(1);
        let continuation = store
            .query(query.clone())
            .await
            .unwrap()
            .continuation
            .unwrap();
        let before = desk.emulator.requests().len();
        let mut other = Query::all(ORDERS).in_state("Pending");
        other.continuation = Some(continuation.clone());
        let mut altered = query;
        altered.continuation = Some(format!("{continuation}A"));
        for query in [other, altered] {
            let error = store.query(query).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
        assert_eq!(desk.emulator.requests().len(), before);
    });
}

#[test]
fn documents_of_others_are_named_and_do_not_stop_a_query() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let theirs = json!({ "id": "X-1", "orderId": "X-1", "processingStatus": "Pending" });
        foreign(&desk.emulator, "X-1", &theirs).await;
        for number in 0..5 {
            let id = format!("ORD-{number}");
            store
                .write_one(put(&id, Expect::Absent, &json!(1)))
                .await
                .unwrap();
        }
        let found = store.get(&[key("ORD-1"), key("X-1"), key("ORD-2")]).await;
        let found: Vec<_> = found.unwrap().into_iter().map(Option::unwrap).collect();
        assert_eq!(found[0].parse::<Value>().unwrap(), json!(1));
        assert_eq!(found[2].parse::<Value>().unwrap(), json!(1));
        assert_eq!((found[1].state.as_str(), found[1].due_at), ("", None));
        let error = OrderRecord::from_document(&found[1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("orders/X-1"), "{error}");
        // Whoever repairs it replaces what was seen.
        let repaired = put("X-1", Expect::Tag(found[1].etag.clone()), &json!(1));
        store.write_one(repaired).await.unwrap();
        assert!(store.get_one(&key("X-1")).await.unwrap().is_some());
        foreign(&desk.emulator, "X-1", &theirs).await;
        let all = store
            .query_all(Query::all(ORDERS).with_page_items_max(2), 100)
            .await
            .unwrap();
        assert_eq!(all.len(), 5);
    });
}

#[test]
fn a_spoilt_document_of_ours_fails_alone() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let spoilt = json!({
            "id": "ORD-9", "orderId": "ORD-9",
            "omnisync": { "v": 1, "collection": "orders", "state": "Pending", "dueAt": "soon" }
        });
        foreign(&desk.emulator, "ORD-9", &spoilt).await;
        store
            .write_one(put("ORD-1", Expect::Absent, &json!(1)))
            .await
            .unwrap();
        for query in [Query::all(ORDERS), Query::all(ORDERS).without_bodies()] {
            let bodies = query.bodies;
            let query = query.in_state("Pending");
            let mut found = store.query_all(query, 10).await.unwrap();
            found.sort_by(|one, other| one.key.cmp(&other.key));
            let ids: Vec<&str> = found.iter().map(|one| one.key.id.as_str()).collect();
            assert_eq!(ids, ["ORD-1", "ORD-9"]);
            assert_eq!(found[1].state, "Pending");
            assert_eq!((found[1].due_at, found[1].expires_at), (None, None));
            assert_eq!(found[1].body.is_some(), bodies);
            let error = OrderRecord::from_document(&found[1]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains("orders/ORD-9"), "{error}");
        }
    });
}

#[test]
fn collections_in_one_container_do_not_meet() {
    block_on(async {
        const BATCHES: Collection = Collection::new("batches");
        let mut desk = Desk::with(CosmosEmulatorOptions::default()).await;
        desk.config = desk.config.with_containers(shared());
        let store = desk.store();
        store.provision(&[ORDERS, BATCHES]).await.unwrap();
        store
            .write_one(put("1", Expect::Absent, &json!({ "a": 1 })))
            .await
            .unwrap();
        let batch = Write {
            key: DocumentKey::new(BATCHES, "1"),
            expect: Expect::Absent,
            action: Action::Put(content(&json!({ "b": 2 }))),
        };
        store.write_one(batch).await.unwrap();
        let orders = store.query_all(Query::all(ORDERS), 10).await.unwrap();
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].parse::<Value>().unwrap(), json!({ "a": 1 }));
    });
}

#[test]
fn ids_that_do_not_fit_are_refused_and_not_found() {
    block_on(async {
        let desk = Desk::open().await;
        let store = desk.store();
        let long = "a".repeat(1_024);
        let error = store
            .write_one(put(&long, Expect::Any, &json!(1)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(store.get_one(&key(&long)).await.unwrap().is_none());
    });
}
