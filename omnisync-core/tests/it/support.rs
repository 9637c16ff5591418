//! A world of fakes, and the flows over it.

mod event;
mod meanwhile;

pub(crate) use event::Event;
pub(crate) use meanwhile::{Meanwhile, pass};

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omnisync_core::batch::{BATCHES, BatchRecord, BatchState};
use omnisync_core::dixf::{EntityFieldMap, FieldMap};
use omnisync_core::flow::{
    BatchFlow, BatchOutcome, BatchStep, Deliver, DeliverOutcome, DeliverPolicy, Delivered, Explain,
    Ingest, IngestOutcome, IngestPolicy, PackageSpec, Retention, Sweep, SweepOutcome, Worker,
};
use omnisync_core::id::{BatchId, OrderId, ProjectName, WorkerId};
use omnisync_core::order::{ORDERS, OrderRecord, StateName};
use omnisync_core::policy::{BatchPolicy, RetryPolicy};
use omnisync_core::port::{
    Action, BlobStage, BlobStageExt as _, Clock as _, Content, DocumentKey, ErpImporter,
    EventSource, Expect, StateStore, StateStoreExt as _, Write,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::{
    FakeErp, FakeErpOptions, MemoryBlobStage, MemoryStateStore, MemoryStateStoreOptions,
    QueueOptions, QueueSource,
};
use omnisync_testkit::fault::{Interceptor, Seam};
use omnisync_testkit::ids::SeqIds;
use omnisync_testkit::journal::Journal;
use serde_json::value::RawValue;

/// Runs a future on this thread.
#[track_caller]
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    omnisync_testkit::crash::run(future).unwrap()
}

pub(crate) fn id(order: &str) -> OrderId {
    OrderId::new(order).unwrap()
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Fakes that survive every worker, and their ports behind a seam.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) queue: QueueSource,
    pub(crate) store: MemoryStateStore,
    pub(crate) stage: MemoryBlobStage,
    pub(crate) erp: FakeErp,
    pub(crate) journal: Arc<Journal>,
    pub(crate) ports: Ports,
}

/// Ports as the flows see them.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) stage: Arc<dyn BlobStage>,
    pub(crate) erp: Arc<dyn ErpImporter>,
}

impl Default for World {
    fn default() -> Self {
        Self::with_erp(FakeErpOptions {
            polls_to_end: Some(0),
            ..FakeErpOptions::default()
        })
    }
}

impl World {
    pub(crate) fn with_erp(options: FakeErpOptions) -> Self {
        let journal = Arc::new(Journal::new());
        let seam = Seam::new(Arc::clone(&journal) as Arc<dyn Interceptor>);
        Self::build(&seam, journal, MemoryStateStoreOptions::default(), options)
    }

    /// A world whose calls `interceptor` decides about.
    pub(crate) fn under(interceptor: Arc<dyn Interceptor>) -> Self {
        let journal = Arc::new(Journal::over(interceptor));
        let seam = Seam::new(Arc::clone(&journal) as Arc<dyn Interceptor>);
        let erp = FakeErpOptions {
            polls_to_end: Some(0),
            ..FakeErpOptions::default()
        };
        Self::build(&seam, journal, MemoryStateStoreOptions::default(), erp)
    }

    pub(crate) fn build(
        seam: &Seam,
        journal: Arc<Journal>,
        store: MemoryStateStoreOptions,
        erp: FakeErpOptions,
    ) -> Self {
        Self::build_at(ManualClock::default(), seam, journal, store, erp)
    }

    /// The same by a clock that the options know, too.
    pub(crate) fn build_at(
        clock: ManualClock,
        seam: &Seam,
        journal: Arc<Journal>,
        store: MemoryStateStoreOptions,
        erp: FakeErpOptions,
    ) -> Self {
        let queue = QueueSource::new(Arc::new(clock.clone()), QueueOptions::default());
        let store = MemoryStateStore::new(store);
        let stage = MemoryBlobStage::default();
        let erp = FakeErp::new(erp);
        let ports = Ports {
            source: Arc::new(seam.wrap(queue.clone())),
            store: Arc::new(seam.wrap(store.clone())),
            stage: Arc::new(seam.wrap(stage.clone())),
            erp: Arc::new(seam.wrap(erp.clone())),
        };
        Self {
            clock,
            queue,
            store,
            stage,
            erp,
            journal,
            ports,
        }
    }

