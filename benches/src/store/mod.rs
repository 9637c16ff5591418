//! Durable stores of orders, side by side: taking in, the life of an order, claims, restarts and
//! kills.

mod ingest;
mod input;
mod latency;

use clap::Subcommand;

use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreTask {
    /// Take orders into a durable store, each acknowledged for itself, and read them back
    Ingest(ingest::IngestArguments),
}

pub(crate) fn run(task: &StoreTask) -> Result<(), Error> {
    match task {
        StoreTask::Ingest(arguments) => ingest::run(arguments)?.print(),
    }
}
