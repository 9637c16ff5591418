//! The memory of a process while it runs.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Between two looks at a process.
const PAUSE: Duration = Duration::from_millis(50);
/// Looks that are kept, as many as a picture shows.
const POINTS_MAX: usize = 200;

/// Memory of a process, look by look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Samples {
    pub(crate) name: String,
    /// Seconds since the start, and megabytes.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Samples {
    /// Runs a command and looks at its memory until it ends. Linux tells; elsewhere there are no
    /// points.
    #[allow(
        clippy::disallowed_methods,
        reason = "a benchmark reads the clock; nothing it measures does"
    )]
    pub(crate) fn of(name: &str, command: &[String]) -> Result<Self, Error> {
        let failed = |source| Error::Command {
            command: command.join(" "),
            source,
        };
        let mut words = command.iter();
        let mut child = Command::new(words.next().map(String::as_str).unwrap_or_default())
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let start = std::time::Instant::now();
        let mut points = Vec::new();
        let status = format!("/proc/{}/status", child.id());
        let outcome = loop {
            if let Some(outcome) = child.try_wait().map_err(failed)? {
                break outcome;
            }
            if let Some(kib) = resident(&fs::read_to_string(&status).unwrap_or_default()) {
                points.push((round(start.elapsed().as_secs_f64()), round(kib / 1e3)));
            }
            std::thread::sleep(PAUSE);
        };
        if !outcome.success() {
            return Err(Error::Failed {
                command: command.join(" "),
                output: outcome.to_string(),
            });
        }
        let every = points.len().div_ceil(POINTS_MAX).max(1);
        Ok(Self {
            name: name.to_owned(),
            points: points.into_iter().step_by(every).collect(),
        })
    }
}

/// Resident memory in kibibytes.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line?.trim().strip_suffix(" kB")?.parse().ok()
}

/// To a hundredth: more would only be noise in what is kept.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
