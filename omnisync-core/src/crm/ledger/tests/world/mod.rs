//! One record in some systems that misbehave, people who change it, and a worker.

mod audit;
mod systems;
mod work;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use crate::crm::ledger::{Choice, ConflictId, FieldPolicy, LinkRecord, MemberRecord, SyncPolicy};
use crate::crm::{EntityName, ForeignId, LinkId, SystemName, Value};
use crate::id::WorkerId;
use systems::{Cell, Maps, Record, Rng, System, remember, rewrite};

const FIELDS: [&str; 2] = ["a", "b"];
const STEPS_MAX: usize = 2_000;

/// What the systems of a world are like.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    systems: usize,
    faults: bool,
    rewrites: usize,
    removals: bool,
    policy: FieldPolicy,
}

impl Manners {
    pub(super) fn new(systems: usize) -> Self {
        Self {
            systems,
            faults: true,
            rewrites: 0,
            removals: false,
            policy: FieldPolicy::default(),
        }
    }

    pub(super) fn without_faults(mut self) -> Self {
        self.faults = false;
        self
    }

    /// The second system writes in capitals.
    pub(super) fn one_rewrites(mut self) -> Self {
        self.rewrites = 1;
        self
    }

    /// One writes in capitals, another in small letters and with a mark that no map foresees.
    pub(super) fn two_disagree(mut self) -> Self {
        self.rewrites = 2;
        self
    }

    pub(super) fn ruled_by(mut self, policy: FieldPolicy) -> Self {
        self.policy = policy;
        self
    }

    pub(super) fn with_removals(mut self) -> Self {
        self.removals = true;
        self
    }
}

pub(super) struct World {
    rng: Rng,
    manners: Manners,
    systems: Vec<System>,
    maps: Maps,
    policy: SyncPolicy,
    worker: WorkerId,
    /// What is stored.
    link: LinkRecord,
    now: DateTime<Utc>,
    /// Every value that was ever agreed, by field.
    agreed: BTreeSet<(usize, Option<String>)>,
    edits: usize,
    faults: usize,
    writes: usize,
    least: usize,
    lost: Option<String>,
    story: String,
}

impl World {
    pub(super) fn new(seed: u64, manners: &Manners) -> Self {
        let systems: Vec<System> = (0..manners.systems)
            .map(|at| System {
                name: SystemName::new(format!("s{at}")).unwrap(),
                record: None,
                before: VecDeque::new(),
                hints: 0,
                rewrites: if at > 0 && at <= manners.rewrites {
                    at
                } else {
                    0
                },
            })
            .collect();
        let now = DateTime::UNIX_EPOCH;
        let entity = EntityName::new("Thing").unwrap();
        let maps = Maps {
            systems: systems.iter().map(|one| one.name.clone()).collect(),
            rewrites: systems.iter().map(|one| one.rewrites).collect(),
        };
        let origin = maps.systems[0].clone();
        let mut link = LinkRecord::new(
            LinkId::from_bytes([7; 16]),
            entity,
            None,
            origin.clone(),
            now,
        );
        let id = ForeignId::new("r").unwrap();
        link.members.insert(origin, MemberRecord::of(id));
        let mut world = Self {
            rng: Rng(seed),
            manners: manners.clone(),
            systems,
            maps,
            policy: SyncPolicy::default().with_default(manners.policy.clone()),
            worker: WorkerId::new("w").unwrap(),
            link,
            now,
            agreed: BTreeSet::new(),
            edits: 0,
            faults: 0,
            writes: 0,
            least: 0,
            lost: None,
            story: String::new(),
        };
        let cells = (0..FIELDS.len())
            .map(|at| Cell {
                value: Some(format!("First{at}")),
                unnoticed: true,
            })
            .collect();
        world.systems[0].record = Some(Record {
            version: 1,
            at: now,
            alive: true,
            cells,
        });
        world
    }

    pub(super) const fn writes(&self) -> usize {
        self.writes
    }

    pub(super) const fn least_writes(&self) -> usize {
        self.least
    }

    pub(super) const fn link(&self) -> &LinkRecord {
        &self.link
    }

    pub(super) const fn policy(&self) -> &SyncPolicy {
        &self.policy
    }

    pub(super) fn story(&self) -> &str {
        &self.story
    }

    fn tell(&mut self, line: impl AsRef<str>) {
        writeln!(self.story, "  {}", line.as_ref()).unwrap();
    }

