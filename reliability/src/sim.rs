//! `sim`: a tier, some seeds, or one tape.

use clap::{ArgGroup, Args};
use omnisync_testkit::sim::{Explorer, Tape};
use serde::Serialize;

use crate::Verdict;
use crate::campaign::{Campaign, hexadecimal, tell};
use crate::catalogue::{Catalogue, root};
use crate::error::Error;
use crate::ledger::{self, Entry, LEDGER};
use crate::plan::{Share, Tier};
use crate::revision::Revision;
use crate::summary::{Summary, Totals};
use crate::terminal::Terminal;
use crate::wall::{Stopwatch, today};
use crate::way::Way;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["tier", "seeds", "tape"])))]
#[command(group(ArgGroup::new("of one scenario").args(["seeds", "tape"])))]
pub(crate) struct SimArguments {
    /// How thorough [default: t1]
    #[arg(long, value_enum)]
    tier: Option<Tier>,
    /// Make this many seeds instead of a tier
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// Replay this tape instead of a tier
    #[arg(long, requires = "scenario")]
    tape: Option<Tape>,
    /// The scenario of the seeds or of the tape; seeds are of every scenario without it
    #[arg(long, value_name = "NAME", requires = "of one scenario")]
    scenario: Option<String>,
    /// Only the scenarios of this family: those whose names begin with it and a hyphen, as `crm`
    #[arg(long, value_name = "FAMILY", conflicts_with = "scenario")]
    only: Option<String>,
    /// The seed to begin with
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 0,
        conflicts_with = "tape"
    )]
    first_seed: u64,
    /// Print one JSON object on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Do not keep the tapes of runs that break a promise
    #[arg(long)]
    no_save: bool,
    /// Do not enter the run into the ledger
    #[arg(long)]
    no_ledger: bool,
}

/// The one object that `sim --tape --json` prints.
#[derive(Debug, Serialize)]
struct Repetition<'r> {
    scenario: &'r str,
    tape: String,
    trace_hash: String,
    port_calls: u64,
    faults: u64,
    violations: usize,
    invariant: Option<&'static str>,
    detail: Option<&'r str>,
    marks: &'r [&'static str],
    story: &'r [String],
}

pub(crate) fn run(arguments: &SimArguments) -> Result<Verdict, Error> {
    let catalogue = Catalogue::load();
    let terminal = Terminal::new(arguments.json);
    if let (Some(tape), Some(scenario)) = (&arguments.tape, &arguments.scenario) {
        return replay(&catalogue, terminal, scenario, tape);
    }
    let campaign = Campaign {
        catalogue: &catalogue,
        terminal,
        root: root(),
        saves: !arguments.no_save,
        totals: Totals::default(),
        found: Vec::new(),
    };
    match arguments.seeds {
        Some(count) => seeds(campaign, arguments, count),
        None => tier(campaign, arguments, arguments.tier.unwrap_or(Tier::T1)),
    }
}

fn replay(
    catalogue: &Catalogue,
    terminal: Terminal,
    name: &str,
    tape: &Tape,
) -> Result<Verdict, Error> {
    let scenario = catalogue.find(name, None)?;
    let replayed = Explorer::new(scenario).replay(tape);
    tell(terminal, name, tape, &replayed)?;
    let violation = replayed.violation.as_ref();
    terminal.result(&Repetition {
        scenario: name,
        tape: tape.to_string(),
        trace_hash: hexadecimal(replayed.trace_hash),
        port_calls: replayed.port_calls,
        faults: replayed.faults,
        violations: usize::from(violation.is_some()),
        invariant: violation.map(|violation| violation.invariant),
        detail: violation.map(|violation| violation.detail.as_str()),
        marks: &replayed.marks,
        story: &replayed.story,
    })?;
    Ok(Verdict::kept_if(violation.is_none()))
}

