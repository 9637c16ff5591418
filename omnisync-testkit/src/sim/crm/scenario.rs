use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::TimeDelta;
use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_core::port::{Clock, CrmCapability};

use super::super::scenario::{Play, Scenario, Shape, Worker};
use super::super::violation::Violation;
use super::super::world::Sim;
use super::act::Act;
use super::audit::Auditor;
use super::blueprint::{Automates, Blueprint, Setup};
use super::environment::BadDay;
use super::facts::{self, FactsPlay, Witness};
use super::host::{CrmHost, CrmPorts, Syncing, quick};
use super::people::{Drawing, People};
use super::play::CrmPlay;
use super::post::Post;
use super::systems::Manners;
use super::turns::Turns;
use crate::fake::crm::Removing;
use crate::fake::{MemoryStateStore, MemoryStateStoreOptions};

/// Calls behind which a query may lag.
const QUERY_LAG: u64 = 6;

/// Several systems that share one kind of record, people in each of them, and workers between.
#[derive(Clone)]
pub struct CrmScenario {
    name: String,
    shape: Shape,
    setup: Setup,
    drawing: Drawing,
    policy: SyncPolicy,
    idle_cycles: u32,
    marks: Vec<&'static str>,
    host: Arc<dyn CrmHost>,
    blueprint: Arc<Blueprint>,
    by_facts: bool,
}

impl fmt::Debug for CrmScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrmScenario")
            .field("name", &self.name)
            .field("shape", &self.shape)
            .field("setup", &self.setup)
            .field("drawing", &self.drawing)
            .finish_non_exhaustive()
    }
}

impl CrmScenario {
    /// Two workers that run `host` over so many systems that keep what they are told, in which
    /// people make up to six changes and remove nothing.
    pub fn new(name: impl Into<String>, systems: usize, host: impl CrmHost + 'static) -> Self {
        let setup = Setup::new(systems);
        Self {
            name: name.into(),
            shape: Shape::default(),
            blueprint: Arc::new(Blueprint::new(&setup)),
            setup,
            drawing: Drawing::Any {
                acts_max: 6,
                removals: false,
            },
            policy: SyncPolicy::default(),
            idle_cycles: 2,
            marks: Vec::new(),
            host: Arc::new(host),
            by_facts: false,
        }
    }

    /// The same over the flows as they come.
    pub fn of_flows(name: impl Into<String>, systems: usize) -> Self {
        Self::new(name, systems, flows(SyncPolicy::default()))
    }

    /// The flows as they come, with other rules.
    #[must_use]
    pub fn with_policy(mut self, policy: SyncPolicy) -> Self {
        self.host = Arc::new(flows(policy.clone()));
        self.policy = policy;
        self
    }

    /// The same scenario with another host.
    #[must_use]
    pub fn with_host(mut self, host: impl CrmHost + 'static) -> Self {
        self.host = Arc::new(host);
        self
    }

    /// The same, judged by what the systems hold and by what people did in them, whatever the host
    /// keeps in its store. All of a run counts, not the first promise that it breaks.
    #[must_use]
    pub(crate) const fn judged_by_facts(mut self) -> Self {
        self.by_facts = true;
        self.shape.heal_ticks_max = facts::STEPS_MAX;
        self
    }

    /// The same with so many workers.
    #[must_use]
    pub const fn with_workers(mut self, workers: usize) -> Self {
        self.shape.workers = workers;
        self
    }

    /// The same with so many rounds in each life of the chaos.
    #[must_use]
    pub const fn with_rounds(mut self, rounds: u32) -> Self {
        self.shape.rounds = rounds;
        self
    }

    /// The same with systems that make this of what is written to them.
    #[must_use]
    pub fn with_manners(mut self, manners: Manners) -> Self {
        self.setup.manners = manners;
        self.drawn_up()
    }

    /// The same with systems that can do this, and no more.
    #[must_use]
    pub fn with_capability(mut self, capability: CrmCapability) -> Self {
        self.setup.capability = capability;
        self.drawn_up()
    }

    /// The same with systems that take records out of use so.
    #[must_use]
    pub fn with_removing(mut self, removing: Removing) -> Self {
        self.setup.removing = removing;
        self.drawn_up()
    }

    /// The same with systems whose receipts do not tell the version of what was written.
    #[must_use]
    pub fn without_versions_in_receipts(mut self) -> Self {
        self.setup.tells_versions = false;
        self.drawn_up()
    }

    /// The same; the clock of the second system is so many seconds ahead.
    #[must_use]
    pub fn with_skew_seconds(mut self, seconds: i64) -> Self {
        self.setup.skew = TimeDelta::seconds(seconds);
        self.drawn_up()
    }

    /// The same; the first system counts changes of the city in the same transaction, and the second
    /// one some time later, both in a field that all share.
    #[must_use]
    pub fn with_automation(mut self) -> Self {
        self.setup.automates = Automates::Aside;
        self.drawn_up()
    }

    /// The same; the first two systems rewrite the city some time after it was changed, each to its own
    /// liking, so that they answer each other until somebody switches that off.
    #[must_use]
    pub fn with_automations_in_a_circle(mut self) -> Self {
        self.setup.automates = Automates::InACircle;
        self.drawn_up()
    }

