//! Deliveries into the order pipeline.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_adapters_azure::event_grid::{
    EventGridHandler, EventGridHandlerConfig, Evidence, EvidenceKeeper, IngestReceiver,
};
use omnisync_core::flow::{Ingest, IngestPolicy, Worker};
use omnisync_core::id::WorkerId;
use omnisync_core::order::ORDERS;
use omnisync_core::port::DeadLetterReason;
use omnisync_core::{ErrorKind, PortError};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::{MemoryStateStore, MemoryStateStoreOptions};
use omnisync_testkit::ids::SeqIds;
use serde_json::{Value, json};

use super::support::{BATCHED, STRUCTURED, post, words};

fn order(id: &str, number: &str, quantity: u32) -> Value {
    json!({
        "specversion": "1.0", "type": "OMS.Order.Created", "source": "/orders", "id": id,
        "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json",
        "data": {
            "orderId": number, "customerId": "C-1", "orderDate": "2026-01-01",
            "totalAmount": quantity * 10, "currency": "EUR",
            "lineItems": [{"itemNumber": 1, "productCode": "P", "quantity": quantity, "unitPrice": 10}],
            "shippingAddress": {
                "name": "Ada", "street": "R 1", "city": "Zürich", "zip": "8001", "country": "CH"
            }
        }
    })
}

fn ingest(store: &MemoryStateStore) -> Arc<Ingest> {
    ingest_by(&ManualClock::default().auto(), store)
}

fn ingest_by(clock: &ManualClock, store: &MemoryStateStore) -> Arc<Ingest> {
    let worker = Worker::new(
        WorkerId::new("webhook").unwrap(),
        Arc::new(clock.clone()),
        Arc::new(SeqIds::new(1)),
    );
    let policy = IngestPolicy::default();
    Arc::new(Ingest::new(Arc::new(store.clone()), worker, policy))
}

fn handler(receiver: IngestReceiver) -> EventGridHandler {
    EventGridHandler::builder(Arc::new(receiver))
        .without_authentication()
        .build()
        .unwrap()
}

async fn push(handler: &EventGridHandler, batch: &Value) -> (u16, Vec<String>) {
    let response = handler
        .handle(post("/", &[BATCHED], &batch.to_string()))
        .await;
    (response.status().as_u16(), words(&response))
}

#[tokio::test]
async fn orders_are_durable_before_the_answer() {
    let store = MemoryStateStore::default();
    let handler = handler(IngestReceiver::new(ingest(&store)));
    let batch = json!([order("1", "A", 1), order("2", "B", 1), order("1", "A", 1)]);
    let (status, words) = push(&handler, &batch).await;
    assert_eq!(
        (status, words.concat()),
        (200, "AcceptedAcceptedDuplicate".to_owned())
    );
    assert_eq!(store.documents(ORDERS).len(), 2);
}

#[tokio::test]
async fn while_the_store_is_down_deliveries_come_again() {
    let store = MemoryStateStore::default();
    let clock = ManualClock::default();
    let handler = handler(IngestReceiver::new(ingest_by(&clock, &store)));
    let batch = json!([order("1", "A", 1)]);
    store.throttle(1, Duration::from_secs(20));
    let response = handler
        .handle(post("/", &[BATCHED], &batch.to_string()))
        .await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "20");
    assert_eq!(push(&handler, &batch).await.0, 503);
    clock.advance(Duration::from_secs(20));
    assert_eq!(push(&handler, &batch).await.0, 200);
}

/// What can never be taken, in memory.
#[derive(Debug, Default)]
struct Keeper {
    kept: Mutex<Vec<Evidence>>,
    is_down: bool,
}

#[async_trait]
impl EvidenceKeeper for Keeper {
    async fn keep(&self, evidence: &Evidence) -> Result<(), PortError> {
        if self.is_down {
            return Err(PortError::new(ErrorKind::Exhausted, "evidence.keep"));
        }
        self.kept.lock().unwrap().push(evidence.clone());
        Ok(())
    }
}

