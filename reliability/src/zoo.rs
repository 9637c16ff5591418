//! `zoo`: every known mistake has to be caught.

use clap::Args;
use omnisync_testkit::sim::Tape;
use omnisync_testkit::zoo::{Hunted, PublishedRate, published_rate, specimens};
use serde::Serialize;

use crate::Verdict;
use crate::error::Error;
use crate::terminal::Terminal;

/// Runs that the hunt for one specimen takes at most.
const HUNT_RUNS_MAX: u64 = 20_000;
/// Seeds on which the published algorithm is tried.
const PUBLISHED_SEEDS: u64 = 2_000;

#[derive(Debug, Args)]
pub(crate) struct ZooArguments {
    /// Print one JSON object on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
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

/// The one object that `zoo --json` prints.
#[derive(Debug, Serialize)]
struct Zoo {
    mutants: usize,
    caught: usize,
    survivors: Vec<String>,
    published: Published,
    table: Vec<Row>,
}

pub(crate) fn run(arguments: &ZooArguments) -> Result<Verdict, Error> {
    let terminal = Terminal::new(arguments.json);
    let mut table = Vec::new();
    for specimen in specimens() {
        let hunted = specimen.hunt(HUNT_RUNS_MAX);
        let row = Row::new(specimen.name(), specimen.what(), hunted);
        terminal.line(row.line())?;
        table.push(row);
    }
    let zoo = Zoo::new(table, published_rate(PUBLISHED_SEEDS));
    for line in zoo.lines() {
        terminal.line(line)?;
    }
    terminal.result(&zoo)?;
    Ok(zoo.verdict())
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
        format!("{mutant:<28} {fate:<36} {what}")
    }
}

impl Published {
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

impl Zoo {
    fn new(table: Vec<Row>, published: PublishedRate) -> Self {
        let survived = table.iter().filter(|row| row.invariant.is_none());
        let survivors: Vec<String> = survived.map(|row| row.mutant.clone()).collect();
        Self {
            mutants: table.len(),
            caught: table.len() - survivors.len(),
            survivors,
            published: Published {
                seeds: published.seeds,
                failing: published.failing,
                rate: rate(published.failing, published.seeds),
                by_invariant: published.by_invariant,
            },
            table,
        }
    }

    fn lines(&self) -> Vec<String> {
        let caught = format!("{} of {} mutants caught", self.caught, self.mutants);
        vec![self.published.line(), caught]
    }

    /// A zoo without animals proves nothing, and the published algorithm is one of them.
    fn verdict(&self) -> Verdict {
        let all_caught = self.mutants > 0 && self.survivors.is_empty();
        Verdict::kept_if(all_caught && self.published.failing > 0)
    }
}

fn rate(part: u64, whole: u64) -> f64 {
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

    fn zoo(table: Vec<Row>) -> Zoo {
        let published = PublishedRate {
            seeds: 8,
            failing: 2,
            by_invariant: [("I-O1", 2)].into(),
        };
        Zoo::new(table, published)
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
        assert_eq!(zoo(vec![caught()]).verdict(), Verdict::Kept);
        assert_eq!(zoo(vec![caught(), survived()]).verdict(), Verdict::Broken);
        assert_eq!(zoo(Vec::new()).verdict(), Verdict::Broken);
    }

    #[test]
    fn the_published_algorithm_has_to_fail_too() {
        let published = PublishedRate {
            seeds: 8,
            ..PublishedRate::default()
        };
        assert_eq!(
            Zoo::new(vec![caught()], published).verdict(),
            Verdict::Broken
        );
    }
}
