use std::path::{Path, PathBuf};
use std::time::Duration;

use omnisync_core::PortError;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::store::SqliteStateStore;

/// Where and how a [`SqliteStateStore`] keeps its documents.
///
/// ```
/// use omnisync_adapters_local::SqliteConfig;
///
/// let folder = tempfile::tempdir()?;
/// let store = SqliteConfig::new(folder.path().join("omnisync.db")).open()?;
/// # drop(store);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteConfig {
    /// The database file. It is created when absent; its folder must exist and be on a local
    /// disk. Beside it lie `-wal`, `-shm` and `-turn` files of the same name.
    pub path: PathBuf,
    /// How long a write waits for other processes, in milliseconds. Default 30,000; shorter
    /// waits give up while others merely work.
    #[serde(default = "defaults::busy_timeout_ms")]
    pub busy_timeout_ms: u32,
    /// Page cache of the writing connection, in kibibytes. Default 65,536 (64 MiB).
    #[serde(default = "defaults::cache_kib")]
    pub cache_kib: u32,
    /// Pages of 16 KiB in the write-ahead log that start a checkpoint. Default 2,000.
    #[serde(default = "defaults::checkpoint_pages")]
    pub checkpoint_pages: u32,
    /// Items that one transaction takes before it commits; a command is never split. Default
    /// 2,000.
    #[serde(default = "defaults::group_items_max")]
    pub group_items_max: usize,
    /// Commands that wait for the writer before callers wait to enqueue. Default 1,024.
    #[serde(default = "defaults::queue_commands_max")]
    pub queue_commands_max: usize,
    /// Connections that read at the same time. Default 4.
    #[serde(default = "defaults::readers_max")]
    pub readers_max: usize,
    /// Largest body of a document, in bytes. Default 16,777,216 (16 MiB).
    #[serde(default = "defaults::body_bytes_max")]
    pub body_bytes_max: usize,
    /// Bodies of at least so many bytes are kept compressed, where that makes them smaller; shorter
    /// ones stay readable text. Default 512. It says how bodies are written; any are read.
    #[serde(default = "defaults::compress_bytes_min")]
    pub compress_bytes_min: usize,
    /// Largest size of the database file, in bytes; writes beyond it give `Exhausted`. Default
    /// none.
    #[serde(default)]
    pub file_bytes_max: Option<u64>,
}

mod defaults {
    pub(super) const fn busy_timeout_ms() -> u32 {
        30_000
    }
    pub(super) const fn cache_kib() -> u32 {
        65_536
    }
    pub(super) const fn checkpoint_pages() -> u32 {
        2_000
    }
    pub(super) const fn group_items_max() -> usize {
        2_000
    }
    pub(super) const fn queue_commands_max() -> usize {
        1_024
    }
    pub(super) const fn readers_max() -> usize {
        4
    }
    pub(super) const fn body_bytes_max() -> usize {
        16 * 1_024 * 1_024
    }
    pub(super) const fn compress_bytes_min() -> usize {
        512
    }
}

impl SqliteConfig {
    /// Largest `body_bytes_max`: SQLite holds a row of up to 1,000,000,000 bytes.
    pub const BODY_BYTES_LIMIT: usize = 512 * 1_024 * 1_024;

    /// Keeps documents in the file at `path`, everything else as documented on the fields.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout_ms: defaults::busy_timeout_ms(),
            cache_kib: defaults::cache_kib(),
            checkpoint_pages: defaults::checkpoint_pages(),
            group_items_max: defaults::group_items_max(),
            queue_commands_max: defaults::queue_commands_max(),
            readers_max: defaults::readers_max(),
            body_bytes_max: defaults::body_bytes_max(),
            compress_bytes_min: defaults::compress_bytes_min(),
            file_bytes_max: None,
        }
    }

    /// Sets [`Self::busy_timeout_ms`].
    #[must_use]
    pub fn with_busy_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.busy_timeout_ms = milliseconds;
        self
    }

    /// Sets [`Self::cache_kib`].
    #[must_use]
    pub fn with_cache_kib(mut self, kib: u32) -> Self {
        self.cache_kib = kib;
        self
    }

    /// Sets [`Self::checkpoint_pages`].
    #[must_use]
    pub fn with_checkpoint_pages(mut self, pages: u32) -> Self {
        self.checkpoint_pages = pages;
        self
    }

    /// Sets [`Self::group_items_max`].
    #[must_use]
    pub fn with_group_items_max(mut self, items: usize) -> Self {
        self.group_items_max = items;
        self
    }

    /// Sets [`Self::queue_commands_max`].
    #[must_use]
    pub fn with_queue_commands_max(mut self, commands: usize) -> Self {
        self.queue_commands_max = commands;
        self
    }

    /// Sets [`Self::readers_max`].
    #[must_use]
    pub fn with_readers_max(mut self, connections: usize) -> Self {
        self.readers_max = connections;
        self
    }

    /// Sets [`Self::body_bytes_max`].
    #[must_use]
    pub fn with_body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Sets [`Self::compress_bytes_min`].
    #[must_use]
    pub fn with_compress_bytes_min(mut self, bytes: usize) -> Self {
        self.compress_bytes_min = bytes;
        self
    }

    /// Sets [`Self::file_bytes_max`].
    #[must_use]
    pub fn with_file_bytes_max(mut self, bytes: u64) -> Self {
        self.file_bytes_max = Some(bytes);
        self
    }

    /// Opens the store, creates or migrates its file, and starts the writer thread.
    ///
    /// # Errors
    /// `Invalid` for a setting out of range, a missing folder, a newer schema or a database of
    /// another program; `Corrupt` when the file is not a database; `Denied` when it cannot be
    /// written; `Exhausted` without space; `Unavailable` when another process keeps it locked.
    pub fn open(self) -> Result<SqliteStateStore, PortError> {
        self.validate()
            .map_err(|error| error.port("state_store.open", &self.path))?;
        SqliteStateStore::start(&self)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.busy_timeout_ms))
    }

    fn validate(&self) -> Result<(), StoreError> {
        let wrong = [
            (
                self.path.as_os_str().is_empty(),
                "path is empty; name the database file",
            ),
            (
                self.busy_timeout_ms == 0,
                "busy_timeout_ms is 0; give at least 1",
            ),
            (
                self.checkpoint_pages == 0,
                "checkpoint_pages is 0; give at least 1",
            ),
            (
                self.group_items_max == 0,
                "group_items_max is 0; give at least 1",
            ),
            (
                self.queue_commands_max == 0,
                "queue_commands_max is 0; give at least 1",
            ),
            (self.readers_max == 0, "readers_max is 0; give at least 1"),
            (
                self.body_bytes_max == 0,
                "body_bytes_max is 0; give at least 1",
            ),
            (
                self.body_bytes_max > Self::BODY_BYTES_LIMIT,
                "body_bytes_max is over 536870912 (512 MiB); give less",
            ),
        ];
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, what)) => Err(StoreError::Setting(what)),
            None => Ok(()),
        }
    }
}
