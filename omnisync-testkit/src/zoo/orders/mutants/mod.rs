//! The pipeline with one rule broken, rule by rule.
//!
//! The flows are the ones that ship. Each mutant stands between them and one of their ports, on
//! the side of the host, so that the auditor of the simulation sees what really happens.

mod erp;
mod format;
mod host;
mod scenes;
mod source;
mod stage;
mod store;

use std::sync::Arc;

use crate::zoo::mutated::{ErpHabit, Mutated, SourceHabit, StageHabit, StoreHabit};

use crate::sim::Worker;
use crate::sim::orders::{Host, Pipeline, PipelinePolicies, Ports};
use crate::zoo::Specimen;

/// All mutants.
pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = store::specimens();
    all.extend(source::specimens());
    all.extend(stage::specimens());
    all.extend(erp::specimens());
    all.extend(format::specimens());
    all.extend(host::specimens());
    all
}

/// The pipeline as it comes, wherever mutants are hunted.
pub(super) fn sound() -> Vec<Specimen> {
    scenes::sound()
}

/// The pipeline over ports that `change` put something in between.
fn over(change: impl Fn(Ports) -> Ports + Send + Sync) -> impl Host {
    let policies = PipelinePolicies::default();
    move |ports: Ports| -> Box<dyn Worker> { Box::new(Pipeline::new(change(ports), &policies)) }
}

/// The pipeline with a habit about its store. Each life begins it anew.
fn on_store<H: StoreHabit>(habit: impl Fn(&Ports) -> H + Send + Sync) -> impl Host {
    over(move |ports| {
        let habit = habit(&ports);
        let store = Arc::new(Mutated::new(ports.store, habit));
        Ports { store, ..ports }
    })
}

/// The pipeline with a habit about its source.
fn on_source<H: SourceHabit>(habit: impl Fn(&Ports) -> H + Send + Sync) -> impl Host {
    over(move |ports| {
        let habit = habit(&ports);
        let source = Arc::new(Mutated::new(ports.source, habit));
        Ports { source, ..ports }
    })
}

/// The pipeline with a habit about its stage.
fn on_stage<H: StageHabit>(habit: impl Fn() -> H + Send + Sync) -> impl Host {
    over(move |ports| {
        let stage = Arc::new(Mutated::new(ports.stage, habit()));
        Ports { stage, ..ports }
    })
}

/// The pipeline with a habit about its ERP.
fn on_erp<H: ErpHabit>(habit: impl Fn(&Ports) -> H + Send + Sync) -> impl Host {
    over(move |ports| {
        let habit = habit(&ports);
        let erp = Arc::new(Mutated::new(ports.erp, habit));
        Ports { erp, ..ports }
    })
}
