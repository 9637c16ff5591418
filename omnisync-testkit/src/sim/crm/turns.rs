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

/// The fewest writes that lead from what people did to what the systems hold in the end: one for
/// each record that somebody else had to change, whatever number of its fields.
#[derive(Debug, Default)]
pub(super) struct Turns {
    begun: Option<BTreeMap<ForeignId, Shared>>,
    least: Option<u64>,
}

impl Turns {
    /// Somebody has changed something.
    pub(super) fn begin(&mut self, systems: &[System]) {
        self.begun = Some(shared(systems));
    }

    /// Everything is quiet again.
    pub(super) fn end(&mut self, systems: &[System]) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let others = shared(systems);
        let changed = others
            .iter()
            .filter(|(id, holds)| begun.get(*id) != Some(holds))
            .count();
        let least = self.least.get_or_insert_default();
        *least += u64::try_from(changed).unwrap_or(u64::MAX);
    }

    /// The fewest writes so far; `None` where people take no turns.
    pub(super) const fn least(&self) -> Option<u64> {
        self.least
    }
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
