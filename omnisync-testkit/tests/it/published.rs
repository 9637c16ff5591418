//! The published pipeline works when nothing goes wrong, and each of its holes is shown by what
//! it does to orders.

mod ageing;
mod delivering;
mod ingesting;
mod packing;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use omnisync_core::dixf::{DixfFormat, FieldMap, WriteOptions};
use omnisync_core::id::{BlobName, ProjectName};
use omnisync_core::port::Clock as _;
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::{
    FakeErp, FakeErpOptions, MemoryBlobStage, MemoryStateStore, MemoryStateStoreOptions, Message,
    QueueOptions, QueueSource,
};
use omnisync_testkit::fault::{Call, Effect, Interceptor, Seam, Verdict};
use omnisync_testkit::ids::SeqIds;
use omnisync_testkit::zoo::orders::published::{
    Delivered, Ingested, ORDERS, OrderDocument, PublishedHost, PublishedOptions, PublishedPorts,
    Status, Transformed,
};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct World {
    clock: ManualClock,
    queue: QueueSource,
    store: MemoryStateStore,
    stage: MemoryBlobStage,
    erp: FakeErp,
    options: PublishedOptions,
    hosts: AtomicU32,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::default().auto();
        Self {
            queue: QueueSource::new(Arc::new(clock.clone()), QueueOptions::default()),
            clock,
            store: MemoryStateStore::default(),
            stage: MemoryBlobStage::default(),
            erp: FakeErp::default(),
            options: PublishedOptions::default(),
            hosts: AtomicU32::new(0),
        }
    }

    /// With timers that are always due.
    fn hurried() -> Self {
        let options = PublishedOptions {
            transform_every: Duration::ZERO,
            deliver_every: Duration::ZERO,
            lifecycle_every: Duration::ZERO,
            ..PublishedOptions::default()
        };
        Self {
            options,
            ..Self::new()
        }
    }

    fn with_erp(mut self, options: FakeErpOptions) -> Self {
        self.erp = FakeErp::new(options);
        self
    }

    fn with_store(mut self, options: MemoryStateStoreOptions) -> Self {
        self.store = MemoryStateStore::new(options);
        self
    }

    fn host(&self) -> PublishedHost {
        self.host_on(PublishedPorts {
            source: Arc::new(self.queue.clone()),
            store: Arc::new(self.store.clone()),
            stage: Arc::new(self.stage.clone()),
            erp: Arc::new(self.erp.clone()),
            clock: Arc::new(self.clock.clone()),
            ids: self.ids(),
        })
    }

    /// A host whose port calls `interceptor` decides about.
    fn host_behind<I: Interceptor>(&self, interceptor: &Arc<I>) -> PublishedHost {
        let seam = Seam::new(Arc::<I>::clone(interceptor));
        self.host_on(PublishedPorts {
            source: Arc::new(seam.wrap(self.queue.clone())),
            store: Arc::new(seam.wrap(self.store.clone())),
            stage: Arc::new(seam.wrap(self.stage.clone())),
            erp: Arc::new(seam.wrap(self.erp.clone())),
            clock: Arc::new(self.clock.clone()),
            ids: self.ids(),
        })
    }

    fn host_on(&self, ports: PublishedPorts) -> PublishedHost {
        let map = FieldMap::dmf().compile().unwrap();
        let format = DixfFormat::new(map, WriteOptions::default());
        let project = ProjectName::new("Sales orders").unwrap();
        PublishedHost::new(ports, Arc::new(format), project, &self.options)
    }

    fn ids(&self) -> Arc<SeqIds> {
        Arc::new(SeqIds::new(self.hosts.fetch_add(1, Ordering::Relaxed)))
    }

    fn publish(&self, event: &str) {
        self.queue.publish(Message::new(event.to_owned()));
    }

    /// Publishes and ingests a new order for each number.
    fn ingest(&self, orders: &[&str]) {
        let host = self.host();
        for order in orders {
            self.publish(&created(order));
            let ingested = ingest_one(self, &host);
            assert!(matches!(ingested, Ingested::Stored { .. }), "{ingested:?}");
        }
    }

    /// Ingests a new order for each number, each in a package of its own.
    fn pack_each(&self, orders: &[&str]) -> Vec<BlobName> {
        let host = self.host();
        let pack = |order: &&str| {
            self.ingest(&[order]);
            self.clock.advance(Duration::from_secs(1));
            packed(block_on(host.transformation().run_once()).unwrap())
        };
        orders.iter().map(pack).collect()
    }

    fn document(&self, order: &str) -> Option<OrderDocument> {
        let documents = self.store.documents(ORDERS);
        let found = documents.iter().find(|document| document.key.id == order);
        found.map(|document| document.parse().unwrap())
    }

    #[track_caller]
    fn status(&self, order: &str) -> Status {
        self.document(order).unwrap().processing_status
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// How often the ERP imported the order.
    fn imports(&self, order: &str) -> u32 {
        let tables = self.erp.tables();
        tables.header(order).map_or(0, |row| row.imports)
    }
}

/// Holds every call of one operation until it is opened.
#[derive(Debug)]
struct Gate {
    operation: &'static str,
    open: AtomicBool,
}

