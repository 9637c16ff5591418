//! What outlives the workers in a run of a [`CrmScenario`](super::CrmScenario).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omnisync_core::crm::ledger::{
    Choice, Conflict, ConflictSubject, LinkRecord, MemberRecord, SyncPolicy,
};
use omnisync_core::crm::{EntityDefinition, ForeignId, Native, Value};
use omnisync_core::flow::{
    CRM_LINKS, CRM_RECORDS, CRM_STREAMS, CrmDesk, CrmSystem, DeskError, Landscape, LinkState,
    Worker as FlowWorker,
};
use omnisync_core::id::WorkerId;
use omnisync_core::port::{Collection, Document, StateStore};

use super::super::scenario::{Life, Play, Worker};
use super::super::violation::Violation;
use super::super::world::Sim;
use super::audit::{Auditor, Finish};
use super::environment::BadDay;
use super::host::{CrmHost, CrmPort, CrmPorts};
use super::post::Post;
use super::systems::{CITY, System};
use super::turns::{LEAST_WRITES, Turns, WRITES};
use crate::fake::MemoryStateStore;
use crate::fake::crm::Standing;
use crate::fault::Seam;

/// A run of CRM sync.
pub(super) struct CrmPlay {
    pub(super) sim: Sim,
    pub(super) host: Arc<dyn CrmHost>,
    pub(super) entity: EntityDefinition,
    pub(super) policy: SyncPolicy,
    pub(super) store: MemoryStateStore,
    pub(super) systems: Vec<System>,
    pub(super) posts: Vec<Post>,
    pub(super) seam: Seam,
    pub(super) environment: Arc<BadDay>,
    pub(super) auditor: Arc<Auditor>,
    /// Times that everything is compared yet, when it is quiet.
    pub(super) idle_left: u32,
    /// Everything was compared once since the faults ended.
    pub(super) swept: bool,
    /// Writes when it was quiet for the first time.
    pub(super) writes_at_rest: Option<u64>,
    /// What people do one by one, and what that costs.
    pub(super) turns: Turns,
}

impl Play for CrmPlay {
    fn start(&mut self, life: &Life) -> Box<dyn Worker> {
        let systems = self.systems.iter().zip(&self.posts);
        let systems = systems.map(|(system, post)| CrmPort {
            name: system.plan.name.clone(),
            sink: Arc::new(self.seam.wrap(system.crm.clone())),
            map: system.plan.map.clone(),
            post: post.clone(),
            mark: system.plan.mark.clone(),
        });
        self.host.start(CrmPorts {
            systems: systems.collect(),
            entity: self.entity.clone(),
            store: Arc::new(self.seam.wrap(self.store.clone())),
            clock: self.sim.clock_of(life.worker),
            ids: self.sim.ids_of(life),
            worker: life.name.clone(),
            sim: self.sim.clone(),
        })
    }

    fn heal(&mut self) {
        if !self.swept {
            self.swept = true;
            self.auditor.people_finish();
            self.store.catch_up();
            self.sweep();
            return;
        }
        if self.motion().is_some() {
            return;
        }
        if let Some((link, conflict)) = self.open_conflict() {
            if let Some(unmarked) = self.unmarked() {
                self.sim.violate(unmarked);
            }
            let is_in_turn = self.turns.end(&self.systems);
            self.resolve(&link, &conflict);
            if is_in_turn {
                self.turns.begin(&self.systems);
            }
            return;
        }
        self.turns.end(&self.systems);
        if self.auditor.people_go_on() {
            self.turns.begin(&self.systems);
            return;
        }
        let writes = self.auditor.writes();
        self.writes_at_rest.get_or_insert(writes);
        if self.idle_left > 0 {
            self.idle_left -= 1;
            self.sweep();
        }
    }

    fn unrest(&mut self) -> Option<Violation> {
        if let Some(at_rest) = self.writes_at_rest {
            let writes = self.auditor.writes();
            if writes != at_rest {
                let detail = format!("{} writes although nothing changed", writes - at_rest);
                self.sim.violate(Violation::new("I-S2", detail));
            }
        }
        if let Some(detail) = self.motion() {
            return Some(Violation::new("I-S2", detail));
        }
        if self.auditor.people_are_busy() {
            return Some(Violation::new("I-S2", "people have something left to do"));
        }
        if self.idle_left > 0 || self.writes_at_rest.is_none() {
            return Some(Violation::new("I-S2", "it is not quiet for long enough"));
        }
        None
    }

