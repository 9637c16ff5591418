//! What was explored, summed up.

use std::time::Duration;

use omnisync_testkit::sim::Report;
use omnisync_testkit::sim::crm::{LEAST_WRITES, WRITES};
use serde::Serialize;

use crate::catalogue::{CRM, is_of};
use crate::plan::YEAR_MS;
use crate::wall::{per_second, seconds};
use crate::way::Way;

/// Writes of CRM sync for each hundred that are necessary, at most.
const WRITES_PERCENT_MAX: u64 = 102;

/// Everything explored so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) report: Report,
    /// Runs with a fixed number of faults.
    pub(crate) exhaustive_runs: u64,
    /// Those of them with three faults.
    pub(crate) triple_runs: u64,
    pub(crate) preemption_runs: u64,
    /// Seeds of CRM sync.
    pub(crate) crm_seeds: u64,
}

/// A run that broke a promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) scenario: String,
    pub(crate) invariant: &'static str,
    pub(crate) detail: String,
    pub(crate) tape: String,
    /// In hexadecimal digits: not every reader of JSON keeps 64 bits.
    pub(crate) trace_hash: String,
    /// Where it is kept, below the root of the workspace.
    pub(crate) file: Option<String>,
}

/// The one object that `sim --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// None when it was no tier but some seeds.
    pub(crate) tier: Option<&'static str>,
    pub(crate) runs: u64,
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    pub(crate) port_calls: u64,
    pub(crate) faults: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) violations: usize,
    pub(crate) marks_missed: Vec<&'static str>,
    pub(crate) exhaustive_runs: u64,
    pub(crate) triple_runs: u64,
    pub(crate) preemption_runs: u64,
    pub(crate) crm_seeds: u64,
    /// Writes of CRM sync where nothing fails and people take turns.
    pub(crate) writes: u64,
    /// The fewest that could have done the same.
    pub(crate) least_writes: u64,
    pub(crate) repeated: u64,
    /// Tapes that were replayed first; they do not count as runs.
    pub(crate) regressions: usize,
    pub(crate) seconds: f64,
    /// What the tier promised and did not do.
    pub(crate) shortfalls: Vec<String>,
    pub(crate) counterexamples: Vec<Found>,
}

impl Totals {
    pub(crate) fn add(&mut self, scenario: &str, way: Way, report: &Report) {
        self.report.merge(report);
        if is_of(scenario, CRM) {
            self.crm_seeds += report.seeds;
        }
        match way {
            Way::Faults { depth, .. } => {
                self.exhaustive_runs += report.runs;
                if depth == 3 {
                    self.triple_runs += report.runs;
                }
            }
            Way::Preemptions { .. } => self.preemption_runs += report.runs,
            Way::Seeds { .. } => {}
        }
    }

    /// The totals for people.
    pub(crate) fn lines(&self, elapsed: Duration) -> Vec<String> {
        let report = &self.report;
        let mut lines = vec![
            format!(
                "{} runs in {:.1} s, {} a second: {} exhaustive, {} with preemptions, {} seeds, \
                 {} made twice",
                report.runs,
                elapsed.as_secs_f64(),
                per_second(report.runs, elapsed),
                self.exhaustive_runs,
                self.preemption_runs,
                report.seeds,
                report.repeated,
            ),
            format!(
                "{} port calls, {} faults, {} simulated years",
                report.port_calls,
                report.faults,
                report.simulated_ms / YEAR_MS,
            ),
        ];
        if self.crm_seeds > 0 {
            lines.push(format!("{} seeds of CRM sync", self.crm_seeds));
        }
        let (writes, least) = (self.counted(WRITES), self.counted(LEAST_WRITES));
        if let Some(hundredths) = (writes * 10_000).checked_div(least) {
            lines.push(format!(
                "{writes} writes where nothing failed, {least} were necessary: {}.{:04}",
                hundredths / 10_000,
                hundredths % 10_000
            ));
        }
        lines
    }

    /// Writes are at most two in a hundred more than what is necessary: what a system makes of a value
    /// is known only once it was written there.
    pub(crate) fn writes_too_much(&self) -> bool {
        self.counted(WRITES) * 100 > self.counted(LEAST_WRITES) * WRITES_PERCENT_MAX
    }

