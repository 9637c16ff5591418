//! Why the work could not be done.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use omnisync_testkit::sim::regression::RegressionError;
use thiserror::Error as ThisError;

/// Why the work could not be done.
#[derive(Debug, ThisError)]
pub(crate) enum Error {
    #[error("there is no scenario `{name}`{}; there are {}", wanted(file.as_ref()), known.join(", "))]
    NoScenario {
        name: String,
        file: Option<PathBuf>,
        known: Vec<String>,
    },

    #[error("tier {tier} plans nothing for the scenarios {}", scenarios.join(", "))]
    Unplanned {
        tier: &'static str,
        scenarios: Vec<String>,
    },

    #[error(transparent)]
    Regression(#[from] RegressionError),

    #[error("the terminal took no more")]
    Output(#[source] io::Error),

    #[error("the result could not be written as JSON")]
    Json(#[source] serde_json::Error),

    #[error("`git {arguments}` could not be run; `--no-ledger` does without")]
    Git {
        arguments: String,
        source: io::Error,
    },

    #[error("`git {arguments}` failed: {message}; `--no-ledger` does without")]
    GitFailed { arguments: String, message: String },

    #[error("the ledger {} could not be read", path.display())]
    ReadLedger { path: PathBuf, source: io::Error },

    #[error("the ledger {} is not a JSON array", path.display())]
    NotALedger {
        path: PathBuf,
        source: serde_json::Error,
    },

    #[error("the ledger {} could not be written", path.display())]
    WriteLedger { path: PathBuf, source: io::Error },
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

fn wanted(file: Option<&PathBuf>) -> String {
    file.map_or_else(String::new, |file| {
        format!(", which {} wants", file.display())
    })
}
