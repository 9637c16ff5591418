//! Turns between the processes that write to one file.
//!
//! SQLite's waiters poll, and a writer that commits and begins again at once wins nearly every
//! poll. So whoever wants to write first takes the turn, an advisory lock on a file beside the
//! database, and keeps it only until it holds SQLite's write lock. A writer that comes back
//! finds the turn taken by the one who waits, and queues behind it.

use std::cell::Cell;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use omnisync_core::port::IdSource as _;

use super::error::StoreError;
use crate::SystemIds;
use crate::file::{FileError, with_suffix};

/// Shortest and longest pause between two looks at a lock.
const PAUSE_MIN: Duration = Duration::from_micros(200);
const PAUSE_MAX: Duration = Duration::from_millis(2);

thread_local! {
    /// What is left of the time that the current transaction may wait.
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Lets the next transaction of this thread wait for `limit` altogether.
pub(super) fn grant(limit: Duration) {
    PATIENCE.set(limit);
}

/// Waits a short random time; false when the patience of this transaction is used up.
pub(super) fn pause() -> bool {
    let left = PATIENCE.get();
    if left.is_zero() {
        return false;
    }
    let spread = PAUSE_MAX
        .saturating_sub(PAUSE_MIN)
        .mul_f64(SystemIds.jitter());
    let pause = (PAUSE_MIN + spread).min(left);
    PATIENCE.set(left.saturating_sub(pause));
    std::thread::sleep(pause);
    true
}

/// Busy handler of the writing connection.
pub(super) fn on_busy(_attempt: i32) -> bool {
    pause()
}

/// The queue in front of the write lock of one database.
#[derive(Debug)]
pub(super) struct Turnstile {
    file: File,
}

/// The front place in the queue; dropping it lets the next one step up.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    file: Option<&'a File>,
}

impl Turnstile {
    /// Opens, or creates, the lock file beside `database`.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = with_suffix(database, "-turn");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(FileError::at("open", &path))?;
        Ok(Self { file })
    }

    /// Waits for the front place, as long as the patience of this thread lasts.
    pub(super) fn enter(&self) -> Result<Turn<'_>, StoreError> {
        loop {
            match self.file.try_lock() {
                Ok(()) => {
                    return Ok(Turn {
                        file: Some(&self.file),
                    });
                }
                Err(TryLockError::WouldBlock) if pause() => {}
                Err(TryLockError::WouldBlock) => return Err(StoreError::Turn),
                // Turns only make waiting fair; SQLite's own lock is what keeps writers apart.
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(%error, "the file system offers no lock for fair turns");
                    return Ok(Turn { file: None });
                }
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.file.map(File::unlock) {
            tracing::warn!(%error, "a turn could not be given back");
        }
    }
}
