//! Why a task failed.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{command}` could not be started")]
    Start { command: String, source: io::Error },

    #[error("`{command}` failed with {status}")]
    Failed { command: String, status: ExitStatus },

    #[error("the output of `cargo metadata` could not be understood")]
    Metadata { source: serde_json::Error },

    #[error("{what} could not be understood")]
    NotUnderstood {
        what: String,
        source: serde_json::Error,
    },

    #[error("the workspace has no package {package}")]
    NoPackage { package: String },

    #[error("no integration tests of {package} were built")]
    NoProgram { package: String },

    #[error("nothing is proven: {what}")]
    Unproven { what: String },

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} holds no counts of instructions", path.display())]
    Recorded {
        path: PathBuf,
        source: serde_json::Error,
    },

    #[error("{} has no total of instructions", path.display())]
    NoCount { path: PathBuf },

    #[error("{reason}")]
    Unequipped { reason: &'static str },

    #[error(
        "what workloads execute is not what is recorded: {}; `callgrind_annotate` tells where, from \
         the `instructions` folder of the build; what is meant is recorded by `cargo xtask \
         instructions --record`, and reviewed with the change",
        changes.join(", ")
    )]
    Instructions { changes: Vec<String> },

    #[error("a folder for the run could not be made")]
    TemporaryFolder { source: io::Error },

    #[error("OMNISYNC_SAMPLES is {}, which is not a folder", path.display())]
    NoSamples { path: PathBuf, source: io::Error },

    #[error("no test has `samples` in its name, so the samples prove nothing")]
    NoSampleTests,

    #[error("{package} must not depend on {}", dependencies.join(", "))]
    Impure {
        package: String,
        dependencies: Vec<String>,
    },

    #[error("the builds make different runs: {release} in release, {dev} in dev")]
    Nondeterministic { release: String, dev: String },

    #[error("{count} findings, listed above")]
    Findings { count: usize },

    #[error("failed: {}", steps.join(", "))]
    Steps { steps: Vec<&'static str> },
}

impl Error {
    /// The error with everything that caused it, on one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