fn seeds(
    mut campaign: Campaign<'_>,
    arguments: &SimArguments,
    count: u64,
) -> Result<Verdict, Error> {
    let watch = Stopwatch::start();
    let first = arguments.first_seed;
    let (name, family) = (arguments.scenario.as_deref(), arguments.only.as_deref());
    for scenario in campaign.catalogue.select(name, family)? {
        campaign.explore(scenario, Way::Seeds { first, count })?;
    }
    let elapsed = watch.elapsed();
    for line in campaign.totals.lines(elapsed) {
        campaign.terminal.line(line)?;
    }
    let terminal = campaign.terminal;
    let summary = Summary {
        first_seed: first,
        violations: campaign.found.len(),
        counterexamples: campaign.found,
        ..campaign.totals.summary(elapsed)
    };
    terminal.result(&summary)?;
    Ok(Verdict::kept_if(summary.violations == 0))
}

fn tier(
    mut campaign: Campaign<'_>,
    arguments: &SimArguments,
    tier: Tier,
) -> Result<Verdict, Error> {
    let watch = Stopwatch::start();
    let terminal = campaign.terminal;
    // What runs is what is checked out now, whatever happens to the tree meanwhile.
    let family = arguments.only.as_deref();
    let revision = if tier.is_entered() && !arguments.no_ledger && family.is_none() {
        Some(Revision::read(&campaign.root, LEDGER)?)
    } else {
        None
    };
    let shares = tier.shares();
    planned(campaign.catalogue, tier, &shares)?;
    let selected = campaign.catalogue.select(None, family)?;
    let regressions = campaign.replay_regressions()?;
    for share in shares {
        let mut selected = selected.iter().copied();
        let Some(scenario) = selected.find(|one| one.name() == share.scenario) else {
            continue;
        };
        for way in share.ways(arguments.first_seed) {
            campaign.explore(scenario, way)?;
        }
    }

    let elapsed = watch.elapsed();
    for line in campaign.totals.lines(elapsed) {
        terminal.line(line)?;
    }
    let promise = tier.promise().of(family);
    let summary = Summary {
        tier: Some(tier.name()),
        first_seed: arguments.first_seed,
        violations: campaign.found.len(),
        marks_missed: campaign.totals.report.missed(&Catalogue::marks(family)),
        regressions,
        // An exploration ends where it finds something.
        shortfalls: promise.shortfalls(&campaign.totals),
        counterexamples: campaign.found,
        ..campaign.totals.summary(elapsed)
    };
    if !summary.marks_missed.is_empty() {
        terminal.line(format!("never seen: {}", summary.marks_missed.join(", ")))?;
    }
    for shortfall in &summary.shortfalls {
        terminal.line(format!("too little: {shortfall}"))?;
    }
    terminal.line(format!(
        "{}: {} violations, {} marks never seen",
        tier.name(),
        summary.violations,
        summary.marks_missed.len()
    ))?;
    if let Some(revision) = revision {
        ledger::append(
            &campaign.root.join(LEDGER),
            &entry(revision, tier, &summary),
        )?;
    }
    terminal.result(&summary)?;
    let blind = promise.has_all_marks && !summary.marks_missed.is_empty();
    let kept = summary.violations == 0 && summary.shortfalls.is_empty() && !blind;
    Ok(Verdict::kept_if(kept))
}

/// A tier leaves no scenario out.
fn planned(catalogue: &Catalogue, tier: Tier, shares: &[Share]) -> Result<(), Error> {
    let unplanned: Vec<String> = catalogue
        .names()
        .into_iter()
        .filter(|name| shares.iter().all(|share| share.scenario != name))
        .collect();
    if unplanned.is_empty() {
        return Ok(());
    }
    Err(Error::Unplanned {
        tier: tier.name(),
        scenarios: unplanned,
    })
}

fn entry(revision: Revision, tier: Tier, summary: &Summary) -> Entry {
    Entry {
        commit: revision.commit,
        dirty: revision.is_dirty,
        tier: tier.name(),
        date: today().to_string(),
        seeds: summary.seeds,
        first_seed: summary.first_seed,
        runs: summary.runs,
        port_calls: summary.port_calls,
        faults: summary.faults,
        simulated_ms: summary.simulated_ms,
        violations: summary.violations,
        seconds: summary.seconds,
    }
}
