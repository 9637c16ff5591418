//! The whole pipeline, killed or disturbed at every port call, ends as if nothing had happened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::batch::BatchState;
use omnisync_core::flow::{BatchStep, Delivered};
use omnisync_core::id::Sha256;
use omnisync_core::order::{OrderState, StateName};
use omnisync_core::port::Clock as _;
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::{Check, Violation};
use omnisync_testkit::crash::{
    Explored, Scenario, at_every_port_call, fail_before_at_every_port_call,
    lost_ack_at_every_port_call,
};
use omnisync_testkit::fake::{FakeErpOptions, MemoryStateStoreOptions, Message, OrderFailure};
use omnisync_testkit::fault::Seam;

use crate::support::{
    Event, Flows, Policies, World, assert_all_done, assert_trails_replay, id, run, seconds,
    slim_map,
};

const CHECK: Check = Check::of("pipeline");

/// Steps that a life may take before it counts as one that never ends.
const STEPS_MAX: u32 = 300;

/// What a worker is called when it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// As before: it takes its leases back at once.
    Same,
    /// Otherwise: it waits until they have passed.
    Fresh,
}

/// Six orders over several batches: one is updated and one cancelled while it is in a batch, one
/// is poison, one fails for the moment, and one gets into the ERP by half.
struct Pipeline {
    names: Names,
    store: MemoryStateStoreOptions,
    /// Packages of the undisturbed run, which comes first.
    packages: Mutex<Option<BTreeMap<String, Sha256>>>,
}

struct Lives {
    world: World,
    begun: AtomicU32,
    /// The second wave of events has been published.
    changed: AtomicBool,
}

impl Pipeline {
    fn new(names: Names) -> Self {
        Self {
            names,
            store: MemoryStateStoreOptions::default(),
            packages: Mutex::default(),
        }
    }

    fn flows(&self, lives: &Lives) -> Flows {
        let life = lives.begun.fetch_add(1, Ordering::SeqCst);
        let name = match self.names {
            Names::Same => "worker".to_owned(),
            Names::Fresh => format!("worker-{life}"),
        };
        let mut policies = Policies {
            map: slim_map(),
            ..Policies::default()
        };
        policies.batch.orders_max = 3;
        policies.ingest.receive_max = 4;
        Flows::with(&lives.world.ports, lives.world.worker(&name), policies)
    }
}

fn wave(world: &World) -> Vec<Event> {
    let now = world.clock.now();
    let order = |order: &str, age| {
        let mut event = Event::created(order).at(now - seconds(age));
        event.lines = 1;
        event
    };
    vec![
        order("A", 60),
        order("B", 50),
        order("C", 40).of_nowhere(),
        order("D", 30),
        order("E", 20),
        order("F", 10),
    ]
}

#[async_trait]
impl Scenario for Pipeline {
    type World = Lives;

    async fn world(&self, seam: &Seam) -> Result<Lives, Violation> {
        let options = FakeErpOptions::default();
        let world = World::build(seam, Arc::default(), self.store.clone(), options);
        world.publish(&wave(&world));
        world.queue.publish(Message::new("{"));
        world
            .erp
            .fail_order(&id("D"), OrderFailure::transient("Deadlock."));
        world
            .erp
            .fail_order(&id("E"), OrderFailure::data("No.").of_lines());
        Ok(Lives {
            world,
            begun: AtomicU32::new(0),
            changed: AtomicBool::new(false),
        })
    }

