//! Systems that keep answering each other.

use std::collections::BTreeSet;

use super::observe::Look;
use super::record::{Answer, Base};
use crate::crm::value::Value;
use crate::id::Sha256;

/// Answers for each system that are too many even if no value comes twice.
const ANSWERS_MAX: usize = 16;

/// Characters of a hash that tell some values apart.
const PRINT_CHARS: usize = 16;

impl Base {
    /// Counts a change by a system that had been given the value: in the very look that should show
    /// what we wrote (`at_once`), or later. True if a person has to look.
    ///
    /// With N systems, more than 2N changes in a while are too many: of those that came at once,
    /// which no person does again and again, and of later ones if most of them bring a value that
    /// was there before. People who take turns write something new; automation that answers
    /// automation goes in a circle. One that counts or stamps the time is stopped at `ANSWERS_MAX`
    /// for each system.
    pub(super) fn oscillates(
        &mut self,
        value: Option<&Value>,
        at_once: bool,
        look: &Look<'_>,
    ) -> bool {
        let window = look.policy.reaction_window();
        self.reactions.retain(|at| look.now - *at <= window);
        self.answers.retain(|answer| look.now - answer.at <= window);
        if at_once {
            self.reactions.push(look.now);
        }
        self.answers.push(Answer {
            at: look.now,
            print: print(value),
        });
        let systems = look.lenses.systems().len();
        let distinct: BTreeSet<&str> = self.answers.iter().map(|one| one.print.as_str()).collect();
        let answers = self.answers.len();
        let goes_in_a_circle = answers > 2 * systems && 2 * distinct.len() < answers;
        let is_oscillating = goes_in_a_circle
            || self.reactions.len() > 2 * systems
            || answers > ANSWERS_MAX * systems;
        if is_oscillating {
            self.calm();
        }
        is_oscillating
    }

    /// Counting begins anew.
    pub(super) fn calm(&mut self) {
        self.reactions.clear();
        self.answers.clear();
    }
}

fn print(value: Option<&Value>) -> String {
    // A value that cannot be spelled is told from the others by that alone.
    let spelled = serde_json::to_vec(&value).unwrap_or_default();
    let hash = Sha256::of(&spelled).to_string();
    hash.chars().take(PRINT_CHARS).collect()
}
