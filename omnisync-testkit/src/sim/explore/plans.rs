//! Which runs there are with so many faults or preemptions.

use std::collections::BTreeMap;

use super::super::choices::Plan;
use super::super::fault_kind::FaultKind;

/// A fault makes a run longer: later ones may lie this far behind the end of the undisturbed one,
/// for each fault.
const BEHIND_THE_END: u64 = 4;
/// Positions in the menu of a call that the undisturbed run did not make.
const USUAL_KINDS: u32 = 6;
/// Steps of a run at which workers may be preempted.
const STEPS_MAX: u64 = 140;

/// Every way to disturb a run within bounds, addressable by number.
#[derive(Debug)]
pub(super) struct Plans {
    /// Call and position in its menu.
    faults: Vec<(u64, u32)>,
    /// How many of them strike.
    fault_depth: usize,
    /// Steps at which a worker may be preempted, and how often at most; 0 steps when workers
    /// take turns.
    steps: u64,
    preemptions_max: u32,
}

impl Plans {
    /// Exactly `depth` faults.
    pub(super) fn faults(operations: &[&'static str], depth: usize) -> Self {
        Self {
            faults: places(operations, depth),
            fault_depth: depth,
            steps: 0,
            preemptions_max: 0,
        }
    }

    /// At most `preemptions_max` (0, 1 or 2) preemptions and at most one fault.
    pub(super) fn preemptions(
        operations: &[&'static str],
        steps: u64,
        preemptions_max: u32,
    ) -> Self {
        Self {
            faults: places(operations, 1),
            fault_depth: 1,
            steps: steps.min(STEPS_MAX),
            preemptions_max,
        }
    }

    /// How many plans there are.
    pub(super) fn count(&self) -> u64 {
        if self.steps == 0 {
            combinations(self.places(), self.fault_depth)
        } else {
            self.preemption_sets() * (1 + self.places())
        }
    }

    /// The plan with this number; `None` when it names a call twice.
    pub(super) fn plan(&self, number: u64) -> Option<Plan> {
        if self.steps == 0 {
            let faults = self.fault_set(number)?;
            return Some(Plan {
                unfair: false,
                faults,
                preemptions: Vec::new(),
            });
        }
        let sets = self.preemption_sets();
        let faults = match (number / sets).checked_sub(1) {
            None => BTreeMap::new(),
            Some(place) => {
                let place = usize::try_from(place).ok()?;
                BTreeMap::from([*self.faults.get(place)?])
            }
        };
        Some(Plan {
            unfair: true,
            faults,
            preemptions: self.preemption_set(number % sets),
        })
    }

    fn places(&self) -> u64 {
        u64::try_from(self.faults.len()).unwrap_or(u64::MAX)
    }

    fn fault_set(&self, number: u64) -> Option<BTreeMap<u64, u32>> {
        let mut chosen = BTreeMap::new();
        for place in combination(number, self.places(), self.fault_depth) {
            let (call, kind) = *self.faults.get(usize::try_from(place).ok()?)?;
            chosen.insert(call, kind);
        }
        (chosen.len() == self.fault_depth).then_some(chosen)
    }

    fn preemption_sets(&self) -> u64 {
        match self.preemptions_max {
            0 => 1,
            1 => 1 + self.steps,
            _ => 1 + self.steps + combinations(self.steps, 2),
        }
    }

    fn preemption_set(&self, number: u64) -> Vec<u64> {
        if number == 0 {
            return Vec::new();
        }
        let number = number - 1;
        let steps = match number.checked_sub(self.steps) {
            None => vec![number],
            Some(pair) => combination(pair, self.steps, 2),
        };
        // Steps are counted from 1.
        steps.into_iter().map(|step| step + 1).collect()
    }
}

fn places(operations: &[&'static str], depth: usize) -> Vec<(u64, u32)> {
    let mut places = Vec::new();
    let mut call = 0;
    for operation in operations {
        call += 1;
        let menu = u32::try_from(FaultKind::menu(operation).len()).unwrap_or(u32::MAX);
        places.extend((0..menu).map(|kind| (call, kind)));
    }
    let behind = BEHIND_THE_END * u64::try_from(depth).unwrap_or(1);
    for call in call + 1..=call + behind {
        places.extend((0..USUAL_KINDS).map(|kind| (call, kind)));
    }
    places
}

/// Number of sets of `depth` out of `items`.
fn combinations(items: u64, depth: usize) -> u64 {
    let depth = u64::try_from(depth).unwrap_or(u64::MAX);
    if depth > items {
        return 0;
    }
    (0..depth).fold(1, |count, step| count * (items - step) / (step + 1))
}

/// The set with this number, in ascending order.
fn combination(mut number: u64, items: u64, depth: usize) -> Vec<u64> {
    let mut chosen = Vec::with_capacity(depth);
    let mut next = 0;
    for left in (0..depth).rev() {
        // Sets that begin with `next`, as long as the wanted one is not among them.
        while next < items {
            let with_next = combinations(items - next - 1, left);
            if number < with_next {
                break;
            }
            number -= with_next;
            next += 1;
        }
        chosen.push(next);
        next += 1;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_set_has_one_number() {
        for (items, depth) in [(5, 1), (6, 2), (6, 3), (3, 3), (2, 3)] {
            let count = combinations(items, depth);
            let sets: BTreeSet<Vec<u64>> = (0..count)
                .map(|number| combination(number, items, depth))
                .collect();
            assert_eq!(sets.len(), usize::try_from(count).unwrap());
            assert!(sets.iter().flatten().all(|item| *item < items));
        }
    }

    #[test]
    fn plans_cover_every_fault_of_every_call() {
        let plans = Plans::faults(&["state_store.get", "state_store.write"], 1);
        let all: Vec<Plan> = (0..plans.count()).filter_map(|n| plans.plan(n)).collect();
        let get = FaultKind::menu("state_store.get").len();
        let write = FaultKind::menu("state_store.write").len();
        assert_eq!(all.len(), get + write + 4 * 6);
        assert!(all.iter().all(|plan| plan.faults.len() == 1));
    }

    #[test]
    fn two_faults_strike_two_calls() {
        let plans = Plans::faults(&["state_store.get"], 2);
        let all: Vec<Plan> = (0..plans.count()).filter_map(|n| plans.plan(n)).collect();
        assert!(all.len() < usize::try_from(plans.count()).unwrap());
        assert!(all.iter().all(|plan| plan.faults.len() == 2));
    }

    #[test]
    fn preemptions_come_with_and_without_a_fault() {
        let plans = Plans::preemptions(&["state_store.get"], 5, 2);
        let all: Vec<Plan> = (0..plans.count()).filter_map(|n| plans.plan(n)).collect();
        let undisturbed = all.iter().filter(|plan| plan.faults.is_empty());
        assert_eq!(undisturbed.count(), 1 + 5 + 10);
        assert_eq!(all.len(), 16 * (1 + 6 + 4 * 6));
        assert!(
            all.iter()
                .all(|plan| plan.preemptions.iter().all(|s| (1..=5).contains(s)))
        );
    }
}
