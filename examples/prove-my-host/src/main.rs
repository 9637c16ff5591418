//! Puts a composition of one's own through every fault that the simulator knows.
#![allow(
    clippy::print_stdout,
    clippy::clone_on_ref_ptr,
    reason = "an example reports on the terminal, and is short"
)]

use omnisync_core::PortError;
use omnisync_core::flow::{BatchFlow, Deliver, Ingest, Sweep, Worker};
use omnisync_testkit::sim::orders::{OrderScenario, PipelinePolicies, Ports};
use omnisync_testkit::sim::{self, Counterexample};

/// Your host: what one worker keeps in memory, and dies with.
struct MyHost {
    ports: Ports,
    ingest: Ingest,
    batch: BatchFlow,
    deliver: Deliver,
    sweep: Sweep,
}

fn start(ports: Ports) -> Box<dyn sim::Worker> {
    let PipelinePolicies {
        ingest,
        batch,
        deliver,
        spec,
        ..
    } = PipelinePolicies::default();
    let (store, stage, erp) = (ports.store.clone(), ports.stage.clone(), ports.erp.clone());
    let worker = Worker::new(ports.worker.clone(), ports.clock.clone(), ports.ids.clone());
    let (w, s) = (|| worker.clone(), || store.clone());
    Box::new(MyHost {
        ingest: Ingest::new(s(), w(), ingest),
        batch: BatchFlow::new(s(), stage.clone(), w(), batch, spec.clone()),
        deliver: Deliver::new(s(), stage, erp, w(), deliver, spec),
        sweep: Sweep::new(s(), w()),
        ports,
    })
}

#[async_trait::async_trait]
impl sim::Worker for MyHost {
    /// One turn of your loop.
    async fn round(&mut self) -> Result<(), PortError> {
        self.ingest.run_once(&*self.ports.source).await?;
        self.batch.run_once().await?;
        self.deliver.run_once().await?;
        self.sweep.run_once().await.map(|_| ())
    }
}

fn main() -> Result<(), Box<Counterexample>> {
    let report = sim::explore(&OrderScenario::new("my-host", start))?;
    println!("{} runs with {} faults:", report.runs, report.faults);
    println!("no order was lost, doubled or held up");
    Ok(())
}
