//! Two workers on every flow at once, over one store: every order gets into the ERP once.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::join;
use omnisync_core::ErrorKind;
use omnisync_core::PortError;
use omnisync_core::batch::BatchState;
use omnisync_core::flow::Delivered;
use omnisync_core::order::StateName;
use omnisync_core::port::Clock as _;
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::{FakeErpOptions, MemoryStateStoreOptions, OrderFailure};
use omnisync_testkit::fault::{Call, Effect, Interceptor, Seam, Verdict};
use omnisync_testkit::rng::SplitMix64;

use crate::support::{
    Event, Flows, Policies, World, assert_trails_replay, id, pass, run, seconds, slim_map,
};

/// Rounds that a worker may take.
const ROUNDS_MAX: u32 = 2_000;

/// Lets the other worker go on for a while at each call, and now and then disturbs the call.
#[derive(Debug)]
struct Chaos {
    rng: Mutex<SplitMix64>,
    clock: Mutex<Option<ManualClock>>,
    /// Disturbances that are left.
    faults: Mutex<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Nothing,
    /// The worker sleeps past its leases.
    Pause,
    Fail,
}

impl Chaos {
    fn new(seed: u64, faults: u32) -> Self {
        Self {
            rng: Mutex::new(SplitMix64::new(seed)),
            clock: Mutex::default(),
            faults: Mutex::new(faults),
        }
    }

    fn draw(&self, bound: u32) -> u32 {
        self.rng.lock().unwrap().below(bound)
    }

    fn disturbance(&self) -> Disturbance {
        let draw = self.draw(40);
        let mut left = self.faults.lock().unwrap();
        if draw > 1 || *left == 0 {
            return Disturbance::Nothing;
        }
        *left -= 1;
        if draw == 0 {
            Disturbance::Pause
        } else {
            Disturbance::Fail
        }
    }

    async fn others_first(&self) {
        for _ in 0..self.draw(4) {
            pass().await;
        }
    }
}

#[async_trait]
impl Interceptor for Chaos {
    async fn before(&self, call: &Call) -> Verdict {
        self.others_first().await;
        match self.disturbance() {
            Disturbance::Nothing => {}
            Disturbance::Pause => {
                if let Some(clock) = &*self.clock.lock().unwrap() {
                    clock.advance(seconds(61));
                }
                for _ in 0..self.draw(60) {
                    pass().await;
                }
            }
            Disturbance::Fail => {
                return Verdict::Fail(PortError::new(ErrorKind::Unavailable, call.operation));
            }
        }
        Verdict::Proceed
    }

    async fn after(&self, call: &Call, _: Effect) -> Verdict {
        self.others_first().await;
        match self.disturbance() {
            Disturbance::Fail => Verdict::Fail(PortError::new(ErrorKind::TimedOut, call.operation)),
            _ => Verdict::Proceed,
        }
    }
}

fn is_at_rest(world: &World) -> bool {
    world.queue.unsettled() == 0
        && world.states().values().all(|state| state.is_terminal())
        && world
            .batches()
            .iter()
            .all(|batch| batch.state == BatchState::Done)
}

/// Runs every flow in turn until nothing is left; failed calls are tried again.
async fn work(world: &World, name: &str) {
    let mut policies = Policies {
        map: slim_map(),
        ..Policies::default()
    };
    policies.batch.orders_max = 3;
    policies.ingest.receive_max = 4;
    let flows = Flows::with(&world.ports, world.worker(name), policies);
    for _ in 0..ROUNDS_MAX {
        if is_at_rest(world) {
            return;
        }
        let ingested = flows.ingest.run_once(&*flows.source).await;
        let swept = flows.sweep.run_once().await;
        let batched = flows.batch.run_now().await;
        let delivered = flows.deliver.run_once().await;
        let errors = [
            ingested.err(),
            swept.err(),
            batched.err(),
            delivered.as_ref().err().map(copy),
        ];
        for error in errors.into_iter().flatten() {
            assert!(error.is_transient(), "{}", error.report());
        }
        match delivered.map(|outcome| outcome.step) {
            Ok(Delivered::Idle { until: Some(until) } | Delivered::Waiting { until, .. }) => {
                world.clock.set(until.max(world.clock.now()));
            }
            Ok(Delivered::Idle { until: None }) | Err(_) => world.clock.advance(seconds(10)),
            Ok(_) => {}
        }
        pass().await;
    }
    panic!("never at rest: {:?} {:?}", world.states(), world.batches());
}

fn copy(error: &PortError) -> PortError {
    PortError::new(error.kind(), error.operation()).with_source(error.report())
}

fn check(seed: u64, faults: u32, store: MemoryStateStoreOptions) {
    let chaos = Arc::new(Chaos::new(seed, faults));
    let seam = Seam::new(Arc::clone(&chaos) as Arc<dyn Interceptor>);
    let world = World::build(&seam, Arc::default(), store, FakeErpOptions::default());
    *chaos.clock.lock().unwrap() = Some(world.clock.clone());
    let now = world.clock.now();
    let orders = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let mut events: Vec<Event> = (1..)
        .zip(orders)
        .map(|(age, order)| Event::created(order).at(now - seconds(100 - age)))
        .collect();
    events[2] = events[2].clone().of_nowhere();
    events.insert(5, Event::updated("A", 2).at(now));
    events.insert(7, Event::created("B").at(now - seconds(98)));
    world.publish(&events);
    world
        .erp
        .fail_order(&id("D"), OrderFailure::transient("Deadlock."));
    world.erp.fail_order(&id("E"), OrderFailure::data("No."));
    run(join(work(&world, "one"), work(&world, "two")));

    for (order, state) in world.states() {
        let expected = match order.as_str() {
            "C" => StateName::Quarantined,
            "E" => StateName::Rejected,
            _ => StateName::Imported,
        };
        assert_eq!(state, expected, "seed {seed}: {order}");
    }
    assert_eq!(world.states().len(), orders.len());
    for (order, times) in world.imports() {
        // The update of A may have come before or after its first import.
        let most = if order == "A" { 2 } else { 1 };
        assert!(
            (1..=most).contains(&times),
            "seed {seed}: {order} {times} times"
        );
    }
    assert_eq!(world.imports().len(), orders.len() - 2, "seed {seed}");
    let tables = world.erp.tables();
    let amount: rust_decimal::Decimal = tables.lines_of("A").values().map(|line| line.amount).sum();
    assert_eq!(
        amount,
        rust_decimal::Decimal::TEN,
        "seed {seed}: the newest revision"
    );
    assert_trails_replay(&world);
}

#[test]
fn two_workers_import_every_order_once_however_their_calls_interleave() {
    for seed in 0..30 {
        check(seed, 0, MemoryStateStoreOptions::default());
    }
}

#[test]
fn two_workers_import_every_order_once_through_failures_lost_answers_and_pauses_past_the_lease() {
    for seed in 0..60 {
        check(1_000 + seed, 12, MemoryStateStoreOptions::default());
    }
}

#[test]
fn two_workers_import_every_order_once_over_a_store_whose_queries_lag() {
    for seed in 0..25 {
        let store = MemoryStateStoreOptions {
            query_lag_operations: 7,
            empty_pages: true,
            page_items_max: 3,
            ..MemoryStateStoreOptions::default()
        };
        check(2_000 + seed, 6, store);
    }
}
