//! Puts a composition of one's own through every fault that the simulator knows.
#![allow(clippy::print_stdout, reason = "an example reports on the terminal")]

use async_trait::async_trait;
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

impl MyHost {
    fn new(ports: Ports) -> Self {
        let policies = PipelinePolicies::default();
        let (store, stage) = (|| ports.store.clone(), || ports.stage.clone());
        let (batch, spec) = (policies.batch, policies.spec);
        let worker = Worker::new(ports.worker.clone(), ports.clock.clone(), ports.ids.clone());
        Self {
            ingest: Ingest::new(store(), worker.clone(), policies.ingest),
            batch: BatchFlow::new(store(), stage(), worker.clone(), batch, spec.clone()),
            deliver: Deliver::new(
                store(),
                stage(),
                ports.erp.clone(),
                worker.clone(),
                policies.deliver,
                spec,
            ),
            sweep: Sweep::new(store(), worker),
            ports,
        }
    }
}

#[async_trait]
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
    let start = |ports: Ports| -> Box<dyn sim::Worker> { Box::new(MyHost::new(ports)) };
    let scenario = OrderScenario::new("my-host", start);
    let report = sim::explore(&scenario)?;
    println!(
        "{} runs, {} port calls, {} faults",
        report.runs, report.port_calls, report.faults
    );
    println!("no order was lost, doubled or held up");
    Ok(())
}
