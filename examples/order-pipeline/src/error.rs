use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use omnisync_core::PortError;
use omnisync_core::id::IdError;
use thiserror::Error;

/// What can go wrong in this host, with what to do about it.
#[derive(Debug, Error)]
pub(crate) enum HostError {
    /// A port failed for good.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The operating system refused something.
    #[error("cannot {what}{}", advice(source))]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    /// Another process works in the folder.
    #[error(
        "another process is working in {}: wait for it, end it, or use another folder",
        .0.display()
    )]
    Occupied(PathBuf),
    /// The folder was begun with another layout.
    #[error(
        "{} was begun with layout {found}: go on with `--layout {found}`, or use another folder",
        work.display()
    )]
    OtherLayout { work: PathBuf, found: String },
    /// The folder holds nothing yet.
    #[error("{} holds no orders: run `order-pipeline run --work {}` first", .0.display(), .0.display())]
    Empty(PathBuf),
    /// Not the number of an order.
    #[error("{0}")]
    OrderId(#[from] IdError),
    /// No such order.
    #[error(
        "order {0} was never accepted here, or is past its retention; look for it among the dead letters"
    )]
    UnknownOrder(String),
    /// The package cannot be read at all.
    #[error("{} is not a package that can be read", path.display())]
    Package {
        path: PathBuf,
        #[source]
        source: omnisync_core::dixf::ReadError,
    },
    /// The database takes nothing, for longer than a person would wait.
    #[error(
        "the database has taken nothing for a minute: look for a process that keeps it locked, for \
         a disk that is full or failing, and run the same command again; what was accepted is kept"
    )]
    StoreDown,
    /// A task of the server panicked.
    #[error("the server broke off ({0}): start it again, and please report this")]
    BrokenOff(String),
    /// The arguments do not make a configuration.
    #[error("{0}")]
    Config(String),
}

impl HostError {
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::failed(format!("{what} {}", path.display()))
    }

    /// For `map_err`, where what was tried is not about one path.
    pub(crate) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The whole chain of causes in one line.
    pub(crate) fn report(&self) -> String {
        if let Self::Port(error) = self {
            return error.report();
        }
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

/// What a person can do about it; nothing where the cause says it all.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            " (free disk space and run the same command again: what was accepted is kept)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (make it writable for this user, or choose another folder with --work)"
        }
        io::ErrorKind::NotADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::IsADirectory => " (something else lies there: choose another path)",
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable => {
            " (choose another address with --listen; port 0 takes a free one)"
        }
        _ => "",
    }
}
