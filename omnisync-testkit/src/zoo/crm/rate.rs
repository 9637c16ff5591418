use std::sync::Arc;

use super::baselines;
use crate::sim::Explorer;
use crate::sim::crm::{CrmPorts, CrmScenario, Failing, Manners};

/// Systems that share records.
const SYSTEMS: usize = 3;
/// Changes that people make at most, besides the record that they begin with.
const ACTS_MAX: u32 = 6;

/// What the systems make of values, and the word for it.
const MANNERS: [(&str, Manners); 3] = [
    ("identity", Manners::Keep),
    ("one normalises", Manners::OneNormalises { is_known: false }),
    ("two disagree", Manners::TwoDisagree),
];

/// How often an algorithm fails among systems of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRate {
    /// The algorithm.
    pub algorithm: &'static str,
    /// What it does.
    pub what: &'static str,
    /// These are the flows that ship: they must not fail.
    pub ships: bool,
    /// What the systems make of values: `identity`, `one normalises`, or `two disagree`.
    pub normalisers: &'static str,
    /// Runs, each from a seed of its own.
    pub seeds: u64,
    /// Runs in which it failed in any way.
    pub failing: u64,
    /// Runs in which it still wrote long after the last edit.
    pub never_quiet: u64,
    /// Runs that became quiet while the systems did not hold what they make of one common value.
    pub diverged: u64,
    /// Runs in which a person's value was overwritten that nobody replaced knowingly, and that no
    /// conflict names.
    pub overwritten: u64,
}

/// Runs every baseline when it is asked for, and last the flows as they ship, with so many seeds for each kind of
/// systems.
///
/// All have the same people, events and faults, and everything is judged by what the systems hold
/// and by what people did in them. Nothing is removed.
pub fn rates(seeds: u64) -> impl Iterator<Item = SyncRate> {
    let all = baselines::all().into_iter();
    let among = |baseline: baselines::Baseline| MANNERS.map(|manners| (baseline.clone(), manners));
    all.flat_map(among)
        .map(move |(baseline, (word, manners))| rate(&baseline, word, manners, seeds))
}

fn rate(
    baseline: &baselines::Baseline,
    normalisers: &'static str,
    manners: Manners,
    seeds: u64,
) -> SyncRate {
    let host = Arc::clone(&baseline.host);
    let start = move |ports: CrmPorts| host.start(ports);
    let scenario = CrmScenario::new(baseline.name, SYSTEMS, start)
        .with_manners(manners)
        .with_any_acts(ACTS_MAX, false)
        .judged_by_facts();
    let explorer = Explorer::new(&scenario).without_repeating();
    let rate = explorer.rate(0, seeds);
    let mut counted = SyncRate {
        algorithm: baseline.name,
        what: baseline.what,
        ships: baseline.ships,
        normalisers,
        seeds: rate.report.seeds,
        failing: rate.failing,
        never_quiet: 0,
        diverged: 0,
        overwritten: 0,
    };
    for (word, runs) in rate.by_invariant {
        let failing = Failing::of(word);
        for (failed, count) in [
            (failing.never_quiet, &mut counted.never_quiet),
            (failing.diverged, &mut counted.diverged),
            (failing.overwritten, &mut counted.overwritten),
        ] {
            *count += if failed { runs } else { 0 };
        }
    }
    counted
}