    /// The same; the first two systems count up, some time later, the very field that was changed.
    #[must_use]
    pub fn with_automations_for_ever(mut self) -> Self {
        self.setup.automates = Automates::ForEver;
        self.drawn_up()
    }

    /// The same; records say when a person has something to decide.
    #[must_use]
    pub fn with_conflict_marks(mut self) -> Self {
        self.setup.marks = true;
        self.drawn_up()
    }

    /// The same; people do exactly this, one after the other.
    #[must_use]
    pub fn with_acts(mut self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.drawing = Drawing::Fixed(acts.into_iter().collect());
        self
    }

    /// The same; people make up to so many changes of any kind.
    #[must_use]
    pub fn with_any_acts(mut self, acts_max: u32, removals: bool) -> Self {
        self.drawing = Drawing::Any { acts_max, removals };
        self
    }

    /// The same; people make up to so many changes after two records were created, and give records
    /// other keys.
    #[must_use]
    pub fn with_renames(mut self, acts_max: u32) -> Self {
        let merges = false;
        self.drawing = Drawing::Identity { acts_max, merges };
        self
    }

    /// The same, but they merge records.
    #[must_use]
    pub fn with_merges(mut self, acts_max: u32) -> Self {
        let merges = true;
        self.drawing = Drawing::Identity { acts_max, merges };
        self
    }

    /// The same; people make up to so many changes after a record was created that points at another,
    /// let records point at each other, and lock them.
    #[must_use]
    pub fn with_references(mut self, acts_max: u32, removals: bool) -> Self {
        self.drawing = Drawing::References { acts_max, removals };
        self.setup.refers = true;
        self.drawn_up()
    }

    /// The same without faults; people wait until everything is quiet before they make the next of
    /// up to so many changes. Writes are counted beside the fewest that could do.
    #[must_use]
    pub fn with_acts_in_turn(mut self, acts_max: u32, removals: bool) -> Self {
        self.drawing = Drawing::InTurn { acts_max, removals };
        self.shape.rounds = 0;
        self
    }

    /// The same; in the end everything is compared so many times, and nothing may be written.
    #[must_use]
    pub const fn with_idle_cycles(mut self, cycles: u32) -> Self {
        self.idle_cycles = cycles;
        self
    }

    /// The same; a full exploration has to see these.
    #[must_use]
    pub fn with_marks(mut self, marks: impl IntoIterator<Item = &'static str>) -> Self {
        self.marks.extend(marks);
        self
    }

    fn drawn_up(mut self) -> Self {
        self.blueprint = Arc::new(Blueprint::new(&self.setup));
        self
    }
}

fn flows(policy: SyncPolicy) -> impl CrmHost {
    move |ports: CrmPorts| -> Box<dyn Worker> {
        let sim = ports.sim.clone();
        match Syncing::new(ports, policy.clone()) {
            Ok(flows) => Box::new(flows),
            Err(error) => {
                sim.violate(Violation::new("setup", error.report()));
                Box::new(Idle)
            }
        }
    }
}

/// Does nothing.
struct Idle;

#[async_trait::async_trait]
impl Worker for Idle {
    async fn round(&mut self) -> Result<(), omnisync_core::error::PortError> {
        Ok(())
    }
}

impl Scenario for CrmScenario {
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
        let clock: Arc<dyn Clock> = Arc::new(sim.clock());
        let store = MemoryStateStore::new(MemoryStateStoreOptions {
            query_lag_operations: QUERY_LAG,
            lags_on_demand: true,
            ..MemoryStateStoreOptions::default()
        });
        let systems = self.blueprint.build(&clock);
        let known = Arc::default();
        let environment = Arc::new(BadDay {
            sim: sim.clone(),
            store: store.clone(),
            systems: systems.clone(),
            stale_reads: AtomicU64::new(0),
            known: Arc::clone(&known),
        });
        sim.set_environment(Arc::clone(&environment) as _);
        let posts = systems.iter().map(|system| {
            let object = system.plan.object.clone();
            Post::new(sim.clone(), system.crm.clone(), object)
        });
        let posts: Vec<Post> = posts.collect();
        let mut people = People::new(sim, &self.drawing);
        let witness = self.by_facts.then(|| {
            let people = std::mem::replace(&mut people, People::nobody(sim));
            Witness::new(sim.clone(), systems.clone(), people, Arc::clone(&known))
        });
        let witness = witness.map(Arc::new);
        let auditor = Auditor::new(sim.clone(), systems.clone(), people, known);
        let auditor = Arc::new(auditor);
        auditor.people_begin();
        let seam = sim.seam(match &witness {
            Some(witness) => Arc::clone(witness) as _,
            None => Arc::clone(&auditor) as _,
        });
        let play = CrmPlay {
            sim: sim.clone(),
            host: Arc::clone(&self.host),
            entity: self.blueprint.entity.clone(),
            policy: quick(self.policy.clone()),
            store,
            systems,
            posts,
            seam,
            environment,
            auditor,
            idle_left: self.idle_cycles,
            swept: false,
            writes_at_rest: None,
            turns: Turns::default(),
        };
        match witness {
            Some(witness) => Box::new(FactsPlay::new(play, witness)),
            None => Box::new(play),
        }
    }
}
