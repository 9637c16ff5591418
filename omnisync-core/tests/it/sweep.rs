//! Claims that no batch lists are let go, and no others.

use std::sync::Arc;

use futures::future::join;
use omnisync_core::batch::{BATCHES, BatchRecord, BatchState, SEGMENTS};
use omnisync_core::flow::BatchStep;
use omnisync_core::id::BatchId;
use omnisync_core::order::{Cause, Change, Command, OrderState, StateName};
use omnisync_core::port::{Clock as _, Expect, StateStore as _};
use omnisync_testkit::fake::{FakeErpOptions, MemoryStateStoreOptions, OrderFailure};
use omnisync_testkit::fault::{Interceptor, Seam};
use omnisync_testkit::journal::Journal;

use crate::support::{
    Event, Flows, Meanwhile, World, assert_trails_replay, deface, deliver_all, id, pass, remove,
    run, seconds,
};

/// Claims a waiting order for `batch`, as a worker without a lease would.
fn claim(world: &World, order: &str, batch: BatchId) {
    let mut record = world.order(order);
    let change = Change {
        at: world.clock.now(),
        actor: world.worker("zombie").id,
        cause: Cause::Batch {
            id: batch,
            epoch: 0,
        },
        retention: chrono::TimeDelta::days(90),
    };
    record
        .apply(Command::Claim { batch, epoch: 0 }, &change)
        .unwrap();
    let write = record.to_write(Expect::Any).unwrap();
    let written = run(world.store.write(vec![write])).unwrap().remove(0);
    written.unwrap();
}

fn swept(world: &World) -> Vec<String> {
    let outcome = world.flows("sweeper").sweep();
    assert!(outcome.complete);
    outcome
        .released
        .into_iter()
        .map(|(order, _)| order.to_string())
        .collect()
}

#[test]
fn an_order_of_a_batch_that_does_not_exist_waits_again() {
    let world = World::default();
    world.ingest(&[Event::created("A")]);
    claim(&world, "A", BatchId::from_hash([7; 16]));
    assert!(
        world
            .flows("w1")
            .explain("A")
            .contains("waits for the sweep")
    );
    assert_eq!(swept(&world), ["A"]);
    let record = world.order("A");
    assert_eq!(
        (record.state, record.claim_generation),
        (OrderState::Pending, 1)
    );
    assert_trails_replay(&world);
    assert_eq!(world.flows("w1").batch_now().step, BatchStep::Staged);
}

#[test]
fn an_order_that_its_sealed_batch_does_not_list_waits_again_at_every_later_step() {
    for submitted in [false, true] {
        let world = World::with_erp(FakeErpOptions {
            polls_to_end: None,
            ..FakeErpOptions::default()
        });
        let batch = world.stage(&[Event::created("A")]);
        if submitted {
            world.flows("w1").deliver();
        }
        world.ingest(&[Event::created("B")]);
        claim(&world, "B", batch);
        assert_eq!(swept(&world), ["B"]);
        assert_eq!(world.state("A"), StateName::Claimed);
    }
}

#[test]
fn a_batch_that_is_done_holds_nothing_not_even_what_it_lists() {
    let world = World::default();
    world
        .erp
        .fail_order(&id("A"), OrderFailure::transient("Deadlock."));
    let batch = world.stage(&["A", "B"].map(Event::created));
    deliver_all(&world, &world.flows("w1"));
    assert_eq!(world.state("A"), StateName::Pending);
    claim(&world, "A", batch);
    assert_eq!(swept(&world), ["A"]);
    let flows = world.flows("w1");
    flows.batch_now();
    deliver_all(&world, &flows);
    assert_eq!(world.imports()["A"], 1);
}

#[test]
fn live_claims_are_left_alone() {
    let world = World::default();
    world.stage(&["A", "B"].map(Event::created));
    assert_eq!(swept(&world), [""; 0]);
    // The batch is open: its worker dies after it has claimed.
    let dies = Arc::new(Meanwhile::before("state_store.write", 4));
    let seam = Seam::new(dies as Arc<dyn Interceptor>);
    let mut ports = world.bare();
    ports.store = Arc::new(seam.wrap(world.store.clone()));
    world.ingest(&[Event::created("C")]);
    let dying = Flows::new(&ports, world.worker("w1"));
    assert!(omnisync_testkit::crash::run(dying.batch.run_now()).is_err());
    assert_eq!(world.state("C"), StateName::Claimed);
    world.clock.advance(seconds(3_600));
    assert_eq!(swept(&world), [""; 0]);
}

#[test]
fn a_member_list_that_is_gone_releases_nothing() {
    let world = World::default();
    world.stage(&["A", "B"].map(Event::created));
    for document in world.store.documents(SEGMENTS) {
        remove(&world, document.key);
    }
    assert_eq!(swept(&world), [""; 0]);
}

#[test]
fn a_document_that_cannot_be_read_does_not_stop_the_sweep() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    for order in ["A", "B"] {
        claim(&world, order, BatchId::from_hash([7; 16]));
    }
    deface(&world, "A");
    assert_eq!(swept(&world), ["B"]);
}

