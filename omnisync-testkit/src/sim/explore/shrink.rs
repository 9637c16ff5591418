//! Makes a failing tape as short and as plain as it can be.

use super::super::choices::Mode;
use super::super::run::run;
use super::super::scenario::Scenario;
use super::super::tape::Tape;

/// Runs that shrinking may take.
const ATTEMPTS_MAX: usize = 4_000;

/// The plainest tape found that breaks the same promise.
pub(super) fn shrink(scenario: &dyn Scenario, tape: &Tape, invariant: &str) -> Tape {
    let mut shrinker = Shrinker {
        scenario,
        invariant,
        best: trimmed(tape.choices().to_vec()),
        attempts: 0,
    };
    while shrinker.delete_chunks() | shrinker.lower_choices() {}
    shrinker.best.into()
}

struct Shrinker<'s> {
    scenario: &'s dyn Scenario,
    invariant: &'s str,
    best: Vec<u32>,
    attempts: usize,
}

impl Shrinker<'_> {
    /// Removes parts, large ones first.
    fn delete_chunks(&mut self) -> bool {
        let mut improved = false;
        let mut size = self.best.len();
        while size > 0 {
            let mut start = 0;
            while start < self.best.len() {
                let mut candidate = self.best.clone();
                candidate.drain(start..(start + size).min(candidate.len()));
                if self.keep(candidate) {
                    improved = true;
                } else {
                    start += size;
                }
            }
            size /= 2;
        }
        improved
    }

    /// Turns choices into the benign one, or at least into a lower one.
    fn lower_choices(&mut self) -> bool {
        let mut improved = false;
        let mut place = 0;
        while let Some(choice) = self.best.get(place).copied() {
            for lower in [Some(0), choice.checked_sub(1)].into_iter().flatten() {
                if lower >= choice {
                    continue;
                }
                let mut candidate = self.best.clone();
                if let Some(changed) = candidate.get_mut(place) {
                    *changed = lower;
                }
                if self.keep(candidate) {
                    improved = true;
                    break;
                }
            }
            place += 1;
        }
        improved
    }

    fn keep(&mut self, candidate: Vec<u32>) -> bool {
        if self.attempts >= ATTEMPTS_MAX {
            return false;
        }
        self.attempts += 1;
        let ran = run(self.scenario, Mode::Replay(candidate.clone()), false);
        let same = ran
            .violation
            .is_some_and(|violation| violation.invariant == self.invariant);
        if same {
            self.best = trimmed(candidate);
        }
        same
    }
}

/// Past its end a tape reads 0 anyway.
fn trimmed(mut choices: Vec<u32>) -> Vec<u32> {
    while choices.last() == Some(&0) {
        choices.pop();
    }
    choices
}
