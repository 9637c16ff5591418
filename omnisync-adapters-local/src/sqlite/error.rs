use std::path::Path;
use std::sync::Arc;

use omnisync_core::{ErrorKind, PortError};
use rusqlite::ErrorCode;
use thiserror::Error;

use crate::file::FileError;

/// Why an operation on the database failed. Cheap to clone: one failed commit is the answer to
/// every caller of its group.
#[derive(Debug, Clone, Error)]
pub(super) enum StoreError {
    #[error("a setting is wrong: {0}")]
    Setting(&'static str),
    #[error("a file beside the database failed")]
    File(#[source] Arc<FileError>),
    #[error("the database engine failed")]
    Engine(#[source] Arc<rusqlite::Error>),
    #[error(
        "the schema has version {found}, newer than version {known} of this program; upgrade the \
         program or choose another path"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error("the file is a database of another program; choose another path")]
    Foreign,
    #[error(
        "the file system offers journal mode {0} instead of a write-ahead log; put the file on a \
         local disk"
    )]
    Journal(String),
    #[error("document {id} holds {what}; restore the file from a backup")]
    Row { id: String, what: &'static str },
    #[error("the integrity check says: {0}; restore the file from a backup")]
    Integrity(String),
    #[error("the continuation was not issued for this query; start again without one")]
    Continuation,
    #[error("another process stayed in front for longer than busy_timeout_ms")]
    Turn,
    #[error("the writer thread has ended; open the store again")]
    Ended,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(Arc::new(error))
    }
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self::File(Arc::new(error))
    }
}

impl StoreError {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Setting(_)
            | Self::NewerSchema { .. }
            | Self::Foreign
            | Self::Journal(_)
            | Self::Continuation => ErrorKind::Invalid,
            Self::Row { .. } | Self::Integrity(_) => ErrorKind::Corrupt,
            Self::Turn | Self::Ended => ErrorKind::Unavailable,
            Self::File(error) => error.kind(),
            Self::Engine(error) => kind_of(error),
        }
    }

    /// True when waiting for other processes may help.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Engine(error) if is_busy(error))
    }

    /// As the error of a port operation on the database at `path`.
    pub(super) fn port(&self, operation: &'static str, path: &Path) -> PortError {
        let kind = self.kind();
        let path = path.display();
        let error = PortError::new(kind, operation);
        match self {
            Self::Engine(source) => error
                .with_detail(format!("{path}: {}", advice(kind)))
                .with_source(Arc::clone(source)),
            Self::File(source) => error
                .with_detail(source.to_string())
                .with_source(Arc::clone(source)),
            Self::Turn => error.with_detail(format!("{path}: {}", advice(kind))),
            other => error.with_detail(format!("{path}: {other}")),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::FileLockingProtocolFailed,
        ) => ErrorKind::Unavailable,
        Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory) => ErrorKind::Exhausted,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            ErrorKind::Denied
        }
        Some(ErrorCode::TooBig) => ErrorKind::TooLarge,
        // Without a code it is rusqlite that refused: a column has another type than written.
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) | None => ErrorKind::Corrupt,
        Some(_) => ErrorKind::Internal,
    }
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => {
            "another process kept the file locked for longer than busy_timeout_ms, or the disk \
             failed; try again, and look for a process that holds a transaction open"
        }
        ErrorKind::Corrupt => {
            "the file is not a readable database; stop every worker and restore it from a backup, \
             or move it away together with its -wal file to begin with an empty store"
        }
        ErrorKind::Exhausted => {
            "no space is left for the file; free disk space or raise file_bytes_max, then try again"
        }
        ErrorKind::Denied => {
            "the file cannot be written; make it and its folder writable for this user"
        }
        ErrorKind::TooLarge => {
            "a document is larger than the database can hold; lower body_bytes_max"
        }
        _ => "the database refused a statement; please report this",
    }
}
