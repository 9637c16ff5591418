//! Explorers: ways to choose the runs, over the same tape.

mod plans;
mod pool;
mod repeat;
mod shrink;

use std::num::NonZero;
use std::thread;

use super::choices::{Mode, Odometer, Plan};
use super::report::{Counterexample, Rate, Report};
use super::run::{Ran, run};
use super::scenario::Scenario;
use super::tape::Tape;
use super::violation::Violation;
use crate::rng::SplitMix64;

use plans::Plans;
use pool::Batch;
use repeat::{SAME_RUN, repeat};

/// One in so many runs is made twice to see that it is the same.
const REPEAT_EVERY: u64 = 100;
/// Seeds of [`explore`].
const EXPLORE_SEEDS: u64 = 500;
/// Fault pairs of [`explore`].
const EXPLORE_PAIRS: u64 = 500;
/// Preemptions of [`explore`].
const EXPLORE_PREEMPTIONS: u64 = 300;

/// Explores a scenario as a test does: every single fault, a sample of fault pairs and of
/// preemptions, and some hundred seeds. [`Explorer`] has the means to go further.
///
/// # Errors
/// The first run that breaks a promise, shortened.
pub fn explore(scenario: &dyn Scenario) -> Result<Report, Box<Counterexample>> {
    let explorer = Explorer::new(scenario);
    let mut report = explorer.faults(1, u64::MAX)?;
    report.merge(&explorer.faults(2, EXPLORE_PAIRS)?);
    report.merge(&explorer.preemptions(2, EXPLORE_PREEMPTIONS)?);
    report.merge(&explorer.seeds(0, EXPLORE_SEEDS)?);
    Ok(report)
}

/// Explores a scenario in one way or another.
#[derive(Clone)]
pub struct Explorer<'s> {
    scenario: &'s dyn Scenario,
    threads: usize,
    shrinks: bool,
    repeats: bool,
}

impl std::fmt::Debug for Explorer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explorer")
            .field("scenario", &self.scenario.name())
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// A run that was made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Hash of everything that happened.
    pub trace_hash: u64,
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// Port calls.
    pub port_calls: u64,
    /// Faults.
    pub faults: u64,
    /// Every call, one a line.
    pub story: Vec<String>,
    /// Marks that were hit.
    pub marks: Vec<&'static str>,
}

impl<'s> Explorer<'s> {
    /// An explorer of `scenario`, on all processors.
    pub fn new(scenario: &'s dyn Scenario) -> Self {
        Self {
            scenario,
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            shrinks: true,
            repeats: true,
        }
    }

    /// The same explorer on so many threads. What it finds does not depend on them.
    #[must_use]
    pub fn on_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The same explorer, which gives a failing run as it is.
    #[must_use]
    pub fn without_shrinking(mut self) -> Self {
        self.shrinks = false;
        self
    }

    /// The same explorer, which takes for granted that a failing run can be made again: for rates of
    /// what fails nearly always.
    #[must_use]
    pub fn without_repeating(mut self) -> Self {
        self.repeats = false;
        self
    }

    /// The undisturbed run, and then every run with exactly `depth` faults; an even sample of
    /// them when there are more than `runs_max`. Workers take turns.
    ///
    /// # Errors
    /// The first run that breaks a promise.
    pub fn faults(&self, depth: usize, runs_max: u64) -> Result<Report, Box<Counterexample>> {
        let undisturbed = self.undisturbed(Plan::default())?;
        let plans = Plans::faults(&undisturbed.operations, depth);
        self.plans(&plans, runs_max)
    }

    /// Every run with up to `preemptions_max` preemptions, at most 2, and up to one fault; an
    /// even sample of them when there are more than `runs_max`. A worker goes on until it is
    /// preempted.
    ///
    /// # Errors
    /// The first run that breaks a promise.
    pub fn preemptions(
        &self,
        preemptions_max: u32,
        runs_max: u64,
    ) -> Result<Report, Box<Counterexample>> {
        let undisturbed = self.undisturbed(Plan {
            unfair: true,
            ..Plan::default()
        })?;
        let plans = Plans::preemptions(&undisturbed.operations, undisturbed.steps, preemptions_max);
        self.plans(&plans, runs_max)
    }

    /// Runs whose every choice is drawn from a seed: `count` seeds from `first` on.
    ///
    /// # Errors
    /// The first run that breaks a promise.
    pub fn seeds(&self, first: u64, count: u64) -> Result<Report, Box<Counterexample>> {
        self.batch(count, &seeded(first))
    }

    /// How many of the same runs break a promise. None ends the exploration: each is judged by
    /// itself.
    pub fn rate(&self, first: u64, count: u64) -> Rate {
        self.runs(count, &seeded(first)).rate()
    }

