//! Scenarios in which mutants are hunted. They are small: what a mutant does wrong shows with few
//! orders or not at all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::policy::RetentionPolicy;
use omnisync_core::port::{
    Clock, Document, DocumentKey, Page, Query, RepeatedExecution, StateStore, Write, WriteResult,
};

use crate::clock::{ManualClock, later};
use crate::fake::{FakeErpOptions, MemoryStateStore, QueueOptions};
use crate::sim::orders::{Lateness, OrderScenario, Pipeline, PipelinePolicies, Ports, Twist};
use crate::sim::{Sim, Worker};
use crate::zoo::Specimen;
use crate::zoo::mutated::{Mutated, StoreHabit};

/// How long the store cannot be reached in a scenario with an outage.
const OUTAGE: Duration = Duration::from_secs(12);
/// Deliveries of a message before the queue sets it aside, there.
const ATTEMPTS_MAX: u32 = 7;

/// The pipeline as it comes with these orders.
pub(super) fn of(name: &str, twists: impl Into<Vec<Twist>>) -> OrderScenario {
    OrderScenario::of_pipeline(name)
        .with_orders(twists)
        .with_rounds(2)
}

/// One plain order: little enough for all that two workers can do with it.
pub(super) fn one() -> OrderScenario {
    of("one", [Twist::Plain]).with_rounds(1)
}

/// Two plain orders.
pub(super) fn pair() -> OrderScenario {
    of("pair", [Twist::Plain; 2])
}

/// Plain orders, and workers that live long enough to be very late.
pub(super) fn long_days() -> OrderScenario {
    OrderScenario::of_pipeline("long-days")
}

/// Plain orders that fill two batches.
pub(super) fn two_batches() -> OrderScenario {
    of("two-batches", [Twist::Plain; 4])
}

/// Orders that change while they are on their way.
pub(super) fn changes() -> OrderScenario {
    of("changes", [Twist::Update, Twist::UpdateWhileClaimed])
}

/// Orders that change once the ERP has them.
pub(super) fn late_changes() -> OrderScenario {
    of(
        "late-changes",
        [Twist::UpdateAfterImport, Twist::CancelAfterImport],
    )
}

/// Orders that the ERP does not simply take.
pub(super) fn refusals() -> OrderScenario {
    of("refusals", [Twist::Refused, Twist::FailsOnce, Twist::Plain])
}

/// An order of which the ERP takes a half.
pub(super) fn halves() -> OrderScenario {
    of("halves", [Twist::HalfRefused, Twist::Plain])
}

/// An order that the ERP refuses, alone in its package.
pub(super) fn refused() -> OrderScenario {
    of("refused", [Twist::Refused])
}

/// An order that the ERP never takes.
pub(super) fn hopeless() -> OrderScenario {
    of("hopeless", [Twist::FailsAlways])
}

/// Orders that cannot be packed or read, beside a good one.
pub(super) fn bad() -> OrderScenario {
    of("bad", [Twist::Plain, Twist::Unpackable, Twist::CutOff])
}

/// Events that contradict each other.
pub(super) fn disputed() -> OrderScenario {
    of("disputed", [Twist::Conflict, Twist::Plain])
}

/// An ERP that imports again what it is given again.
pub(super) fn runs_again() -> OrderScenario {
    pair().renamed("runs-again").with_erp(FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        polls_to_end: Some(2),
        ..FakeErpOptions::default()
    })
}

/// An ERP that does not know at once what it took, and imports again what it is given again.
pub(super) fn late() -> OrderScenario {
    let several_at_once = FakeErpOptions {
        repeated_execution: RepeatedExecution::RunsAgain,
        parallel_per_project: 4,
        ..FakeErpOptions::default()
    };
    pair()
        .renamed("late")
        .with_erp(several_at_once)
        .with_late_erp(Lateness {
            by: Duration::from_secs(20),
            says: None,
            visible_after_seconds: 600,
        })
}

/// Any orders, and an ERP with any manners.
pub(super) fn any() -> OrderScenario {
    pair().renamed("any").with_any_orders(4)
}

/// What retires at its time.
pub(super) fn old_age() -> OrderScenario {
    let policies = PipelinePolicies {
        retention: Some(RetentionPolicy::default()),
        ..PipelinePolicies::default()
    };
    let retiring =
        move |ports: Ports| -> Box<dyn Worker> { Box::new(Pipeline::new(ports, &policies)) };
    of("old-age", [Twist::Plain, Twist::Refused])
        .with_age()
        .with_host(retiring)
}

/// A store that cannot be reached at first, and a queue that does not wait for ever.
pub(super) fn outage() -> OrderScenario {
    let queue = QueueOptions {
        attempts_max: Some(ATTEMPTS_MAX),
        ..QueueOptions::default()
    };
    pair()
        .renamed("outage")
        .with_queue(queue)
        .with_store(|sim: &Sim| {
            let clock = sim.clock();
            let until = later(clock.now(), OUTAGE);
            let store: Arc<dyn StateStore> = Arc::new(MemoryStateStore::default());
            Arc::new(Mutated::new(store, Outage { clock, until }))
        })
}

/// The pipeline as it comes, wherever mutants are hunted.
pub(super) fn sound() -> Vec<Specimen> {
    vec![
        Specimen::sound("sound-one", one()),
        Specimen::sound("sound-pair", pair()),
        Specimen::sound("sound-long-days", long_days()),
        Specimen::sound("sound-two-batches", two_batches()),
        Specimen::sound("sound-changes", changes()),
        Specimen::sound("sound-late-changes", late_changes()),
        Specimen::sound("sound-refusals", refusals()),
        Specimen::sound("sound-halves", halves()),
        Specimen::sound("sound-refused", refused()),
        Specimen::sound("sound-hopeless", hopeless()),
        Specimen::sound("sound-bad", bad()),
        Specimen::sound("sound-disputed", disputed()),
        Specimen::sound("sound-runs-again", runs_again()),
        Specimen::sound("sound-late", late()),
        Specimen::sound("sound-any", any()),
        Specimen::sound("sound-old-age", old_age()),
        Specimen::sound("sound-outage", outage()),
    ]
}

/// A store that cannot be reached for a while.
#[derive(Debug)]
struct Outage {
    clock: ManualClock,
    until: DateTime<Utc>,
}

impl Outage {
    fn check(&self, operation: &'static str) -> Result<(), PortError> {
        if self.clock.now() < self.until {
            return Err(PortError::new(ErrorKind::Unavailable, operation));
        }
        Ok(())
    }
}

#[async_trait]
impl StoreHabit for Outage {
    async fn get(
        &self,
        store: &dyn StateStore,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, PortError> {
        self.check("state_store.get")?;
        store.get(keys).await
    }

    async fn write(
        &self,
        store: &dyn StateStore,
        writes: Vec<Write>,
    ) -> Result<Vec<WriteResult>, PortError> {
        self.check("state_store.write")?;
        store.write(writes).await
    }

    async fn query(&self, store: &dyn StateStore, query: Query) -> Result<Page, PortError> {
        self.check("state_store.query")?;
        store.query(query).await
    }
}