    fn audit(&mut self) -> Result<(), Violation> {
        if let Some(unmarked) = self.unmarked() {
            return Err(unmarked);
        }
        if let Some(least) = self.turns.least() {
            self.sim.count(WRITES, self.auditor.writes());
            self.sim.count(LEAST_WRITES, least);
        }
        self.auditor.audit(&Finish {
            links: self.links(),
            stale_reads: self.environment.stale_reads.load(Ordering::SeqCst),
        })
    }
}

impl CrmPlay {
    pub(super) fn sweep(&self) {
        for post in &self.posts {
            post.demand_everything();
        }
    }

    /// What still has to be done, if anything.
    fn motion(&self) -> Option<String> {
        if let Some(at) = self.posts.iter().position(|post| !post.is_empty()) {
            return Some(format!("events of system {at} wait"));
        }
        let mut streams = self.store.documents(CRM_STREAMS).into_iter();
        if let Some(stream) = streams.find(|stream| stream.state == "behind") {
            return Some(format!("stream {} is behind", stream.key.id));
        }
        let due = |collection: Collection| {
            let all = self.store.documents(collection).into_iter();
            all.filter(|document| document.due_at.is_some())
        };
        let mut links = due(CRM_LINKS)
            .filter(|link| !self.waits_for_a_key(link) && !self.waits_for_a_record(link));
        let due = due(CRM_RECORDS).next().or_else(|| links.next())?;
        Some(format!("{} is {}", due.key, due.state))
    }

    /// Nothing can be done before somebody removes a record that is out of use and has the key, or
    /// says what becomes of one that is in use. Whatever else is in the way is tried again later, and
    /// is motion.
    fn waits_for_a_key(&self, link: &Document) -> bool {
        let Ok(parsed) = link.parse::<LinkRecord>() else {
            return false;
        };
        let mut hindered = self.systems.iter().filter(|one| one.is_hindered(&parsed));
        if link.state == LinkState::Working.as_str() || hindered.clone().next().is_none() {
            return false;
        }
        let asked = self.asked_about();
        hindered.all(|one| one.is_taken(&parsed) || one.is_key_taken(&parsed, &asked))
    }

    /// Nothing can be done before somebody brings back a record that was removed before it was known
    /// everywhere, and that others point at: it is sought now and then, and people are told.
    fn waits_for_a_record(&self, link: &Document) -> bool {
        let Ok(parsed) = link.parse::<LinkRecord>() else {
            return false;
        };
        let links = self.links();
        let members = || parsed.members.values();
        let is_at_work = link.state == LinkState::Working.as_str();
        if is_at_work || members().any(|one| one.look || one.obstacle.is_some()) {
            return false;
        }
        let waits = |system: &System| system.waits_for_records(&parsed, &links, &self.systems);
        members().any(|one| one.awaited().next().is_some() || !one.refused.is_empty())
            && self.systems.iter().all(waits)
    }

    /// Records whose key a person has yet to decide about.
    fn asked_about(&self) -> BTreeSet<ForeignId> {
        let links = self.links();
        let open = links.iter().flat_map(LinkRecord::open_conflicts);
        open.filter_map(|conflict| match &conflict.subject {
            ConflictSubject::DuplicateKey { id, .. } => Some(id.clone()),
            _ => None,
        })
        .collect()
    }

    fn links(&self) -> Vec<LinkRecord> {
        let links = self.store.documents(CRM_LINKS);
        links
            .iter()
            .filter_map(|link: &Document| link.parse().ok())
            .collect()
    }

    /// A record whose mark does not say whether a person has something to decide.
    fn unmarked(&self) -> Option<Violation> {
        let links = self.links();
        let mut members = links.iter().flat_map(|link| {
            let open = link.open_conflicts().next().is_some();
            link.members
                .iter()
                .map(move |(name, member)| (open, name, member))
        });
        members.find_map(|(open, name, member)| {
            let system = self.systems.iter().find(|one| one.plan.name == *name)?;
            let mark = system.plan.mark.as_ref()?;
            let row = system.crm.snapshot(member.id.as_ref()?)?;
            let text = row
                .state
                .fields
                .get(mark.as_str())
                .and_then(Native::as_text);
            let is_in_use = row.state.standing == Standing::Active;
            if !is_in_use || text.is_some() == open {
                return None;
            }
            let detail = format!("{} says {text:?}, in conflict is {open}", row.record.id);
            Some(Violation::new("I-S3", detail))
        })
    }

