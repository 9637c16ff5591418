//! `zoo`: every known mistake has to be caught.

use clap::Args;
use omnisync_testkit::sim::Tape;
use omnisync_testkit::zoo::crm::{self, SyncRate};
use omnisync_testkit::zoo::orders::{PublishedRate, published_rate};
use omnisync_testkit::zoo::{Hunted, Specimen, specimens};
use serde::Serialize;

use crate::Verdict;
use crate::error::Error;
use crate::terminal::Terminal;

/// Runs that the hunt for one specimen takes at most.
const HUNT_RUNS_MAX: u64 = 20_000;
/// Seeds on which the published algorithm is tried.
const PUBLISHED_SEEDS: u64 = 2_000;
/// Seeds on which each way to sync is tried, for each kind of systems.
const SYNC_SEEDS: u64 = 2_000;

#[derive(Debug, Args)]
pub(crate) struct ZooArguments {
    /// Print one JSON object on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Hunt only those whose name contains this, and leave the rates out
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// What became of one specimen.
#[derive(Debug, Serialize)]
struct Row {
    mutant: String,
    what: String,
    /// What caught it; none of these is there when it survived.
    invariant: Option<&'static str>,
    explorer: Option<&'static str>,
    tape: Option<String>,
    /// Runs until it was caught, or all that were made.
    runs: u64,
}

/// How often the published algorithm fails.
#[derive(Debug, Serialize)]
struct Published {
    seeds: u64,
    failing: u64,
    rate: f64,
    by_invariant: std::collections::BTreeMap<&'static str, u64>,
}

/// How often a way to keep CRMs the same fails among systems of one kind.
#[derive(Debug, Serialize)]
struct Sync {
    algorithm: &'static str,
    what: &'static str,
    normalisers: &'static str,
    ships: bool,
    seeds: u64,
    failing: u64,
    never_quiet: u64,
    diverged: u64,
    overwritten: u64,
}

/// The one object that `zoo --json` prints.
#[derive(Debug, Serialize)]
struct Zoo {
    mutants: usize,
    caught: usize,
    survivors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
    sync: Vec<Sync>,
    table: Vec<Row>,
}

pub(crate) fn run(arguments: &ZooArguments) -> Result<Verdict, Error> {
    let terminal = Terminal::new(arguments.json);
    let mut table = Vec::new();
    let only = arguments.only.as_deref();
    let is_meant = |specimen: &Specimen| only.is_none_or(|only| specimen.name().contains(only));
    for specimen in specimens().into_iter().filter(is_meant) {
        let hunted = specimen.hunt(HUNT_RUNS_MAX);
        let row = Row::new(specimen.name(), specimen.what(), hunted);
        terminal.line(row.line())?;
        table.push(row);
    }
    let mut zoo = Zoo::new(table);
    if only.is_none() {
        zoo.published = Some(Published::new(published_rate(PUBLISHED_SEEDS)));
        for rate in crm::rates(SYNC_SEEDS) {
            let rate = Sync::new(&rate);
            terminal.line(rate.line())?;
            zoo.sync.push(rate);
        }
    }
    for line in zoo.lines() {
        terminal.line(line)?;
    }
    terminal.result(&zoo)?;
    Ok(zoo.verdict(only.is_none()))
}

impl Row {
    fn new(name: &str, what: &str, hunted: Hunted) -> Self {
        let (mutant, what) = (name.to_owned(), what.to_owned());
        match hunted.caught {
            Some(caught) => Self {
                mutant,
                what,
                invariant: Some(caught.invariant),
                explorer: Some(caught.explorer),
                tape: Some(Tape::to_string(&caught.tape)),
                runs: caught.runs,
            },
            None => Self {
                mutant,
                what,
                invariant: None,
                explorer: None,
                tape: None,
                runs: hunted.runs,
            },
        }
    }

