//! Many runs, on all processors.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::super::choices::Mode;
use super::super::report::{Rate, Report};
use super::super::run::{Ran, run};
use super::super::scenario::Scenario;
use super::repeat::repeat;

/// Runs that a thread takes at once.
const PORTION: u64 = 32;

/// Which runs to make, and how.
pub(super) struct Batch<'b> {
    pub(super) scenario: &'b dyn Scenario,
    pub(super) count: u64,
    pub(super) threads: usize,
    /// Every so many runs is made twice; 0 for none.
    pub(super) repeat_every: u64,
    /// Every run that fails is made twice.
    pub(super) repeat_failures: bool,
    /// The choices of the run with this number; `None` when there is no such run.
    pub(super) mode: &'b (dyn Fn(u64) -> Option<Mode> + Sync),
}

/// The first run that failed, and what was explored up to it.
#[derive(Default)]
pub(super) struct Explored {
    pub(super) report: Report,
    pub(super) failed: Option<(u64, Ran)>,
}

impl Batch<'_> {
    /// Makes the runs up to the first that fails, whatever the number of threads: what some of
    /// them did beyond it does not count.
    pub(super) fn explore(&self) -> Explored {
        let first_failed = AtomicU64::new(u64::MAX);
        let merging = Mutex::new(Merging::default());
        self.in_portions(|numbers| {
            if numbers.start > first_failed.load(Ordering::SeqCst) {
                return false;
            }
            let from = numbers.start;
            let portion = self.portion(numbers);
            if let Some((number, _)) = portion.failed {
                first_failed.fetch_min(number, Ordering::SeqCst);
            }
            let mut merging = merging.lock().unwrap_or_else(PoisonError::into_inner);
            merging.add(from, portion);
            true
        });
        let merging = merging.into_inner();
        merging.unwrap_or_else(PoisonError::into_inner).explored
    }

    /// Makes all the runs and counts those that fail, each judged by itself.
    pub(super) fn rate(&self) -> Rate {
        let all = Mutex::new(Rate::default());
        self.in_portions(|numbers| {
            let mut rate = Rate::default();
            for number in numbers {
                let failed = self.one(number, &mut rate.report);
                rate.count(failed.and_then(|ran| ran.violation).as_ref());
            }
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.merge(&rate);
            true
        });
        all.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the numbers of all runs taken by threads, some at once, in ascending order. A thread
    /// ends when `take` says so.
    fn in_portions(&self, take: impl Fn(Range<u64>) -> bool + Sync) {
        let next = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let from = next.fetch_add(PORTION, Ordering::SeqCst);
                        if from >= self.count || !take(from..(from + PORTION).min(self.count)) {
                            break;
                        }
                    }
                });
            }
        });
    }

    /// Some runs, one after the other, up to the first that fails.
    fn portion(&self, numbers: Range<u64>) -> Explored {
        let mut explored = Explored::default();
        for number in numbers {
            if let Some(failed) = self.one(number, &mut explored.report) {
                explored.failed = Some((number, failed));
                break;
            }
        }
        explored
    }

    fn one(&self, number: u64, report: &mut Report) -> Option<Ran> {
        let mode = (self.mode)(number)?;
        let is_seed = matches!(mode, Mode::Random(_));
        let mut ran = run(self.scenario, mode, false);
        report.add(&ran);
        report.seeds += u64::from(is_seed);
        let is_due = self.repeat_every > 0 && number.is_multiple_of(self.repeat_every);
        if is_due || self.repeat_failures && ran.violation.is_some() {
            repeat(self.scenario, &mut ran);
            report.repeated += 1;
        }
        ran.violation.is_some().then_some(ran)
    }
}

/// Puts portions together in the order of their runs, in whatever order they come.
#[derive(Default)]
struct Merging {
    explored: Explored,
    /// The portion that comes next.
    next: u64,
    waiting: BTreeMap<u64, Explored>,
}

impl Merging {
    fn add(&mut self, from: u64, portion: Explored) {
        self.waiting.insert(from, portion);
        while self.explored.failed.is_none()
            && let Some(portion) = self.waiting.remove(&self.next)
        {
            self.explored.report.merge(&portion.report);
            self.explored.failed = portion.failed;
            self.next += PORTION;
        }
    }
}
