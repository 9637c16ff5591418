//! How long the batch flow takes to claim a thousand waiting orders: it finds them, opens a batch,
//! claims order by order and seals. The package that it builds after that does not count.

use std::fs::{self, OpenOptions};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use clap::Args;
use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_core::PortError;
use omnisync_core::batch::{BATCHES, BatchState};
use omnisync_core::flow::BatchStep;
use omnisync_core::port::{
    Action, Document, DocumentKey, Page, Query, StateStore, StateStoreCapability, Write,
    WriteResult,
};
use omnisync_testkit::fake::FakeErp;
use tempfile::TempDir;

use super::fill::DATABASE;
use super::latency::Latencies;
use super::pipeline::Pipeline;
use super::runtime;
use crate::error::Error;
use crate::line::Line;
use crate::stopwatch;

const WHO: &str = "omnisync";

#[derive(Debug, Args)]
pub(crate) struct ClaimArguments {
    /// A folder that was filled
    #[arg(long)]
    store: PathBuf,
    /// Orders that are claimed at once
    #[arg(long, default_value = "1000")]
    orders: NonZero<usize>,
    /// Work on a copy, so that the store can be used again
    #[arg(long)]
    copy: bool,
    /// Times that count, after one that does not
    #[arg(long, default_value_t = 7)]
    repetitions: usize,
}

pub(crate) fn run(arguments: &ClaimArguments) -> Result<Line, Error> {
    let copy = if arguments.copy {
        Some(copied(&arguments.store)?)
    } else {
        None
    };
    let folder = copy.as_ref().map_or(&*arguments.store, TempDir::path);
    let store = SqliteConfig::new(folder.join(DATABASE))
        .open()
        .map_err(Error::store(WHO))?;
    let watched = Arc::new(Watched {
        store,
        sealed: Mutex::new(None),
    });
    let orders = arguments.orders.get();
    let pipeline = Pipeline::over(
        Arc::clone(&watched) as _,
        &folder.join("packages"),
        Arc::new(FakeErp::default()),
        orders,
    )?;
    let times = runtime()?.block_on(async {
        let mut times = Latencies::default();
        for repetition in 0..=arguments.repetitions {
            let start = stopwatch::start();
            let outcome = pipeline.batch.run_now().await.map_err(Error::store(WHO))?;
            let sealed = watched.take();
            let whole = outcome
                .package
                .is_some_and(|package| usize::try_from(package.orders) == Ok(orders));
            let (BatchStep::Staged, Some(sealed), true) = (outcome.step, sealed, whole) else {
                let text = format!("fewer than {orders} orders wait in the store");
                return Err(Error::Mismatch(text));
            };
            if repetition > 0 {
                times.push(sealed - start);
            }
        }
        Ok(times.sorted())
    })?;
    let seconds = |percent| times.percentile(percent).unwrap_or_default().as_secs_f64();
    Ok(Line {
        measure: "m5-claim".to_owned(),
        peer: WHO.to_owned(),
        n: u64::try_from(orders).ok(),
        wall_s: seconds(50),
        best_s: Some(seconds(1)),
        ..Line::default()
    })
}

/// The database in a folder beside its own, on disk, so that nothing is written back meanwhile.
fn copied(store: &Path) -> Result<TempDir, Error> {
    let failed = Error::file(store);
    let folder = tempfile::tempdir_in(store.parent().unwrap_or(store)).map_err(&failed)?;
    for suffix in ["", "-wal"] {
        let name = format!("{DATABASE}{suffix}");
        let original = store.join(&name);
        if original.exists() {
            let copy = folder.path().join(name);
            fs::copy(original, &copy).map_err(&failed)?;
            let file = OpenOptions::new().write(true).open(&copy);
            file.and_then(|file| file.sync_all()).map_err(&failed)?;
        }
    }
    Ok(folder)
}

/// A store that notes when a batch was sealed: from then on its orders are claimed.
#[derive(Debug)]
struct Watched {
    store: SqliteStateStore,
    sealed: Mutex<Option<Instant>>,
}

impl Watched {
    fn take(&self) -> Option<Instant> {
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        sealed.take()
    }
}

#[async_trait]
impl StateStore for Watched {
    fn capability(&self) -> StateStoreCapability {
        self.store.capability()
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        self.store.get(keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        let seals = writes.iter().any(|write| {
            write.key.collection == BATCHES
                && matches!(&write.action, Action::Put(content)
                    if content.state == BatchState::Sealed.as_str())
        });
        let results = self.store.write(writes).await?;
        if seals {
            let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
            *sealed = Some(stopwatch::start());
        }
        Ok(results)
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        self.store.query(query).await
    }
}
