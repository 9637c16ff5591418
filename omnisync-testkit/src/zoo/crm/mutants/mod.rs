//! CRM sync with one rule broken, rule by rule.
//!
//! The flows are the ones that ship. Each mutant stands between them and one of their ports, on
//! the side of the host, so that the auditor of the simulation sees what really happens.

mod links;
mod scenes;
mod setup;
mod sink_habit;
mod sinks;
mod store;

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_core::error::PortError;

use crate::sim::crm::{CrmHost, CrmPort, CrmPorts, Syncing};
use crate::sim::{Sim, Violation, Worker};
use crate::zoo::Specimen;
use crate::zoo::mutated::{Mutated, StoreHabit};
use sink_habit::{SinkEdits, SinkHabit};

/// All mutants.
pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = sinks::specimens();
    all.extend(links::specimens());
    all.extend(store::specimens());
    all.extend(setup::specimens());
    all
}

/// The flows as they come, wherever mutants are hunted.
pub(super) fn sound() -> Vec<Specimen> {
    scenes::sound()
}

/// The flows over `ports`.
pub(super) fn syncing(ports: CrmPorts) -> Box<dyn Worker> {
    let sim = ports.sim.clone();
    started(&sim, Syncing::new(ports, SyncPolicy::default()))
}

/// The flows that write whatever a record has become.
pub(super) fn on_no_condition() -> impl CrmHost {
    on_sinks(|| SinkEdits {
        update: Some(Box::new(|update| update.expect = None)),
        removal: Some(Box::new(|removal| removal.expect = None)),
        ..SinkEdits::default()
    })
}

/// The flows, if they could be put together. That they could not is no promise of theirs.
pub(super) fn started(sim: &Sim, flows: Result<Syncing, PortError>) -> Box<dyn Worker> {
    match flows {
        Ok(flows) => Box::new(flows),
        Err(error) => {
            sim.violate(Violation::new("setup", error.report()));
            Box::new(Idle)
        }
    }
}

/// Does nothing.
struct Idle;

#[async_trait]
impl Worker for Idle {
    async fn round(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

/// The flows over ports that `change` put something in between.
fn over(change: impl Fn(CrmPorts) -> CrmPorts + Send + Sync) -> impl CrmHost {
    move |ports: CrmPorts| -> Box<dyn Worker> { syncing(change(ports)) }
}

/// The flows with a habit about their store. Each life begins it anew.
fn on_store<H: StoreHabit>(habit: impl Fn() -> H + Send + Sync) -> impl CrmHost {
    over(move |ports| {
        let store = Arc::new(Mutated::new(ports.store, habit()));
        CrmPorts { store, ..ports }
    })
}

/// The flows with a habit about every system.
fn on_sinks<H: SinkHabit>(habit: impl Fn() -> H + Send + Sync) -> impl CrmHost {
    over(move |mut ports| {
        let with_habit = |port: CrmPort| CrmPort {
            sink: Arc::new(Mutated::new(port.sink, habit())),
            ..port
        };
        ports.systems = ports.systems.into_iter().map(with_habit).collect();
        ports
    })
}