    /// Edits, hints and faults, in any order.
    pub(super) fn play(&mut self) {
        for _ in 0..60 {
            self.now += TimeDelta::seconds(1);
            match self.rng.below(8) {
                0 if self.edits < 6 => {
                    self.edit();
                }
                1 if self.manners.removals && self.edits < 6 => self.remove_or_restore(),
                2 | 3 => self.deliver(),
                _ => {
                    self.work(self.manners.faults);
                }
            }
        }
    }

    /// One edit after the other, each with all that follows from it.
    pub(super) fn play_in_turn(&mut self) {
        self.settle().unwrap();
        self.least = self.writes;
        for _ in 0..5 {
            if self.edit() {
                self.least += self.systems.len() - 1;
            }
            self.settle().unwrap();
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            self.now += TimeDelta::seconds(1);
            for at in 0..self.systems.len() {
                while self.systems[at].hints > 0 {
                    self.take_hint(at);
                }
            }
            if !self.work(false) {
                return Ok(());
            }
        }
        Err("it is never quiet".to_owned())
    }

    /// No more faults; everything that waits is done.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.now += TimeDelta::hours(2);
        for system in &mut self.systems {
            system.hints += 1;
        }
        self.settle()?;
        let open: Vec<_> = self.link.open_conflicts().map(|one| one.id).collect();
        for conflict in open {
            let entered = self.rng.below(4) == 0 && self.enter(conflict);
            let at = self.rng.below(self.systems.len());
            let names = self.maps.systems.clone();
            let system = names
                .iter()
                .cycle()
                .skip(at)
                .take(names.len())
                .find(|system| {
                    let choice = Choice::Take {
                        system: (*system).clone(),
                    };
                    self.link.resolve(conflict, choice, "ann", self.now).is_ok()
                });
            if system.is_none() && !entered {
                return Err(format!("conflict {conflict} cannot be resolved"));
            }
            self.note_agreed();
            self.settle()?;
        }
        let writes = self.writes;
        for _ in 0..10 {
            for system in &mut self.systems {
                system.hints += 1;
            }
            self.settle()?;
        }
        if self.writes != writes {
            return Err("something is written although nothing changed".to_owned());
        }
        Ok(())
    }

    /// A person enters a value of their own. False where it is no matter of one.
    fn enter(&mut self, conflict: ConflictId) -> bool {
        let value = format!("Entered{}", self.edits);
        let choice = Choice::Value {
            value: Some(Value::Text(value.into())),
        };
        self.link.resolve(conflict, choice, "ann", self.now).is_ok()
    }

    /// True if the value is another one now.
    fn edit(&mut self) -> bool {
        let at = self.rng.below(self.systems.len());
        let field = self.rng.below(FIELDS.len());
        // Some values come again, some differ only in what a system rewrites.
        let value = match self.rng.below(6) {
            0 => None,
            1 => Some("Again".to_owned()),
            2 => Some("AGAIN".to_owned()),
            _ => Some(format!("Edit{}", self.edits)),
        };
        let system = &mut self.systems[at];
        let Some(record) = system.record.as_mut().filter(|record| record.alive) else {
            return false;
        };
        let value = value.map(|value| rewrite(system.rewrites, &value));
        if record.cells[field].value == value {
            return false;
        }
        let before = record.clone();
        record.version += 1;
        record.at = self.now;
        record.cells[field] = Cell {
            value: value.clone(),
            unnoticed: true,
        };
        system.hints += 1;
        remember(&mut system.before, before);
        self.edits += 1;
        self.tell(format!("s{at}: person sets {} to {value:?}", FIELDS[field]));
        true
    }

    fn remove_or_restore(&mut self) {
        let at = self.rng.below(self.systems.len());
        let system = &mut self.systems[at];
        let Some(record) = system.record.as_mut() else {
            return;
        };
        let before = record.clone();
        record.alive = !record.alive;
        record.version += 1;
        record.at = self.now;
        let alive = record.alive;
        system.hints += 1;
        remember(&mut system.before, before);
        self.edits += 1;
        self.tell(format!("s{at}: person makes it alive: {alive}"));
    }

    fn deliver(&mut self) {
        let at = self.rng.below(self.systems.len());
        if self.systems[at].hints > 0 {
            self.take_hint(at);
        }
    }

    fn take_hint(&mut self, at: usize) {
        // Several hints of one record are one; some come twice.
        self.systems[at].hints = 0;
        if self.manners.faults && self.rng.one_in(6) {
            self.systems[at].hints = 1;
            self.faults += 1;
            if self.faults > 6 {
                self.systems[at].hints = 0;
            }
        }
        let name = self.systems[at].name.clone();
        self.link.hint(&name);
    }
}
