//! Reading connections and what they read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use omnisync_core::PortError;
use omnisync_core::port::{Document, DocumentKey, Page, Query};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use tokio::sync::Semaphore;

use super::error::StoreError;
use super::{schema, wire};
use crate::blocking;

/// Bytes of bodies that end a page early.
const PAGE_BYTES_MAX: usize = 32 * 1_024 * 1_024;

/// Documents that one page may hold at most.
const PAGE_ITEMS_MAX: usize = 100_000;

/// Due documents up to which a page sorts them by id; beyond, it walks the ids of the state.
const DUE_SORTED_MAX: i64 = 10_000;

/// A few connections that are opened when needed and then kept.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    busy_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, busy_timeout: Duration, connections_max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self {
            path,
            busy_timeout,
            idle: Mutex::default(),
            permits,
        }
    }

    /// Runs `work` with a connection, off the async threads.
    pub(super) async fn read<T, F>(
        self: &Arc<Self>,
        operation: &'static str,
        work: F,
    ) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Ended.port(operation, &self.path))?;
        let readers = Arc::clone(self);
        blocking::run(operation, move || {
            let result = readers.with_connection(work);
            drop(permit);
            result.map_err(|error| error.port(operation, &readers.path))
        })
        .await
    }

    fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match kept {
            Some(connection) => connection,
            None => schema::open_reader(&self.path, self.busy_timeout)?,
        };
        // A connection that failed is closed, not kept.
        let value = work(&connection)?;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        Ok(value)
    }
}

/// Reads documents by key, all from one snapshot.
pub(super) fn get(
    connection: &Connection,
    keys: &[DocumentKey],
) -> Result<Vec<Option<Document>>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let sql = format!(
        "SELECT {}, body FROM documents WHERE collection = ?1 AND id = ?2",
        wire::COLUMNS
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let mut documents = Vec::with_capacity(keys.len());
    for key in keys {
        let mut rows = statement.query(params![key.collection.as_str(), key.id])?;
        documents.push(match rows.next()? {
            Some(row) => Some(wire::document(row, key.collection, true)?),
            None => None,
        });
    }
    drop(statement);
    snapshot.finish()?;
    Ok(documents)
}

/// Reads a page. Pages go by id and by nothing that a write can change, so that no document
/// comes twice and none that keeps matching is left out, whatever its state and due time do.
pub(super) fn query(connection: &Connection, query: &Query) -> Result<Page, StoreError> {
    let after = wire::after(query)?;
    if query.page_items_max == 0 {
        let continuation = Some(wire::continuation(query, after.as_deref()));
        return Ok(Page {
            documents: Vec::new(),
            continuation,
        });
    }
    let items_max = query.page_items_max.min(PAGE_ITEMS_MAX);
    let snapshot = connection.unchecked_transaction()?;
    let (sql, values) = select(&snapshot, query, after, items_max)?;
    let mut statement = snapshot.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page::default();
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        if page.documents.len() >= items_max || bytes >= PAGE_BYTES_MAX {
            let last = page
                .documents
                .last()
                .map(|document| document.key.id.as_str());
            page.continuation = Some(wire::continuation(query, last));
            break;
        }
        let document = wire::document(row, query.collection, query.bodies)?;
        bytes += document.body.as_ref().map_or(0, |body| body.get().len());
        page.documents.push(document);
    }
    drop(rows);
    drop(statement);
    snapshot.finish()?;
    Ok(page)
}

/// One row more than the page holds tells whether another page follows.
fn select(
    connection: &Connection,
    query: &Query,
    after: Option<String>,
    items_max: usize,
) -> Result<(String, Vec<Value>), StoreError> {
    let due_before = query.due_before.map(wire::micros_up);
    let index = match (&query.state, due_before) {
        (None, _) => "",
        (Some(state), Some(due)) if is_sparse(connection, query, state, due)? => {
            " INDEXED BY documents_due"
        }
        (Some(_), _) => " INDEXED BY documents_state",
    };
    let body = if query.bodies { ", body" } else { "" };
    let mut sql = format!(
        "SELECT {}{body} FROM documents{index} WHERE collection = ?",
        wire::COLUMNS
    );
    let mut values = vec![Value::from(query.collection.as_str().to_owned())];
    if let Some(state) = &query.state {
        sql.push_str(" AND state = ?");
        values.push(state.clone().into());
    }
    if let Some(id) = after {
        sql.push_str(" AND id > ?");
        values.push(id.into());
    }
    if let Some(due) = due_before {
        sql.push_str(" AND due_at < ?");
        values.push(due.into());
    }
    sql.push_str(" ORDER BY id LIMIT ?");
    values.push(
        i64::try_from(items_max)
            .unwrap_or(i64::MAX)
            .saturating_add(1)
            .into(),
    );
    Ok((sql, values))
}

/// True when so few documents are due that finding them by time and sorting them by id is
/// cheaper than walking all ids of the state.
fn is_sparse(
    connection: &Connection,
    query: &Query,
    state: &str,
    due_before: i64,
) -> Result<bool, StoreError> {
    let due: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM documents INDEXED BY documents_due \
             WHERE collection = ?1 AND state = ?2 AND due_at < ?3 LIMIT ?4)",
        )?
        .query_row(
            params![query.collection.as_str(), state, due_before, DUE_SORTED_MAX],
            |row| row.get(0),
        )?;
    Ok(due < DUE_SORTED_MAX)
}

/// Lets the engine look through the whole file.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Integrity(verdict))
    }
}