    async fn life(&self, lives: &Lives) -> Result<(), Violation> {
        let world = &lives.world;
        let flows = self.flows(lives);
        take_in(world, &flows).await?;
        batch_all(&flows).await?;
        if !lives.changed.swap(true, Ordering::SeqCst) {
            let now = ManualClock::default().now();
            world.publish(&[
                Event::updated("A", 2).at(now),
                Event::cancelled("B", 2).at(now),
            ]);
        }
        take_in(world, &flows).await?;
        loop {
            CHECK.ok("sweep", flows.sweep.run_once().await)?;
            let batched = batch_all(&flows).await?;
            if batched + deliver_one(world, &flows).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn between(&self, lives: &Lives) -> Result<(), Violation> {
        if self.names == Names::Fresh {
            lives.world.clock.advance(Duration::from_secs(61));
        }
        Ok(())
    }

    async fn check(&self, lives: &Lives) -> Result<(), Violation> {
        let world = &lives.world;
        world.store.catch_up();
        CHECK.equal("unsettled messages", &world.queue.unsettled(), &0)?;
        CHECK.equal("dead letters", &world.queue.dead_letters().len(), &1)?;
        let expected = [
            ("A", StateName::Imported),
            ("B", StateName::Quarantined),
            ("C", StateName::Quarantined),
            ("D", StateName::Imported),
            ("E", StateName::Rejected),
            ("F", StateName::Imported),
        ];
        let expected = expected
            .map(|(order, state)| (order.to_owned(), state))
            .into();
        CHECK.equal("states", &world.states(), &expected)?;
        let reason = |order: &str| match world.order(order).state {
            OrderState::Quarantined { reason } => reason.as_str(),
            _ => "none",
        };
        CHECK.equal("reason of B", &reason("B"), &"CancelledAfterImport")?;
        CHECK.equal("reason of C", &reason("C"), &"MappingFailed")?;
        // Each revision once, and A has two.
        let imports = [("A", 2), ("B", 1), ("D", 1), ("E", 1), ("F", 1)];
        let imports = imports
            .map(|(order, times)| (order.to_owned(), times))
            .into();
        CHECK.equal("imports", &world.imports(), &imports)?;
        let tables = world.erp.tables();
        let line = |order: &str| {
            tables
                .lines_of(order)
                .values()
                .map(|line| line.imports)
                .max()
        };
        CHECK.equal("lines of A", &line("A"), &Some(2))?;
        CHECK.equal("lines of E", &line("E"), &None)?;
        assert_all_done(world);
        assert_trails_replay(world);
        for batch in world.batches() {
            CHECK.that(
                batch.state == BatchState::Done && batch.settlement.is_some(),
                "settled",
            )?;
        }
        let packages: BTreeMap<String, Sha256> = world
            .packages()
            .into_iter()
            .map(|(name, bytes)| (name, Sha256::of(&bytes)))
            .collect();
        let mut first = self.packages.lock().unwrap();
        if let Some(undisturbed) = &*first {
            return CHECK.equal("packages", &packages, undisturbed);
        }
        CHECK.equal("number of packages", &packages.len(), &4)?;
        *first = Some(packages);
        Ok(())
    }
}

/// Takes everything in, however often it comes again.
async fn take_in(world: &World, flows: &Flows) -> Result<(), Violation> {
    for _ in 0..STEPS_MAX {
        if world.queue.unsettled() == 0 {
            return Ok(());
        }
        let outcome = CHECK.ok("ingest", flows.ingest.run_once(&*flows.source).await)?;
        if outcome.received == 0 {
            world.clock.advance(Duration::from_secs(30));
        }
    }
    Err(CHECK.violation("expected: the queue becomes empty"))
}

/// Stages packages until nothing waits; says how many runs that took.
async fn batch_all(flows: &Flows) -> Result<u32, Violation> {
    for runs in 0..STEPS_MAX {
        if CHECK.ok("batch", flows.batch.run_now().await)?.step == BatchStep::Idle {
            return Ok(runs);
        }
    }
    Err(CHECK.violation("expected: no order waits for ever"))
}

/// Delivers until one batch is done; says how many runs that took.
async fn deliver_one(world: &World, flows: &Flows) -> Result<u32, Violation> {
    for runs in 0..STEPS_MAX {
        match CHECK.ok("deliver", flows.deliver.run_once().await)?.step {
            Delivered::Idle { until: None } => return Ok(runs),
            Delivered::Done(_) => return Ok(runs + 1),
            Delivered::Idle { until: Some(until) } | Delivered::Waiting { until, .. } => {
                world.clock.set(until.max(world.clock.now()));
            }
            _ => {}
        }
    }
    Err(CHECK.violation("expected: every package is delivered"))
}

/// Explores, and checks that it was worth it.
fn check(explored: Result<Explored, Box<omnisync_testkit::crash::Unrepaired>>, per_call: u64) {
    let explored = explored.unwrap_or_else(|unrepaired| panic!("{unrepaired}"));
    let calls = u64::try_from(explored.calls.len()).unwrap();
    assert!(calls > 60, "{calls} calls");
    // The limit of the design: 40 for each revision of an order.
    assert!(calls <= 8 * 40, "{calls} calls");
    assert_eq!(explored.runs, calls * per_call);
}

#[test]
fn a_worker_that_is_killed_at_any_call_goes_on_under_its_name() {
    check(run(at_every_port_call(&Pipeline::new(Names::Same))), 2);
}

#[test]
fn another_worker_goes_on_where_one_was_killed_at_any_call() {
    check(run(at_every_port_call(&Pipeline::new(Names::Fresh))), 2);
}

#[test]
fn a_lost_acknowledgement_of_any_call_changes_nothing() {
    check(
        run(lost_ack_at_every_port_call(&Pipeline::new(Names::Same))),
        1,
    );
}

#[test]
fn a_failure_of_any_call_changes_nothing() {
    check(
        run(fail_before_at_every_port_call(&Pipeline::new(Names::Same))),
        1,
    );
}

#[test]
fn small_and_empty_pages_change_nothing_about_a_lost_acknowledgement() {
    let paged = Pipeline {
        store: MemoryStateStoreOptions {
            page_items_max: 2,
            items_max: 2,
            empty_pages: true,
            ..MemoryStateStoreOptions::default()
        },
        ..Pipeline::new(Names::Fresh)
    };
    check(run(lost_ack_at_every_port_call(&paged)), 1);
}
