//! What people do in the systems.

use omnisync_core::crm::Native;
use rust_decimal::Decimal;

use super::super::world::Sim;

/// Something that somebody does. Systems and records count from 0; numbers past the last one begin
/// again. What cannot be done, since there is no such record there, is left undone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// A new record, in each of these systems with the same key.
    Create {
        /// Where.
        in_systems: Vec<usize>,
    },
    /// One field gets a value.
    Edit {
        /// Of which record.
        record: usize,
        /// Where.
        system: usize,
        /// Which field.
        field: Field,
        /// What is written.
        wording: Wording,
    },
    /// Every field gets a value that never was, in one save.
    EditAll {
        /// Of which record.
        record: usize,
        /// Where.
        system: usize,
    },
    /// One field gets a value of its own in every system.
    EditEverywhere {
        /// Of which record.
        record: usize,
        /// Which field.
        field: Field,
    },
    /// A field that nobody shares gets a value.
    Note {
        /// Of which record.
        record: usize,
        /// Where.
        system: usize,
    },
    /// One field gets a value that never was, and at once the one before again.
    ThereAndBack {
        /// Of which record.
        record: usize,
        /// Where.
        system: usize,
        /// Which field.
        field: Field,
    },
    /// The record is taken out of use and brought back at once.
    DeleteAndUndelete {
        /// Which one.
        record: usize,
        /// Where.
        system: usize,
    },
    /// The record is taken out of use.
    Delete {
        /// Which one.
        record: usize,
        /// Where.
        system: usize,
    },
    /// The record is brought back.
    Undelete {
        /// Which one.
        record: usize,
        /// Where.
        system: usize,
    },
    /// The record gets another key.
    Rename {
        /// Which one.
        record: usize,
        /// Where.
        system: usize,
        /// The key that the next record has, instead of a new one.
        taken: bool,
    },
    /// The record is merged into the next one, which takes its city.
    Merge {
        /// Which one is gone.
        record: usize,
        /// Where.
        system: usize,
    },
    /// The record points at the next one, or at none.
    Refer {
        /// Which one points.
        record: usize,
        /// Where.
        system: usize,
        /// At the next one.
        points: bool,
    },
    /// Somebody works on the record: writes of others are refused.
    Lock {
        /// Which one.
        record: usize,
        /// Where.
        system: usize,
        /// So many of them.
        writes: u32,
    },
    /// One system edits what another removes.
    EditAgainstDelete {
        /// Which record.
        record: usize,
        /// Where it is edited.
        edits: usize,
        /// Where it is removed.
        deletes: usize,
    },
}

/// A field that the systems share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A text.
    City,
    /// A number with two digits behind the point.
    Credit,
}

/// What is written into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// A value that never was.
    New,
    /// A value that was before.
    Again,
    /// The same value in another spelling.
    AgainOtherwise,
    /// What stood there before the present value.
    Back,
    /// Nothing.
    Empty,
}

/// Kinds of act that are drawn, an edit being the plainest.
const KINDS: u32 = 12;

impl Act {
    /// Any act in `systems` systems with `records` records so far, of which there are at most two.
    pub(super) fn draw(sim: &Sim, systems: usize, records: usize, removals: bool) -> Self {
        let bound = u32::try_from(systems).unwrap_or(1);
        let system = || index(sim.choose(bound));
        let record = index(sim.choose(u32::try_from(records).unwrap_or(1)));
        match sim.choose(KINDS) {
            4 if removals => Self::DeleteAndUndelete {
                record,
                system: system(),
            },
            5 => Self::ThereAndBack {
                record,
                system: system(),
                field: Field::draw(sim),
            },
            6 if records < 2 => {
                let first = system();
                let mut in_systems = vec![first];
                in_systems.extend((0..systems).filter(|one| *one != first && sim.choose(2) == 1));
                Self::Create { in_systems }
            }
            7 => Self::EditEverywhere {
                record,
                field: Field::draw(sim),
            },
            8 => Self::Note {
                record,
                system: system(),
            },
            9 if removals => Self::Delete {
                record,
                system: system(),
            },
            10 if removals => Self::Undelete {
                record,
                system: system(),
            },
            11 if removals => Self::EditAgainstDelete {
                record,
                edits: system(),
                deletes: system(),
            },
            _ => Self::Edit {
                record,
                system: system(),
                field: Field::draw(sim),
                wording: Wording::draw(sim),
            },
        }
    }
}

