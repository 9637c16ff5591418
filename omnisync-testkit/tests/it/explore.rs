//! The crash explorer, the fault plan and the journal, on a small ingest worker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::ErrorKind;
use omnisync_core::id::BlobName;
use omnisync_core::port::{
    Action, BlobStage, BlobStageExt, Collection, Content, Disposition, DocumentKey, EventSource,
    Expect, StateStore, StateStoreExt, Write,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::{Check, Violation};
use omnisync_testkit::crash::{
    Disturbance, Scenario, Stage, Stalled, at_every_port_call, fail_before_at_every_port_call,
    lost_ack_at_every_port_call, run,
};
use omnisync_testkit::fake::{
    MemoryBlobStage, MemoryStateStore, Message, QueueOptions, QueueSource,
};
use omnisync_testkit::fault::{Fault, FaultPlan, Seam};
use omnisync_testkit::journal::{Fate, Journal};

const ORDERS: Collection = Collection::new("orders");
const CHECK: Check = Check::of("ingest");

/// How the worker treats what it received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    StoreThenComplete,
    CompleteThenStore,
    StoreWithoutMercy,
}

struct Ingest {
    order: Order,
}

struct World {
    clock: ManualClock,
    queue: QueueSource,
    store: MemoryStateStore,
    stage: MemoryBlobStage,
    source_port: Arc<dyn EventSource>,
    store_port: Arc<dyn StateStore>,
    stage_port: Arc<dyn BlobStage>,
}

#[async_trait]
impl Scenario for Ingest {
    type World = World;

    async fn world(&self, seam: &Seam) -> Result<World, Violation> {
        let clock = ManualClock::default().auto();
        let options = QueueOptions {
            finite: true,
            ..QueueOptions::default()
        };
        let queue = QueueSource::new(Arc::new(clock.clone()), options);
        for number in 0..3 {
            queue.publish(Message::new(number.to_string()));
        }
        let (store, stage) = (MemoryStateStore::default(), MemoryBlobStage::default());
        Ok(World {
            source_port: Arc::new(seam.wrap(queue.clone())),
            store_port: Arc::new(seam.wrap(store.clone())),
            stage_port: Arc::new(seam.wrap(stage.clone())),
            clock,
            queue,
            store,
            stage,
        })
    }

    async fn life(&self, world: &World) -> Result<(), Violation> {
        loop {
            let received = world.source_port.receive(2, Duration::from_secs(1)).await;
            let received = CHECK.ok("receive", received)?;
            if received.ended {
                return Ok(());
            }
            for delivery in &received.deliveries {
                let id = String::from_utf8(delivery.body.to_vec()).unwrap();
                if self.order == Order::CompleteThenStore {
                    let settled = world
                        .source_port
                        .settle(delivery, Disposition::Complete)
                        .await;
                    CHECK.ok("settle", settled)?;
                }
                self.keep(world, &id).await?;
                if self.order != Order::CompleteThenStore {
                    let settled = world
                        .source_port
                        .settle(delivery, Disposition::Complete)
                        .await;
                    CHECK.ok("settle", settled)?;
                }
            }
        }
    }

    async fn between(&self, world: &World) -> Result<(), Violation> {
        world.clock.advance(Duration::from_secs(61));
        Ok(())
    }

    async fn check(&self, world: &World) -> Result<(), Violation> {
        CHECK.equal("what is left", &world.queue.unsettled(), &0)?;
        CHECK.equal("the documents", &world.store.documents(ORDERS).len(), &3)?;
        CHECK.equal("the blobs", &world.stage.names().len(), &3)
    }
}

impl Ingest {
    async fn keep(&self, world: &World, id: &str) -> Result<(), Violation> {
        let tolerate = self.order != Order::StoreWithoutMercy;
        let name = BlobName::new(id).unwrap();
        match world.stage_port.put_bytes(&name, "order".into()).await {
            Err(error) if tolerate && error.kind() == ErrorKind::AlreadyExists => {}
            other => CHECK.ok("put", other).map(drop)?,
        }
        let body = serde_json::value::to_raw_value(id).unwrap();
        let content = Content {
            state: "open".to_owned(),
            due_at: None,
            expires_at: None,
            body,
        };
        let key = DocumentKey::new(ORDERS, id);
        let write = Write {
            key,
            expect: Expect::Absent,
            action: Action::Put(content),
        };
        match world.store_port.write_one(write).await {
            Err(error) if tolerate && error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => CHECK.ok("write", other).map(drop),
        }
    }
}

#[test]
fn a_worker_that_stores_before_it_completes_survives_a_crash_at_every_call() {
    let scenario = Ingest {
        order: Order::StoreThenComplete,
    };
    let explored = run(at_every_port_call(&scenario)).unwrap().unwrap();
    // Two receives with deliveries, one that ends, and three calls for each of three orders.
    assert_eq!(explored.calls.len(), 3 + 3 * 3);
    assert_eq!(explored.runs, 24);
    let first = &explored.calls[0];
    assert_eq!((first.number, first.operation), (1, "event_source.receive"));
}