impl Gate {
    fn at(operation: &'static str) -> Arc<Self> {
        let open = AtomicBool::new(false);
        Arc::new(Self { operation, open })
    }

    fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Interceptor for Gate {
    async fn before(&self, call: &Call) -> Verdict {
        poll_fn(|_| {
            if call.operation != self.operation || self.open.load(Ordering::SeqCst) {
                Poll::Ready(Verdict::Proceed)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    async fn after(&self, _: &Call, _: Effect) -> Verdict {
        Verdict::Proceed
    }
}

/// Runs a future up to where it is held.
#[track_caller]
fn until_held<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!((&mut future).now_or_never().is_none(), "it was not held");
    future
}

fn event(event_type: &str, order: &str, quantity: u32, country: &str) -> String {
    json!({
        "specversion": "1.0",
        "type": event_type,
        "source": "https://oms.example.com",
        "id": format!("{event_type}-{order}-{quantity}"),
        "data": {
            "orderId": order,
            "customerId": "VINET",
            "orderDate": "2026-01-01",
            "totalAmount": 5 * quantity,
            "currency": "EUR",
            "lineItems": [
                {"itemNumber": 1, "productCode": "NW-011", "quantity": quantity, "unitPrice": 5}
            ],
            "shippingAddress": {
                "street": "59 rue de l'Abbaye", "city": "Reims", "zip": "51100", "country": country
            }
        }
    })
    .to_string()
}

fn created(order: &str) -> String {
    event("OMS.Order.Created", order, 2, "FR")
}

fn updated(order: &str, quantity: u32) -> String {
    event("OMS.Order.Updated", order, quantity, "FR")
}

fn ingest_one(world: &World, host: &PublishedHost) -> Ingested {
    block_on(host.ingestion().run_once(&world.queue)).unwrap()
}

#[track_caller]
fn packed(transformed: Transformed) -> BlobName {
    match transformed {
        Transformed::Uploaded { blob, .. } => blob,
        Transformed::Idle => panic!("nothing was pending"),
    }
}

#[track_caller]
fn believed_success(delivered: &Delivered) -> &BlobName {
    match delivered {
        Delivered::Success { blob, .. } => blob,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_gets_into_the_erp_when_nothing_goes_wrong() {
    let world = World::new();
    let host = world.host();
    world.publish(&created("ORD-1"));
    world
        .clock
        .advance(world.options.transform_every + world.options.deliver_after);

    block_on(host.tick()).unwrap();

    assert_eq!(world.imports("ORD-1"), 1);
    assert_eq!(world.queue.unsettled(), 0);
    let document = world.document("ORD-1").unwrap();
    let blob = world.stage.names().remove(0);
    let batch_id = document.batch_id.unwrap();
    assert_eq!(batch_id.len(), 8);
    assert_eq!(blob.as_str(), format!("oms_20260101_041500_{batch_id}.zip"));
    assert_eq!(document.blob_reference.as_deref(), Some(blob.as_str()));
    assert_eq!(document.processing_status, Status::Processed);
}

#[test]
fn a_document_has_the_members_of_the_design() {
    let world = World::new();
    world.ingest(&["ORD-1"]);

    let stored = world.store.documents(ORDERS).remove(0);

    assert_eq!(stored.state, "Pending");
    let body: serde_json::Value = stored.parse().unwrap();
    let mut members: Vec<_> = body.as_object().unwrap().keys().collect();
    members.sort();
    let expected = [
        "_ttl",
        "batchId",
        "blobReference",
        "id",
        "ingestedAt",
        "omsEvent",
        "orderId",
        "pickedUpAt",
        "processedAt",
        "processingStatus",
        "retryCount",
    ];
    assert_eq!(members, expected);
    assert_eq!(body["_ttl"], 2_592_000);
    assert_eq!(body["omsEvent"]["orderId"], "ORD-1");
}

#[test]
fn each_part_runs_when_its_timer_is_due() {
    let world = World::new();
    let host = world.host();
    world.publish(&created("ORD-1"));

    let round = block_on(host.round());
    assert_eq!(round.ingested.len(), 1);
    assert!(round.transformed.is_none() && round.delivered.is_none());

    world.clock.advance(HOUR / 4);
    let round = block_on(host.round());
    assert!(round.transformed.is_none() && round.delivered.is_some());

    world.clock.advance(15 * (HOUR / 4));
    let round = block_on(host.round());
    assert!(round.transformed.is_some() && round.delivered.is_none());

    world.clock.advance(HOUR / 4);
    let round = block_on(host.round());
    assert!(round.transformed.is_none() && round.delivered.is_some());
    assert_eq!(world.imports("ORD-1"), 1);
}

#[test]
fn a_host_that_starts_again_makes_up_for_a_timer_that_it_missed() {
    let world = World::new();
    world.ingest(&["ORD-1"]);
    let timers = world.host().timers();
    world.clock.advance(4 * HOUR);

    let forgetful = block_on(world.host().round());
    assert!(forgetful.transformed.is_none());
    let round = block_on(world.host().with_timers(timers).round());
    assert!(round.transformed.is_some());
}