    /// Every run there is with up to `faults_max` faults, depth first, and no more than
    /// `runs_max`. On one thread.
    ///
    /// # Errors
    /// The first run that breaks a promise.
    pub fn tapes(&self, faults_max: u32, runs_max: u64) -> Result<Report, Box<Counterexample>> {
        let mut report = Report::default();
        let mut next = Some(Odometer::new(faults_max));
        while let Some(odometer) = next.take().filter(|_| report.runs < runs_max) {
            let mut ran = run(self.scenario, Mode::Odometer(odometer), false);
            report.add(&ran);
            if ran.violation.is_some() {
                repeat(self.scenario, &mut ran);
                return Err(self.counterexample(report.runs, &ran, report.clone()));
            }
            let used = ran.tape.choices().len();
            if let Mode::Odometer(odometer) = ran.mode {
                next = odometer.advance(used);
            }
        }
        Ok(report)
    }

    /// Makes one run again.
    pub fn replay(&self, tape: &Tape) -> Replayed {
        let ran = run(self.scenario, Mode::Replay(tape.clone().into()), true);
        Replayed {
            trace_hash: ran.hash,
            violation: ran.violation,
            port_calls: ran.calls,
            faults: ran.faults,
            story: ran.story,
            marks: ran.marks,
        }
    }

    /// The run of one seed, to be replayed from its tape.
    pub fn tape_of_seed(&self, seed: u64) -> Tape {
        run(self.scenario, Mode::Random(SplitMix64::new(seed)), false).tape
    }

    fn undisturbed(&self, plan: Plan) -> Result<Ran, Box<Counterexample>> {
        let mut ran = run(self.scenario, Mode::Planned(plan), true);
        if ran.violation.is_some() {
            repeat(self.scenario, &mut ran);
            let mut report = Report::default();
            report.add(&ran);
            return Err(self.counterexample(0, &ran, report));
        }
        Ok(ran)
    }

    fn plans(&self, plans: &Plans, runs_max: u64) -> Result<Report, Box<Counterexample>> {
        let all = plans.count();
        let count = all.min(runs_max);
        let stride = if count < all { stride(all) } else { 1 };
        let mode = |number: u64| {
            let number = u128::from(number) * u128::from(stride) % u128::from(all.max(1));
            let plan = plans.plan(u64::try_from(number).unwrap_or_default());
            plan.map(Mode::Planned)
        };
        self.batch(count, &mode)
    }

    fn batch(
        &self,
        count: u64,
        mode: &(dyn Fn(u64) -> Option<Mode> + Sync),
    ) -> Result<Report, Box<Counterexample>> {
        let explored = self.runs(count, mode).explore();
        match explored.failed {
            None => Ok(explored.report),
            Some((number, ran)) => Err(self.counterexample(number + 1, &ran, explored.report)),
        }
    }

    fn runs<'b>(&'b self, count: u64, mode: &'b (dyn Fn(u64) -> Option<Mode> + Sync)) -> Batch<'b> {
        Batch {
            scenario: self.scenario,
            count,
            threads: self.threads,
            repeat_every: REPEAT_EVERY,
            repeat_failures: self.repeats,
            mode,
        }
    }

    fn counterexample(&self, number: u64, ran: &Ran, report: Report) -> Box<Counterexample> {
        let found = ran
            .violation
            .clone()
            .unwrap_or_else(|| Violation::new(SAME_RUN, "a failure that did not come again"));
        // What does not come again cannot be shortened.
        let tape = if self.shrinks && found.invariant != SAME_RUN {
            shrink::shrink(self.scenario, &ran.tape, found.invariant)
        } else {
            ran.tape.clone()
        };
        let replayed = self.replay(&tape);
        let same = |violation: &Violation| violation.invariant == found.invariant;
        Box::new(Counterexample {
            scenario: self.scenario.name().to_owned(),
            violation: replayed.violation.filter(same).unwrap_or(found),
            tape,
            original: ran.tape.clone(),
            run: number,
            story: replayed.story,
            report,
        })
    }
}

/// The choices of the runs whose seeds begin with `first`.
fn seeded(first: u64) -> impl Fn(u64) -> Option<Mode> + Sync {
    move |number| {
        let seed = first.wrapping_add(number);
        Some(Mode::Random(SplitMix64::new(seed)))
    }
}

/// A step that visits all of `count` numbers, far apart at first.
fn stride(count: u64) -> u64 {
    let golden = u128::from(count) * 618 / 1_000;
    let mut stride = u64::try_from(golden).unwrap_or(1).max(1);
    while greatest_common_divisor(stride, count) != 1 {
        stride += 1;
    }
    stride
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_visits_every_number_once() {
        for count in [1, 2, 7, 10, 1_000] {
            let stride = stride(count);
            let mut seen: Vec<u64> = (0..count).map(|number| number * stride % count).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }
}
