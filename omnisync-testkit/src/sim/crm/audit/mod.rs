//! Checks the promises of CRM sync, from what really happens at its ports.

mod answers;
mod finish;
mod ledgers;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use omnisync_core::crm::ledger::{Intent, LinkRecord};
use omnisync_core::crm::{FieldName, ForeignId, LinkId, SystemName, Text, Value, VersionToken};
use omnisync_core::error::ErrorKind;
use omnisync_core::flow::{CRM_LINKS, CRM_RECORDS, CRM_STREAMS};
use omnisync_core::port::{Action, CrmRecord, Sight, Write};

use super::super::violation::Violation;
use super::super::world::Sim;
use super::people::People;
use super::systems::System;
use crate::fault::{Call, Observer, Seen};

/// The promises that are checked, and what each says.
pub const INVARIANTS: [(&str, &str); 10] = [
    (
        "I-S1",
        "every system ends with what it makes of the agreed value",
    ),
    (
        "I-S2",
        "it becomes quiet, after no more writes than there are changes to tell",
    ),
    (
        "I-S3",
        "no value of a person is overwritten without being agreed, or kept in a conflict",
    ),
    ("I-S4", "our own writes coming back are no changes"),
    (
        "I-S5",
        "a record is created once in each system, whoever creates it at the same time",
    ),
    ("I-S6", "versions of what is agreed never fall"),
    (
        "I-S7",
        "nothing is removed or brought back without a person's word",
    ),
    (
        "I-S8",
        "automations that answer each other are stopped, and a person is asked",
    ),
    ("I-S9", "a write carries what is newer and nothing else"),
    (
        "I-S10",
        "what was lost on the way is compared with everything there is",
    ),
];

/// Keeps books on everything that happens at the ports.
pub(super) struct Auditor {
    sim: Sim,
    systems: Vec<System>,
    /// Versions that were read.
    known: Arc<Mutex<BTreeSet<(ForeignId, VersionToken)>>>,
    books: Mutex<Books>,
}

/// What is known so far.
struct Books {
    people: People,
    links: BTreeMap<LinkId, Known>,
    /// Keys of the records that links were announced for, before the links were stored.
    founded: BTreeMap<LinkId, Text>,
    /// The links of which each record ever was a part.
    homes: BTreeMap<ForeignId, BTreeSet<LinkId>>,
    /// When each field of a link got a version by what systems do by themselves, since a person last
    /// changed it.
    answers: BTreeMap<(LinkId, FieldName), Vec<DateTime<Utc>>>,
    /// Every write that was ever announced.
    announced: Vec<(LinkId, SystemName, Intent)>,
    /// The newest change of each record that a read showed, as its number in the system's log.
    shown: BTreeMap<ForeignId, u64>,
    /// Every change of each record that a read showed, by its number.
    sights: BTreeMap<ForeignId, BTreeSet<u64>>,
    /// The same of the first sight of each record that a link kept since the record joined it.
    met: BTreeMap<(LinkId, ForeignId), u64>,
    /// Changes of each system that were looked at.
    read: Vec<usize>,
    /// Writes that changed what a record holds, or its being there.
    writes: u64,
    /// Writes that changed nothing but its mark.
    marks: u64,
    /// Conflicts that somebody decided.
    resolved: u64,
    /// Systems whose changes were lost, until everything is compared.
    gaps: BTreeMap<String, Gap>,
}

/// What a system owes after changes were lost.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    /// Times that changes were lost, as far as it was written down.
    written: u64,
    /// Changes were asked for since.
    asked: bool,
}

/// A link as it was stored last.
struct Known {
    record: LinkRecord,
    /// Every value that was ever agreed.
    agreed: BTreeSet<(FieldName, Option<Value>)>,
    /// Every value that was ever in a conflict.
    contested: BTreeSet<(FieldName, Option<Value>)>,
    /// Every reference that was seen to lead nowhere.
    parked: BTreeSet<(FieldName, Option<Value>)>,
    /// There was a conflict about its being there.
    life_contested: bool,
}

/// What the end of a run is checked with.
pub(super) struct Finish {
    pub(super) links: Vec<LinkRecord>,
    pub(super) stale_reads: u64,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auditor").finish_non_exhaustive()
    }
}

