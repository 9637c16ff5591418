//! Systems that keep answering each other.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::observe::Look;
use super::record::{Answer, Base};
use crate::crm::value::Value;
use crate::id::Sha256;

/// Answers for each system that are too many in a day, even if no value comes twice.
const ANSWERS_MAX: usize = 16;

/// Answers for each system that are too many in a day if values come again and again.
const CIRCLING_MAX: usize = 8;

/// How long answers are remembered: hosts that look every few minutes let systems answer each other
/// as slowly.
const DAY: TimeDelta = TimeDelta::days(1);

/// Characters of a hash that tell some values apart.
const PRINT_CHARS: usize = 16;

impl Base {
    /// Counts a change by a system that had been given the value: in the very look that should show
    /// what we wrote (`at_once`), or later. True if a person has to look.
    ///
    /// With N systems, more than 2N changes in a while are too many: of those that came at once,
    /// which no person does again and again, and of later ones if most of them bring a value that
    /// was there before. People who take turns write something new; automation that answers
    /// automation goes in a circle. A slow circle is stopped at `CIRCLING_MAX` for each system, and
    /// one that counts or stamps the time at `ANSWERS_MAX`.
    pub(super) fn oscillates(
        &mut self,
        value: Option<&Value>,
        at_once: bool,
        look: &Look<'_>,
    ) -> bool {
        let window = look.policy.reaction_window();
        self.reactions.retain(|at| look.now - *at <= window);
        self.answers
            .retain(|answer| look.now - answer.at <= window.max(DAY));
        if at_once {
            self.reactions.push(look.now);
        }
        self.answers.push(Answer {
            at: look.now,
            print: print(value),
        });
        let systems = look.lenses.systems().len();
        let lately = self.answers.iter();
        let lately = lately.filter(|answer| look.now - answer.at <= window);
        let is_oscillating = self.reactions.len() > 2 * systems
            || circles(lately, 2 * systems)
            || circles(self.answers.iter(), CIRCLING_MAX * systems)
            || self.answers.len() > ANSWERS_MAX * systems;
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

/// More answers than `most`, of which most bring a value that was there before.
fn circles<'a>(answers: impl Iterator<Item = &'a Answer>, most: usize) -> bool {
    let mut count = 0;
    let mut distinct = BTreeSet::new();
    for answer in answers {
        count += 1;
        distinct.insert(answer.print.as_str());
    }
    count > most && 2 * distinct.len() < count
}

fn print(value: Option<&Value>) -> String {
    // A value that cannot be spelled is told from the others by that alone.
    let spelled = serde_json::to_vec(&value).unwrap_or_default();
    let hash = Sha256::of(&spelled).to_string();
    hash.chars().take(PRINT_CHARS).collect()
}
