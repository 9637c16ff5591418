//! Explorations one after the other: what they did, and what they found.

use std::path::{Path, PathBuf};

use omnisync_testkit::sim::regression::{self, Regression};
use omnisync_testkit::sim::{Counterexample, Explorer, Replayed, Scenario, Tape};

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::summary::{Found, Totals};
use crate::terminal::Terminal;
use crate::wall::{Stopwatch, per_second};
use crate::way::Way;

/// Where tapes are kept, below the root of the workspace.
pub(crate) const REGRESSIONS: &str = "regressions";

/// Explorations one after the other.
pub(crate) struct Campaign<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) terminal: Terminal,
    /// The workspace.
    pub(crate) root: PathBuf,
    /// Whether runs that break a promise are kept.
    pub(crate) saves: bool,
    pub(crate) totals: Totals,
    pub(crate) found: Vec<Found>,
}

impl Campaign<'_> {
    /// Replays every tape that is kept; says how many there are.
    pub(crate) fn replay_regressions(&mut self) -> Result<usize, Error> {
        let kept = regression::read_folder(&self.root.join(REGRESSIONS))?;
        for kept in &kept {
            let Regression { scenario, tape, .. } = &kept.regression;
            let scenario = self.catalogue.find(scenario, Some(&kept.path))?;
            let replayed = Explorer::new(scenario).replay(tape);
            let Some(violation) = &replayed.violation else {
                continue;
            };
            let file = relative(&self.root, &kept.path);
            self.terminal.line(format!("{file} fails again"))?;
            tell(self.terminal, scenario.name(), tape, &replayed)?;
            self.found.push(Found {
                scenario: scenario.name().to_owned(),
                invariant: violation.invariant,
                detail: violation.detail.clone(),
                tape: tape.to_string(),
                trace_hash: hexadecimal(replayed.trace_hash),
                file: Some(file),
            });
        }
        self.terminal
            .line(format!("{} kept tapes replayed", kept.len()))?;
        Ok(kept.len())
    }

    /// Explores a scenario in one way.
    pub(crate) fn explore(&mut self, scenario: &dyn Scenario, way: Way) -> Result<(), Error> {
        let watch = Stopwatch::start();
        let (report, found) = match way.explore(scenario) {
            Ok(report) => (report, None),
            Err(found) => (found.report.clone(), Some(found)),
        };
        let elapsed = watch.elapsed();
        self.terminal.line(format!(
            "{:<22}{way:<16}{:>10} runs{:>10}/s{:>9.1} s{}",
            scenario.name(),
            report.runs,
            per_second(report.runs, elapsed),
            elapsed.as_secs_f64(),
            if found.is_some() { "  broken" } else { "" },
        ))?;
        self.totals.add(scenario.name(), way, &report);
        match found {
            Some(found) => self.keep(scenario, &found),
            None => Ok(()),
        }
    }

    fn keep(&mut self, scenario: &dyn Scenario, found: &Counterexample) -> Result<(), Error> {
        let replayed = Explorer::new(scenario).replay(&found.tape);
        self.terminal.line(found)?;
        self.terminal
            .line(replay_command(&found.scenario, &found.tape))?;
        let mut file = None;
        if self.saves {
            let name = regression::file_name(found, replayed.trace_hash);
            Regression::of(found).write(&self.root.join(REGRESSIONS).join(&name))?;
            let kept = format!("{REGRESSIONS}/{name}");
            self.terminal.line(format!("kept as {kept}"))?;
            file = Some(kept);
        }
        self.found.push(Found {
            scenario: found.scenario.clone(),
            invariant: found.violation.invariant,
            detail: found.violation.detail.clone(),
            tape: found.tape.to_string(),
            trace_hash: hexadecimal(replayed.trace_hash),
            file,
        });
        Ok(())
    }
}

