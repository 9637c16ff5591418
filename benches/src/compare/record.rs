//! Results that are kept: numbers as JSON, and the table and the plots that show them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::Utc;
use omnisync_benches::plot::{Axis, Bar, Bars, Curve, Series};
use serde::{Deserialize, Serialize};

use super::plan::{Bound, Figure};
use super::report::{Goal, Report, Standing};
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
struct Record {
    command: String,
    date: String,
    cores: usize,
    memory_gb: u64,
    reports: Vec<Report>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    memory: Vec<Samples>,
    /// Findings that are no ratios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
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
        date: Utc::now().format("%Y-%m-%d").to_string(),
        cores: cores.map_or(1, std::num::NonZero::get),
        memory_gb: memory_gb(),
        reports: findings.reports.clone(),
        memory: findings.memory.clone(),
        notes: findings.notes.clone(),
    };
    let mut text =
        serde_json::to_string_pretty(&record).map_err(|error| Error::Print(error.into()))?;
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
    let mut text = String::new();
    for measure in MEASURES {
        let path = file(measure, "json");
        if !path.exists() {
            continue;
        }
        let kept = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let record: Record =
            serde_json::from_str(&kept).map_err(|source| Error::NotAResult { path, source })?;
        section(measure, &record, &mut text)?;
    }
    let page = Path::new(PAGE);
    let old = fs::read_to_string(page).map_err(Error::file(page))?;
    let (before, rest) = old.split_once(BEGIN).ok_or(Error::NoMarks)?;
    let (_, after) = rest.split_once(END).ok_or(Error::NoMarks)?;
    write(page, &format!("{before}{BEGIN}\n{text}{END}{after}"))
}

/// A measure on the page, with its plots.
fn section(measure: &str, record: &Record, page: &mut String) -> Result<(), Error> {
    let mut text = format!(
        "#### {measure}\n\n`{}`, {}, {} cores, {} GB.\n\n",
        record.command, record.date, record.cores, record.memory_gb
    );
    for note in &record.notes {
        text.push_str(&format!("- {note}\n"));
    }
    if !record.notes.is_empty() {
        text.push('\n');
    }
    if !record.reports.is_empty() {
        text.push_str("| case | | by the first | warm by warm | figure | memory | asked |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
    }
    for report in &record.reports {
        rows(report, &mut text);
    }
    if !record.reports.is_empty() {
        text.push('\n');
    }
    for report in &record.reports {
        if let Some(plot) = bars(report) {
            let name = format!("{measure}-{}.svg", slug(&report.case));
            write(&Path::new(RESULTS).join(&name), &plot.svg())?;
            text.push_str(&format!("![{}](results/{name})\n", plot.title));
        }
    }
    for curve in curves(measure, record) {
        let name = format!("{measure}-{}.svg", slug(&curve.y.label));
        write(&Path::new(RESULTS).join(&name), &curve.svg())?;
        text.push_str(&format!("![{}](results/{name})\n", curve.title));
    }
    page.push_str(&text);
    page.push('\n');
    Ok(())
}

fn rows(report: &Report, text: &mut String) {
    for (index, standing) in report.standings.iter().enumerate() {
        let warm = standing.warm_ratio.map(|ratios| ratios.to_string());
        let ratio = if index == 0 {
            format!("1; again {}", report.drift)
        } else {
            standing.ratio.to_string()
        };
        let asked = report.goals.iter().filter(|goal| of(goal, standing));
        let asked: Vec<String> = asked.map(|goal| verdict(goal, report)).collect();
        // A string takes everything.
        writeln!(
            text,
            "| {} | {} | {ratio} | {} | {} | {} | {} |",
            if index == 0 { report.case.as_str() } else { "" },
            standing.name,
            warm.unwrap_or_default(),
            report.figure.told(standing.figure),
            Figure::Memory.told(standing.memory_kb),
            asked.join("; ")
        )
        .unwrap_or_default();
    }
    for name in &report.absent {
        text.push_str(&format!("| | {name} | absent | | | | |\n"));
    }
}

fn of(goal: &Goal, standing: &Standing) -> bool {
    goal.of == standing.name || goal.of == format!("{}, warm", standing.name)
}

fn verdict(goal: &Goal, report: &Report) -> String {
    let warm = if goal.of.ends_with(", warm") {
        "warm "
    } else {
        ""
    };
    let verdict = match (report.is_steady(), goal.is_met()) {
        (false, _) => "no verdict",
        (true, true) => "met",
        (true, false) => "**not met**",
    };
    let bound = match goal.bound {
        Bound::AtLeast(least) => format!("≥ {least:.2}"),
        Bound::AtMost(most) => format!("≤ {most:.2}"),
    };
    format!("{warm}{bound}: {verdict}")
}

/// Ratios of several contestants. Curves show what is compared by the number of orders.
fn bars(report: &Report) -> Option<Bars> {
    let by_orders = report.figure == Figure::TimePerOrder || report.figure == Figure::Memory;
    if by_orders || report.standings.len() < 2 {
        return None;
    }
    let bar = |standing: &Standing| Bar {
        label: standing.name.clone(),
        value: standing.ratio.median,
        low: standing.ratio.min,
        high: standing.ratio.max,
        goal: report
            .goals
            .iter()
            .find(|goal| goal.of == standing.name)
            .map(|goal| match goal.bound {
                Bound::AtLeast(bound) | Bound::AtMost(bound) => bound,
            }),
    };
    let first = report.standings.first()?;
    let what = match report.figure {
        Figure::Latency => "latency",
        Figure::Bytes => "bytes",
        Figure::Time | Figure::TimePerOrder | Figure::Memory => "time",
    };
    Some(Bars {
        title: format!("{}: {}", report.measure, report.case),
        unit: format!("{what}, in that of {}", first.name),
        bars: report.standings.iter().map(bar).collect(),
    })
}

fn curves(measure: &str, record: &Record) -> Vec<Curve> {
    let mut curves = Vec::new();
    let points = |report: &Report, scale: f64| -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = report
            .standings
            .iter()
            .filter_map(|standing| {
                let orders = u32::try_from(standing.orders?).ok()?;
                Some((f64::from(orders), standing.figure * scale))
            })
            .collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        points
    };
    for (figure, label, scale) in [
        (Figure::TimePerOrder, "microseconds an order", 1e6),
        (Figure::Memory, "megabytes", 1e-3),
    ] {
        let reports = record.reports.iter().filter(|report| report.figure == figure);
        let series: Vec<Series> = reports
            .map(|report| Series {
                label: report.case.clone(),
                points: points(report, scale),
            })
            .collect();
        if !series.is_empty() {
            curves.push(Curve {
                title: format!("{measure}: {label}"),
                x: Axis {
                    label: "orders".to_owned(),
                    log: true,
                },
                y: Axis {
                    label: label.to_owned(),
                    log: false,
                },
                series,
            });
        }
    }
    if !record.memory.is_empty() {
        let series = record.memory.iter().map(|samples| Series {
            label: samples.name.clone(),
            points: samples.points.clone(),
        });
        curves.push(Curve {
            title: format!("{measure}: memory while packing"),
            x: Axis {
                label: "seconds".to_owned(),
                log: false,
            },
            y: Axis {
                label: "megabytes in memory".to_owned(),
                log: true,
            },
            series: series.collect(),
        });
    }
    curves
}

fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

fn file(measure: &str, extension: &str) -> PathBuf {
    Path::new(RESULTS).join(format!("{measure}.{extension}"))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file(path))
}
