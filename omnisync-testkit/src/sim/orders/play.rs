//! What outlives the workers in a run of an [`OrderScenario`](super::OrderScenario).

use std::sync::Arc;

use omnisync_core::port::{BlobStage, ErpImporter as _, Reporting, StateStore};

use super::super::scenario::{Life, Play, Worker};
use super::super::violation::Violation;
use super::super::world::Sim;
use super::audit::{Auditor, Finish};
use super::environment::BadDay;
use super::host::{Host, Ports};
use crate::fake::{FakeErp, QueueSource};
use crate::fault::Seam;

/// How long after everything is settled it is looked at again: longer than any retention.
const AGE: std::time::Duration = std::time::Duration::from_secs(100 * 24 * 60 * 60);

/// What stands behind the seam.
pub(super) struct BarePorts {
    pub(super) queue: QueueSource,
    pub(super) store: Arc<dyn StateStore>,
    pub(super) stage: Arc<dyn BlobStage>,
    pub(super) erp: FakeErp,
}

/// How far a scenario is in which things grow old.
#[derive(PartialEq, Eq)]
pub(super) enum Age {
    /// Nothing grows old in this scenario.
    None,
    Young,
    Old,
}

/// A run of the order pipeline.
pub(super) struct OrderPlay {
    pub(super) sim: Sim,
    pub(super) host: Arc<dyn Host>,
    pub(super) ports: BarePorts,
    pub(super) seam: Seam,
    pub(super) environment: Arc<BadDay>,
    pub(super) auditor: Arc<Auditor>,
    /// The host can say what an order waits for.
    pub(super) explains: bool,
    pub(super) waits_checked: bool,
    pub(super) age: Age,
}

impl Play for OrderPlay {
    fn start(&mut self, life: &Life) -> Box<dyn Worker> {
        let ports = Ports {
            source: Arc::new(self.seam.wrap(self.ports.queue.clone())),
            store: Arc::new(self.seam.wrap(Arc::clone(&self.ports.store))),
            stage: Arc::new(self.seam.wrap(Arc::clone(&self.ports.stage))),
            erp: Arc::new(self.seam.wrap(self.ports.erp.clone())),
            clock: self.sim.clock_of(life.worker),
            ids: self.sim.ids_of(life),
            worker: life.name.clone(),
            sim: self.sim.clone(),
        };
        self.host.start(ports)
    }

    fn heal(&mut self) {
        if self.explains && !std::mem::replace(&mut self.waits_checked, true) {
            self.auditor.check_waits(&self.ports.store);
        }
        // An import ends by itself, whether anybody asks for it or not.
        if let Err(error) = self.ports.erp.finish_all() {
            self.sim.violate(Violation::new("setup", error.report()));
        }
        // Somebody takes damaged packages away, as the errors ask.
        let damaged = self
            .environment
            .with_damage(|damage| std::mem::take(&mut damage.altered));
        if let Some(stage) = &self.environment.stage {
            for name in damaged {
                stage.vanish(&name);
            }
        }
    }

    fn unrest(&mut self) -> Option<Violation> {
        let unrest = self.auditor.unrest();
        match self.age {
            Age::Young if unrest.is_none() => {
                self.age = Age::Old;
                // What comes again before its order is retired is recognised.
                self.auditor.publish_again();
                Some(Violation::new("I-O1", "a replay is not taken in"))
            }
            Age::Old if unrest.is_none() && !self.auditor.is_clean() => {
                self.sim.clock().advance(AGE);
                let detail = "what is settled and old is still there";
                Some(Violation::new("I-O8", detail))
            }
            _ => unrest,
        }
    }

    fn audit(&mut self) -> Result<(), Violation> {
        let harmed = self
            .environment
            .with_damage(|damage| damage.imports.clone());
        self.auditor.audit(&Finish {
            harmed_imports: &harmed,
            counts: self.ports.erp.capability().reporting == Reporting::Refused,
        })
    }
}
