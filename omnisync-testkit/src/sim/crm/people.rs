//! People at work in the systems, while others write there.

use std::collections::VecDeque;

use omnisync_core::crm::{FieldName, Fields, ForeignId, Native};

use super::super::world::Sim;
use super::act::{Act, Field, Wording};
use super::systems::{
    NATIVE_CITY, NATIVE_CODE, NATIVE_CREDIT, NATIVE_NOTE, NATIVE_PARENT, System, field,
};
use crate::fake::crm::Standing;

/// Effects between two acts that are drawn.
const GAPS: [u32; 8] = [0, 1, 2, 4, 7, 11, 18, 30];
/// Effects between two acts that are given.
const FIXED_GAP: u32 = 28;

/// Where the acts of a run come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Drawing {
    Fixed(Vec<Act>),
    /// Up to so many, after one record was created.
    Any {
        acts_max: u32,
        removals: bool,
    },
    /// The same, after a record was created in each of two systems; nothing is removed, but keys
    /// change, or records are merged.
    Identity {
        acts_max: u32,
        merges: bool,
    },
    /// The same, after a record was created that points at another.
    References {
        acts_max: u32,
        removals: bool,
    },
    /// The same, each only once everything is quiet.
    InTurn {
        acts_max: u32,
        removals: bool,
    },
}

/// What people will do.
#[derive(Debug)]
pub(super) struct People {
    sim: Sim,
    fixed: VecDeque<Act>,
    drawn_left: u32,
    removals: bool,
    /// What becomes of records beside edits, and whether that is merges.
    merges: Option<bool>,
    /// Records are pointed at each other, and locked.
    refers: bool,
    /// They wait until everything is quiet.
    in_turn: bool,
    /// Effects until the next act.
    gap: u32,
    /// Values that were written so far.
    written: u32,
    /// Keys of the records so far.
    pub(super) codes: Vec<String>,
    /// Keys that records had before.
    pub(super) former: Vec<String>,
}

impl People {
    pub(super) fn new(sim: &Sim, drawing: &Drawing) -> Self {
        let mut people = Self {
            sim: sim.clone(),
            fixed: VecDeque::new(),
            drawn_left: 0,
            removals: false,
            merges: None,
            refers: false,
            in_turn: matches!(drawing, Drawing::InTurn { .. }),
            gap: 0,
            written: 0,
            codes: Vec::new(),
            former: Vec::new(),
        };
        match drawing {
            Drawing::Fixed(acts) => people.fixed.extend(acts.iter().cloned()),
            Drawing::Identity { acts_max, merges } => {
                people.drawn_left = 1 + sim.choose(*acts_max);
                people.merges = Some(*merges);
                for system in [0, 1] {
                    people.fixed.push_back(Act::Create {
                        in_systems: vec![system],
                    });
                }
            }
            Drawing::References { acts_max, removals } => {
                people.removals = *removals;
                people.drawn_left = 1 + sim.choose(*acts_max);
                people.refers = true;
                for _ in 0..2 {
                    people.fixed.push_back(Act::Create {
                        in_systems: vec![0],
                    });
                }
                people.fixed.push_back(Act::Refer {
                    record: 1,
                    system: 0,
                    points: true,
                });
            }
            Drawing::Any { acts_max, removals } | Drawing::InTurn { acts_max, removals } => {
                people.drawn_left = 1 + sim.choose(*acts_max);
                people.removals = *removals;
                people.fixed.push_back(Act::Create {
                    in_systems: vec![0],
                });
            }
        }
        people
    }

    /// Nobody who does anything.
    pub(super) fn nobody(sim: &Sim) -> Self {
        Self::new(sim, &Drawing::Fixed(Vec::new()))
    }

    /// Something happened at a port: it may be time for the next act.
    pub(super) fn pass(&mut self, systems: &[System]) {
        while self.is_busy() && !self.in_turn {
            if self.gap > 0 {
                self.gap -= 1;
                return;
            }
            self.act(systems);
        }
    }

    /// Everything that is left to do is done now.
    pub(super) fn finish(&mut self, systems: &[System]) {
        while self.is_busy() && !self.in_turn {
            self.act(systems);
        }
    }

    /// Everything is quiet: whoever waited for that does the next thing. False if nobody did.
    pub(super) fn go_on(&mut self, systems: &[System]) -> bool {
        let waits = self.in_turn && self.is_busy();
        if waits {
            self.act(systems);
        }
        waits
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.fixed.is_empty() || self.drawn_left > 0
    }

