use std::io;
use std::path::{Path, PathBuf};

use omnisync_testkit::sim::Counterexample;
use thiserror::Error;

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },

    #[error("{} is not a package", path.display())]
    NotAPackage {
        path: PathBuf,
        source: zip::result::ZipError,
    },

    #[error("line {number} of {} is not an order event", path.display())]
    NotAnOrder {
        path: PathBuf,
        number: usize,
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    #[error("the package cannot be written")]
    Package(#[source] Box<dyn std::error::Error + Send + Sync>),

    #[error("{what} of {} are not those of the input", path.display())]
    OtherRows { what: &'static str, path: PathBuf },

    #[error("the workload cannot be done")]
    Work(#[source] omnisync_benches::workload::Failure),

    #[error("{command} cannot be run")]
    Command { command: String, source: io::Error },

    #[error("{command} failed: {output}")]
    Failed { command: String, output: String },

    #[error("{command} printed {line:?}, which is not a line of results")]
    NotALine {
        command: String,
        line: String,
        source: serde_json::Error,
    },

    #[error(
        "no verdict on {of}: the first against itself was outside of 0.93 to 1.07 in the same \
         rounds: something else uses the machine"
    )]
    Drift { of: String },

    #[error("a promise was broken")]
    Simulation(#[source] Box<Counterexample>),

    #[error("nothing was run: give at least one round")]
    NoRounds,

    #[error("other bytes than before came of {command}")]
    OtherBytes { command: String },

    #[error("{} is not what this program keeps; measure again", path.display())]
    NotAResult {
        path: PathBuf,
        source: serde_json::Error,
    },

    #[error("benches/README.md has lost the marks between which results stand")]
    NoMarks,

    #[error("{0} failed")]
    Store(&'static str, #[source] Cause),

    #[error("{0}")]
    Mismatch(String),

    #[error("{} holds no orders", path.display())]
    NoOrders { path: PathBuf },

    #[error("the usage of a process cannot be read")]
    Usage(#[source] nix::Error),

    #[error("a line cannot be printed")]
    Print(#[source] io::Error),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// Of a store that `who` keeps.
    pub(crate) fn store<E: Into<Cause>>(who: &'static str) -> impl Fn(E) -> Self + Copy {
        move |source| Self::Store(who, source.into())
    }

    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