#[test]
fn a_sweep_goes_on_where_it_stopped_and_begins_anew_at_the_end() {
    let seam = Seam::new(Arc::new(Journal::new()));
    let options = MemoryStateStoreOptions {
        page_items_max: 2,
        ..MemoryStateStoreOptions::default()
    };
    let world = World::build(&seam, Arc::default(), options, FakeErpOptions::default());
    world.stage(&["A", "B", "C"].map(Event::created));
    let flows = world.flows("w1");
    let pages: Vec<_> = (0..4)
        .map(|_| flows.sweep())
        .map(|page| (page.examined, page.complete))
        .collect();
    assert_eq!(pages, [(2, false), (1, true), (2, false), (1, true)]);
}

/// A worker whose `nth` write to the store waits for the test.
struct Zombie {
    meanwhile: Arc<Meanwhile>,
    flows: Flows,
}

impl Zombie {
    fn held_before_write(world: &World, nth: usize) -> Self {
        let meanwhile = Arc::new(Meanwhile::before("state_store.write", nth));
        let seam = Seam::new(Arc::clone(&meanwhile) as Arc<dyn Interceptor>);
        let mut ports = world.bare();
        ports.store = Arc::new(seam.wrap(world.store.clone()));
        let flows = Flows::new(&ports, world.worker("zombie"));
        Self { meanwhile, flows }
    }
}

/// The third write of a batch run is the one that claims.
const CLAIM: usize = 3;

#[test]
fn a_claim_that_a_lost_worker_made_before_the_seal_is_accepted_by_its_successor() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    let zombie = Zombie::held_before_write(&world, CLAIM);
    // The successor has read both orders as waiting when the zombie's claims arrive.
    let successor = Zombie::held_before_write(&world, 2);
    let (first, second) = run(join(zombie.flows.batch.run_now(), async {
        zombie.meanwhile.arrived().await;
        world.clock.advance(seconds(61));
        join(successor.flows.batch.run_once(), async {
            successor.meanwhile.arrived().await;
            zombie.meanwhile.go_on();
            while world.state("B") == StateName::Pending {
                pass().await;
            }
            successor.meanwhile.go_on();
        })
        .await
        .0
    }));
    let staged = second.unwrap();
    assert_eq!(staged.step, BatchStep::Staged);
    assert_eq!(staged.package.unwrap().orders, 2);
    assert_eq!(first.unwrap().step, BatchStep::Elsewhere);
    let flows = world.flows("w1");
    deliver_all(&world, &flows);
    assert_eq!(world.imports().len(), 2);
}

#[test]
fn a_lost_worker_does_not_claim_what_its_batch_has_already_settled() {
    let world = World::default();
    world
        .erp
        .fail_order(&id("A"), OrderFailure::transient("Deadlock."));
    world.ingest(&["A", "B"].map(Event::created));
    let zombie = Zombie::held_before_write(&world, CLAIM);
    let (outcome, ()) = run(join(zombie.flows.batch.run_now(), async {
        zombie.meanwhile.arrived().await;
        world.clock.advance(seconds(61));
        let successor = Flows::new(&world.bare(), world.worker("successor"));
        successor.batch.run_once().await.unwrap();
        while world.batches()[0].state != BatchState::Done {
            successor.deliver.run_once().await.unwrap();
        }
        zombie.meanwhile.go_on();
    }));
    assert_eq!(outcome.unwrap().step, BatchStep::Elsewhere);
    assert_eq!(world.state("A"), StateName::Pending);
    assert_eq!(world.state("B"), StateName::Imported);
    let flows = world.flows("w1");
    assert_eq!(flows.batch_now().package.unwrap().orders, 1);
    deliver_all(&world, &flows);
    assert_eq!(world.imports()["A"], 1);
}

#[test]
fn a_worker_that_fell_asleep_before_it_stored_its_proposal_harms_nothing() {
    let world = World::default();
    world.ingest(&["A", "B"].map(Event::created));
    let zombie = Zombie::held_before_write(&world, 2);
    let (outcome, ()) = run(join(zombie.flows.batch.run_now(), async {
        zombie.meanwhile.arrived().await;
        world.clock.advance(seconds(61));
        let flows = Flows::new(&world.bare(), world.worker("ingest"));
        world.publish(&[Event::created("C")]);
        flows.ingest.run_once(&world.queue).await.unwrap();
        let successor = Flows::new(&world.bare(), world.worker("successor"));
        assert_eq!(
            successor.batch.run_once().await.unwrap().step,
            BatchStep::Empty
        );
        zombie.meanwhile.go_on();
    }));
    assert_eq!(outcome.unwrap().step, BatchStep::Elsewhere);
    assert_eq!(world.state("A"), StateName::Pending);
    let flows = world.flows("w1");
    assert_eq!(flows.batch_now().package.unwrap().orders, 3);
    deliver_all(&world, &flows);
    assert_eq!(world.imports().len(), 3);
    assert!(world.store.documents(BATCHES).iter().all(|document| {
        BatchRecord::from_document(document).unwrap().state == BatchState::Done
    }));
}
