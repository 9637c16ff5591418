//! The measures: who takes part in each, and what is asked.

use std::path::{Path, PathBuf};

use super::contestant::word;
use crate::canonical;
use crate::error::Error;

mod packages;
mod safety;
mod simulation;
mod stores;

pub(super) use packages::{any_arrival, memory, memory_over_time, packages, same_bytes, scale};
pub(super) use safety::safety;
pub(super) use simulation::{goodput, simulation};
pub(super) use stores::{claims, ingest, ingest_scale, kills, restarts};

/// Seed of the canonical orders.
const SEED: u64 = 1;

/// What measures work on.
#[derive(Debug)]
pub(super) struct Inputs<'w> {
    pub(super) work: &'w Path,
    pub(super) orders: u32,
}

impl Inputs<'_> {
    /// The canonical orders, written once.
    fn orders(&self, orders: u32) -> Result<PathBuf, Error> {
        let path = self.work.join(format!("orders-{SEED}-{orders}.jsonl"));
        if !path.exists() {
            let partial = path.with_extension("partial");
            canonical::write(SEED, orders, &partial)?;
            std::fs::rename(&partial, &path).map_err(Error::file(&path))?;
        }
        Ok(path)
    }

    /// A place for what a contestant writes.
    fn output(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }
}
