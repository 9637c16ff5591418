//! What every change costs, where people make them one after the other.

use std::collections::{BTreeMap, BTreeSet};

use omnisync_core::crm::{ForeignId, Native};

use super::systems::System;
use crate::fake::crm::Standing;

/// Counts the writes of ours in runs where people take turns.
pub const WRITES: &str = "writes";

/// Counts the fewest writes that could have done the same in those runs.
pub const LEAST_WRITES: &str = "least writes";

/// A record as everybody shares it: whether it is in use, and what it holds.
type Shared = (Standing, Vec<Native>);

/// The fewest writes that lead from what people did to what the systems hold once everything is
/// quiet, for somebody who knows all that was and nothing that comes.
///
/// A turn is what people do while everything is quiet: one of them changes a record, or several do
/// at the same instant; or one decides a conflict, which nobody can foresee.
#[derive(Debug, Default)]
pub(super) struct Turns {
    begun: Option<Begun>,
    /// Changes of each system before the turn.
    read: Vec<usize>,
    least: Option<u64>,
}

#[derive(Debug)]
struct Begun {
    held: BTreeMap<ForeignId, Shared>,
    /// The only record in which people set values, if there is one: what it holds stands.
    stands: Option<ForeignId>,
}

impl Turns {
    /// Somebody has changed or decided something.
    pub(super) fn begin(&mut self, systems: &[System]) {
        let mut set = BTreeSet::new();
        for (at, system) in systems.iter().enumerate() {
            let read = self.read.get(at).copied().unwrap_or_default();
            let fresh = system.crm.changes_log(read).into_iter();
            let fresh = fresh.filter(|change| change.changed().next().is_some());
            set.extend(fresh.map(|change| change.record.id));
        }
        self.begun = Some(Begun {
            held: shared(systems),
            stands: set.pop_first().filter(|_| set.is_empty()),
        });
    }

    /// Everything is quiet again. False where no turn was under way.
    pub(super) fn end(&mut self, systems: &[System]) -> bool {
        let Some(begun) = self.begun.take() else {
            return false;
        };
        self.read = systems.iter().map(changes).collect();
        let now = shared(systems);
        let least = now.iter().map(|(id, now)| {
            let stands = begun.stands.as_ref() == Some(id);
            least(begun.held.get(id), now, stands)
        });
        *self.least.get_or_insert_default() += least.sum::<u64>();
        true
    }

    /// The fewest writes so far; `None` where people take no turns.
    pub(super) const fn least(&self) -> Option<u64> {
        self.least
    }
}

/// The fewest writes that make one record of the other: one for any number of fields, none for
/// fields of a record that goes out of use, and one more for those of a record that comes back,
/// since no port does both at once. Nothing has to be written where what people set `stands`.
fn least(begun: Option<&Shared>, now: &Shared, stands: bool) -> u64 {
    let Some((stood, held)) = begun else {
        return 1;
    };
    let (standing, holds) = now;
    let is_told = *standing == Standing::Active && holds != held && !stands;
    u64::from(standing != stood) + u64::from(is_told)
}

fn changes(system: &System) -> usize {
    system.crm.changes_log(0).len()
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