#[test]
fn it_survives_lost_acknowledgements_and_failures_at_every_call() {
    let scenario = Ingest {
        order: Order::StoreThenComplete,
    };
    assert_eq!(
        run(lost_ack_at_every_port_call(&scenario))
            .unwrap()
            .unwrap()
            .runs,
        12
    );
    assert_eq!(
        run(fail_before_at_every_port_call(&scenario))
            .unwrap()
            .unwrap()
            .runs,
        12
    );
}

#[test]
fn an_acknowledgement_before_the_effect_is_found() {
    let scenario = Ingest {
        order: Order::CompleteThenStore,
    };
    let unrepaired = run(at_every_port_call(&scenario)).unwrap().unwrap_err();
    let point = unrepaired.point.clone().unwrap();
    assert_eq!(point.disturbance, Disturbance::CrashAfter);
    assert_eq!(point.call.operation, "event_source.settle");
    assert_eq!(unrepaired.stage, Stage::Check);
    assert_eq!(unrepaired.journal[1].fate, Fate::CrashedAfter);
    let message = unrepaired.to_string();
    assert!(
        message.starts_with("CrashAfter at call 2 event_source.settle 1 complete"),
        "{message}"
    );
}

#[test]
fn an_effect_that_is_not_recognised_after_a_restart_is_found() {
    let scenario = Ingest {
        order: Order::StoreWithoutMercy,
    };
    let unrepaired = run(at_every_port_call(&scenario)).unwrap().unwrap_err();
    assert_eq!(unrepaired.stage, Stage::SecondLife);
    assert_eq!(unrepaired.point.unwrap().call.operation, "blob_stage.put");
}

#[test]
fn a_future_that_nobody_can_wake_is_reported() {
    let clock = ManualClock::default();
    let forever = clock.sleep_for_test();
    assert_eq!(run(forever), Err(Stalled));
}

trait SleepForTest {
    fn sleep_for_test(&self) -> impl Future<Output = ()>;
}

impl SleepForTest for ManualClock {
    async fn sleep_for_test(&self) {
        use omnisync_core::port::Clock;
        self.sleep_until(chrono::DateTime::<chrono::Utc>::MAX_UTC)
            .await;
    }
}

fn behind(plan: FaultPlan) -> (Arc<Journal>, Arc<FaultPlan>, impl StateStore) {
    let plan = Arc::new(plan);
    let journal = Arc::new(Journal::over(Arc::clone(&plan) as _));
    let store = Seam::new(Arc::clone(&journal) as _).wrap(MemoryStateStore::default());
    (journal, plan, store)
}

fn fates(journal: &Journal) -> Vec<Fate> {
    journal
        .entries()
        .into_iter()
        .map(|entry| entry.fate)
        .collect()
}

#[test]
fn a_plan_strikes_where_it_was_told_to_and_the_journal_tells() {
    let plan = FaultPlan::none()
        .at_call(2, Fault::FailBefore(ErrorKind::Unavailable))
        .at_operation("state_store.get", 3, Fault::LostAck(ErrorKind::TimedOut))
        .at_call(4, Fault::Throttle(Duration::from_secs(9)));
    let (journal, plan, store) = behind(plan);
    let results: Vec<_> = (0..5).map(|_| run(store.get(&[])).unwrap()).collect();
    let retry_after = results[3].as_ref().unwrap_err().retry_after();
    assert_eq!(retry_after, Some(Duration::from_secs(9)));
    assert_eq!(
        fates(&journal),
        [
            Fate::Done,
            Fate::FailedBefore(ErrorKind::Unavailable),
            Fate::LostAck(ErrorKind::TimedOut),
            Fate::FailedBefore(ErrorKind::Throttled),
            Fate::Done,
        ]
    );
    assert_eq!(plan.injected().len(), 3);
}

#[test]
fn a_crash_never_returns() {
    let (journal, _, store) = behind(FaultPlan::none().at_call(1, Fault::CrashBefore));
    assert_eq!(run(store.get(&[])).unwrap_err(), Stalled);
    assert_eq!(fates(&journal), [Fate::CrashedBefore]);
    assert_eq!(
        journal.to_string(),
        "call 1 state_store.get nothing: CrashedBefore\n"
    );
}

#[test]
fn a_pause_moves_the_clock_before_the_effect() {
    use omnisync_core::port::Clock;
    let clock = ManualClock::default();
    let start = clock.now();
    let plan = FaultPlan::none().at_call(1, Fault::Pause(Duration::from_secs(90)));
    let (journal, _, store) = behind(plan.with_clock(clock.clone()));
    run(store.get(&[])).unwrap().unwrap();
    assert_eq!((clock.now() - start).num_seconds(), 90);
    assert_eq!(fates(&journal), [Fate::Done]);
}

#[test]
fn a_random_plan_is_its_seed_and_keeps_its_allowance() {
    let strike = |seed| {
        let menu = vec![Fault::FailBefore(ErrorKind::Unavailable), Fault::CrashAfter];
        let (_, plan, store) = behind(FaultPlan::random(seed, 300, 4, menu));
        for _ in 0..100 {
            // Crashes stand still, failures are failures: only where they strike matters here.
            drop(run(store.get(&[])));
        }
        plan.injected()
    };
    assert_eq!(strike(1), strike(1));
    assert_ne!(strike(1), strike(2));
    assert_eq!(strike(1).len(), 4);
}
