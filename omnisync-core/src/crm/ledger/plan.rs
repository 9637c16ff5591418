use chrono::{DateTime, Utc};

use super::Lenses;
use super::conflict::{Choice, Conflict, ConflictState, ConflictSubject};
use super::member::{Intent, IntentField, IntentKind, MemberRecord, Presence};
use super::policy::SyncPolicy;
use super::record::{Base, LinkRecord};
use crate::crm::fields::Fields;
use crate::crm::name::{FieldName, ForeignId, SystemName};
use crate::crm::patch::Patch;
use crate::id::WorkerId;

/// What to do next for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Look at the record in this system.
    Look(Target),
    /// A creation was announced whose end is not known: find out whether there is a record.
    Find(SystemName),
    /// There is no record that is known: find out whether there is one with the natural key before
    /// any is created.
    Seek(SystemName),
    /// The announced write, once the record is stored.
    Write(Target),
    /// Nothing before this instant: until then another worker has the record for itself.
    Busy(DateTime<Utc>),
    /// Nothing before this instant.
    Wait(DateTime<Utc>),
    /// Nothing at all.
    Rest,
}

/// A record in a system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The system.
    pub system: SystemName,
    /// Its id there; `None` for one that is to be created.
    pub id: Option<ForeignId>,
}

/// What one system needs.
enum Need {
    Nothing,
    /// A look before anything is written.
    Look,
    Write(Intent),
    /// Nothing before then.
    Later(DateTime<Utc>),
    /// Nothing for a while, unless one of these fields gets a version above these.
    Blocked(String, Fields<u64>),
}

impl LinkRecord {
    /// What to do next. A write is announced in the record, which has to be stored before it is
    /// made.
    pub fn plan(
        &mut self,
        lenses: &dyn Lenses,
        policy: &SyncPolicy,
        worker: &WorkerId,
        now: DateTime<Utc>,
    ) -> Step {
        if let Some(until) = self.leased_by_another(worker, now) {
            return Step::Busy(until);
        }
        for (system, member) in &self.members {
            if let Some(step) = member.look_needed(system) {
                return step;
            }
        }
        if let Some(system) = self.unsought(lenses) {
            return Step::Seek(system.clone());
        }
        let mut until: Option<DateTime<Utc>> = None;
        for system in lenses.systems() {
            let member = self.members.of(system);
            if let Some(again) = member.parked_until(policy, now) {
                until = Some(until.map_or(again, |until| until.min(again)));
            }
            if let Some(obstacle) = &member.obstacle {
                let agreed = &self.fields;
                let is_mended = obstacle.fields.iter().any(|(field, refused)| {
                    let base = agreed.get(field.as_str());
                    base.is_some_and(|base| base.version > *refused)
                });
                if obstacle.until > now && !is_mended {
                    until = Some(until.map_or(obstacle.until, |until| until.min(obstacle.until)));
                    continue;
                }
                // Tried again, it stays until it is known to be out of the way: since when is told.
                if is_mended {
                    member.obstacle = None;
                }
            }
            match self.need(system, lenses, worker, policy, now) {
                Need::Nothing => self.members.of(system).obstacle = None,
                Need::Later(again) => {
                    // What waits does so for reasons of its own.
                    self.members.of(system).obstacle = None;
                    until = Some(until.map_or(again, |until| until.min(again)));
                }
                Need::Look => {
                    let member = self.members.of(system);
                    (member.look, member.unseen) = (true, true);
                    if let Some(step) = member.look_needed(system) {
                        return step;
                    }
                }
                Need::Write(intent) => {
                    let member = self.members.of(system);
                    member.intent = Some(intent);
                    return Step::Write(Target {
                        system: system.clone(),
                        id: member.id.clone(),
                    });
                }
                Need::Blocked(reason, fields) => {
                    let again = now + policy.refused_retry();
                    let member = self.members.of(system);
                    member.hinder(reason, again, fields, now);
                    until = Some(until.map_or(again, |until| until.min(again)));
                }
            }
        }
        self.close_conflicts(lenses);
        until.map_or(Step::Rest, Step::Wait)
    }

    pub(super) fn leased_by_another(
        &self,
        worker: &WorkerId,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let intents = self.members.values().filter_map(|m| m.intent.as_ref());
        intents
            .filter(|intent| intent.worker != *worker && intent.until > now)
            .map(|intent| intent.until)
            .max()
    }