impl Act {
    /// Any act, now and then one that changes all of a record.
    pub(super) fn draw_in_turn(sim: &Sim, systems: usize, records: usize, removals: bool) -> Self {
        if sim.choose(8) < 7 {
            return Self::draw(sim, systems, records, removals);
        }
        Self::EditAll {
            record: index(sim.choose(u32::try_from(records).unwrap_or(1))),
            system: index(sim.choose(u32::try_from(systems).unwrap_or(1))),
        }
    }
}

impl Act {
    /// Any act that removes nothing, now and then one that changes which record is which.
    pub(super) fn draw_identity(sim: &Sim, systems: usize, records: usize, merges: bool) -> Self {
        if sim.choose(3) < 2 {
            return Self::draw(sim, systems, records, false);
        }
        let record = index(sim.choose(u32::try_from(records).unwrap_or(1)));
        let system = index(sim.choose(u32::try_from(systems).unwrap_or(1)));
        if merges {
            return Self::Merge { record, system };
        }
        let taken = sim.choose(3) == 2;
        Self::Rename {
            record,
            system,
            taken,
        }
    }
}

impl Act {
    /// Any act, now and then one that lets records point at each other, or locks one.
    pub(super) fn draw_reference(
        sim: &Sim,
        systems: usize,
        records: usize,
        removals: bool,
    ) -> Self {
        let kind = sim.choose(6);
        if kind < 3 {
            return Self::draw(sim, systems, records, removals);
        }
        let record = index(sim.choose(u32::try_from(records).unwrap_or(1)));
        let system = index(sim.choose(u32::try_from(systems).unwrap_or(1)));
        match kind {
            5 => Self::Lock {
                record,
                system,
                writes: 1 + sim.choose(3),
            },
            _ => Self::Refer {
                record,
                system,
                points: sim.choose(4) < 3,
            },
        }
    }
}

impl Field {
    fn draw(sim: &Sim) -> Self {
        match sim.choose(3) {
            2 => Self::Credit,
            _ => Self::City,
        }
    }

    /// What stands in the field after somebody wrote for the `number`th time.
    pub(super) fn words(self, wording: Wording, number: u32) -> Native {
        match (self, wording) {
            (_, Wording::Empty) => Native::Null,
            (Self::City, Wording::New | Wording::Back) => Native::Text(format!("City {number}")),
            (Self::City, Wording::Again) => Native::Text("Again".to_owned()),
            (Self::City, Wording::AgainOtherwise) => Native::Text(" AGAIN".to_owned()),
            (Self::Credit, Wording::New | Wording::Back) => Native::Number(Decimal::new(
                // Half of them are rounded where there is one digit only.
                1_000 + 5 * i64::from(number),
                2,
            )),
            (Self::Credit, Wording::Again) => Native::Number(Decimal::new(700, 2)),
            (Self::Credit, Wording::AgainOtherwise) => Native::Number(Decimal::new(704, 2)),
        }
    }
}

impl Wording {
    fn draw(sim: &Sim) -> Self {
        match sim.choose(8) {
            3 => Self::Back,
            4 | 5 => Self::Again,
            6 => Self::AgainOtherwise,
            7 => Self::Empty,
            _ => Self::New,
        }
    }
}

fn index(choice: u32) -> usize {
    usize::try_from(choice).unwrap_or_default()
}
