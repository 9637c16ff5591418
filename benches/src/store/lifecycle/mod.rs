//! The life of orders, from waiting to delivered.

mod omnisync;
mod sqlite;

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use omnisync_testkit::rng::SplitMix64;

use super::folder::emptied;
use super::input;
use crate::error::Error;
use crate::line::Line;

#[derive(Debug, Args)]
pub(crate) struct LifecycleArguments {
    /// Order events, one a line
    #[arg(long)]
    input: PathBuf,
    /// Where the store is made anew
    #[arg(long)]
    work: PathBuf,
    #[arg(long)]
    with: With,
    /// Take the first orders of the input only
    #[arg(long)]
    orders: Option<usize>,
    /// Let the orders arrive in another order
    #[arg(long)]
    shuffle: Option<u64>,
    /// Of `sqlite`: changes of state that share a transaction
    #[arg(long, default_value = "1")]
    rows_per_transaction: NonZero<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum With {
    /// The shipped flows: claim, package, ERP, settlement
    Omnisync,
    /// A table and an update for every change of state; no package, no ERP
    Sqlite,
}

/// What a life took.
struct Lived {
    /// Before the clock starts: taking in.
    ingest: Duration,
    wall: Duration,
    /// Hash of the packages, in the order of their names.
    sha: String,
}

pub(crate) fn run(arguments: &LifecycleArguments) -> Result<Line, Error> {
    let mut entries = input::read(&arguments.input, arguments.orders)?;
    if let Some(seed) = arguments.shuffle {
        let mut rng = SplitMix64::new(seed);
        entries.sort_by_cached_key(|_| rng.below(u32::MAX));
    }
    let rows = arguments.rows_per_transaction.get();
    let (peer, lived) = match arguments.with {
        With::Omnisync => {
            let folder = emptied(&arguments.work, "omnisync")?;
            ("omnisync".to_owned(), omnisync::run(&entries, &folder)?)
        }
        With::Sqlite => {
            let folder = emptied(&arguments.work, "sqlite")?;
            let lived = sqlite::run(&entries, &folder, rows)?;
            (format!("sqlite-{rows}"), lived)
        }
    };
    let ingest_ms = u64::try_from(lived.ingest.as_millis()).unwrap_or_default();
    Ok(Line {
        measure: "m5-lifecycle".to_owned(),
        peer,
        n: u64::try_from(entries.len()).ok(),
        wall_s: lived.wall.as_secs_f64(),
        counts: [("ingest_ms".to_owned(), ingest_ms)].into(),
        sha: lived.sha,
        ..Line::default()
    })
}
