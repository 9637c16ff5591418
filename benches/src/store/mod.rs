//! Durable stores of orders, side by side: taking in, the life of an order, claims, restarts and
//! kills.

mod folder;
mod ingest;
mod input;
mod latency;
mod lifecycle;
mod pipeline;

use clap::Subcommand;
use tokio::runtime::Runtime;

use crate::error::Error;

/// Threads of the runtime.
const WORKERS: usize = 2;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreTask {
    /// Take orders into a durable store, each acknowledged for itself, and read them back
    Ingest(ingest::IngestArguments),
    /// Lead orders from waiting to delivered
    Lifecycle(lifecycle::LifecycleArguments),
}

pub(crate) fn run(task: &StoreTask) -> Result<(), Error> {
    match task {
        StoreTask::Ingest(arguments) => ingest::run(arguments)?.print(),
        StoreTask::Lifecycle(arguments) => lifecycle::run(arguments)?.print(),
    }
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(Error::store("the runtime"))
}
