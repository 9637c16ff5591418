//! A peer that is down or overwhelmed is left alone, by all workers, and everybody can see it.

use std::sync::Arc;
use std::time::Duration;

use omnisync_core::flow::{BreakerRecord, BreakerState, Delivered, Guard, GuardPolicy, GuardedErp};
use omnisync_core::order::StateName;
use omnisync_core::policy::BreakerPolicy;
use omnisync_core::port::{Clock as _, ErpImporter, NoticeEvent};
use omnisync_core::{ErrorKind, PortError};
use omnisync_testkit::fake::{ErpFault, ItemFault, MemoryNotifier};

use crate::support::{Event, Flows, Ports, World, deliver_all, run, seconds};

const OPEN: Duration = Duration::from_secs(300);

fn status(erp: &dyn ErpImporter) -> Result<(), PortError> {
    let execution = omnisync_core::id::BatchId::from_hash([1; 16]).into();
    run(erp.status(execution)).map(drop)
}

struct Guarded {
    world: World,
    notifier: MemoryNotifier,
}

impl Guarded {
    fn new() -> Self {
        Self {
            world: World::default(),
            notifier: MemoryNotifier::default(),
        }
    }

    fn guard(&self, worker: &str) -> Guard {
        let policy = GuardPolicy {
            breaker: BreakerPolicy {
                failures_max: 2,
                throttles_max: 2,
                open_ms: 300_000,
                ..BreakerPolicy::default()
            },
            ..GuardPolicy::default()
        };
        let worker = self.world.worker(worker);
        let store = Arc::clone(&self.world.ports.store);
        Guard::new("F&O", store, worker, policy).with_notifier(Arc::new(self.notifier.clone()))
    }

    fn erp(&self, worker: &str) -> Arc<dyn ErpImporter> {
        let erp = Arc::clone(&self.world.ports.erp);
        Arc::new(GuardedErp::new(erp, Arc::new(self.guard(worker))))
    }

    fn flows(&self, worker: &str) -> Flows {
        let ports = Ports {
            erp: self.erp(worker),
            ..self.world.ports.clone()
        };
        Flows::new(&ports, self.world.worker(worker))
    }

    fn state(&self) -> Option<BreakerRecord> {
        run(self.guard("eve").state()).unwrap()
    }

    /// What people were told, without when.
    fn told(&self) -> Vec<&'static str> {
        let told = self.notifier.notices();
        let word = |event: &NoticeEvent| match event {
            NoticeEvent::PeerBlocked { .. } => "blocked",
            NoticeEvent::PeerBack => "back",
            other => panic!("{other:?}"),
        };
        told.iter().map(|notice| word(&notice.event)).collect()
    }

    fn calls(&self) -> usize {
        let operations = self.world.journal.operations();
        operations
            .iter()
            .filter(|name| name.starts_with("erp_"))
            .count()
    }
}

#[test]
fn packages_wait_in_the_stage_while_the_erp_is_left_alone_and_go_on_after_it_is_back() {
    let guarded = Guarded::new();
    let world = &guarded.world;
    world.stage(&[Event::created("A")]);
    for _ in 0..2 {
        world.erp.fail_status(ErpFault::Unavailable);
    }
    let flows = guarded.flows("w1");
    for _ in 0..2 {
        assert!(matches!(flows.deliver().step, Delivered::Waiting { .. }));
        world.clock.advance(seconds(10));
    }
    let open = guarded.state().unwrap();
    assert_eq!(open.state, BreakerState::Open);
    assert_eq!(guarded.told(), ["blocked"]);

    let calls = guarded.calls();
    let step = flows.deliver().step;
    let Delivered::Waiting { until, .. } = step else {
        panic!("{step:?}")
    };
    assert_eq!(until, open.until);
    assert_eq!(guarded.calls(), calls, "the ERP was called");
    assert_eq!(world.state("A"), StateName::Claimed);

    world.clock.set(until);
    deliver_all(world, &flows);
    assert_eq!(world.state("A"), StateName::Imported);
    assert_eq!(world.imports()["A"], 1);
    assert_eq!(guarded.state().unwrap().state, BreakerState::Closed);
    assert_eq!(guarded.told(), ["blocked", "back"]);
}

