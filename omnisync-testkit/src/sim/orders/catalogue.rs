//! What the order pipeline is held to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::flow::{DeliverPolicy, Guard, GuardPolicy, GuardedErp, Worker as FlowWorker};
use omnisync_core::port::{Notice, NoticeEvent, Notifier, RepeatedExecution, Reporting};

use super::super::scenario::Worker;
use super::super::world::Sim;
use super::host::{Pipeline, PipelinePolicies, Ports};
use super::scenario::{Lateness, OrderScenario};
use super::workload::Twist;
use crate::fake::{FakeErpOptions, QueueOptions};

/// Everything worth seeing at least once.
pub const MARKS: [&str; 37] = [
    "attempts exhausted",
    "batch retired",
    "blob was there",
    "breaker open",
    "cancelled",
    "cancelled after import",
    "cancelled import seen",
    "dead letter",
    "empty batch",
    "failed import",
    "import cancelled",
    "import lost",
    "lock lost",
    "order contended",
    "order retired",
    "orphan swept",
    "outcome unknown",
    "package built again",
    "package damaged",
    "package vanished",
    "partial import",
    "project was busy",
    "queued revision promoted",
    "rejected",
    "repeated submission refused",
    "revision conflict",
    "revision queued",
    "sent again",
    "settled order updated",
    "settled too late",
    "submitted again",
    "superseded",
    "takeover",
    "unknown status",
    "unmatched result",
    "unpackable order set aside",
    "zombie fenced",
];

/// The scenarios that the order pipeline is held to.
pub fn scenarios() -> Vec<OrderScenario> {
    use Twist::{
        Cancel, CancelWhileClaimed, Conflict, CutOff, FailsOnce, HalfFailsOnce, HalfRefused, Plain,
        Refused, SameContent, SameEvent, Unmentioned, Unpackable, Update, UpdateAfterImport,
        UpdateFirst, UpdateWhileClaimed,
    };
    let pipeline = OrderScenario::of_pipeline;
    let plain = |orders| vec![Plain; orders];
    let slow = |repeated_execution| FakeErpOptions {
        repeated_execution,
        polls_to_end: Some(2),
        ..FakeErpOptions::default()
    };
    let prompt = FakeErpOptions {
        polls_to_end: Some(0),
        ..FakeErpOptions::default()
    };
    let retiring = PipelinePolicies {
        retention: Some(omnisync_core::policy::RetentionPolicy::default()),
        ..PipelinePolicies::default()
    };
    let old = move |ports: Ports| -> Box<dyn Worker> { Box::new(Pipeline::new(ports, &retiring)) };
    let mut all = vec![
        pipeline("solo")
            .with_workers(1)
            .with_orders(plain(1))
            .with_rounds(1)
            .with_erp(prompt.clone()),
        pipeline("never-sent")
            .with_workers(1)
            .with_orders([Cancel])
            .with_rounds(1),
        pipeline("duel")
            .with_orders(plain(1))
            .with_rounds(1)
            .with_erp(prompt),
        pipeline("one-worker").with_workers(1).with_orders(plain(3)),
        pipeline("two-workers").with_orders(plain(3)),
        pipeline("two-batches").with_orders(plain(6)),
        pipeline("pair").with_orders(plain(2)).with_rounds(2),
        pipeline("partial-import").with_orders([Refused, FailsOnce, HalfFailsOnce, HalfRefused]),
        pipeline("updates").with_orders([Update, UpdateFirst, UpdateWhileClaimed]),
        pipeline("late-changes").with_orders([UpdateAfterImport, CancelWhileClaimed]),
        pipeline("bad-orders").with_orders([Plain, Unpackable, CutOff, Conflict]),
        pipeline("duplicates").with_orders([SameEvent, SameContent, Plain]),
        pipeline("silent-erp").with_orders([Unmentioned, Plain]),
        pipeline("erp-runs-again")
            .with_orders(plain(2))
            .with_erp(slow(RepeatedExecution::RunsAgain)),
        pipeline("erp-returns-existing")
            .with_orders(plain(2))
            .with_erp(slow(RepeatedExecution::ReturnsExisting)),
        OrderScenario::new("old-age", old)
            .with_orders([Plain, Refused])
            .with_rounds(2)
            .with_age(),
        pipeline("swarm")
            .with_any_orders(4)
            .with_workers(2)
            .with_marks(MARKS),
    ];
    all.extend(hard_erps());
    all.push(
        pipeline("queue-copies")
            .with_orders([Plain, Update])
            .with_queue(QueueOptions {
                returns_by_copy: true,
                broken_return_every: Some(2),
                ..QueueOptions::default()
            }),
    );
    all
}