/// Tells the story of a run.
pub(crate) fn tell(
    terminal: Terminal,
    scenario: &str,
    tape: &Tape,
    replayed: &Replayed,
) -> Result<(), Error> {
    for line in &replayed.story {
        terminal.line(format!("  {line}"))?;
    }
    match &replayed.violation {
        Some(violation) => terminal.line(violation)?,
        None => terminal.line("every promise is kept")?,
    }
    terminal.line(format!(
        "{} port calls, {} faults, trace hash {}",
        replayed.port_calls,
        replayed.faults,
        hexadecimal(replayed.trace_hash)
    ))?;
    if replayed.violation.is_some() {
        terminal.line(replay_command(scenario, tape))?;
    }
    Ok(())
}

/// A hash as it is printed everywhere.
pub(crate) fn hexadecimal(hash: u64) -> String {
    format!("{hash:016x}")
}

fn replay_command(scenario: &str, tape: &Tape) -> String {
    format!("replay it: cargo xtask sim --scenario {scenario} --tape {tape}")
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use async_trait::async_trait;
    use omnisync_core::PortError;
    use omnisync_testkit::sim::Worker;
    use omnisync_testkit::sim::orders::{OrderScenario, Ports};

    use super::*;

    const SEEDS: Way = Way::Seeds {
        first: 0,
        count: 50,
    };

    /// Takes nothing in, so that no order ever settles.
    struct Idle;

    #[async_trait]
    impl Worker for Idle {
        async fn round(&mut self) -> Result<(), PortError> {
            Ok(())
        }
    }

    fn idle() -> Catalogue {
        let host = |_: Ports| -> Box<dyn Worker> { Box::new(Idle) };
        Catalogue::of(OrderScenario::new("idle", host))
    }

    fn campaign<'c>(catalogue: &'c Catalogue, root: &Path, saves: bool) -> Campaign<'c> {
        fs::create_dir_all(root.join(REGRESSIONS)).unwrap();
        Campaign {
            catalogue,
            terminal: Terminal::new(false),
            root: root.to_owned(),
            saves,
            totals: Totals::default(),
            found: Vec::new(),
        }
    }

    #[test]
    fn a_run_that_breaks_a_promise_is_kept_and_fails_when_it_is_replayed() {
        let (folder, idle) = (tempfile::tempdir().unwrap(), idle());
        let mut first = campaign(&idle, folder.path(), true);

        first
            .explore(idle.find("idle", None).unwrap(), SEEDS)
            .unwrap();

        let [found] = &first.found[..] else {
            panic!("{:?}", first.found);
        };
        assert_eq!(found.invariant, "I-O1");
        let hash = found.trace_hash.get(..8).unwrap();
        let file = format!("regressions/idle-I-O1-{hash}.tape");
        assert_eq!(found.file.as_ref(), Some(&file));

        let mut second = campaign(&idle, folder.path(), true);
        assert_eq!(second.replay_regressions().unwrap(), 1);
        assert_eq!(second.found, first.found);
        assert_eq!(second.totals, Totals::default());
    }

    #[test]
    fn nothing_is_kept_where_that_was_asked_for() {
        let (folder, idle) = (tempfile::tempdir().unwrap(), idle());
        let mut campaign = campaign(&idle, folder.path(), false);

        campaign
            .explore(idle.find("idle", None).unwrap(), SEEDS)
            .unwrap();

        assert_eq!(campaign.found[0].file, None);
        assert_eq!(campaign.replay_regressions().unwrap(), 0);
    }

    #[test]
    fn a_kept_tape_whose_scenario_is_gone_is_an_error() {
        let (folder, idle) = (tempfile::tempdir().unwrap(), idle());
        let mut campaign = campaign(&idle, folder.path(), true);
        let path = folder.path().join(REGRESSIONS).join("gone.tape");
        fs::write(&path, "scenario gone\ntape tAAE\n").unwrap();

        let error = campaign.replay_regressions().unwrap_err().to_string();

        assert!(error.contains("no scenario `gone`"), "{error}");
        assert!(error.contains("gone.tape wants"), "{error}");
    }
}
