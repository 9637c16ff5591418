//! SQLite as one would use it for speed: rows share transactions, so no order is acknowledged
//! before the last one of its transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::input::Entry;
use super::super::latency::Latencies;
use super::{Ingested, check};
use crate::error::Error;
use crate::stopwatch;

const WHO: &str = "sqlite";

pub(super) fn run(entries: &[Entry], folder: &Path, rows: usize) -> Result<Ingested, Error> {
    let path = folder.join("orders.db");
    let failed = Error::store(WHO);
    let mut connection = open(&path).map_err(failed)?;
    let start = stopwatch::start();
    let mut latencies = Latencies::default();
    for group in entries.chunks(rows) {
        let start = stopwatch::start();
        insert(&mut connection, group).map_err(failed)?;
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

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection
        .execute_batch("CREATE TABLE orders (id TEXT PRIMARY KEY, status TEXT, body BLOB)")?;
    Ok(connection)
}

fn insert(connection: &mut Connection, group: &[Entry]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO orders VALUES (?1, 'Pending', ?2)")?;
    for entry in group {
        statement.execute((&entry.id, entry.bytes()))?;
    }
    drop(statement);
    transaction.commit()
}
