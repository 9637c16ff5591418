use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::port::{
    Document, DocumentKey, Page, Query, StateStore, StateStoreCapability, Write, WriteResult,
};
use omnisync_core::{ErrorKind, PortError};
use tokio::sync::mpsc;

use super::answer::{Done, Reply};
use super::config::SqliteConfig;
use super::engine::{Command, Item, Job, Writer};
use super::error::StoreError;
use super::reader::{self, Readers};
use super::turn::Turnstile;
use super::{schema, wire};
use crate::blocking;
use crate::file::FileError;

const OPEN: &str = "state_store.open";
const GET: &str = "state_store.get";
const WRITE: &str = "state_store.write";
const QUERY: &str = "state_store.query";
const CHECK: &str = "state_store.check_integrity";
const CLOSE: &str = "state_store.close";

/// Items in one `write` or `get` that are still efficient.
const ITEMS_MAX: usize = 1_000;

/// Documents that one purge removes at most, so that writers do not wait long behind it.
const PURGE_ITEMS_MAX: i64 = 10_000;

/// Durable documents in one SQLite file, shared by any number of processes on one machine.
///
/// Writes of all callers go through one thread that commits what waits together; reads run
/// beside it on connections of their own. Instants are kept to the microsecond, rounded down.
/// Dropping the store ends the thread once it has answered what is queued.
#[derive(Debug)]
pub struct SqliteStateStore {
    path: PathBuf,
    capability: StateStoreCapability,
    commands: mpsc::Sender<Command>,
    readers: Arc<Readers>,
    commits: Arc<AtomicU64>,
    compress_bytes_min: usize,
    writer: JoinHandle<()>,
}

impl SqliteStateStore {
    pub(super) fn start(config: &SqliteConfig) -> Result<Self, PortError> {
        let path = config.path().to_path_buf();
        Self::try_start(config, &path).map_err(|error| error.port(OPEN, &path))
    }

    fn try_start(config: &SqliteConfig, path: &std::path::Path) -> Result<Self, StoreError> {
        schema::check_path(path)?;
        let turnstile = Turnstile::open(path)?;
        let connection = schema::open_writer(config, &turnstile)?;
        let commits = Arc::new(AtomicU64::new(0));
        let (commands, queue) = mpsc::channel(config.queue_commands_max);
        let writer = Writer {
            connection,
            turnstile,
            path: path.to_path_buf(),
            busy_timeout: config.busy_timeout(),
            group_items_max: config.group_items_max,
            body_bytes_max: config.body_bytes_max,
            commits: Arc::clone(&commits),
            tags: 0..0,
        };
        let writer = thread::Builder::new()
            .name("omnisync-sqlite".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(FileError::at("start a writer thread for", path))?;
        Ok(Self {
            path: path.to_path_buf(),
            capability: StateStoreCapability::durable(config.body_bytes_max, ITEMS_MAX),
            commands,
            readers: Arc::new(Readers::new(
                path.to_path_buf(),
                config.busy_timeout(),
                config.readers_max,
            )),
            commits,
            compress_bytes_min: config.compress_bytes_min,
            writer,
        })
    }

    /// Transactions committed since the store was opened: how well callers share them.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Removes up to `items_max` documents that expired at or before `before`, and says how many.
    /// One call removes at most 10,000; call again until it says 0.
    ///
    /// # Errors
    /// As [`StateStore::write`].
    pub async fn purge_expired(
        &self,
        before: DateTime<Utc>,
        items_max: usize,
    ) -> Result<usize, PortError> {
        let items_max = i64::try_from(items_max)
            .unwrap_or(i64::MAX)
            .min(PURGE_ITEMS_MAX);
        let job = Job::Purge {
            before: wire::micros(before),
            items_max,
        };
        match self.ask(job).await? {
            Done::Purged(items) => Ok(items),
            Done::Written(_) => Err(self.confused()),
        }
    }

    /// Lets the engine look through the whole file. Takes long on a large store.
    ///
    /// # Errors
    /// `Corrupt` with the first finding; otherwise as [`StateStore::get`].
    pub async fn check_integrity(&self) -> Result<(), PortError> {
        self.readers.read(CHECK, reader::check).await
    }

    /// Answers what is queued, ends the writer thread and waits for its end.
    ///
    /// # Errors
    /// `Internal` when the thread panicked.
    pub async fn close(self) -> Result<(), PortError> {
        let Self {
            commands,
            writer,
            path,
            ..
        } = self;
        drop(commands);
        blocking::run(CLOSE, move || {
            writer.join().map_err(|_| {
                PortError::new(ErrorKind::Internal, CLOSE)
                    .with_detail(format!("the writer thread of {} panicked", path.display()))
            })
        })
        .await
    }

    async fn ask(&self, job: Job) -> Result<Done, PortError> {
        let (reply, answered) = Reply::channel();
        let command = Command { job, reply };
        let sent = self.commands.send(command).await;
        sent.map_err(|_| self.ended())?;
        answered.await.map_err(|_| self.ended())?
    }

    fn confused(&self) -> PortError {
        debug_assert!(false, "an answer of another kind than the command");
        PortError::new(ErrorKind::Internal, WRITE).with_detail(self.path.display().to_string())
    }

    fn ended(&self) -> PortError {
        StoreError::Ended.port(WRITE, &self.path)
    }
}

#[async_trait]
impl StateStore for SqliteStateStore {
    fn capability(&self) -> StateStoreCapability {
        self.capability
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.to_vec();
        self.readers
            .read(GET, move |connection| reader::get(connection, &keys))
            .await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let items = writes
            .into_iter()
            .map(|write| Item::new(write, self.compress_bytes_min));
        match self.ask(Job::Write(items.collect())).await? {
            Done::Written(results) => Ok(results),
            Done::Purged(_) => Err(self.confused()),
        }
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        self.readers
            .read(QUERY, move |connection| reader::query(connection, &query))
            .await
    }
}
