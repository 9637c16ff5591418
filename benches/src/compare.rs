//! All contestants in turn, round by round.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::canonical;
use crate::contestant::{Contestant, SELF};
use crate::error::Error;
use crate::line::Line;
use crate::ratios::Ratios;
use crate::rows;

const OURS: &str = "omnisync";
/// Who packs the same orders in another way.
const PEERS: [&str; 5] = [
    "dotnet8",
    "java",
    "node-yazl",
    "python-orjson",
    "python-json",
];
const SEED: u64 = 1;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Order events in memory to a package file
    M1,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    #[arg(value_enum, default_value_t = Measure::M1)]
    measure: Measure,
    #[arg(long, default_value_t = 100_000)]
    orders: u32,
    #[arg(long, default_value = "7")]
    rounds: NonZero<usize>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Where inputs and outputs go
    #[arg(long, default_value = "target/bench")]
    work: PathBuf,
}

/// How one contestant did beside ours.
#[derive(Debug, Serialize)]
struct Standing {
    peer: String,
    /// Its first time by ours of the same round.
    first: Ratios,
    /// Its best time by ours of the same round, where a process repeats the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Ratios>,
    /// Medians.
    wall_s: f64,
    maxrss_kb: u64,
    bytes_out: u64,
}

#[derive(Debug, Serialize)]
struct Comparison {
    measure: &'static str,
    orders: u32,
    rounds: usize,
    /// Ours against ours.
    drift: Ratios,
    ours_wall_s: f64,
    ours_maxrss_kb: u64,
    ours_bytes_out: u64,
    standings: Vec<Standing>,
    absent: Vec<&'static str>,
}

/// Compares ours with everybody else's.
pub(crate) fn run(arguments: &CompareArguments) -> Result<(), Error> {
    match arguments.measure {
        Measure::M1 => packages(arguments),
    }
}

/// Makes packages of the canonical orders.
fn packages(arguments: &CompareArguments) -> Result<(), Error> {
    let work = &arguments.work;
    fs::create_dir_all(work).map_err(Error::file(work))?;
    let input = work.join(format!("orders-{SEED}-{}.jsonl", arguments.orders));
    if !input.exists() {
        canonical::write(SEED, arguments.orders, &input)?;
    }
    let ours = Contestant::ours(OURS, &input, work)?;
    let mut contestants = vec![ours.clone(), Contestant::ours(SELF, &input, work)?];
    let mut absent = Vec::new();
    for name in PEERS {
        match Contestant::peer(name, &input, work)? {
            Some(peer) => contestants.push(peer),
            None => absent.push(name),
        }
    }
    // Once for nothing; what comes of it is checked, and the floor deflates what ours packed.
    for contestant in &contestants {
        contestant.run()?;
        if let Some(package) = &contestant.package {
            rows::verify(&input, package)?;
        }
    }
    if let Some(package) = &ours.package {
        contestants.push(Contestant::floor(package)?);
    }
    let lines = rounds(&contestants, arguments.rounds.get())?;
    let comparison = Comparison::of(arguments, &lines, absent)?;
    comparison.print(arguments.json)?;
    if comparison.drift.is_steady() {
        return Ok(());
    }
    Err(Error::Drift {
        low: comparison.drift.min,
        high: comparison.drift.max,
    })
}

/// The lines of each contestant, round by round. Another one begins each round.
fn rounds(contestants: &[Contestant], rounds: usize) -> Result<BTreeMap<String, Vec<Line>>, Error> {
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for round in 0..rounds {
        let first = round % contestants.len();
        for contestant in contestants
            .iter()
            .cycle()
            .skip(first)
            .take(contestants.len())
        {
            let line = contestant.run()?;
            lines.entry(contestant.name.clone()).or_default().push(line);
        }
    }
    Ok(lines)
}

impl Comparison {
    fn of(
        arguments: &CompareArguments,
        lines: &BTreeMap<String, Vec<Line>>,
        absent: Vec<&'static str>,
    ) -> Result<Self, Error> {
        let nobody = Vec::new();
        let of = |name: &str| lines.get(name).unwrap_or(&nobody);
        let ours = of(OURS);
        let by_ours = |lines: &[Line], time: fn(&Line) -> f64| {
            let pairs = lines.iter().zip(ours);
            Ratios::of(pairs.map(|(line, ours)| time(line) / ours.wall_s).collect())
        };
        let first = |line: &Line| line.wall_s;
        let none = || Error::Drift {
            low: 0.0,
            high: 0.0,
        };
        let mut standings = Vec::new();
        for (name, lines) in lines {
            if name == OURS || name == SELF {
                continue;
            }
            let repeats = lines.iter().all(|line| line.best_s.is_some());
            let best = |line: &Line| line.best_s.unwrap_or(line.wall_s);
            standings.push(Standing {
                peer: name.clone(),
                first: by_ours(lines, first).ok_or_else(none)?,
                best: if repeats { by_ours(lines, best) } else { None },
                wall_s: median(lines, first),
                maxrss_kb: highest(lines, |line| line.maxrss_kb),
                bytes_out: highest(lines, |line| line.bytes_out),
            });
        }
        Ok(Self {
            measure: "m1",
            orders: arguments.orders,
            rounds: arguments.rounds.get(),
            drift: by_ours(of(SELF), first).ok_or_else(none)?,
            ours_wall_s: median(ours, first),
            ours_maxrss_kb: highest(ours, |line| line.maxrss_kb),
            ours_bytes_out: highest(ours, |line| line.bytes_out),
            standings,
            absent,
        })
    }

    fn print(&self, json: bool) -> Result<(), Error> {
        if json {
            let text = serde_json::to_string(self).map_err(|error| Error::Print(error.into()))?;
            println!("{text}");
            return Ok(());
        }
        let megabytes = |bytes: u64| bytes / 1_000_000;
        println!(
            "m1: {} orders, {} rounds; ours {:.3} s, {} MB of memory, {} MB of package",
            self.orders,
            self.rounds,
            self.ours_wall_s,
            self.ours_maxrss_kb / 1_000,
            megabytes(self.ours_bytes_out)
        );
        println!(
            "{:<16} {:>22} {:>22} {:>8} {:>8}",
            "by ours", "first", "best", "MB", "zip MB"
        );
        for standing in &self.standings {
            let best = standing
                .best
                .map(|ratios| told(&ratios))
                .unwrap_or_default();
            println!(
                "{:<16} {:>22} {:>22} {:>8} {:>8}",
                standing.peer,
                told(&standing.first),
                best,
                standing.maxrss_kb / 1_000,
                megabytes(standing.bytes_out)
            );
        }
        println!("{:<16} {:>22}", "ours again", told(&self.drift));
        for name in &self.absent {
            println!("{name:<16} {:>22}", "absent");
        }
        Ok(())
    }
}

fn told(ratios: &Ratios) -> String {
    let Ratios { median, min, max } = ratios;
    format!("{median:.2} ({min:.2}-{max:.2})")
}

fn median(lines: &[Line], number: fn(&Line) -> f64) -> f64 {
    Ratios::of(lines.iter().map(number).collect()).map_or(0.0, |ratios| ratios.median)
}

fn highest(lines: &[Line], number: fn(&Line) -> u64) -> u64 {
    lines.iter().map(number).max().unwrap_or_default()
}
