use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::run::Ran;
use super::tape::Tape;
use super::violation::Violation;

/// What an exploration did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Runs of every kind.
    pub runs: u64,
    /// Runs whose choices were drawn from a seed.
    pub seeds: u64,
    /// Port calls.
    pub port_calls: u64,
    /// Faults.
    pub faults: u64,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Runs that were made a second time to see whether they are the same.
    pub repeated: u64,
    /// What happened in some run.
    pub marks: BTreeSet<&'static str>,
    /// What scenarios count, by its name.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Report {
    pub(super) fn add(&mut self, ran: &Ran) {
        self.runs += 1;
        self.port_calls += ran.calls;
        self.faults += ran.faults;
        self.simulated_ms += ran.simulated_ms;
        self.marks.extend(&ran.marks);
        for (name, number) in &ran.counts {
            *self.counts.entry(name).or_default() += number;
        }
    }

    /// Adds another exploration.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.seeds += other.seeds;
        self.port_calls += other.port_calls;
        self.faults += other.faults;
        self.simulated_ms += other.simulated_ms;
        self.repeated += other.repeated;
        self.marks.extend(&other.marks);
        for (name, number) in &other.counts {
            *self.counts.entry(name).or_default() += number;
        }
    }

    /// Which of `expected` never happened.
    pub fn missed<'m>(&self, expected: &[&'m str]) -> Vec<&'m str> {
        expected
            .iter()
            .filter(|mark| !self.marks.contains(**mark))
            .copied()
            .collect()
    }
}

/// How many of some runs broke a promise, each judged by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rate {
    /// Runs that broke one.
    pub failing: u64,
    /// How many of them broke which promise first.
    pub by_invariant: BTreeMap<&'static str, u64>,
    /// What was explored.
    pub report: Report,
}

impl Rate {
    pub(super) fn count(&mut self, violation: Option<&Violation>) {
        if let Some(violation) = violation {
            self.failing += 1;
            *self.by_invariant.entry(violation.invariant).or_default() += 1;
        }
    }

    /// Adds another exploration.
    pub fn merge(&mut self, other: &Self) {
        self.failing += other.failing;
        for (invariant, failing) in &other.by_invariant {
            *self.by_invariant.entry(invariant).or_default() += failing;
        }
        self.report.merge(&other.report);
    }
}

/// A run that broke a promise, made as short as it could be.
#[derive(Debug, Clone, Error)]
#[error(
    "{violation}\nscenario {scenario}, run {run}, tape {tape}{}",
    Story(story)
)]
pub struct Counterexample {
    /// The scenario.
    pub scenario: String,
    /// What was broken.
    pub violation: Violation,
    /// The run: replay it to see it again.
    pub tape: Tape,
    /// The tape before it was shortened.
    pub original: Tape,
    /// Which run of the exploration it was, beginning with 1; 0 for the undisturbed run that
    /// an exploration begins with.
    pub run: u64,
    /// Every call of the run, one a line.
    pub story: Vec<String>,
    /// What was explored up to there.
    pub report: Report,
}

struct Story<'s>(&'s [String]);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