    /// The same ports without the seam.
    pub(crate) fn bare(&self) -> Ports {
        Ports {
            source: Arc::new(self.queue.clone()),
            store: Arc::new(self.store.clone()),
            stage: Arc::new(self.stage.clone()),
            erp: Arc::new(self.erp.clone()),
        }
    }

    pub(crate) fn flows(&self, worker: &str) -> Flows {
        Flows::new(&self.ports, self.worker(worker))
    }

    pub(crate) fn worker(&self, name: &str) -> Worker {
        let seed = name.bytes().map(u32::from).sum();
        Worker::new(
            WorkerId::new(name).unwrap(),
            Arc::new(self.clock.clone()),
            Arc::new(SeqIds::new(seed)),
        )
    }

    pub(crate) fn publish(&self, events: &[Event]) {
        for event in events {
            self.queue.publish(event.message());
        }
    }

    /// Takes the events in, on their own.
    pub(crate) fn ingest(&self, events: &[Event]) -> IngestOutcome {
        self.publish(events);
        let flows = Flows::new(&self.bare(), self.worker("ingest"));
        let outcome = run(flows.ingest.run_once(&self.queue)).unwrap();
        assert_eq!(outcome.received, events.len());
        outcome
    }

    /// Takes the events in and stages a package of all that waits.
    pub(crate) fn stage(&self, events: &[Event]) -> BatchId {
        self.ingest(events);
        let flows = Flows::new(&self.bare(), self.worker("w1"));
        let outcome = run(flows.batch.run_now()).unwrap();
        assert_eq!(outcome.step, BatchStep::Staged);
        outcome.batch.unwrap()
    }

    pub(crate) fn order(&self, order: &str) -> OrderRecord {
        let documents = self.store.documents(ORDERS);
        let document = documents
            .iter()
            .find(|document| document.key.id == order)
            .unwrap();
        OrderRecord::from_document(document).unwrap()
    }

    pub(crate) fn state(&self, order: &str) -> StateName {
        self.order(order).state.name()
    }

    pub(crate) fn states(&self) -> BTreeMap<String, StateName> {
        let documents = self.store.documents(ORDERS);
        let records = documents.iter().map(OrderRecord::from_document);
        records
            .map(|record| record.unwrap())
            .map(|record| (record.order_id.to_string(), record.state.name()))
            .collect()
    }

    pub(crate) fn batch(&self, batch: BatchId) -> BatchRecord {
        let batches = self.batches();
        batches
            .into_iter()
            .find(|record| record.id == batch)
            .unwrap()
    }

    pub(crate) fn batches(&self) -> Vec<BatchRecord> {
        let documents = self.store.documents(BATCHES);
        let records = documents.iter().map(BatchRecord::from_document);
        records.map(|record| record.unwrap()).collect()
    }

    /// Every package in the stage.
    pub(crate) fn packages(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.stage.names();
        names
            .into_iter()
            .map(|name| {
                let bytes = run(self.stage.get_bytes(&name, usize::MAX)).unwrap();
                (name.to_string(), bytes.to_vec())
            })
            .collect()
    }

    /// How often the ERP imported each order.
    pub(crate) fn imports(&self) -> BTreeMap<String, u32> {
        let tables = self.erp.tables();
        let imports = tables.imports();
        imports
            .into_iter()
            .map(|(order, times)| (order.to_owned(), times))
            .collect()
    }
}

/// Every flow of one worker.
#[derive(Debug)]
pub(crate) struct Flows {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) ingest: Ingest,
    pub(crate) batch: BatchFlow,
    pub(crate) sweep: Sweep,
    pub(crate) deliver: Deliver,
    pub(crate) retention: Retention,
    pub(crate) explain: Explain,
}