    fn need(
        &mut self,
        system: &SystemName,
        lenses: &dyn Lenses,
        worker: &WorkerId,
        policy: &SyncPolicy,
        now: DateTime<Utc>,
    ) -> Need {
        let Some(member) = self.members.get_mut(system) else {
            return Need::Nothing;
        };
        let intent = |kind, fields| Intent {
            kind,
            fields,
            mark: None,
            life_version: self.life.version,
            expect: None,
            worker: worker.clone(),
            until: now + policy.lease(),
            acknowledged: false,
            repeats: false,
        };
        let contested = self.life.held.is_some();
        let open = self.conflicts.iter().any(Conflict::is_open);
        let mark =
            (lenses.marks(system) && (member.marked != open || member.mark_unsure)).then_some(open);
        match &member.presence {
            Presence::None if member.unfinished.is_some() && self.life.alive && !contested => {
                let again = member.unfinished.clone().map(|unfinished| Intent {
                    worker: worker.clone(),
                    until: now + policy.lease(),
                    ..unfinished
                });
                again.map_or(Need::Nothing, Need::Write)
            }
            Presence::None if self.life.alive && !contested => {
                if self.fields.is_empty() || self.is_asked_about(lenses) {
                    return Need::Nothing;
                }
                if let Some(field) = self.lacks(lenses) {
                    let version = self.base(field).map_or(0, |base| base.version);
                    let fields = [(field.clone(), version)].into_iter().collect();
                    let reason = format!("a record without {field} is not created");
                    return Need::Blocked(reason, fields);
                }
                let mut fields = Fields::new();
                for (field, base) in self.fields.iter() {
                    if base.held.is_none() && base.value.is_some() && lenses.takes(system, field) {
                        let field_intent = IntentField {
                            value: base.value.clone(),
                            version: base.version,
                            was: Patch::Absent,
                        };
                        fields.insert(field.clone(), field_intent);
                    }
                }
                Need::Write(intent(IntentKind::Create, fields))
            }
            Presence::InUse if !self.life.alive && !contested => {
                if member.life_synced >= self.life.version {
                    return Need::Nothing;
                }
                let mut removal = intent(IntentKind::Remove, Fields::new());
                removal.expect.clone_from(&member.seen);
                Need::Write(removal)
            }
            Presence::Gone if self.life.alive && !contested => {
                if member.life_synced >= self.life.version {
                    return Need::Nothing;
                }
                Need::Write(intent(IntentKind::Restore, Fields::new()))
            }
            Presence::InUse => {
                let again = now + policy.refused_retry();
                let mut lag = behind(&self.fields, member, system, lenses, (now, again));
                if lag.unseen {
                    return Need::Look;
                }
                let is_single = member.single(&mut lag.fields);
                let mark = mark.filter(|_| !is_single);
                if lag.fields.is_empty() && mark.is_none() {
                    return lag.again.map_or(Need::Nothing, Need::Later);
                }
                let mut update = intent(IntentKind::Update, lag.fields);
                update.expect.clone_from(&member.seen);
                update.mark = mark;
                Need::Write(update)
            }
            _ => Need::Nothing,
        }
    }

    /// A system in which the record would be created, and where nobody has looked for one yet. All
    /// are asked before the first creation: what people entered in several systems is known then, and
    /// nothing is written that the next answer makes wrong.
    fn unsought<'a>(&self, lenses: &'a dyn Lenses) -> Option<&'a SystemName> {
        let mut systems = lenses.systems().iter();
        let system = systems.find(|system| {
            let member = self.members.get(system);
            member.is_none_or(|member| {
                member.presence == Presence::None
                    && member.id.is_none()
                    && member.intent.is_none()
                    && member.unfinished.is_none()
                    && !member.sought
            })
        })?;
        let is_due = self.life.alive
            && self.life.held.is_none()
            && !self.fields.is_empty()
            && self.lacks(lenses).is_none();
        is_due.then_some(system)
    }

    /// A person has to decide about a field without which no record is created. Until then time
    /// changes nothing; whoever decides has the link gone on with.
    fn is_asked_about(&self, lenses: &dyn Lenses) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(field, base)| lenses.requires(field) && base.held.is_some())
    }

    /// A field without which no record is created, and that has no value yet.
    fn lacks(&self, lenses: &dyn Lenses) -> Option<&FieldName> {
        let missing = self.fields.iter().find(|(field, base)| {
            lenses.requires(field) && (base.value.is_none() || base.held.is_some())
        });
        let members = self.members.values();
        let mut awaited = members.flat_map(|member| member.awaiting.names());
        let parked = awaited.find(|field| lenses.requires(field));
        missing.map(|(field, _)| field).or(parked)
    }

    /// Conflicts that every system follows are over.
    fn close_conflicts(&mut self, lenses: &dyn Lenses) {
        for at in 0..self.conflicts.len() {
            let Some(conflict) = self.conflicts.get(at) else {
                continue;
            };
            let ConflictState::Resolved { by, choice, .. } = &conflict.state else {
                continue;
            };
            let follows = match &conflict.subject {
                ConflictSubject::Field { field }
                | ConflictSubject::Oscillation { field }
                | ConflictSubject::OverwrittenAfterTheFact { field, .. } => {
                    self.follow_field(field, lenses)
                }
                ConflictSubject::DeleteVersusEdit => self.follow_life(lenses),
                ConflictSubject::Merge { .. } => self.follows_merge(),
                // Only once its records were looked at again.
                ConflictSubject::DuplicateKey { .. } => false,
            };
            if follows {
                let (by, choice): (String, Choice) = (by.clone(), choice.clone());
                if let Some(conflict) = self.conflicts.get_mut(at) {
                    conflict.state = ConflictState::Propagated { by, choice };
                }
            }
        }
    }

    /// Every system follows the record's life, where it has a record that could.
    fn follow_life(&self, lenses: &dyn Lenses) -> bool {
        lenses.systems().iter().all(|system| {
            let Some(member) = self.members.get(system) else {
                return !self.life.alive;
            };
            match &member.presence {
                Presence::None => !self.life.alive,
                Presence::Merged { .. } => true,
                Presence::InUse | Presence::Gone => member.life_synced >= self.life.version,
            }
        })
    }

    fn follow_field(&self, field: &FieldName, lenses: &dyn Lenses) -> bool {
        let Some(base) = self.base(field) else {
            return true;
        };
        base.held.is_none()
            && lenses.systems().iter().all(|system| {
                !lenses.takes(system, field)
                    || self.members.get(system).is_none_or(|member| {
                        member.presence != Presence::InUse
                            || member.synced(field.as_str()) >= base.version
                    })
            })
    }
}

