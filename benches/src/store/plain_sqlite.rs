//! SQLite as somebody uses it who writes a table of orders: what it is set to, and rows put in.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::input::Entry;

/// A new database with an empty table, durable after every commit.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection
        .execute_batch("CREATE TABLE orders (id TEXT PRIMARY KEY, status TEXT, body BLOB)")?;
    Ok(connection)
}

/// Puts orders in with one transaction.
pub(crate) fn insert(connection: &mut Connection, group: &[Entry]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO orders VALUES (?1, 'Pending', ?2)")?;
    for entry in group {
        statement.execute((&entry.id, entry.bytes()))?;
    }
    drop(statement);
    transaction.commit()
}
