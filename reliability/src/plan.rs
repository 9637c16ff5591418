//! How far each tier goes: every number of the tiers stands here.

use clap::ValueEnum;

use crate::catalogue::{CRM, is_of};
use crate::summary::Totals;
use crate::way::Way;

/// Every run that there is.
const ALL: u64 = u64::MAX;

/// Milliseconds of a year of 365 days.
pub(crate) const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// Preemptions of a run at most.
const PREEMPTIONS_MAX: u32 = 2;

/// How thorough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// On every change
    T1,
    /// On a build machine
    T2,
    /// Before a release
    T3,
}

/// What a tier spends on one scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) scenario: &'static str,
    /// Runs with one fault at most.
    pub(crate) fault_runs_max: u64,
    /// Runs with two faults at most; an even sample when there are more.
    pub(crate) fault_pair_runs_max: u64,
    /// Runs with three faults at most.
    pub(crate) fault_triple_runs_max: u64,
    /// Runs with up to two preemptions and one fault at most.
    pub(crate) preemption_runs_max: u64,
    pub(crate) seeds: u64,
}

/// What a tier has promised. One that did less has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promise {
    /// Runs with a fixed number of faults.
    pub(crate) exhaustive_runs_min: u64,
    /// Those of them with three faults.
    pub(crate) triple_runs_min: u64,
    pub(crate) preemption_runs_min: u64,
    pub(crate) seeds_min: u64,
    /// Those of them that are of CRM sync.
    pub(crate) crm_seeds_min: u64,
    pub(crate) port_calls_min: u64,
    pub(crate) faults_min: u64,
    pub(crate) simulated_years_min: u64,
    /// Whether every mark has to be hit.
    pub(crate) has_all_marks: bool,
}

const T1_PROMISE: Promise = Promise {
    exhaustive_runs_min: 200_000,
    triple_runs_min: 0,
    preemption_runs_min: 500_000,
    seeds_min: 200_000,
    crm_seeds_min: 25_000,
    port_calls_min: 0,
    faults_min: 0,
    simulated_years_min: 0,
    has_all_marks: false,
};

const T2_PROMISE: Promise = Promise {
    exhaustive_runs_min: 1_500_000,
    triple_runs_min: 1_500_000,
    preemption_runs_min: 0,
    seeds_min: 5_000_000,
    crm_seeds_min: 1_000_000,
    port_calls_min: 100_000_000,
    faults_min: 10_000_000,
    simulated_years_min: 0,
    has_all_marks: true,
};

const T3_PROMISE: Promise = Promise {
    preemption_runs_min: T1_PROMISE.preemption_runs_min,
    seeds_min: 50_000_000,
    simulated_years_min: 100_000,
    ..T2_PROMISE
};