    pub(super) fn open_conflict(&self) -> Option<(LinkRecord, Conflict)> {
        let mut links = self.links().into_iter();
        links.find_map(|link| {
            let open = link.open_conflicts().next().cloned();
            open.map(|open| (link, open))
        })
    }

    /// Somebody decides, one way or another.
    pub(super) fn resolve(&self, link: &LinkRecord, conflict: &Conflict) {
        let members = link.members.iter();
        let sides: Vec<_> = match conflict.subject {
            ConflictSubject::DeleteVersusEdit => members
                .filter(|(_, member): &(_, &MemberRecord)| member.id.is_some())
                .map(|(system, _)| system.clone())
                .collect(),
            _ => conflict
                .sides
                .iter()
                .map(|side| side.system.clone())
                .collect(),
        };
        let takes = sides.into_iter().map(|system| Choice::Take { system });
        let choices: Vec<Choice> = match &conflict.subject {
            // The key may stay taken: only that the record is another thing ends it for sure.
            ConflictSubject::DuplicateKey { id, other, .. } => {
                let is_free = other.is_none() && !self.is_linked(id);
                let second = is_free.then(|| Choice::Record { id: id.clone() });
                std::iter::once(Choice::Apart)
                    .chain(takes)
                    .chain(second)
                    .collect()
            }
            // Somebody may know better than all of them.
            ConflictSubject::Field { field } | ConflictSubject::Oscillation { field }
                if field.as_str() == CITY =>
            {
                let value = Some(Value::Text(format!("Entered {}", conflict.id).into()));
                takes
                    .chain(std::iter::once(Choice::Value { value }))
                    .collect()
            }
            _ => takes.collect(),
        };
        let bound = u32::try_from(choices.len()).unwrap_or(1);
        let at = usize::try_from(self.sim.choose(bound)).unwrap_or_default();
        let Some(choice) = choices.get(at).cloned() else {
            let detail = format!("conflict {} has no side", conflict.id);
            self.sim.violate(Violation::new("I-S3", detail));
            return;
        };
        self.sim.mark(match choice {
            Choice::Value { .. } => "value entered",
            Choice::Record { .. } => "record chosen",
            _ => "conflict resolved",
        });
        if matches!(conflict.subject, ConflictSubject::Oscillation { .. }) {
            // Else they answer what is decided, too.
            self.sim.mark("automations stopped");
            for system in &self.systems {
                system.crm.stop_automations();
            }
        }
        match self.decide(conflict, choice) {
            Ok(()) => self.auditor.resolved(&self.links()),
            Err(error) => self.sim.violate(Violation::new("I-S3", error)),
        }
    }

    /// A link counts on the record.
    fn is_linked(&self, id: &ForeignId) -> bool {
        let links = self.links();
        let mut members = links.iter().flat_map(|link| link.members.values());
        members.any(|member| member.id.as_ref() == Some(id))
    }

    fn decide(&self, conflict: &Conflict, choice: Choice) -> Result<(), String> {
        let life = Life {
            worker: usize::MAX,
            number: u32::MAX,
            name: WorkerId::new("desk").map_err(|error| error.to_string())?,
        };
        let bare = self.systems.iter().map(|system| {
            let sink = Arc::new(system.crm.clone());
            CrmSystem::new(system.plan.name.clone(), sink).with_map(system.plan.map.clone())
        });
        let landscape = Landscape::new([self.entity.clone()], bare);
        let ruled = |one: Landscape| one.with_policy(self.entity.name.clone(), self.policy.clone());
        let landscape = landscape.and_then(ruled);
        let landscape = landscape.map_err(|error| error.to_string())?;
        let worker = FlowWorker::new(
            life.name.clone(),
            Arc::new(self.sim.clock()),
            self.sim.ids_of(&life),
        );
        let store: Arc<dyn StateStore> = Arc::new(self.store.clone());
        let desk = CrmDesk::new(store, Arc::new(landscape), worker);
        let decided = crate::crash::run(desk.resolve(conflict.id, choice, "ann"));
        let decided: Result<(), DeskError> = decided.map_err(|stalled| stalled.to_string())?;
        decided.map_err(|error| format!("conflict {} cannot be resolved: {error}", conflict.id))
    }
}
