//! Connections, pragmas and the schema with its migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::config::SqliteConfig;
use super::error::StoreError;
use super::turn::{self, Turnstile};
use crate::file::FileError;

/// Page size of a new database. A row of a table without row ids leaves its page once it is
/// larger than a quarter of it, and documents have a few kilobytes: pages of 4 KiB would cost one
/// more page for each.
const PAGE_BYTES: u32 = 16_384;

/// Marks the file as ours in its header: the bytes `OMNI`.
const APPLICATION_ID: i64 = 0x4f4d_4e49;

/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// Page cache of a reading connection, in kibibytes.
const READER_CACHE_KIB: u32 = 8_192;

/// The write-ahead log is cut back to this size after a checkpoint, in bytes.
const LOG_BYTES_KEPT: u32 = 64 * 1_024 * 1_024;

/// Step `n` takes a database of version `n` to `n + 1`. Steps are only ever appended.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('etag', 0);
CREATE TABLE documents (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER,
    expires_at INTEGER,
    etag INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE INDEX documents_state ON documents (collection, state, id);
CREATE INDEX documents_due ON documents (collection, state, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX documents_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;
",
    "
-- Bodies may be compressed, which programs of before cannot read.
",
];

/// Opens the writing connection, and creates or migrates the schema.
pub(super) fn open_writer(
    config: &SqliteConfig,
    turnstile: &Turnstile,
) -> Result<Connection, StoreError> {
    turn::grant(config.busy_timeout());
    let turn = turnstile.enter()?;
    let mut connection = Connection::open_with_flags(
        config.path(),
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(config.busy_timeout())?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    refuse_foreign(&connection)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    use_write_ahead_log(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(config.cache_kib))?;
    connection.pragma_update(None, "wal_autocheckpoint", config.checkpoint_pages)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    limit_size(&connection, config.file_bytes_max)?;
    migrate(&mut connection, MIGRATIONS)?;
    drop(turn);
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
    Ok(connection)
}

/// Says clearly what SQLite would only call "unable to open database file".
pub(super) fn check_path(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Err(FileError::at("open as a file", path)(
            std::io::ErrorKind::IsADirectory.into(),
        ));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            let kind =
                std::fs::metadata(folder).map_err(FileError::at("find the folder", folder))?;
            if kind.is_dir() {
                return Ok(());
            }
            Err(FileError::at("open as a folder", folder)(
                std::io::ErrorKind::NotADirectory.into(),
            ))
        }
        _ => Ok(()),
    }
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

fn refuse_foreign(connection: &Connection) -> Result<(), StoreError> {
    let application = pragma(connection, "application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION_ID || (application == 0 && tables == 0) {
        Ok(())
    } else {
        Err(StoreError::Foreign)
    }
}

/// SQLite does not call the busy handler for a change of journal mode, so this waits itself.
fn use_write_ahead_log(connection: &Connection) -> Result<(), StoreError> {
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            .map_err(StoreError::from);
        match mode {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => return Err(StoreError::Journal(mode)),
            Err(error) if error.is_busy() && turn::pause() => {}
            Err(error) => return Err(error),
        }
    }
}

fn limit_size(connection: &Connection, bytes_max: Option<u64>) -> Result<(), StoreError> {
    let Some(bytes_max) = bytes_max else {
        return Ok(());
    };
    let page_bytes = pragma(connection, "page_size")?.max(1);
    let pages_max = i64::try_from(bytes_max).unwrap_or(i64::MAX) / page_bytes;
    // SQLite answers with the limit that now holds, never below the present size.
    connection.pragma_update_and_check(
        None,
        "max_page_count",
        pages_max.clamp(1, i64::from(u32::MAX - 1)),
        |_| Ok(()),
    )?;
    Ok(())
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if pragma(connection, "user_version")? == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated in the meantime: look again under the lock.
    let found = pragma(&transaction, "user_version")?;
    let done = usize::try_from(found)
        .ok()
        .filter(|done| *done <= steps.len());
    let Some(done) = done else {
        return Err(StoreError::NewerSchema { found, known });
    };
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    if done > 0 {
        tracing::info!(from = found, to = known, "migrated the state store");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migration_runs_only_the_missing_steps_and_keeps_what_is_there() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        connection.execute("UPDATE meta SET value = 7", []).unwrap();

        let mut steps = MIGRATIONS.to_vec();
        steps.push("CREATE TABLE extra (a); INSERT INTO extra VALUES (1);");
        migrate(&mut connection, &steps).unwrap();
        migrate(&mut connection, &steps).unwrap();

        let row = connection.query_row(
            "SELECT (SELECT value FROM meta), (SELECT count(*) FROM extra)",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        );
        assert_eq!(row.unwrap(), (7, 1));
        let version = pragma(&connection, "user_version").unwrap();
        assert_eq!(usize::try_from(version).unwrap(), steps.len());
    }

    #[test]
    fn a_failed_step_leaves_the_old_version_whole() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let mut steps = MIGRATIONS.to_vec();
        steps.push("CREATE TABLE extra (a); INSERT INTO nowhere VALUES (1);");

        assert!(migrate(&mut connection, &steps).is_err());

        let version = pragma(&connection, "user_version").unwrap();
        assert_eq!(usize::try_from(version).unwrap(), MIGRATIONS.len());
        assert!(
            connection
                .query_row("SELECT 1 FROM extra", [], |_| Ok(()))
                .is_err()
        );
    }

    #[test]
    fn a_newer_version_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection, MIGRATIONS).unwrap_err();
        assert!(
            matches!(error, StoreError::NewerSchema { found: 99, .. }),
            "{error}"
        );
    }
}
