use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use omnisync_core::PortError;
use omnisync_core::flow::{DeskError, LandscapeError};
use omnisync_core::id::IdError;
use thiserror::Error;

/// What can go wrong in this host, with what to do about it.
#[derive(Debug, Error)]
pub(crate) enum HostError {
    /// A port failed for good.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A decision was not taken.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The systems do not fit together.
    #[error(transparent)]
    Landscape(#[from] LandscapeError),
    /// A name of the host's own cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The operating system refused something.
    #[error("cannot {what}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    /// A line of the records is none.
    #[error("{} line {line} is no record: mend the line, or leave it out", path.display())]
    Record {
        path: PathBuf,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    /// A record has a value that a system cannot hold.
    #[error("{key} does not fit into {system}: {reason}")]
    Unfit {
        key: String,
        system: String,
        reason: String,
    },
    /// What the CRMs held cannot be read.
    #[error("{} is damaged: begin anew in another folder", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// The folder holds another run.
    #[error(
        "{} holds a run already, or what is left of one: use another folder",
        .0.display()
    )]
    Used(PathBuf),
    /// The folder holds nothing.
    #[error("{} holds no run: `crm-sync run --data {}` first", .0.display(), .0.display())]
    Empty(PathBuf),
    /// Another process works in the folder.
    #[error("another process works in {}: wait for it, or use another folder", .0.display())]
    Occupied(PathBuf),
    /// No such record.
    #[error("no record {0}: name it by its id in a system, its link, or its number or code")]
    UnknownRecord(String),
    /// No such field.
    #[error("{0} is no field of an account or a product")]
    UnknownField(String),
    /// A value that was entered is none of its field.
    #[error("{text:?} is no value of the field: it holds {expected}")]
    NoValue {
        text: String,
        expected: &'static str,
    },
    /// It is never quiet.
    #[error("the systems were not quiet after {0} rounds: this is a mistake of the program")]
    NeverQuiet(usize),
}

impl HostError {
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }

    /// For `map_err`, where what was tried is not about one path.
    pub(crate) fn failed(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
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
