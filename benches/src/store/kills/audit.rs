//! What has to be true after a kill, and once everything is finished.

use std::collections::BTreeSet;
use std::path::Path;

use omnisync_adapters_local::{SqliteConfig, SqliteStateStore};
use omnisync_core::order::{ORDERS, StateName};
use omnisync_core::port::{DocumentKey, StateStore as _};

use super::super::fill::DATABASE;
use super::child::erp;
use crate::error::Error;

const WHO: &str = "omnisync";
/// Documents that are read at once.
const READ_ITEMS: usize = 1_000;

fn open(folder: &Path) -> Result<SqliteStateStore, Error> {
    SqliteConfig::new(folder.join(DATABASE))
        .open()
        .map_err(Error::store(WHO))
}

/// How many acknowledged orders are in none of the states that `counts` accepts.
async fn missing(
    folder: &Path,
    acknowledged: &BTreeSet<String>,
    counts: impl Fn(&str) -> bool,
) -> Result<u64, Error> {
    if acknowledged.is_empty() {
        return Ok(0);
    }
    let store = open(folder)?;
    let keys: Vec<DocumentKey> = acknowledged
        .iter()
        .map(|id| DocumentKey::new(ORDERS, id.as_str()))
        .collect();
    let mut missing = 0;
    for keys in keys.chunks(READ_ITEMS) {
        for document in store.get(keys).await.map_err(Error::store(WHO))? {
            let there = document.is_some_and(|document| counts(&document.state));
            missing += u64::from(!there);
        }
    }
    Ok(missing)
}

/// Acknowledged orders that a store does not know.
pub(super) async fn lost(folder: &Path, acknowledged: &BTreeSet<String>) -> Result<u64, Error> {
    missing(folder, acknowledged, |_| true).await
}

/// Acknowledged orders that are not in the ERP, and orders that are there twice.
pub(super) async fn settled(
    folder: &Path,
    acknowledged: &BTreeSet<String>,
) -> Result<(u64, u64), Error> {
    let imported = StateName::Imported.as_str();
    let unsettled = missing(folder, acknowledged, |state| state == imported).await?;
    let tables = erp(folder)?.tables();
    let absent = acknowledged
        .iter()
        .filter(|id| tables.header(id).is_none())
        .count();
    let twice = |imports: &u32| *imports > 1;
    let orders = tables.imports().into_values().filter(twice).count();
    let lines = tables.line_imports().into_values().filter(twice).count();
    let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
    Ok((unsettled.max(count(absent)), count(orders.max(lines))))
}
