//! Results that are kept: numbers as JSON, and the table and the plots that show them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::page;
use super::report::Report;
use crate::error::Error;
use crate::samples::Samples;

/// Where results are kept.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
/// The page that shows them, between two marks.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- results: written by `cargo xtask bench --record` -->\n";
const END: &str = "<!-- end of results -->\n";
/// Measures in the order of the page.
const MEASURES: [&str; 13] = [
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13",
];

/// The results of a measure.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) command: String,
    pub(super) date: String,
    pub(super) cores: usize,
    pub(super) memory_gb: u64,
    pub(super) reports: Vec<Report>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) memory: Vec<Samples>,
    /// Findings that are no ratios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// What a measure found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) reports: Vec<Report>,
    pub(super) memory: Vec<Samples>,
    pub(super) notes: Vec<String>,
}

/// Keeps what was found, in place of what was kept of the same measure.
#[allow(
    clippy::disallowed_methods,
    reason = "a result says on which day it was measured"
)]
pub(super) fn keep(measure: &str, command: String, findings: &Findings) -> Result<(), Error> {
    let folder = Path::new(RESULTS);
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let cores = std::thread::available_parallelism();
    let record = Record {
        command,
        date: DateTime::<Utc>::from(SystemTime::now())
            .format("%Y-%m-%d")
            .to_string(),
        cores: cores.map_or(1, std::num::NonZero::get),
        memory_gb: memory_gb(),
        reports: findings.reports.clone(),
        memory: findings.memory.clone(),
        notes: findings.notes.clone(),
    };
    let mut text = serde_json::to_string(&record).map_err(|error| Error::Print(error.into()))?;
    text.push('\n');
    write(&file(measure, "json"), &text)
}

fn memory_gb() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|text| text.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / (1 << 20)
}

/// Writes the table and the plots of everything that is kept.
pub(super) fn draw() -> Result<(), Error> {
    let mut lines = Vec::new();
    for measure in MEASURES {
        let path = file(measure, "json");
        if !path.exists() {
            continue;
        }
        let kept = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let record: Record =
            serde_json::from_str(&kept).map_err(|source| Error::NotAResult { path, source })?;
        let (section, plots) = page::section(measure, &record);
        lines.extend(section);
        for plot in plots {
            write(&Path::new(RESULTS).join(plot.file), &plot.svg)?;
        }
    }
    let page = Path::new(PAGE);
    let old = fs::read_to_string(page).map_err(Error::file(page))?;
    let (before, rest) = old.split_once(BEGIN).ok_or(Error::NoMarks)?;
    let (_, after) = rest.split_once(END).ok_or(Error::NoMarks)?;
    let text = lines.join("\n");
    write(page, &format!("{before}{BEGIN}\n{text}\n{END}{after}"))
}

fn file(measure: &str, extension: &str) -> PathBuf {
    Path::new(RESULTS).join(format!("{measure}.{extension}"))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file(path))
}
