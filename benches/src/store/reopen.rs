//! What a host does when it starts on a store that is there: it opens the file, gives back the
//! claims that no batch lists, and finds the orders that wait and the batches that are unfinished.
//! Beside it, reading the file once from end to end.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use omnisync_adapters_local::SqliteConfig;
use omnisync_core::batch::{BATCHES, BatchState};
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{Query, StateStore, StateStoreExt as _};
use omnisync_testkit::fake::FakeErp;

use super::fill::DATABASE;
use super::latency::Latencies;
use super::pipeline::Pipeline;
use super::runtime;
use crate::error::Error;
use crate::line::Line;
use crate::stopwatch::timed;

const WHO: &str = "omnisync";
const REPETITIONS: usize = 5;
const READ_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct ReopenArguments {
    /// A folder that was filled
    #[arg(long)]
    store: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ScanArguments {
    /// The file to read
    file: PathBuf,
}

pub(crate) fn run(arguments: &ReopenArguments) -> Result<Line, Error> {
    let path = arguments.store.join(DATABASE);
    let bytes = read(&path)?;
    let mut times = Latencies::default();
    let mut found = (0, 0);
    for _ in 0..REPETITIONS {
        let (unfinished, took) = timed(|| unfinished(&arguments.store));
        found = unfinished?;
        times.push(took);
    }
    let count = |name: &str, count| (name.to_owned(), u64::try_from(count).unwrap_or_default());
    Ok(Line {
        measure: "m6-reopen".to_owned(),
        peer: WHO.to_owned(),
        wall_s: median_s(times),
        bytes_out: bytes,
        counts: [count("pending", found.0), count("batches", found.1)].into(),
        ..Line::default()
    })
}

pub(crate) fn scan(arguments: &ScanArguments) -> Result<Line, Error> {
    let bytes = read(&arguments.file)?;
    let mut times = Latencies::default();
    for _ in 0..REPETITIONS {
        let (read, took) = timed(|| read(&arguments.file));
        read?;
        times.push(took);
    }
    Ok(Line {
        measure: "m6-reopen".to_owned(),
        peer: "scan".to_owned(),
        wall_s: median_s(times),
        bytes_out: bytes,
        ..Line::default()
    })
}

fn median_s(times: Latencies) -> f64 {
    let median = times.sorted().percentile(50);
    median.unwrap_or_default().as_secs_f64()
}

/// Orders that wait, and batches that are not done.
fn unfinished(folder: &Path) -> Result<(usize, usize), Error> {
    let failed = Error::store(WHO);
    runtime()?.block_on(async {
        let store = SqliteConfig::new(folder.join(DATABASE)).open();
        let store: Arc<dyn StateStore> = Arc::new(store.map_err(failed)?);
        let pipeline = Pipeline::over(
            Arc::clone(&store),
            &folder.join("packages"),
            Arc::new(FakeErp::default()),
            BatchPolicy::default().orders_max,
        )?;
        pipeline.sweep().await?;
        let pending = pipeline.batch.backlog().await.map_err(failed)?.len();
        let mut batches = 0;
        for state in [
            BatchState::Open,
            BatchState::Sealed,
            BatchState::Staged,
            BatchState::Submitted,
        ] {
            let query = Query::all(BATCHES).in_state(state.as_str());
            let found = store.query_all(query, usize::MAX).await.map_err(failed)?;
            batches += found.len();
        }
        Ok((pending, batches))
    })
}

/// Reads a file once and gives its length.
fn read(path: &Path) -> Result<u64, Error> {
    let failed = Error::file(path);
    let mut file = File::open(path).map_err(&failed)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(&failed)?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += u64::try_from(read).unwrap_or_default();
    }
}