/// Every scenario with its pairs, preemptions and seeds. The two smallest are explored wholly, or
/// nearly so; the others add what the smallest cannot show.
const T1: [Share; 55] = [
    share("solo", ALL, 0, 122_000),
    share("never-sent", ALL, 0, 20_000),
    share("duel", ALL, 440_000, 6_000),
    share("one-worker", 1_000, 0, 1_000),
    share("two-workers", 1_000, 0, 1_000),
    share("two-batches", 1_000, 0, 1_000),
    share("pair", 1_000, 84_000, 1_000),
    share("partial-import", 1_000, 0, 1_000),
    share("updates", 1_000, 0, 1_000),
    share("late-changes", 1_000, 0, 1_000),
    share("bad-orders", 1_000, 0, 1_000),
    share("duplicates", 1_000, 0, 1_000),
    share("silent-erp", 1_000, 0, 1_000),
    share("erp-runs-again", 1_000, 0, 1_000),
    share("erp-returns-existing", 1_000, 0, 1_000),
    share("old-age", 1_000, 0, 1_000),
    share("swarm", 1_000, 0, 40_000),
    share("late-erp-refuses", 1_000, 0, 1_000),
    share("late-erp-returns-existing", 1_000, 0, 1_000),
    share("late-erp-runs-again", 1_000, 0, 1_000),
    share("names-refused-only", 1_000, 0, 1_000),
    share("unknown-for-hours", 200, 0, 200),
    share("guarded-erp", 1_000, 0, 1_000),
    share("queue-copies", 1_000, 0, 1_000),
    share("crm-solo", 200, 0, 900),
    share("crm-2", 200, 0, 900),
    share("crm-3", 200, 0, 900),
    share("crm-4", 200, 0, 900),
    share("crm-2-normalises", 200, 0, 900),
    share("crm-3-unforeseen", 200, 0, 900),
    share("crm-2-disagree", 200, 0, 900),
    share("crm-3-disagree", 200, 0, 900),
    share("crm-race", 200, 0, 900),
    share("crm-delete-edit", 200, 0, 900),
    share("crm-2-weak-keys", 200, 0, 900),
    share("crm-3-silent-receipts", 200, 0, 900),
    share("crm-2-silent-receipts", 200, 0, 900),
    share("crm-3-latest-at", 200, 0, 900),
    share("crm-3-truth", 200, 0, 900),
    share("crm-2-max", 200, 0, 900),
    share("crm-3-manual", 200, 0, 900),
    share("crm-3-automation", 200, 0, 900),
    share("crm-2-circle", 200, 0, 900),
    share("crm-3-circle", 200, 0, 900),
    share("crm-2-counting", 200, 0, 900),
    share("crm-2-deletes", 200, 0, 900),
    share("crm-2-in-turn", 200, 0, 900),
    share("crm-3-in-turn", 200, 0, 900),
    share("crm-4-in-turn", 200, 0, 900),
    share("crm-2-merges", 200, 0, 900),
    share("crm-3-merges", 200, 0, 900),
    share("crm-2-references", 200, 0, 900),
    share("crm-3-references", 200, 0, 900),
    share("crm-2-renames", 200, 0, 900),
    share("crm-3-renames", 200, 0, 900),
];

/// What the longer tiers do more of. The second does not repeat the pairs and preemptions that
/// every change has passed; the third does everything.
struct Extension {
    /// Runs with three faults of the smallest scenario. Some of what is sampled names a call
    /// twice and is no run, so the sample is larger than the promise.
    solo_triples: u64,
    solo_seeds: u64,
    never_sent_seeds: u64,
    swarm_seeds: u64,
    crm_seeds: u64,
    other_seeds: u64,
    repeats_t1: bool,
}

const T2: Extension = Extension {
    solo_triples: 1_600_000,
    solo_seeds: 3_680_000,
    never_sent_seeds: 1_200_000,
    swarm_seeds: 70_000,
    crm_seeds: 36_000,
    other_seeds: 6_000,
    repeats_t1: false,
};

const T3: Extension = Extension {
    solo_triples: 1_610_000,
    solo_seeds: 20_000_000,
    never_sent_seeds: 2_000_000,
    swarm_seeds: 20_000_000,
    crm_seeds: 1_000_000,
    other_seeds: 1_000_000,
    repeats_t1: true,
};

const fn share(
    scenario: &'static str,
    fault_pair_runs_max: u64,
    preemption_runs_max: u64,
    seeds: u64,
) -> Share {
    Share {
        scenario,
        fault_runs_max: ALL,
        fault_pair_runs_max,
        fault_triple_runs_max: 0,
        preemption_runs_max,
        seeds,
    }
}

impl Tier {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::T1 => "t1",
            Self::T2 => "t2",
            Self::T3 => "t3",
        }
    }

    pub(crate) const fn promise(self) -> Promise {
        match self {
            Self::T1 => T1_PROMISE,
            Self::T2 => T2_PROMISE,
            Self::T3 => T3_PROMISE,
        }
    }

    /// Whether its runs go into the ledger.
    pub(crate) const fn is_entered(self) -> bool {
        !matches!(self, Self::T1)
    }

    pub(crate) fn shares(self) -> Vec<Share> {
        match self {
            Self::T1 => T1.to_vec(),
            Self::T2 => T1.map(|share| share.extended(&T2)).to_vec(),
            Self::T3 => T1.map(|share| share.extended(&T3)).to_vec(),
        }
    }
}