    fn line(&self) -> String {
        let Self {
            mutant, what, runs, ..
        } = self;
        let fate = match (self.invariant, self.explorer) {
            (Some(invariant), Some(explorer)) => format!("{invariant} in run {runs} of {explorer}"),
            _ => format!("SURVIVED {runs} runs"),
        };
        format!("{mutant:<32} {fate:<36} {what}")
    }
}

impl Published {
    fn new(rate: PublishedRate) -> Self {
        Self {
            seeds: rate.seeds,
            failing: rate.failing,
            rate: share(rate.failing, rate.seeds),
            by_invariant: rate.by_invariant,
        }
    }

    fn line(&self) -> String {
        let Self {
            seeds,
            failing,
            rate,
            by_invariant,
        } = self;
        let broken: Vec<String> = by_invariant
            .iter()
            .map(|(invariant, runs)| format!("{invariant} {runs}"))
            .collect();
        format!(
            "the published algorithm fails in {failing} of {seeds} seeds, {:.1} %: {}",
            rate * 100.0,
            broken.join(", ")
        )
    }
}

impl Sync {
    const fn new(rate: &SyncRate) -> Self {
        Self {
            algorithm: rate.algorithm,
            what: rate.what,
            normalisers: rate.normalisers,
            ships: rate.ships,
            seeds: rate.seeds,
            failing: rate.failing,
            never_quiet: rate.never_quiet,
            diverged: rate.diverged,
            overwritten: rate.overwritten,
        }
    }

    fn line(&self) -> String {
        let Self {
            algorithm,
            normalisers,
            seeds,
            never_quiet,
            diverged,
            overwritten,
            ..
        } = self;
        format!(
            "{algorithm:<28} {normalisers:<16} of {seeds} seeds: never quiet {never_quiet}, \
             diverged {diverged}, overwritten silently {overwritten}"
        )
    }
}

impl Zoo {
    fn new(table: Vec<Row>) -> Self {
        let survived = table.iter().filter(|row| row.invariant.is_none());
        let survivors: Vec<String> = survived.map(|row| row.mutant.clone()).collect();
        Self {
            mutants: table.len(),
            caught: table.len() - survivors.len(),
            survivors,
            published: None,
            sync: Vec::new(),
            table,
        }
    }

    fn lines(&self) -> Vec<String> {
        let caught = format!("{} of {} mutants caught", self.caught, self.mutants);
        let published = self.published.iter().map(Published::line);
        published.chain([caught]).collect()
    }

    /// A zoo without animals proves nothing. The published algorithm is one of them, and so is each
    /// way to sync but the one that ships.
    fn verdict(&self, with_rates: bool) -> Verdict {
        let all_caught = self.mutants > 0 && self.survivors.is_empty();
        let published_fails = self.published.as_ref().is_some_and(|one| one.failing > 0);
        let fails = |algorithm| {
            let mut rows = self.sync.iter();
            rows.any(|row| row.algorithm == algorithm && row.failing > 0)
        };
        let as_known = self
            .sync
            .iter()
            .all(|row| fails(row.algorithm) != row.ships);
        let rates = published_fails && !self.sync.is_empty() && as_known;
        Verdict::kept_if(all_caught && (rates || !with_rates))
    }
}

fn share(part: u64, whole: u64) -> f64 {
    let number = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(whole)
}

#[cfg(test)]
mod tests {
    use omnisync_testkit::zoo::Catch;
    use serde_json::json;

    use super::*;

    fn caught() -> Row {
        let catch = Catch {
            invariant: "I-O2",
            runs: 7,
            detail: "twice".to_owned(),
            explorer: "two faults",
            scenario: "pair".to_owned(),
            tape: "tAAE".parse().unwrap(),
        };
        let caught = Some(catch);
        Row::new("fresh-id", "a new id each time", Hunted { caught, runs: 7 })
    }

    fn survived() -> Row {
        let hunted = Hunted {
            caught: None,
            runs: 90,
        };
        Row::new("sly", "hides well", hunted)
    }

    fn sync(ships: bool, failing: u64) -> Sync {
        Sync {
            algorithm: if ships { "ledger" } else { "blind" },
            what: "copies",
            normalisers: "identity",
            ships,
            seeds: 8,
            failing,
            never_quiet: 0,
            diverged: failing,
            overwritten: 0,
        }
    }

