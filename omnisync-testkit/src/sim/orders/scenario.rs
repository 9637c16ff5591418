use std::sync::{Arc, Mutex};
use std::time::Duration;

use omnisync_core::port::{BlobStage, Content, RepeatedExecution, StateStore};

use super::super::scenario::{Play, Scenario, Shape, Worker};
use super::super::world::Sim;
use super::audit::{Auditor, ReadStanding, Standing};
use super::environment::{BadDay, Damage};
use super::host::{Host, Pipeline, PipelinePolicies, Ports};
use super::play::{Age, BarePorts, OrderPlay};
use super::workload::{CANARIES, Drawing, Twist, Workload};
use crate::fake::{
    FakeErp, FakeErpOptions, Late, MemoryBlobStage, MemoryStateStore, MemoryStateStoreOptions,
    QueueOptions, QueueSource,
};

/// Calls behind which a query may lag.
const QUERY_LAG: u64 = 6;

/// Makes the system behind a port anew for a run.
type Make<P> = Arc<dyn Fn(&Sim) -> Arc<P> + Send + Sync>;

/// How late an ERP is that does not tell of an import for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// For how long.
    pub by: Duration,
    /// What the status is meanwhile: a word, or `None` for an import that it does not know.
    pub says: Option<&'static str>,
    /// What the capability promises, in seconds.
    pub visible_after_seconds: u32,
}

/// The order pipeline over a queue, a store, a stage and an ERP that misbehave.
#[derive(Clone)]
pub struct OrderScenario {
    name: String,
    shape: Shape,
    drawing: Drawing,
    erp: FakeErpOptions,
    any_erp: bool,
    late: Option<Lateness>,
    ages: bool,
    queue: QueueOptions,
    reads: Option<ReadStanding>,
    marks: Vec<&'static str>,
    host: Arc<dyn Host>,
    store: Option<Make<dyn StateStore>>,
    stage: Option<Make<dyn BlobStage>>,
}

impl std::fmt::Debug for OrderScenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderScenario")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .field("drawing", &self.drawing)
            .finish_non_exhaustive()
    }
}

impl OrderScenario {
    /// Three plain orders, two workers that run `host`.
    pub fn new(name: impl Into<String>, host: impl Host + 'static) -> Self {
        Self {
            name: name.into(),
            shape: Shape {
                canaries: &CANARIES,
                ..Shape::default()
            },
            drawing: Drawing::Fixed(vec![Twist::Plain; 3]),
            erp: FakeErpOptions::default(),
            any_erp: false,
            late: None,
            ages: false,
            queue: QueueOptions::default(),
            reads: None,
            marks: Vec::new(),
            host: Arc::new(host),
            store: None,
            stage: None,
        }
    }

    /// The same with the flows as they come, with quick policies.
    pub fn of_pipeline(name: impl Into<String>) -> Self {
        let policies = PipelinePolicies::default();
        Self::new(name, move |ports: Ports| -> Box<dyn Worker> {
            Box::new(Pipeline::new(ports, &policies))
        })
    }

    /// One order for each of `twists`.
    #[must_use]
    pub fn with_orders(mut self, twists: impl Into<Vec<Twist>>) -> Self {
        self.drawing = Drawing::Fixed(twists.into());
        self
    }

    /// Up to `orders_max` orders with any twist, and an ERP with any manners.
    #[must_use]
    pub fn with_any_orders(mut self, orders_max: u32) -> Self {
        self.drawing = Drawing::Any { orders_max };
        self.any_erp = true;
        self
    }