impl Share {
    fn extended(self, by: &Extension) -> Self {
        let (fault_triple_runs_max, seeds) = match self.scenario {
            "solo" => (by.solo_triples, by.solo_seeds),
            "never-sent" => (0, by.never_sent_seeds),
            "swarm" => (0, by.swarm_seeds),
            other if is_of(other, CRM) => (0, by.crm_seeds),
            _ => (0, by.other_seeds),
        };
        let repeated = |runs_max| if by.repeats_t1 { runs_max } else { 0 };
        Self {
            fault_triple_runs_max,
            fault_pair_runs_max: repeated(self.fault_pair_runs_max),
            preemption_runs_max: repeated(self.preemption_runs_max),
            seeds,
            ..self
        }
    }

    /// What there is to explore, the simplest first.
    pub(crate) fn ways(self, first_seed: u64) -> Vec<Way> {
        let faults = |depth, runs_max| Way::Faults { depth, runs_max };
        let mut ways = vec![
            faults(1, self.fault_runs_max),
            faults(2, self.fault_pair_runs_max),
            faults(3, self.fault_triple_runs_max),
            Way::Preemptions {
                preemptions_max: PREEMPTIONS_MAX,
                runs_max: self.preemption_runs_max,
            },
            Way::Seeds {
                first: first_seed,
                count: self.seeds,
            },
        ];
        ways.retain(|way| !way.is_empty());
        ways
    }
}

impl Promise {
    /// What is left of it where one family of scenarios is explored only.
    pub(crate) fn of(self, family: Option<&str>) -> Self {
        let Some(family) = family else {
            return self;
        };
        Self {
            exhaustive_runs_min: 0,
            triple_runs_min: 0,
            preemption_runs_min: 0,
            seeds_min: 0,
            crm_seeds_min: if family == CRM { self.crm_seeds_min } else { 0 },
            port_calls_min: 0,
            faults_min: 0,
            simulated_years_min: 0,
            has_all_marks: self.has_all_marks && family == CRM,
        }
    }