    fn act(&mut self, systems: &[System]) {
        if let Some(act) = self.fixed.pop_front() {
            self.gap = FIXED_GAP;
            if self.drawn_left > 0 {
                self.draw_gap();
            }
            self.perform(&act, systems);
        } else if self.drawn_left > 0 {
            self.drawn_left -= 1;
            let records = self.codes.len();
            let (sim, count) = (&self.sim, systems.len());
            let act = match self.merges {
                Some(merges) => Act::draw_identity(sim, count, records, merges),
                None if self.refers => Act::draw_reference(sim, count, records, self.removals),
                None if self.in_turn => Act::draw_in_turn(sim, count, records, self.removals),
                None => Act::draw(sim, count, records, self.removals),
            };
            self.draw_gap();
            self.perform(&act, systems);
        }
    }

    fn draw_gap(&mut self) {
        let choice = usize::try_from(self.sim.choose(8)).unwrap_or_default();
        self.gap = GAPS.get(choice).copied().unwrap_or_default();
    }

    fn perform(&mut self, act: &Act, systems: &[System]) {
        self.sim.note(&format_args!("people: {act:?}"));
        match act {
            Act::Create { in_systems } => self.create(in_systems, systems),
            Act::Edit {
                record,
                system,
                field,
                wording,
            } => self.edit(*record, *system, *field, *wording, systems),
            Act::EditAll { record, system } => {
                self.written += 1;
                let fields = [(Field::City, NATIVE_CITY), (Field::Credit, NATIVE_CREDIT)];
                let fields = fields
                    .map(|(of, native)| (field(native), of.words(Wording::New, self.written)));
                self.save(*record, *system, fields, systems);
            }
            Act::EditEverywhere { record, field } => {
                for system in 0..systems.len() {
                    self.edit(*record, system, *field, Wording::New, systems);
                }
            }
            Act::Note { record, system } => {
                self.written += 1;
                let note = Native::Text(format!("Note {}", self.written));
                self.set(*record, *system, NATIVE_NOTE, note, systems);
            }
            Act::ThereAndBack {
                record,
                system,
                field,
            } => {
                self.edit(*record, *system, *field, Wording::New, systems);
                self.edit(*record, *system, *field, Wording::Back, systems);
            }
            Act::DeleteAndUndelete { record, system } => {
                self.delete(*record, *system, systems);
                self.undelete(*record, *system, systems);
            }
            Act::Delete { record, system } => self.delete(*record, *system, systems),
            Act::Undelete { record, system } => self.undelete(*record, *system, systems),
            Act::Rename {
                record,
                system,
                taken,
            } => self.rename(*record, *system, *taken, systems),
            Act::Merge { record, system } => self.merge(*record, *system, systems),
            Act::Refer {
                record,
                system,
                points,
            } => self.refer(*record, *system, *points, systems),
            Act::Lock {
                record,
                system,
                writes,
            } => self.lock(*record, *system, *writes, systems),
            Act::EditAgainstDelete {
                record,
                edits,
                deletes,
            } => {
                self.edit(*record, *edits, Field::City, Wording::New, systems);
                self.delete(*record, *deletes, systems);
            }
        }
    }

    fn rename(&mut self, record: usize, system: usize, taken: bool, systems: &[System]) {
        let Some(at) = record.checked_rem(self.codes.len()) else {
            return;
        };
        let next = (at + 1).checked_rem(self.codes.len());
        let next = next.filter(|next| taken && *next != at);
        let code = match next.and_then(|next| self.codes.get(next)) {
            Some(code) => code.clone(),
            None => format!("R{}", self.former.len()),
        };
        let Some((system, id)) = self.found(record, system, systems) else {
            return;
        };
        let value = Native::Text(code.clone());
        let fields = [(field(NATIVE_CODE), value)].into_iter().collect();
        // Where another record has the key, people see that and leave it.
        if system.crm.edit(&id, fields, "bob").is_err() {
            return;
        }
        self.sim.mark(if next.is_some() {
            "key taken"
        } else {
            "renamed"
        });
        if next.is_none()
            && let Some(place) = self.codes.get_mut(at)
        {
            let former = std::mem::replace(place, code);
            self.former.push(former);
        }
    }

