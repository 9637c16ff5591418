use std::collections::BTreeMap;
use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What every measurement prints, of ours and of others.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) measure: String,
    pub(crate) peer: String,
    /// Orders; none for a floor, which knows bytes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<u64>,
    /// Of the job alone: what it reads is in memory before, what it starts with is warm or not as
    /// for a user. The first time, where a process does the job more than once.
    pub(crate) wall_s: f64,
    /// The best time of the later ones in the same process, for those that compile as they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) best_s: Option<f64>,
    /// What half of the acknowledgements took at most, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p50_us: Option<f64>,
    /// What 99 of 100 acknowledgements took at most, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) p99_us: Option<f64>,
    /// What was counted besides.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) counts: BTreeMap<String, u64>,
    /// Of the whole process.
    #[serde(default)]
    pub(crate) user_s: f64,
    #[serde(default)]
    pub(crate) sys_s: f64,
    #[serde(default)]
    pub(crate) maxrss_kb: u64,
    pub(crate) bytes_out: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) sha: String,
}

impl Line {
    pub(crate) fn print(&self) -> Result<(), Error> {
        let text = serde_json::to_string(self).map_err(|error| Error::Print(error.into()))?;
        writeln!(std::io::stdout().lock(), "{text}").map_err(Error::Print)
    }
}
