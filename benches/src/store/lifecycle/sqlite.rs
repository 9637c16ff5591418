//! What one would write first: a table with a status, and an update for every change of it. There
//! is neither a package nor an ERP; the changes of state are all that happens.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::input::Entry;
use super::super::plain_sqlite;
use super::Lived;
use crate::error::Error;
use crate::stopwatch;

const WHO: &str = "sqlite";
/// The states of a life.
const LIFE: [&str; 5] = ["Pending", "Claimed", "Packaged", "Submitted", "Delivered"];
/// Rows that share a transaction while the table is filled, before the clock starts.
const FILL_ROWS: usize = 500;

pub(super) fn run(entries: &[Entry], folder: &Path, rows: usize) -> Result<Lived, Error> {
    let failed = Error::store(WHO);
    let mut connection = plain_sqlite::open(&folder.join("orders.db")).map_err(failed)?;
    connection
        .execute_batch("CREATE INDEX orders_status ON orders (status)")
        .map_err(failed)?;
    let start = stopwatch::start();
    for group in entries.chunks(FILL_ROWS) {
        plain_sqlite::insert(&mut connection, group).map_err(failed)?;
    }
    let ingest = start.elapsed();
    let start = stopwatch::start();
    for (from, to) in LIFE.iter().zip(LIFE.iter().skip(1)) {
        for group in entries.chunks(rows) {
            advance(&mut connection, group, from, to).map_err(failed)?;
        }
    }
    let wall = start.elapsed();
    let delivered: u32 = connection
        .query_row(
            "SELECT count(*) FROM orders WHERE status = 'Delivered'",
            (),
            |row| row.get(0),
        )
        .map_err(failed)?;
    if usize::try_from(delivered) != Ok(entries.len()) {
        let text = format!("{WHO}: {delivered} of {} orders arrived", entries.len());
        return Err(Error::Mismatch(text));
    }
    Ok(Lived {
        ingest,
        wall,
        sha: String::new(),
    })
}

fn advance(
    connection: &mut Connection,
    group: &[Entry],
    from: &str,
    to: &str,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statement = transaction
        .prepare_cached("UPDATE orders SET status = ?3 WHERE id = ?1 AND status = ?2")?;
    for entry in group {
        statement.execute((&entry.id, from, to))?;
    }
    drop(statement);
    transaction.commit()
}
