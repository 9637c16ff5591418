//! The shipped flows over the state store on SQLite, with an ERP in memory that opens every
//! package and imports it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use omnisync_adapters_local::SqliteConfig;
use omnisync_core::id::Sha256;
use omnisync_core::order::StateName;
use omnisync_core::policy::BatchPolicy;
use omnisync_testkit::fake::FakeErp;

use super::super::input::Entry;
use super::super::pipeline::Pipeline;
use super::super::runtime;
use super::Lived;
use crate::error::Error;
use crate::stopwatch;

pub(super) fn run(entries: &[Entry], folder: &Path) -> Result<Lived, Error> {
    let store = SqliteConfig::new(folder.join("state.db"))
        .open()
        .map_err(Error::store("omnisync"))?;
    let erp = FakeErp::default();
    let orders_max = BatchPolicy::default().orders_max;
    let packages = folder.join("packages");
    let pipeline = Pipeline::over(
        Arc::new(store),
        &packages,
        Arc::new(erp.clone()),
        orders_max,
    )?;
    runtime()?.block_on(async {
        let start = stopwatch::start();
        pipeline.accept(entries).await?;
        let ingest = start.elapsed();
        let start = stopwatch::start();
        pipeline.drain().await?;
        let wall = start.elapsed();
        let imported = pipeline.count(StateName::Imported).await?;
        let tables = erp.tables();
        let once = tables.imports().values().all(|imports| *imports == 1);
        if imported != entries.len() || tables.orders() != entries.len() || !once {
            let text = format!(
                "omnisync: {imported} of {} orders are imported, the ERP holds {}",
                entries.len(),
                tables.orders()
            );
            return Err(Error::Mismatch(text));
        }
        let sha = hash(&packages)?;
        Ok(Lived { ingest, wall, sha })
    })
}

/// Hash of the staged packages, in the order of their names.
fn hash(folder: &Path) -> Result<String, Error> {
    let failed = Error::file(folder);
    let mut packages: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(&failed)?;
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "zip"));
    packages.sort();
    let mut all = Vec::new();
    for package in packages {
        all.extend(fs::read(package).map_err(&failed)?);
    }
    Ok(Sha256::of(&all).to_string())
}