impl Auditor {
    /// Books of a run in which `people` work in `systems`.
    pub(super) fn new(
        sim: Sim,
        systems: Vec<System>,
        people: People,
        known: Arc<Mutex<BTreeSet<(ForeignId, VersionToken)>>>,
    ) -> Self {
        let books = Books {
            people,
            links: BTreeMap::new(),
            founded: BTreeMap::new(),
            homes: BTreeMap::new(),
            answers: BTreeMap::new(),
            announced: Vec::new(),
            shown: BTreeMap::new(),
            sights: BTreeMap::new(),
            met: BTreeMap::new(),
            read: vec![0; systems.len()],
            writes: 0,
            marks: 0,
            resolved: 0,
            gaps: BTreeMap::new(),
        };
        Self {
            sim,
            systems,
            known,
            books: Mutex::new(books),
        }
    }

    /// The first thing that somebody does.
    pub(super) fn people_begin(&self) {
        self.books().people.pass(&self.systems);
    }

    /// Whatever people have left to do.
    pub(super) fn people_finish(&self) {
        self.books().people.finish(&self.systems);
    }

    /// Whoever waited until everything is quiet does the next thing. False if nobody did.
    pub(super) fn people_go_on(&self) -> bool {
        self.books().people.go_on(&self.systems)
    }

    /// People have something left to do.
    pub(super) fn people_are_busy(&self) -> bool {
        self.books().people.is_busy()
    }

    /// Writes so far that changed a record.
    pub(super) fn writes(&self) -> u64 {
        let books = self.books();
        books.writes + books.marks
    }

    /// Somebody decided a conflict, past the seam.
    pub(super) fn resolved(&self, links: &[LinkRecord]) {
        let mut books = self.books();
        books.resolved += 1;
        for link in links {
            self.learn(&mut books, link.clone());
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn violate(&self, invariant: &'static str, detail: String) {
        self.sim.violate(Violation::new(invariant, detail));
    }

    fn system(&self, name: &SystemName) -> Option<&System> {
        self.systems.iter().find(|one| one.plan.name == *name)
    }

    fn system_of(&self, object: &str) -> Option<&System> {
        self.systems.iter().find(|one| one.plan.object == object)
    }

    fn wrote(&self, books: &mut Books, write: &Write) {
        let Action::Put(content) = &write.action else {
            return;
        };
        if write.key.collection == CRM_LINKS {
            match serde_json::from_str(content.body.get()) {
                Ok(record) => self.link_stored(books, record),
                Err(error) => self.violate("setup", format!("a link cannot be read: {error}")),
            }
        } else if write.key.collection == CRM_RECORDS {
            self.record_stored(books, content);
        } else if write.key.collection == CRM_STREAMS {
            self.stream_stored(books, &write.key.id, content);
        }
    }

    fn knows(&self, id: &ForeignId, version: &VersionToken) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((id.clone(), version.clone()));
    }

    fn showed(&self, books: &mut Books, record: &CrmRecord, sight: &Sight) {
        let Some(system) = self.system_of(&record.object) else {
            return;
        };
        if let Sight::Present(snapshot) = sight {
            self.knows(&record.id, &snapshot.version);
        }
        let log = system.crm.changes_log(0);
        let mut of_record = log.iter().filter(|one| one.record.id == record.id);
        let number = match sight {
            Sight::Present(snapshot) => of_record
                .find(|one| one.version == snapshot.version)
                .map(|one| one.number),
            _ => of_record.next_back().map(|one| one.number),
        };
        let sights = books.sights.entry(record.id.clone()).or_default();
        sights.extend(number);
        let newest = books.shown.entry(record.id.clone()).or_default();
        *newest = (*newest).max(number.unwrap_or_default());
    }
}

impl Observer for Auditor {
    fn observe(&self, call: &Call, seen: Seen<'_>) {
        let mut books = self.books();
        match seen {
            Seen::Write(write, Ok(_)) => self.wrote(&mut books, write),
            Seen::Write(write, Err(error))
                if error.kind() == ErrorKind::Conflict && write.key.collection == CRM_LINKS =>
            {
                self.sim.mark("link contended");
            }
            Seen::Sight(record, sight) => self.showed(&mut books, record, sight),
            Seen::Changes(object, _) => {
                if let Some(gap) = books.gaps.get_mut(object) {
                    gap.asked = true;
                }
            }
            Seen::Refused(error) => match (call.operation, error.kind()) {
                ("crm_sink.update" | "crm_sink.remove", ErrorKind::Conflict) => {
                    self.sim.mark("write overtaken");
                }
                ("crm_sink.create", ErrorKind::AlreadyExists) => {
                    self.sim.mark("key was taken");
                }
                _ => {}
            },
            _ => {}
        }
        if call.port() == "crm_sink" {
            self.sinks_wrote(&mut books);
        }
        books.people.pass(&self.systems);
    }
}