    fn counted(&self, name: &str) -> u64 {
        self.report.counts.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn summary(&self, elapsed: Duration) -> Summary {
        let report = &self.report;
        Summary {
            tier: None,
            runs: report.runs,
            seeds: report.seeds,
            first_seed: 0,
            port_calls: report.port_calls,
            faults: report.faults,
            simulated_ms: report.simulated_ms,
            violations: 0,
            marks_missed: Vec::new(),
            exhaustive_runs: self.exhaustive_runs,
            triple_runs: self.triple_runs,
            preemption_runs: self.preemption_runs,
            crm_seeds: self.crm_seeds,
            writes: self.counted(WRITES),
            least_writes: self.counted(LEAST_WRITES),
            repeated: report.repeated,
            regressions: 0,
            seconds: seconds(elapsed),
            shortfalls: Vec::new(),
            counterexamples: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(runs: u64, seeds: u64) -> Report {
        Report {
            runs,
            seeds,
            port_calls: runs * 10,
            faults: runs * 2,
            simulated_ms: runs * YEAR_MS,
            repeated: runs / 100,
            ..Report::default()
        }
    }

    fn totals() -> Totals {
        let mut totals = Totals::default();
        for (depth, runs) in [(1, 100), (2, 200), (3, 400)] {
            let runs_max = u64::MAX;
            totals.add("pair", Way::Faults { depth, runs_max }, &report(runs, 0));
        }
        let (preemptions_max, runs_max) = (2, 800);
        let preemptions = Way::Preemptions {
            preemptions_max,
            runs_max,
        };
        totals.add("pair", preemptions, &report(800, 0));
        let (first, count) = (0, 1_600);
        totals.add("pair", Way::Seeds { first, count }, &report(600, 600));
        let mut seeds = report(1_000, 1_000);
        seeds.counts = [(WRITES, 101), (LEAST_WRITES, 100)].into();
        totals.add("crm-2", Way::Seeds { first, count }, &seeds);
        totals
    }

    #[test]
    fn every_run_is_counted_once_as_what_it_is() {
        let totals = totals();
        assert_eq!(totals.report.runs, 3_100);
        assert_eq!(totals.report.seeds, 1_600);
        assert_eq!(totals.exhaustive_runs, 700);
        assert_eq!(totals.triple_runs, 400);
        assert_eq!(totals.preemption_runs, 800);
        assert_eq!(totals.crm_seeds, 1_000);
    }

    #[test]
    fn the_lines_for_people_carry_the_numbers() {
        let lines = totals().lines(Duration::from_secs(2));
        let [runs, calls, crm, writes] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert_eq!(
            runs,
            "3100 runs in 2.0 s, 1550 a second: 700 exhaustive, 800 with preemptions, 1600 seeds, \
             31 made twice"
        );
        assert_eq!(calls, "31000 port calls, 6200 faults, 3100 simulated years");
        assert_eq!(crm, "1000 seeds of CRM sync");
        assert_eq!(
            writes,
            "101 writes where nothing failed, 100 were necessary: 1.0100"
        );
    }

    #[test]
    fn two_writes_in_a_hundred_may_be_too_many() {
        let mut totals = totals();
        for (writes, is_too_much) in [(102, false), (103, true)] {
            totals.report.counts.insert(WRITES, writes);
            assert_eq!(totals.writes_too_much(), is_too_much);
        }
    }

    #[test]
    fn the_object_has_the_members_that_programs_read() {
        let summary = Summary {
            tier: Some("t1"),
            violations: 1,
            marks_missed: vec!["takeover"],
            regressions: 4,
            shortfalls: vec!["too few".to_owned()],
            counterexamples: vec![Found {
                scenario: "pair".to_owned(),
                invariant: "I-O2",
                detail: "imported twice".to_owned(),
                tape: "tAAE".to_owned(),
                trace_hash: "0123456789abcdef".to_owned(),
                file: None,
            }],
            ..totals().summary(Duration::from_millis(1_500))
        };
        assert_eq!(
            serde_json::to_value(summary).unwrap(),
            json!({
                "tier": "t1", "runs": 3_100, "seeds": 1_600, "first_seed": 0,
                "port_calls": 31_000, "faults": 6_200, "simulated_ms": 3_100 * YEAR_MS,
                "violations": 1, "marks_missed": ["takeover"], "exhaustive_runs": 700,
                "triple_runs": 400, "preemption_runs": 800, "crm_seeds": 1_000, "writes": 101,
                "least_writes": 100, "repeated": 31, "regressions": 4,
                "seconds": 1.5, "shortfalls": ["too few"],
                "counterexamples": [{
                    "scenario": "pair", "invariant": "I-O2", "detail": "imported twice",
                    "tape": "tAAE", "trace_hash": "0123456789abcdef", "file": null,
                }],
            })
        );
    }
}