    fn merge(&self, record: usize, system: usize, systems: &[System]) {
        let loser = self.found(record, system, systems);
        let winner = self.found(record + 1, system, systems);
        if let (Some((system, loser)), Some((_, winner))) = (loser, winner) {
            let taking = [field(NATIVE_CITY)];
            // One of them is out of use, or both are one.
            let merged = system.crm.merge_by(&loser, &winner, &taking, "ann");
            if merged.is_ok() {
                self.sim.mark("records merged");
            }
        }
    }

    fn refer(&self, record: usize, system: usize, points: bool, systems: &[System]) {
        let parent = match self.found(record + 1, system, systems) {
            Some((_, id)) if points => Native::Text(id.to_string()),
            // Nobody points at what is not there.
            None if points => return,
            _ => Native::Null,
        };
        if points {
            self.sim.mark("referred");
        }
        self.set(record, system, NATIVE_PARENT, parent, systems);
    }

    fn lock(&self, record: usize, system: usize, writes: u32, systems: &[System]) {
        if let Some((system, id)) = self.found(record, system, systems)
            && system.crm.lock(&id, writes)
        {
            self.sim.mark("record locked");
        }
    }

    fn create(&mut self, in_systems: &[usize], systems: &[System]) {
        let code = format!("K{}", self.codes.len());
        for at in in_systems {
            let Some(system) = pick(systems, *at) else {
                continue;
            };
            self.written += 1;
            let fields = [
                (field(NATIVE_CODE), Native::Text(code.clone())),
                (
                    field(NATIVE_CITY),
                    Field::City.words(Wording::New, self.written),
                ),
            ];
            let fields: Fields<Native> = fields.into_iter().collect();
            // Where the key is taken already, people see that and leave it.
            let _taken = system
                .crm
                .create_by("ann", &system.plan.object, fields)
                .is_err();
        }
        self.codes.push(code);
    }

    fn edit(
        &mut self,
        record: usize,
        system: usize,
        field: Field,
        wording: Wording,
        systems: &[System],
    ) {
        self.written += 1;
        let native = match field {
            Field::City => NATIVE_CITY,
            Field::Credit => NATIVE_CREDIT,
        };
        let before =
            (wording == Wording::Back).then(|| self.before(record, system, native, systems));
        let value = before.flatten();
        let value = value.unwrap_or_else(|| field.words(wording, self.written));
        self.set(record, system, native, value, systems);
    }

    fn set(&self, record: usize, system: usize, native: &str, value: Native, systems: &[System]) {
        self.save(record, system, [(field(native), value)], systems);
    }

    fn save(
        &self,
        record: usize,
        system: usize,
        fields: impl IntoIterator<Item = (FieldName, Native)>,
        systems: &[System],
    ) {
        if let Some((system, id)) = self.found(record, system, systems) {
            // Nobody edits what is out of use.
            let fields = fields.into_iter().collect();
            let _undone = system.crm.edit(&id, fields, "bob").is_err();
        }
    }

    /// What stood in a field before it got its present value.
    fn before(
        &self,
        record: usize,
        system: usize,
        native: &str,
        systems: &[System],
    ) -> Option<Native> {
        let (system, id) = self.found(record, system, systems)?;
        let versions = system.crm.versions(&id);
        let mut values = versions.iter().rev().map(|one| one.fields.get(native));
        let now = values.next()?;
        values.find(|value| *value != now)?.cloned()
    }

    fn undelete(&self, record: usize, system: usize, systems: &[System]) {
        if let Some((system, id)) = self.found(record, system, systems) {
            // In use, or its key is taken: then it stays as it is.
            let _undone = system.crm.undelete_by(&id, "ann").is_err();
        }
    }

    fn delete(&self, record: usize, system: usize, systems: &[System]) {
        if let Some((system, id)) = self.found(record, system, systems) {
            let _undone = system.crm.delete_by(&id, "ann").is_err();
        }
    }

    fn found<'s>(
        &self,
        record: usize,
        system: usize,
        systems: &'s [System],
    ) -> Option<(&'s System, ForeignId)> {
        let code = self.codes.get(record.checked_rem(self.codes.len())?)?;
        let system = pick(systems, system)?;
        let row = system.row(code)?;
        let is_merged = matches!(row.state.standing, Standing::Merged { .. });
        (!is_merged).then_some((system, row.record.id))
    }
}

fn pick(systems: &[System], at: usize) -> Option<&System> {
    systems.get(at.checked_rem(systems.len())?)
}