fn mixed() -> Value {
    let mut bad = order("2", "B", 1);
    bad["data"]["currency"] = json!("NONE");
    json!([order("1", "A", 1), bad, {"specversion": "1.0"}, order("4", "A", 9)])
}

#[tokio::test]
async fn without_a_keeper_bad_orders_go_to_the_dead_letters_of_the_subscription() {
    let store = MemoryStateStore::default();
    let handler = handler(IngestReceiver::new(ingest(&store)));
    let (status, words) = push(&handler, &mixed()).await;
    assert_eq!(status, 400);
    assert_eq!(
        words,
        [
            "Accepted",
            "ValidationFailure",
            "InvalidCloudEvent",
            "RevisionConflict"
        ]
    );
    assert_eq!(store.documents(ORDERS).len(), 1);
}

#[tokio::test]
async fn with_a_keeper_everything_is_safe_and_the_delivery_is_done() {
    let store = MemoryStateStore::default();
    let keeper = Arc::new(Keeper::default());
    let receiver = IngestReceiver::new(ingest(&store)).with_evidence(Arc::<Keeper>::clone(&keeper));
    let (status, words) = push(&handler(receiver), &mixed()).await;
    assert_eq!(status, 200);
    assert_eq!(words[1], "ValidationFailure");
    let kept = keeper.kept.lock().unwrap();
    let reasons: Vec<DeadLetterReason> = kept.iter().map(|evidence| evidence.reason).collect();
    assert_eq!(
        reasons,
        [
            DeadLetterReason::ValidationFailure,
            DeadLetterReason::InvalidCloudEvent,
            DeadLetterReason::RevisionConflict,
        ]
    );
    let body = |index: usize| serde_json::from_slice::<Value>(&kept[index].body).unwrap();
    assert_eq!(body(0)["data"]["currency"], "NONE");
    assert_eq!(body(1), json!({"specversion": "1.0"}));
    assert_eq!(body(2)["id"], "4");
    assert!(!format!("{kept:?}").contains("NONE"));
}

#[tokio::test]
async fn what_is_too_large_is_kept_like_everything_else() {
    for (has_keeper, expected) in [(false, 413), (true, 200)] {
        let store = MemoryStateStore::new(MemoryStateStoreOptions {
            body_bytes_max: 100,
            ..MemoryStateStoreOptions::default()
        });
        let keeper = Arc::new(Keeper::default());
        let mut receiver = IngestReceiver::new(ingest(&store));
        if has_keeper {
            receiver = receiver.with_evidence(Arc::<Keeper>::clone(&keeper));
        }
        let handler = EventGridHandler::builder(Arc::new(receiver))
            .with_config(EventGridHandlerConfig {
                batch_events_max: 1,
                event_bytes_max: 2_000,
                ..EventGridHandlerConfig::default()
            })
            .without_authentication()
            .build()
            .unwrap();
        // The store finds it too large; the handler does, alone and by number.
        let mut large = order("2", "B", 1);
        large["data"]["customerId"] = json!("x".repeat(3_000));
        let too_many = json!([order("1", "A", 1), order("2", "B", 1)]);
        assert_eq!(
            push(&handler, &json!([order("1", "A", 1)])).await.0,
            expected
        );
        assert_eq!(push(&handler, &too_many).await.0, expected);
        let request = post("/", &[STRUCTURED], &large.to_string());
        let response = handler.handle(request).await;
        assert_eq!(response.status().as_u16(), expected);
        assert_eq!(words(&response), ["TooLarge"]);
        let kept = keeper.kept.lock().unwrap();
        assert_eq!(kept.len(), if has_keeper { 3 } else { 0 });
        let is_large = |evidence: &Evidence| evidence.reason == DeadLetterReason::TooLarge;
        assert!(kept.iter().all(is_large));
    }
}

#[tokio::test]
async fn evidence_that_cannot_be_kept_comes_again() {
    let store = MemoryStateStore::default();
    let keeper = Arc::new(Keeper {
        is_down: true,
        ..Keeper::default()
    });
    let receiver = IngestReceiver::new(ingest(&store)).with_evidence(keeper);
    assert_eq!(push(&handler(receiver), &mixed()).await.0, 503);
}