/// Policies of the flows.
#[derive(Debug, Clone)]
pub(crate) struct Policies {
    pub(crate) ingest: IngestPolicy,
    pub(crate) batch: BatchPolicy,
    pub(crate) deliver: DeliverPolicy,
    pub(crate) map: FieldMap,
}

impl Default for Policies {
    fn default() -> Self {
        let retry = RetryPolicy {
            attempts_max: 3,
            ..RetryPolicy::default()
        };
        Self {
            ingest: IngestPolicy {
                wait_ms: 0,
                ..IngestPolicy::default()
            },
            batch: BatchPolicy {
                schedule: None,
                ..BatchPolicy::default()
            },
            deliver: DeliverPolicy {
                retry,
                ..DeliverPolicy::default()
            },
            map: FieldMap::dmf(),
        }
    }
}

impl Flows {
    pub(crate) fn new(ports: &Ports, worker: Worker) -> Self {
        Self::with(ports, worker, Policies::default())
    }

    pub(crate) fn with(ports: &Ports, worker: Worker, policies: Policies) -> Self {
        let project = ProjectName::new("Sales orders").unwrap();
        let spec = PackageSpec::new(policies.map.compile().unwrap(), project);
        let Ports {
            source,
            store,
            stage,
            erp,
        } = ports.clone();
        let (to_store, to_stage) = (|| Arc::clone(&store), || Arc::clone(&stage));
        Self {
            source,
            ingest: Ingest::new(to_store(), worker.clone(), policies.ingest),
            batch: BatchFlow::new(
                to_store(),
                to_stage(),
                worker.clone(),
                policies.batch.clone(),
                spec.clone(),
            ),
            sweep: Sweep::new(to_store(), worker.clone()),
            deliver: Deliver::new(
                to_store(),
                to_stage(),
                erp,
                worker.clone(),
                policies.deliver,
                spec,
            ),
            retention: Retention::new(to_store(), to_stage(), worker),
            explain: Explain::new(to_store(), policies.batch),
        }
    }

    #[track_caller]
    pub(crate) fn take_in(&self) -> IngestOutcome {
        run(self.ingest.run_once(&*self.source)).unwrap()
    }

    #[track_caller]
    pub(crate) fn batch_now(&self) -> BatchOutcome {
        run(self.batch.run_now()).unwrap()
    }

    #[track_caller]
    pub(crate) fn deliver(&self) -> DeliverOutcome {
        run(self.deliver.run_once()).unwrap()
    }

    #[track_caller]
    pub(crate) fn sweep(&self) -> SweepOutcome {
        run(self.sweep.run_once()).unwrap()
    }

    #[track_caller]
    pub(crate) fn explain(&self, order: &str) -> String {
        let explanation = run(self.explain.order(&id(order))).unwrap();
        explanation.unwrap().to_string()
    }
}

/// The columns that the ERP insists on and no others: small packages for tests of many runs.
pub(crate) fn slim_map() -> FieldMap {
    let without = |entity: EntityFieldMap, names: &[&str]| {
        names
            .iter()
            .fold(entity, |entity, name| entity.without_column(name))
    };
    FieldMap::dmf()
        .with_headers(|headers| {
            let names = [
                "REQUESTEDRECEIPTDATE",
                "CUSTOMERSORDERREFERENCE",
                "ISDELIVERYADDRESSORDERSPECIFIC",
                "DELIVERYADDRESSNAME",
                "DELIVERYADDRESSSTREET",
                "DELIVERYADDRESSCITY",
                "DELIVERYADDRESSSTATEID",
                "DELIVERYADDRESSZIPCODE",
                "DEFAULTSHIPPINGSITEID",
                "DEFAULTSHIPPINGWAREHOUSEID",
            ];
            without(headers, &names)
        })
        .with_lines(|lines| {
            let names = [
                "LINECREATIONSEQUENCENUMBER",
                "ORDEREDSALESQUANTITY",
                "SALESUNITSYMBOL",
                "SALESPRICE",
                "SHIPPINGSITEID",
                "SHIPPINGWAREHOUSEID",
            ];
            without(lines, &names)
        })
}

