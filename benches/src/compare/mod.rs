//! Everybody in turn, round by round.

use std::fs;
use std::io::Write as _;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::Error;

mod contestant;
mod measures;
mod page;
mod plan;
mod ratios;
mod record;
mod report;
mod rounds;

use measures::Inputs;
use record::Findings;
use report::Report;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Orders in memory to a package file
    M1,
    /// Memory of packing
    M2,
    /// The same bytes from any number of threads
    M3,
    /// Durable ingest, each order acknowledged for itself
    M4,
    /// Claims by what is stored, and the life of orders
    M5,
    /// Restarts and kills
    M6,
    /// What a hidden limit lets through
    M9,
    /// Speed of the simulator
    M11,
    /// Cost of an order by how many there are
    M12,
    /// What traces and validation cost
    M13,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// What to measure; everything unless named
    #[arg(value_enum)]
    measures: Vec<Measure>,
    /// Orders in a package of m1 and m3
    #[arg(long, default_value_t = 100_000)]
    orders: u32,
    /// Rounds of each comparison; by default as many as suit it
    #[arg(long)]
    rounds: Option<NonZero<usize>>,
    /// Print a JSON object for each comparison instead of tables
    #[arg(long)]
    json: bool,
    /// Keep the results, and write the table and the plots that show them
    #[arg(long)]
    record: bool,
    /// Where inputs and outputs go
    #[arg(long, default_value = "target/bench")]
    work: PathBuf,
}

/// Runs the comparisons of the measures.
pub(crate) fn run(arguments: &CompareArguments) -> Result<(), Error> {
    let work = &arguments.work;
    fs::create_dir_all(work).map_err(Error::file(work))?;
    let inputs = Inputs {
        work,
        orders: arguments.orders,
    };
    let measures = if arguments.measures.is_empty() {
        Measure::value_variants()
    } else {
        &arguments.measures
    };
    let mut restless = Vec::new();
    for measure in measures {
        let findings = found(*measure, &inputs, arguments)?;
        let unsteady = findings.reports.iter().filter(|report| !report.is_steady());
        restless.extend(unsteady.map(|report| format!("{}, {}", report.measure, report.case)));
        if arguments.record {
            record::keep(&name(*measure), command(*measure, arguments), &findings)?;
        }
    }
    if arguments.record {
        record::draw()?;
    }
    if restless.is_empty() {
        return Ok(());
    }
    Err(Error::Drift {
        of: restless.join("; "),
    })
}

/// Measures, and shows what comes as it comes.
fn found(
    measure: Measure,
    inputs: &Inputs<'_>,
    arguments: &CompareArguments,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let plans = match measure {
        Measure::M1 => measures::packages(inputs)?,
        Measure::M2 => {
            findings.memory = measures::memory_over_time(inputs)?;
            measures::memory(inputs)?
        }
        Measure::M3 => {
            findings.notes.push(measures::same_bytes(inputs)?);
            findings.notes.push(measures::any_arrival(inputs)?);
            Vec::new()
        }
        Measure::M4 => measures::ingest(inputs)?,
        Measure::M5 => measures::claims(inputs)?,
        Measure::M6 => {
            findings.notes.push(measures::kills(inputs)?);
            measures::restarts(inputs)?
        }
        Measure::M9 => {
            findings.notes = measures::goodput()?;
            Vec::new()
        }
        Measure::M11 => {
            findings.notes.push(measures::simulation()?);
            Vec::new()
        }
        Measure::M12 => vec![measures::scale(inputs)?, measures::ingest_scale(inputs)?],
        Measure::M13 => measures::safety(inputs)?,
    };
    for note in &findings.notes {
        show(measure, note, arguments.json)?;
    }
    for plan in &plans {
        let rounds = arguments.rounds.map_or(plan.rounds, NonZero::get);
        let report = rounds::run(plan, rounds)?;
        print(&report, arguments.json)?;
        findings.reports.push(report);
    }
    Ok(findings)
}

fn name(measure: Measure) -> String {
    let name = measure.to_possible_value();
    name.map(|name| name.get_name().to_owned())
        .unwrap_or_default()
}

/// How a user repeats a measure.
fn command(measure: Measure, arguments: &CompareArguments) -> String {
    let mut words = vec![format!("cargo xtask bench {}", name(measure))];
    if matches!(measure, Measure::M1 | Measure::M3) {
        words.push(format!("--orders {}", arguments.orders));
    }
    words.extend(arguments.rounds.map(|rounds| format!("--rounds {rounds}")));
    words.join(" ")
}

fn show(measure: Measure, note: &str, json: bool) -> Result<(), Error> {
    let measure = name(measure);
    if json {
        let line = serde_json::json!({ "measure": measure, "note": note });
        write(&line.to_string())
    } else {
        write(&format!("{measure}: {note}\n"))
    }
}

fn print(report: &Report, json: bool) -> Result<(), Error> {
    if json {
        write(&serde_json::to_string(report).map_err(|error| Error::Print(error.into()))?)
    } else {
        write(&report.to_string())
    }
}

fn write(text: &str) -> Result<(), Error> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(Error::Print)
}