    fn zoo(table: Vec<Row>) -> Zoo {
        let published = PublishedRate {
            seeds: 8,
            failing: 2,
            by_invariant: [("I-O1", 2)].into(),
        };
        Zoo {
            published: Some(Published::new(published)),
            sync: vec![sync(false, 3), sync(true, 0)],
            ..Zoo::new(table)
        }
    }

    #[test]
    fn the_table_says_what_caught_whom() {
        let line = caught().line();
        assert!(line.contains("I-O2 in run 7 of two faults"), "{line}");
        assert!(line.ends_with("a new id each time"), "{line}");
        assert!(survived().line().contains("SURVIVED 90 runs"));
        let lines = zoo(vec![caught(), survived()]).lines();
        assert_eq!(
            lines,
            [
                "the published algorithm fails in 2 of 8 seeds, 25.0 %: I-O1 2",
                "1 of 2 mutants caught",
            ]
        );
    }

    #[test]
    fn the_object_has_the_members_that_programs_read() {
        let zoo = serde_json::to_value(zoo(vec![caught(), survived()])).unwrap();
        assert_eq!(
            zoo,
            json!({
                "mutants": 2, "caught": 1, "survivors": ["sly"],
                "published": {
                    "seeds": 8, "failing": 2, "rate": 0.25, "by_invariant": { "I-O1": 2 },
                },
                "sync": [
                    {
                        "algorithm": "blind", "what": "copies", "normalisers": "identity",
                        "ships": false, "seeds": 8, "failing": 3, "never_quiet": 0,
                        "diverged": 3, "overwritten": 0,
                    },
                    {
                        "algorithm": "ledger", "what": "copies", "normalisers": "identity",
                        "ships": true, "seeds": 8, "failing": 0, "never_quiet": 0,
                        "diverged": 0, "overwritten": 0,
                    },
                ],
                "table": [
                    {
                        "mutant": "fresh-id", "what": "a new id each time", "invariant": "I-O2",
                        "explorer": "two faults", "tape": "tAAE", "runs": 7,
                    },
                    {
                        "mutant": "sly", "what": "hides well", "invariant": null,
                        "explorer": null, "tape": null, "runs": 90,
                    },
                ],
            })
        );
    }

    #[test]
    fn a_survivor_fails_the_hunt_and_so_does_an_empty_zoo() {
        assert_eq!(zoo(vec![caught()]).verdict(true), Verdict::Kept);
        assert_eq!(
            zoo(vec![caught(), survived()]).verdict(true),
            Verdict::Broken
        );
        assert_eq!(zoo(Vec::new()).verdict(true), Verdict::Broken);
    }

    #[test]
    fn the_published_algorithm_has_to_fail_too() {
        let published = PublishedRate {
            seeds: 8,
            ..PublishedRate::default()
        };
        let tame = Zoo {
            published: Some(Published::new(published)),
            ..zoo(vec![caught()])
        };
        assert_eq!(tame.verdict(true), Verdict::Broken);
        assert_eq!(Zoo::new(vec![caught()]).verdict(true), Verdict::Broken);
        assert_eq!(Zoo::new(vec![caught()]).verdict(false), Verdict::Kept);
    }

    #[test]
    fn every_way_to_sync_has_to_fail_but_the_one_that_ships() {
        let with = |sync| Zoo {
            sync,
            ..zoo(vec![caught()])
        };
        let tame = with(vec![sync(false, 0), sync(true, 0)]);
        assert_eq!(tame.verdict(true), Verdict::Broken);
        let broken = with(vec![sync(false, 3), sync(true, 1)]);
        assert_eq!(broken.verdict(true), Verdict::Broken);
        assert_eq!(with(Vec::new()).verdict(true), Verdict::Broken);
        let line = sync(false, 3).line();
        assert!(
            line.contains("of 8 seeds: never quiet 0, diverged 3"),
            "{line}"
        );
    }
}
