//! Durable stores of orders, side by side: taking in, the life of an order, claims, restarts and
//! kills.

mod claim;
mod fill;
mod folder;
mod ingest;
mod input;
mod kills;
mod latency;
mod lifecycle;
mod pipeline;
mod plain_sqlite;
mod reopen;
mod safety;

use clap::Subcommand;
use tokio::runtime::Runtime;

use crate::error::Error;

pub(crate) use fill::DATABASE;

/// Threads of the runtime.
const WORKERS: usize = 2;

#[derive(Debug, Subcommand)]
pub(crate) enum StoreTask {
    /// Take orders into a durable store, each acknowledged for itself, and read them back
    Ingest(ingest::IngestArguments),
    /// Lead orders from waiting to delivered
    Lifecycle(lifecycle::LifecycleArguments),
    /// Make a store of many orders, most of them delivered
    Fill(fill::FillArguments),
    /// Claim waiting orders in a store that was filled
    Claim(claim::ClaimArguments),
    /// Open a store that was filled and find what is unfinished
    Reopen(reopen::ReopenArguments),
    /// Read a file from end to end
    Scan(reopen::ScanArguments),
    /// Lead orders through the flows in memory, with traces or without
    Safety(safety::SafetyArguments),
    /// Kill a process at work, and look for lost and doubled orders
    Kills(kills::KillsArguments),
    /// Take orders in and deliver them, to be killed
    #[command(hide = true)]
    Life(kills::LifeArguments),
}

pub(crate) fn run(task: &StoreTask) -> Result<(), Error> {
    match task {
        StoreTask::Ingest(arguments) => ingest::run(arguments)?.print(),
        StoreTask::Lifecycle(arguments) => lifecycle::run(arguments)?.print(),
        StoreTask::Fill(arguments) => fill::run(arguments)?.print(),
        StoreTask::Claim(arguments) => claim::run(arguments)?.print(),
        StoreTask::Reopen(arguments) => reopen::run(arguments)?.print(),
        StoreTask::Scan(arguments) => reopen::scan(arguments)?.print(),
        StoreTask::Safety(arguments) => safety::run(arguments)?.print(),
        StoreTask::Kills(arguments) => kills::run(arguments)?.print(),
        StoreTask::Life(arguments) => kills::live(arguments),
    }
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(Error::store("the runtime"))
}
