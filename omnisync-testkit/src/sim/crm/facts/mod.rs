//! Judging a sync by facts: by what the systems hold, by who changed what when, and by the
//! conflicts that people can read. What a host believes in its store does not matter, so hosts
//! that work differently can be compared.

mod history;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omnisync_core::crm::ledger::{ConflictSubject, LinkRecord};
use omnisync_core::crm::{ForeignId, VersionToken};
use omnisync_core::flow::CRM_LINKS;
use omnisync_core::port::{Action, Sight, Write};

use super::super::scenario::{Life, Play, Worker};
use super::super::violation::Violation;
use super::super::world::Sim;
use super::people::People;
use super::play::CrmPlay;
use super::systems::System;
use crate::fault::{Call, Observer, Seen};
use history::{Contested, History};

/// Steps of healing without a write after which it counts as quiet: longer than anything waits.
const STILL_STEPS: u32 = 4;
/// Steps of healing after which it has to be quiet.
pub(super) const STEPS_MAX: u32 = 20;

/// Calls that change something in a system.
const WRITES: [&str; 4] = [
    "crm_sink.create",
    "crm_sink.update",
    "crm_sink.remove",
    "crm_sink.restore",
];

/// What a run did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Failing {
    /// It still wrote when everything should long have been told.
    pub(crate) never_quiet: bool,
    /// The systems do not hold what they make of one common value.
    pub(crate) diverged: bool,
    /// A person's value is gone that nobody replaced knowingly, and no conflict has it.
    pub(crate) overwritten: bool,
}

impl Failing {
    /// The word under which it is reported.
    const fn word(self) -> Option<&'static str> {
        match (self.never_quiet, self.diverged, self.overwritten) {
            (true, _, false) => Some("never quiet"),
            (true, _, true) => Some("never quiet, overwritten"),
            (false, true, false) => Some("diverged"),
            (false, true, true) => Some("diverged, overwritten"),
            (false, false, true) => Some("overwritten"),
            (false, false, false) => None,
        }
    }

    /// What a reported word says.
    pub(crate) fn of(word: &str) -> Self {
        Self {
            never_quiet: word.contains("never quiet"),
            diverged: word.contains("diverged"),
            overwritten: word.contains("overwritten"),
        }
    }
}

/// Sees what is done in the systems, by whom.
pub(super) struct Witness {
    sim: Sim,
    systems: Vec<System>,
    /// Versions that were read.
    known: Arc<Mutex<BTreeSet<(ForeignId, VersionToken)>>>,
    books: Mutex<Books>,
}

struct Books {
    people: People,
    history: History,
    contested: Contested,
    /// The first value that was overwritten silently.
    overwritten: Option<String>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl Witness {
    /// Sees a run in which `people` work in `systems`. They begin at once.
    pub(super) fn new(
        sim: Sim,
        systems: Vec<System>,
        mut people: People,
        known: Arc<Mutex<BTreeSet<(ForeignId, VersionToken)>>>,
    ) -> Self {
        let mut history = History::new(systems.clone());
        people.pass(&systems);
        history.catch_up();
        Self {
            sim,
            systems,
            known,
            books: Mutex::new(Books {
                people,
                history,
                contested: Contested::new(),
                overwritten: None,
            }),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn people_finish(&self) {
        let mut books = self.books();
        books.people.finish(&self.systems);
        books.history.catch_up();
    }

    fn writes(&self) -> usize {
        self.books().history.writes
    }

    /// What was written to the systems since the last look is judged.
    fn judge(&self, books: &mut Books) {
        for at in books.history.catch_up() {
            let lost = books.history.overwritten(at, &books.contested);
            if let Some(lost) = lost {
                self.sim.note(&format_args!("overwritten: {lost}"));
                books.overwritten.get_or_insert(lost);
            }
        }
    }

    fn failing(&self, never_quiet: bool) -> (Failing, String) {
        let books = self.books();
        let diverged = if never_quiet {
            None
        } else {
            books.history.diverged(&books.people.codes)
        };
        let failing = Failing {
            never_quiet,
            diverged: diverged.is_some(),
            overwritten: books.overwritten.is_some(),
        };
        let details = diverged.into_iter().chain(books.overwritten.clone());
        (failing, details.collect::<Vec<_>>().join("; "))
    }
}

impl Observer for Witness {
    fn observe(&self, call: &Call, seen: Seen<'_>) {
        let mut books = self.books();
        match seen {
            Seen::Write(write, Ok(_)) => contested(&mut books.contested, write),
            Seen::Sight(record, Sight::Present(snapshot)) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert((record.id.clone(), snapshot.version.clone()));
            }
            _ => {}
        }
        if WRITES.contains(&call.operation) {
            self.judge(&mut books);
        }
        if books.people.is_busy() {
            books.people.pass(&self.systems);
            books.history.catch_up();
        }
    }
}

/// Both values of every conflict that a ledger keeps where people can read it.
fn contested(all: &mut Contested, write: &Write) {
    let Action::Put(content) = &write.action else {
        return;
    };
    if write.key.collection != CRM_LINKS {
        return;
    }
    let Ok(link) = serde_json::from_str::<LinkRecord>(content.body.get()) else {
        return;
    };
    for conflict in &link.conflicts {
        let (ConflictSubject::Field { field } | ConflictSubject::Oscillation { field }) =
            &conflict.subject
        else {
            continue;
        };
        let records = link.members.values().filter_map(|one| one.id.as_ref());
        for record in records {
            for side in &conflict.sides {
                all.insert((record.clone(), field.clone(), side.value.clone()));
            }
        }
    }
}

/// A run that is judged by facts.
pub(super) struct FactsPlay {
    play: CrmPlay,
    witness: Arc<Witness>,
    begun: bool,
    /// Writes at the last step, and steps since then without any.
    writes: usize,
    still: u32,
}

impl FactsPlay {
    pub(super) const fn new(play: CrmPlay, witness: Arc<Witness>) -> Self {
        Self {
            play,
            witness,
            begun: false,
            writes: 0,
            still: 0,
        }
    }

    fn is_still(&self) -> bool {
        self.still >= STILL_STEPS
    }
}

impl Play for FactsPlay {
    fn start(&mut self, life: &Life) -> Box<dyn Worker> {
        self.play.start(life)
    }

    fn heal(&mut self) {
        if !self.begun {
            self.begun = true;
            self.witness.people_finish();
            self.play.store.catch_up();
            self.play.sweep();
            return;
        }
        let writes = self.witness.writes();
        let waits = self.play.posts.iter().any(|post| !post.is_empty());
        if writes != self.writes || waits {
            (self.writes, self.still) = (writes, 0);
        } else if let Some((link, conflict)) = self.play.open_conflict() {
            self.play.resolve(&link, &conflict);
            self.still = 0;
        } else {
            self.still += 1;
        }
    }

    fn unrest(&mut self) -> Option<Violation> {
        if self.is_still() {
            return None;
        }
        let (failing, detail) = self.witness.failing(true);
        failing.word().map(|word| Violation::new(word, detail))
    }

    fn audit(&mut self) -> Result<(), Violation> {
        let (failing, detail) = self.witness.failing(false);
        match failing.word() {
            Some(word) => Err(Violation::new(word, detail)),
            None => Ok(()),
        }
    }
}
