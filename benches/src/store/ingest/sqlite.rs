//! SQLite as one would use it for speed: rows share transactions, so no order is acknowledged
//! before the last one of its transaction.

use std::path::Path;

use rusqlite::Connection;

use super::super::input::Entry;
use super::super::latency::Latencies;
use super::super::plain_sqlite;
use super::{Ingested, check};
use crate::error::Error;
use crate::stopwatch;

const WHO: &str = "sqlite";

pub(super) fn run(entries: &[Entry], folder: &Path, rows: usize) -> Result<Ingested, Error> {
    let path = folder.join("orders.db");
    let failed = Error::store(WHO);
    let mut connection = plain_sqlite::open(&path).map_err(failed)?;
    let start = stopwatch::start();
    let mut latencies = Latencies::default();
    for group in entries.chunks(rows) {
        let start = stopwatch::start();
        plain_sqlite::insert(&mut connection, group).map_err(failed)?;
        let took = start.elapsed();
        for _ in group {
            latencies.push(took);
        }
    }
    let wall = start.elapsed();
    drop(connection);
    let found = Connection::open(&path)
        .and_then(|connection| {
            connection
                .prepare("SELECT id, body FROM orders")?
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .map_err(failed)?;
    check(WHO, entries, found)?;
    Ok(Ingested { wall, latencies })
}
