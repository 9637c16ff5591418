//! What every change costs, where people make them one after the other.

use std::collections::BTreeMap;

use omnisync_core::crm::{ForeignId, Native};

use super::systems::System;
use crate::fake::crm::Standing;

/// Counts the writes of ours in runs where people take turns.
pub const WRITES: &str = "writes";

/// Counts the fewest writes that could have done the same in those runs.
pub const LEAST_WRITES: &str = "least writes";

/// A record as everybody shares it: whether it is in use, and what it holds.
type Shared = (Standing, Vec<Native>);

/// The fewest writes that lead from what a person did to what the systems hold in the end: one for
/// each record that somebody else had to change, whatever number of its fields, and one more where
/// it was brought back too, which is a write of its own.
///
/// What a person decides in a conflict is a turn like any other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    begun: Option<BTreeMap<ForeignId, Shared>>,
    least: Option<u64>,
}

impl Turns {
    /// Somebody has changed something, or decided a conflict.
    pub(super) fn begin(&mut self, systems: &[System]) {
        self.begun = Some(shared(systems));
    }

    /// Everything is quiet again. True if a turn was under way.
    pub(super) fn end(&mut self, systems: &[System]) -> bool {
        let Some(begun) = self.begun.take() else {
            return false;
        };
        let others = shared(systems);
        let needed = others.iter().map(|(id, now)| needed(begun.get(id), now));
        *self.least.get_or_insert_default() += needed.sum::<u64>();
        true
    }

    /// The fewest writes so far; `None` where people take no turns.
    pub(super) const fn least(&self) -> Option<u64> {
        self.least
    }
}

/// Writes that make one of the other.
fn needed(begun: Option<&Shared>, now: &Shared) -> u64 {
    let Some((stood, held)) = begun else {
        return 1;
    };
    let (stands, holds) = now;
    let is_in_use = *stands == Standing::Active;
    u64::from(stood != stands) + u64::from(is_in_use && held != holds)
}

fn shared(systems: &[System]) -> BTreeMap<ForeignId, Shared> {
    let mut all = BTreeMap::new();
    for system in systems {
        for row in system.crm.records() {
            let fields = row.state.fields.iter();
            let mapped = fields.filter(|(native, _)| system.field_of(native).is_some());
            let values = mapped.map(|(_, value)| value.clone()).collect();
            all.insert(row.record.id, (row.state.standing, values));
        }
    }
    all
}