impl MemberRecord {
    /// Leaves one field of those that are tried singly, if there is one. True if so.
    fn single(&mut self, fields: &mut Fields<IntentField>) -> bool {
        while let Some(field) = self.singly.pop_first() {
            if fields.contains(field.as_str()) {
                fields.retain(|one, _| *one == field);
                return true;
            }
        }
        false
    }

    pub(super) fn look_needed(&self, system: &SystemName) -> Option<Step> {
        let open_creation = self
            .intent
            .as_ref()
            .is_some_and(|intent| intent.kind == IntentKind::Create && !intent.acknowledged);
        match &self.id {
            Some(id) if self.look || self.intent.is_some() => Some(Step::Look(Target {
                system: system.clone(),
                id: Some(id.clone()),
            })),
            None if open_creation => Some(Step::Find(system.clone())),
            _ => None,
        }
    }
}

/// In what a system is behind.
struct Lag {
    /// The fields that it is to be told.
    fields: Fields<IntentField>,
    /// One of them was never seen there.
    unseen: bool,
    /// When a field is tried again that is left out at present.
    again: Option<DateTime<Utc>>,
}

/// The fields in which a system is behind. Where it shows already what it would make of the value,
/// it is not behind; a value that it cannot hold is left out until `retry_at`.
fn behind(
    agreed: &Fields<Base>,
    member: &mut MemberRecord,
    system: &SystemName,
    lenses: &dyn Lenses,
    (now, retry_at): (DateTime<Utc>, DateTime<Utc>),
) -> Lag {
    let guards = lenses.guards(system);
    let mut lag = Lag {
        fields: Fields::new(),
        unseen: false,
        again: None,
    };
    // What is tried again stays refused until it is written: since when is told.
    let synced = &member.fields;
    member.refused.retain(|field, refusal| {
        let name = field.as_str();
        let base = agreed.get(name);
        let is_behind = synced
            .get(name)
            .is_none_or(|held| held.synced < refusal.version);
        is_behind && base.is_some_and(|base| base.version == refusal.version)
    });
    for (field, base) in agreed.iter() {
        let name = field.as_str();
        if base.held.is_some()
            || member.awaiting.contains(name)
            || member.unreadable.contains(field)
            || member.synced(name) >= base.version
            || !lenses.takes(system, field)
        {
            continue;
        }
        let refused = member.refused.get(name).map(|refusal| refusal.until);
        if let Some(until) = refused.filter(|until| *until > now) {
            lag.waits(until);
            continue;
        }
        let held = member.fields.get(name);
        if held.is_none_or(|held| held.shadow.is_absent() && !held.hidden)
            && lenses.shows(system, field)
        {
            lag.unseen = true;
        }
        let Some(normal) = lenses.normal(system, field, base.value.as_ref()) else {
            let reason = format!("{system} cannot hold the value of {field}");
            member.refuse(field, base.version, reason, retry_at, now);
            lag.waits(retry_at);
            continue;
        };
        if let Some(held) = member.fields.get_mut(name)
            && held.shadow == Patch::from(normal)
        {
            held.synced = base.version;
            continue;
        }
        let was = if guards {
            Patch::Absent
        } else {
            member.was(field)
        };
        let written = IntentField {
            value: base.value.clone(),
            version: base.version,
            was,
        };
        lag.fields.insert(field.clone(), written);
    }
    lag
}

impl Lag {
    fn waits(&mut self, until: DateTime<Utc>) {
        self.again = Some(self.again.map_or(until, |again| again.min(until)));
    }
}