    /// What was promised and is not there, a line each.
    pub(crate) fn shortfalls(&self, totals: &Totals) -> Vec<String> {
        let counts = [
            (
                "exhaustive runs",
                totals.exhaustive_runs,
                self.exhaustive_runs_min,
            ),
            (
                "runs with three faults",
                totals.triple_runs,
                self.triple_runs_min,
            ),
            (
                "preemption runs",
                totals.preemption_runs,
                self.preemption_runs_min,
            ),
            ("seeds", totals.report.seeds, self.seeds_min),
            ("seeds of CRM sync", totals.crm_seeds, self.crm_seeds_min),
            ("port calls", totals.report.port_calls, self.port_calls_min),
            ("faults", totals.report.faults, self.faults_min),
            (
                "simulated years",
                totals.report.simulated_ms / YEAR_MS,
                self.simulated_years_min,
            ),
        ];
        let short = counts.iter().filter(|(_, actual, min)| actual < min);
        let mut short: Vec<String> = short
            .map(|(what, actual, min)| format!("{actual} {what}, at least {min} were promised"))
            .collect();
        if totals.writes_too_much() {
            short.push("more writes than 1.02 times what is necessary".to_owned());
        }
        short
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use omnisync_testkit::sim::Report;

    use super::*;
    use crate::catalogue::Catalogue;

    const TIERS: [Tier; 3] = [Tier::T1, Tier::T2, Tier::T3];

    fn sum(tier: Tier, number: fn(&Share) -> u64) -> u64 {
        tier.shares()
            .iter()
            .map(number)
            .fold(0, u64::saturating_add)
    }

    /// Totals that keep every promise of a tier, and no more.
    fn enough(promise: &Promise) -> Totals {
        Totals {
            report: Report {
                seeds: promise.seeds_min,
                port_calls: promise.port_calls_min,
                faults: promise.faults_min,
                simulated_ms: promise.simulated_years_min * YEAR_MS,
                ..Report::default()
            },
            exhaustive_runs: promise.exhaustive_runs_min,
            triple_runs: promise.triple_runs_min,
            preemption_runs: promise.preemption_runs_min,
            crm_seeds: promise.crm_seeds_min,
        }
    }

    #[test]
    fn every_tier_explores_every_scenario_once() {
        let mut known = Catalogue::load().names();
        known.sort();
        for tier in TIERS {
            let shares = tier.shares();
            let planned: BTreeSet<&str> = shares.iter().map(|share| share.scenario).collect();
            assert_eq!(shares.len(), planned.len(), "{tier:?}");
            assert!(planned.iter().eq(&known), "{tier:?}: {planned:?} {known:?}");
        }
    }

    #[test]
    fn every_tier_plans_what_it_promises() {
        for tier in TIERS {
            let promise = tier.promise();
            let triples = sum(tier, |share| share.fault_triple_runs_max);
            let pairs = sum(tier, |share| share.fault_pair_runs_max);
            let exhaustive = pairs.saturating_add(triples);
            assert!(exhaustive >= promise.exhaustive_runs_min, "{tier:?}");
            assert!(triples >= promise.triple_runs_min);
            assert!(sum(tier, |share| share.preemption_runs_max) >= promise.preemption_runs_min);
            assert!(
                sum(tier, |share| share.seeds) >= promise.seeds_min,
                "{tier:?}"
            );
            assert!(sum(tier, |share| share.fault_runs_max) == ALL, "{tier:?}");
        }
    }

    #[test]
    fn a_longer_tier_goes_further_and_the_longest_leaves_nothing_out() {
        let shares = |tier: Tier| tier.shares().into_iter();
        for [shorter, longer] in [[Tier::T1, Tier::T2], [Tier::T2, Tier::T3]] {
            for (short, long) in shares(shorter).zip(shares(longer)) {
                assert_eq!(short.scenario, long.scenario);
                assert!(short.fault_runs_max <= long.fault_runs_max);
                assert!(short.fault_triple_runs_max <= long.fault_triple_runs_max);
                assert!(short.seeds <= long.seeds, "{}", short.scenario);
            }
        }
        for (first, last) in shares(Tier::T1).zip(shares(Tier::T3)) {
            assert_eq!(first.fault_pair_runs_max, last.fault_pair_runs_max);
            assert_eq!(first.preemption_runs_max, last.preemption_runs_max);
            assert!(first.seeds <= last.seeds);
        }
    }

    #[test]
    fn a_tier_that_did_less_than_it_promised_says_what_is_missing() {
        for tier in TIERS {
            let promise = tier.promise();
            let mut totals = enough(&promise);
            assert_eq!(promise.shortfalls(&totals), [""; 0]);

            totals.report.seeds -= 1;
            totals.exhaustive_runs = 0;
            let short =
                |count, min, what: &str| format!("{count} {what}, at least {min} were promised");
            let seeds = short(promise.seeds_min - 1, promise.seeds_min, "seeds");
            let exhaustive = short(0, promise.exhaustive_runs_min, "exhaustive runs");
            assert_eq!(promise.shortfalls(&totals), [exhaustive, seeds]);
        }
    }

    #[test]
    fn seeds_begin_where_they_are_told_to() {
        let ways = share("pair", 0, 0, 7).ways(1_000);
        let (depth, runs_max) = (1, ALL);
        let (first, count) = (1_000, 7);
        assert_eq!(
            ways,
            [Way::Faults { depth, runs_max }, Way::Seeds { first, count }]
        );
    }
}