/// Delivers until nothing is left, moving `world`'s clock over every wait.
#[track_caller]
pub(crate) fn deliver_all(world: &World, flows: &Flows) -> Vec<DeliverOutcome> {
    let mut outcomes = Vec::new();
    for _ in 0..200 {
        let outcome = flows.deliver();
        match outcome.step {
            Delivered::Idle { until: None } => return outcomes,
            Delivered::Idle { until: Some(until) } | Delivered::Waiting { until, .. } => {
                world.clock.set(until.max(world.clock.now()));
            }
            _ => {}
        }
        outcomes.push(outcome);
    }
    panic!("still not idle: {:?}", outcomes.last());
}

/// Checks that the trail of every order leads, step by step, to its state.
pub(crate) fn assert_trails_replay(world: &World) {
    for document in world.store.documents(ORDERS) {
        let record = OrderRecord::from_document(&document).unwrap();
        let mut state = None;
        for entry in record.trail.entries() {
            assert_eq!(entry.from, state, "{}: {entry:?}", record.order_id);
            state = Some(entry.to);
        }
        assert_eq!(state, Some(record.state.name()), "{}", record.order_id);
    }
}

/// Checks that no batch is unfinished.
pub(crate) fn assert_all_done(world: &World) {
    for batch in world.batches() {
        assert_eq!(batch.state, BatchState::Done, "{batch:?}");
    }
}

/// Alters the document of an order behind everybody's back.
pub(crate) fn deface(world: &World, order: &str) {
    rewrite(world, order, |_| "{\"altered\":true}".to_owned());
}

/// Alters the document of a batch behind everybody's back.
pub(crate) fn deface_batch(world: &World, batch: BatchId) {
    alter_document(world, BatchRecord::key(batch), |_| {
        "{\"altered\":true}".to_owned()
    });
}

/// Rewrites the document of an order behind everybody's back.
pub(crate) fn rewrite(world: &World, order: &str, alter: impl FnOnce(&str) -> String) {
    alter_document(world, OrderRecord::key(&id(order)), alter);
}

fn alter_document(world: &World, key: DocumentKey, alter: impl FnOnce(&str) -> String) {
    let document = run(world.store.get_one(&key)).unwrap().unwrap();
    let body = alter(document.body.unwrap().get());
    let content = Content {
        state: document.state,
        due_at: document.due_at,
        expires_at: document.expires_at,
        body: RawValue::from_string(body).unwrap(),
    };
    let write = Write {
        key,
        expect: Expect::Any,
        action: Action::Put(content),
    };
    run(world.store.write_one(write)).unwrap();
}

/// Takes a document away behind everybody's back.
pub(crate) fn remove(world: &World, key: DocumentKey) {
    let write = Write {
        key,
        expect: Expect::Any,
        action: Action::Delete,
    };
    run(world.store.write_one(write)).unwrap();
}

/// Hosts spawn flows on runtimes with several threads: their futures have to be `Send` wherever
/// they are awaited.
#[test]
fn every_flow_can_run_in_a_spawned_task() {
    fn spawnable(task: impl Future<Output = ()> + Send + 'static) {
        drop(task);
    }
    let world = World::default();
    let flows = Arc::new(world.flows("w1"));
    let source = Arc::clone(&world.ports.source);
    let one = Arc::clone(&flows);
    spawnable(async move {
        drop(one.ingest.run_once(&*source).await);
    });
    let one = Arc::clone(&flows);
    spawnable(async move {
        drop(one.ingest.accept(Vec::new()).await);
    });
    let one = Arc::clone(&flows);
    spawnable(async move {
        drop(one.batch.run_once().await);
    });
    let one = Arc::clone(&flows);
    spawnable(async move {
        drop(one.deliver.run_once().await);
    });
    let one = Arc::clone(&flows);
    spawnable(async move {
        drop(one.sweep.run_once().await);
    });
    let one = Arc::clone(&flows);
    spawnable(async move {
        drop(one.retention.run_once().await);
    });
    spawnable(async move {
        drop(flows.explain.order(&id("A")).await);
    });
}
