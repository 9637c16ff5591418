//! The process that is killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use omnisync_adapters_local::SqliteConfig;
use omnisync_testkit::fake::{FakeErp, FakeErpOptions};

use super::super::fill::DATABASE;
use super::super::input;
use super::super::pipeline::Pipeline;
use super::super::runtime;
use crate::error::Error;

/// Events that are taken in, and acknowledged, together.
const GROUP_EVENTS: usize = 20;
/// Orders in a batch, so that a life has several.
const BATCH_ORDERS: usize = 500;

#[derive(Debug, Args)]
pub(crate) struct LifeArguments {
    input: PathBuf,
    folder: PathBuf,
}

/// Where the ERP keeps what it imported.
pub(super) fn erp(folder: &Path) -> Result<FakeErp, Error> {
    FakeErp::open(folder.join("erp"), FakeErpOptions::default()).map_err(Error::store("the ERP"))
}

/// Takes every order in, says which are acknowledged, and delivers them.
pub(crate) fn run(arguments: &LifeArguments) -> Result<(), Error> {
    let entries = input::read(&arguments.input, None)?;
    let folder = &arguments.folder;
    let store = SqliteConfig::new(folder.join(DATABASE))
        .open()
        .map_err(Error::store("omnisync"))?;
    let packages = folder.join("packages");
    let erp = Arc::new(erp(folder)?);
    let pipeline = Pipeline::over(Arc::new(store), &packages, erp, BATCH_ORDERS)?;
    runtime()?.block_on(async {
        for group in entries.chunks(GROUP_EVENTS) {
            pipeline.accept(group).await?;
            let mut said = String::new();
            for entry in group {
                said.push_str(&entry.id);
                said.push('\n');
            }
            std::io::stdout()
                .write_all(said.as_bytes())
                .map_err(Error::Print)?;
        }
        pipeline.drain().await
    })
}
