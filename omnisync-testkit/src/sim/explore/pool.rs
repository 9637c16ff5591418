//! Many runs, on all processors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::super::choices::Mode;
use super::super::report::Report;
use super::super::run::{Ran, run};
use super::super::scenario::Scenario;
use super::super::violation::Violation;

/// Runs that a thread takes at once.
const PORTION: u64 = 32;

/// Which runs to make, and how.
pub(super) struct Batch<'b> {
    pub(super) scenario: &'b dyn Scenario,
    pub(super) count: u64,
    pub(super) threads: usize,
    /// Every so many runs is made twice; 0 for none.
    pub(super) repeat_every: u64,
    /// The choices of the run with this number; `None` when there is no such run.
    pub(super) mode: &'b (dyn Fn(u64) -> Option<Mode> + Sync),
}

/// The first run that failed, and what was explored.
pub(super) struct Explored {
    pub(super) report: Report,
    pub(super) failed: Option<(u64, Ran)>,
}

impl Batch<'_> {
    /// Makes the runs. Of several that fail the one with the lowest number is given, whatever
    /// the number of threads.
    pub(super) fn explore(&self) -> Explored {
        let next = AtomicU64::new(0);
        let first_failed = AtomicU64::new(u64::MAX);
        let explored = Mutex::new(Explored {
            report: Report::default(),
            failed: None,
        });
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    let mut report = Report::default();
                    loop {
                        let from = next.fetch_add(PORTION, Ordering::SeqCst);
                        if from >= self.count || from > first_failed.load(Ordering::SeqCst) {
                            break;
                        }
                        for number in from..(from + PORTION).min(self.count) {
                            let Some(failed) = self.one(number, &mut report) else {
                                continue;
                            };
                            first_failed.fetch_min(number, Ordering::SeqCst);
                            let mut all = explored.lock().unwrap_or_else(PoisonError::into_inner);
                            if all.failed.as_ref().is_none_or(|(other, _)| number < *other) {
                                all.failed = Some((number, failed));
                            }
                            break;
                        }
                    }
                    let mut all = explored.lock().unwrap_or_else(PoisonError::into_inner);
                    all.report.merge(&report);
                });
            }
        });
        explored
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, number: u64, report: &mut Report) -> Option<Ran> {
        let mode = (self.mode)(number)?;
        let is_seed = matches!(mode, Mode::Random(_));
        let mut ran = run(self.scenario, mode, false);
        report.add(&ran);
        report.seeds += u64::from(is_seed);
        if ran.violation.is_none()
            && self.repeat_every > 0
            && number.is_multiple_of(self.repeat_every)
        {
            let again = run(self.scenario, Mode::Replay(ran.tape.clone().into()), false);
            report.repeated += 1;
            if again.hash != ran.hash {
                let detail = "the same choices led to another run";
                ran.violation = Some(Violation::new("I-X4", detail));
            }
        }
        ran.violation.is_some().then_some(ran)
    }
}