#[test]
fn all_workers_leave_the_peer_alone_and_one_of_them_tries() {
    let guarded = Guarded::new();
    let (one, two, three) = (guarded.erp("w1"), guarded.erp("w2"), guarded.erp("w3"));
    for _ in 0..2 {
        guarded.world.erp.fail_status(ErpFault::Unavailable);
        status(&*one).unwrap_err();
    }
    for other in [&two, &three] {
        let error = status(&**other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.retry_after(), Some(OPEN));
        assert!(error.to_string().contains("too many failures in a row"));
    }
    guarded.world.clock.advance(OPEN);
    // The trial fails, and nobody else tries before its time.
    guarded.world.erp.fail_status(ErpFault::Unavailable);
    status(&*two).unwrap_err();
    let calls = guarded.calls();
    status(&*three).unwrap_err();
    assert_eq!(guarded.calls(), calls);
    guarded.world.clock.advance(OPEN);
    status(&*three).unwrap();
    status(&*one).unwrap();
    // It is one outage, whoever tried in it.
    assert_eq!(guarded.told(), ["blocked", "back"]);
    assert_eq!(guarded.state().unwrap().openings, 1);
}

#[test]
fn a_worker_that_dies_while_it_tries_leaves_the_trial_to_another() {
    let guarded = Guarded::new();
    let one = guarded.erp("w1");
    for _ in 0..2 {
        guarded.world.erp.fail_status(ErpFault::Unavailable);
        status(&*one).unwrap_err();
    }
    guarded.world.clock.advance(OPEN);
    let permit = run(guarded.guard("w2").enter()).unwrap();
    drop(permit);
    assert_eq!(guarded.state().unwrap().state, BreakerState::HalfOpen);
    status(&*guarded.erp("w3")).unwrap_err();
    guarded.world.clock.advance(OPEN);
    status(&*guarded.erp("w3")).unwrap();
    assert_eq!(guarded.state().unwrap().state, BreakerState::Closed);
}

#[test]
fn a_peer_that_asks_for_a_pause_too_often_is_left_alone_for_as_long_as_it_asks() {
    let guarded = Guarded::new();
    let erp = guarded.erp("w1");
    let pause = seconds(1_000);
    for _ in 0..3 {
        guarded.world.erp.fail_status(ErpFault::Throttled(pause));
        status(&*erp).unwrap_err();
    }
    let record = guarded.state().unwrap();
    assert_eq!(record.state, BreakerState::Open);
    assert_eq!(record.until, guarded.world.clock.now() + pause);
    assert!(record.because.unwrap().contains("throttled too often"));
}

#[test]
fn a_refusal_is_an_answer_and_opens_nothing() {
    let guarded = Guarded::new();
    let erp = guarded.erp("w1");
    for _ in 0..10 {
        let execution = omnisync_core::id::BatchId::from_hash([9; 16]).into();
        let refused = run(erp.results(execution, None)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
    assert_eq!(guarded.state(), None);
}

#[test]
fn people_are_told_later_where_telling_them_failed_and_only_once_for_all_workers() {
    let guarded = Guarded::new();
    let error = PortError::new(ErrorKind::Unavailable, "notifier.notify");
    guarded.notifier.fail_next(error);
    let one = guarded.erp("w1");
    for _ in 0..2 {
        guarded.world.erp.fail_status(ErpFault::Unavailable);
        status(&*one).unwrap_err();
    }
    assert!(guarded.told().is_empty());
    for worker in ["w2", "w3", "w4"] {
        status(&*guarded.erp(worker)).unwrap_err();
    }
    assert_eq!(guarded.told(), ["blocked"]);
}

#[test]
fn a_store_that_fails_turns_no_answer_into_an_error_and_the_worker_goes_by_what_it_saw() {
    let guarded = Guarded::new();
    let erp = guarded.erp("w1");
    guarded.world.erp.fail_status(ErpFault::Unavailable);
    status(&*erp).unwrap_err();
    guarded.world.erp.fail_status(ErpFault::Unavailable);
    let key = BreakerRecord::key("F&O");
    guarded
        .world
        .store
        .fail_item(key, ItemFault::Before(ErrorKind::Unavailable));
    let error = status(&*erp).unwrap_err();
    assert_eq!(error.operation(), "erp.status");
    assert_eq!(guarded.state(), None);
    let calls = guarded.calls();
    status(&*erp).unwrap_err();
    assert_eq!(guarded.calls(), calls);
}