    /// So many workers.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.shape.workers = workers;
        self
    }

    /// So many rounds of each life.
    #[must_use]
    pub fn with_rounds(mut self, rounds: u32) -> Self {
        self.shape.rounds = rounds;
        self
    }

    /// So many steps of healing, for what takes its time.
    #[must_use]
    pub fn with_heal_ticks(mut self, ticks: u32) -> Self {
        self.shape.heal_ticks_max = ticks;
        self
    }

    /// The same scenario with another host.
    #[must_use]
    pub fn with_host(mut self, host: impl Host + 'static) -> Self {
        self.host = Arc::new(host);
        self
    }

    /// The same scenario under another name.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// A queue with these manners.
    #[must_use]
    pub fn with_queue(mut self, options: QueueOptions) -> Self {
        self.queue = options;
        self
    }

    /// The host keeps orders in documents of its own, in the collection of orders. It is judged
    /// by what becomes of the orders, and not by how it gets there; `read` says where it believes
    /// an order to be, and `None` for what it could not have written.
    #[must_use]
    pub fn judged_by_outcomes(mut self, read: fn(&Content) -> Option<Standing>) -> Self {
        self.reads = Some(read);
        self
    }

    /// An ERP with these manners.
    #[must_use]
    pub fn with_erp(mut self, options: FakeErpOptions) -> Self {
        self.erp = options;
        self
    }

    /// An ERP that does not tell of an import for a while after it took it.
    #[must_use]
    pub fn with_late_erp(mut self, late: Lateness) -> Self {
        self.late = Some(late);
        self
    }

    /// Everything has to be gone once its time has come; the host runs a retention.
    #[must_use]
    pub fn with_age(mut self) -> Self {
        self.ages = true;
        self
    }

    /// What some run has to see.
    #[must_use]
    pub fn with_marks(mut self, marks: impl Into<Vec<&'static str>>) -> Self {
        self.marks = marks.into();
        self
    }

    /// Another state store than the one in memory: a fake of your own adapter, made anew for
    /// every run, that keeps to the contract.
    #[must_use]
    pub fn with_store(
        mut self,
        make: impl Fn(&Sim) -> Arc<dyn StateStore> + Send + Sync + 'static,
    ) -> Self {
        self.store = Some(Arc::new(make));
        self
    }

    /// Another blob stage than the one in memory.
    #[must_use]
    pub fn with_stage(
        mut self,
        make: impl Fn(&Sim) -> Arc<dyn BlobStage> + Send + Sync + 'static,
    ) -> Self {
        self.stage = Some(Arc::new(make));
        self
    }

    fn erp_options(&self, sim: &Sim) -> FakeErpOptions {
        let late = self.late.as_ref().map(|late| Late {
            clock: Arc::new(sim.clock()),
            by: late.by,
            says: late.says.map(str::to_owned),
            visible_after_seconds: late.visible_after_seconds,
        });
        if !self.any_erp {
            return FakeErpOptions {
                late,
                ..self.erp.clone()
            };
        }
        let repeated_execution = match sim.choose(3) {
            0 => RepeatedExecution::Rejected,
            1 => RepeatedExecution::ReturnsExisting,
            _ => RepeatedExecution::RunsAgain,
        };
        FakeErpOptions {
            repeated_execution,
            polls_to_end: Some(sim.choose(4)),
            late,
            ..self.erp.clone()
        }
    }
}

impl Scenario for OrderScenario {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> Shape {
        self.shape.clone()
    }

    fn marks(&self) -> &[&'static str] {
        &self.marks
    }

    fn begin(&self, sim: &Sim) -> Box<dyn Play> {
        let clock = sim.clock();
        let queue = QueueSource::new(Arc::new(clock), self.queue.clone());
        let memory = MemoryStateStore::new(MemoryStateStoreOptions {
            query_lag_operations: QUERY_LAG,
            lags_on_demand: true,
            ..MemoryStateStoreOptions::default()
        });
        let blobs = MemoryBlobStage::default();
        let erp = FakeErp::new(self.erp_options(sim));
        let workload = Workload::draw(&self.drawing, sim);
        for order in &workload.orders {
            if order.twist == Twist::Unmentioned {
                erp.keep_silent_about(&order.id);
            }
        }
        let (store, known_store): (Arc<dyn StateStore>, _) = match &self.store {
            Some(make) => (make(sim), None),
            None => (Arc::new(memory.clone()), Some(memory)),
        };
        let (stage, known_stage): (Arc<dyn BlobStage>, _) = match &self.stage {
            Some(make) => (make(sim), None),
            None => (Arc::new(blobs.clone()), Some(blobs)),
        };
        let environment = Arc::new(BadDay {
            sim: sim.clone(),
            queue: queue.clone(),
            store: known_store,
            stage: known_stage,
            erp: erp.clone(),
            damage: Mutex::new(Damage::default()),
        });
        sim.set_environment(Arc::clone(&environment) as _);
        let auditor = Auditor::new(sim.clone(), workload, queue.clone(), erp.clone());
        let auditor = Arc::new(auditor.reading(self.reads));
        auditor.publish_first();
        let seam = sim.seam(Arc::clone(&auditor) as _);
        Box::new(OrderPlay {
            sim: sim.clone(),
            host: Arc::clone(&self.host),
            ports: BarePorts {
                queue,
                store,
                stage,
                erp,
            },
            seam,
            environment,
            auditor,
            explains: self.reads.is_none(),
            waits_checked: false,
            age: if self.ages { Age::Young } else { Age::None },
        })
    }
}