/// ERPs that make it hard to know what became of a package.
fn hard_erps() -> Vec<OrderScenario> {
    use Twist::{FailsOnce, HalfRefused, Plain, Refused};
    let unpacking = Lateness {
        by: Duration::from_secs(20),
        says: None,
        visible_after_seconds: 600,
    };
    let late = |name: &str, repeated_execution| {
        OrderScenario::of_pipeline(name)
            .with_orders([Plain; 2])
            .with_late_erp(unpacking)
            .with_erp(FakeErpOptions {
                repeated_execution,
                // It would refuse a second import by itself, and nobody could see who is hasty.
                parallel_per_project: 4,
                ..FakeErpOptions::default()
            })
    };
    let counting = FakeErpOptions {
        reporting: Reporting::Refused,
        ..FakeErpOptions::default()
    };
    let patient = PipelinePolicies {
        deliver: DeliverPolicy {
            import_seconds_max: 86_400,
            poll_ms: 1_800_000,
            ..PipelinePolicies::default().deliver
        },
        ..PipelinePolicies::default()
    };
    let patient =
        move |ports: Ports| -> Box<dyn Worker> { Box::new(Pipeline::new(ports, &patient)) };
    vec![
        late("late-erp-refuses", RepeatedExecution::Rejected),
        late(
            "late-erp-returns-existing",
            RepeatedExecution::ReturnsExisting,
        ),
        late("late-erp-runs-again", RepeatedExecution::RunsAgain),
        OrderScenario::of_pipeline("names-refused-only")
            .with_orders([Plain, Refused, FailsOnce, HalfRefused])
            .with_erp(counting),
        OrderScenario::new("unknown-for-hours", patient)
            .with_orders([Plain; 2])
            .with_workers(1)
            .with_heal_ticks(500)
            .with_late_erp(Lateness {
                by: Duration::from_secs(2 * 3_600),
                says: Some("Reticulating"),
                visible_after_seconds: 0,
            }),
        OrderScenario::new("guarded-erp", guarded)
            .with_orders([Plain; 2])
            .with_marks(["peer left alone", "peer back"]),
    ]
}

/// The flows as they come, with a breaker before the ERP.
fn guarded(ports: Ports) -> Box<dyn Worker> {
    let policies = PipelinePolicies::default();
    let policy = GuardPolicy {
        breaker: policies.ingest.breaker,
        ..GuardPolicy::default()
    };
    let worker = FlowWorker::new(
        ports.worker.clone(),
        Arc::clone(&ports.clock),
        Arc::clone(&ports.ids),
    );
    let guard = Guard::new("ERP", Arc::clone(&ports.store), worker, policy)
        .with_notifier(Arc::new(Marking(ports.sim.clone())));
    let erp = GuardedErp::new(Arc::clone(&ports.erp), Arc::new(guard));
    let ports = Ports {
        erp: Arc::new(erp),
        ..ports
    };
    Box::new(Pipeline::new(ports, &policies))
}

/// Notes what people are told.
#[derive(Debug)]
struct Marking(Sim);

#[async_trait]
impl Notifier for Marking {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        match notice.event {
            NoticeEvent::PeerBack => self.0.mark("peer back"),
            _ => self.0.mark("peer left alone"),
        }
        Ok(())
    }
}
