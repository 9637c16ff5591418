//! What became of a write, and of a conflict.

use chrono::{DateTime, Utc};

use super::conflict::{
    Choice, Conflict, ConflictId, ConflictState, ConflictSubject, ResolveError, Side,
};
use super::member::{Held, Intent, IntentKind, MemberRecord, Obstacle, Presence, Refusal};
use super::policy::SyncPolicy;
use super::record::LinkRecord;
use crate::crm::fields::Fields;
use crate::crm::name::{FieldName, ForeignId, SystemName, VersionToken};
use crate::crm::patch::Patch;
use crate::crm::value::Value;
use crate::id::WorkerId;

impl LinkRecord {
    /// The announced write was done.
    pub fn acknowledged(
        &mut self,
        system: &SystemName,
        id: ForeignId,
        version: Option<VersionToken>,
    ) {
        let Some(member) = self.members.get_mut(system) else {
            return;
        };
        let Some(mut intent) = member.intent.take() else {
            return;
        };
        intent.acknowledged = true;
        // From now on the system holds what was written: a person who sets the value back to what it
        // was before the read-back has changed it.
        for (field, written) in intent.fields.iter() {
            let before = member.synced(field.as_str());
            let held = Held {
                shadow: Patch::from(written.value.clone()),
                synced: before.max(written.version),
                hidden: false,
            };
            member.fields.insert(field.clone(), held);
            member.refused.remove(field.as_str());
        }
        member.obstacle = None;
        member.life_synced = member.life_synced.max(intent.life_version);
        if let Some(mark) = intent.mark {
            member.marked = mark;
            member.mark_unsure = false;
        }
        match intent.kind {
            IntentKind::Create => {
                member.id = Some(id);
                member.presence = Presence::InUse;
                member.unfinished = None;
            }
            IntentKind::Restore => member.presence = Presence::InUse,
            IntentKind::Remove => member.presence = Presence::Gone,
            IntentKind::Update => {}
        }
        member.intent = Some(intent);
        member.receipt = version;
        member.look = true;
    }

    /// Nobody knows whether the announced write was done.
    pub fn unanswered(&mut self, system: &SystemName) {
        if let Some(member) = self.members.get_mut(system) {
            member.look = member.id.is_some();
        }
    }

    /// The announced write was not done, since the record is another one by now.
    pub fn overtaken(&mut self, system: &SystemName) {
        if let Some(member) = self.members.get_mut(system) {
            member.intent = None;
            member.look = member.id.is_some();
        }
    }

    /// The announced write was not done, and nothing is written there before `until`: the system, or
    /// somebody on the way, asks for time.
    pub fn paused(
        &mut self,
        system: &SystemName,
        reason: String,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        if let Some(member) = self.members.get_mut(system) {
            member.give_up();
            member.hinder(reason, until, Fields::new(), now);
        }
    }

    /// Nobody finds what an announced creation without an answer brought about. Its maker may only
    /// sleep: it is made again for the same values, so that whichever comes first is known by them.
    pub fn not_found(&mut self, system: &SystemName) {
        if let Some(member) = self.members.get_mut(system) {
            let intent = member.intent.take();
            let creation = intent.filter(|one| one.kind == IntentKind::Create);
            member.unfinished = creation.or_else(|| member.unfinished.take());
        }
    }

    /// No record with the natural key was found that could take part: one is created.
    pub fn not_there(&mut self, system: &SystemName) {
        self.members.of(system).sought = true;
    }

    /// The announced creation met a record with its natural key, which takes part from now on. If it
    /// was made before, the record may be what came of that.
    pub fn met(&mut self, system: &SystemName, id: ForeignId) {
        let may_be_ours = self.members.get(system).is_some_and(|member| {
            member.unfinished.is_some() || member.intent.as_ref().is_some_and(|one| one.repeats)
        });
        if may_be_ours {
            self.found_created(system, id);
        } else {
            self.joined(system, id);
        }
    }

    /// The announced write was not done, and its values are not to be tried before `until`. A value
    /// that is mended is.
    pub fn refused(
        &mut self,
        system: &SystemName,
        reason: String,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let Some(member) = self.members.get_mut(system) else {
            return;
        };
        let Some(intent) = member.give_up() else {
            return;
        };
        if intent.kind == IntentKind::Update && !intent.fields.is_empty() {
            for (field, written) in intent.fields.iter() {
                member.refuse(field, written.version, reason.clone(), until, now);
            }
            return;
        }
        // A creation that is repeated to the letter has values of long ago: only what changes from
        // now on mends anything.
        let fields = intent.fields.into_iter().map(|(field, written)| {
            let agreed = self.fields.get(field.as_str()).map(|base| base.version);
            let version = agreed.unwrap_or(written.version);
            (field, version)
        });
        let fields = fields.collect();
        member.hinder(reason, until, fields, now);
    }

    /// The announced write was not done, since the system refuses a value of it and does not say
    /// which: the fields of a change are written one by one, once, and what is refused then waits
    /// until `until`.
    pub fn invalid(
        &mut self,
        system: &SystemName,
        reason: String,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let Some(member) = self.members.get_mut(system) else {
            return;
        };
        match &member.intent {
            Some(intent)
                if intent.kind == IntentKind::Update
                    && intent.fields.len() + usize::from(intent.mark.is_some()) > 1 =>
            {
                member.singly = intent.fields.names().cloned().collect();
                member.intent = None;
            }
            _ => self.refused(system, reason, until, now),
        }
    }

    /// The announced creation met a record that was there: it takes part from now on.
    pub fn joined(&mut self, system: &SystemName, id: ForeignId) {
        let member = self.members.of(system);
        member.intent = None;
        member.unfinished = None;
        member.obstacle = None;
        member.id = Some(id);
        member.look = true;
    }

    /// An announced creation without an answer is to be made again, for the same values: only so is
    /// it known what the system answers.
    pub fn repeat(
        &mut self,
        system: &SystemName,
        worker: &WorkerId,
        policy: &SyncPolicy,
        now: DateTime<Utc>,
    ) {
        let member = self.members.get_mut(system);
        if let Some(intent) = member.and_then(|member| member.intent.as_mut()) {
            intent.worker = worker.clone();
            intent.until = now + policy.lease();
            intent.repeats = true;
        }
    }

    /// The record that a creation without an answer brought about: what it shows may be ours.
    pub fn found_created(&mut self, system: &SystemName, id: ForeignId) {
        if let Some(member) = self.members.get_mut(system) {
            member.id = Some(id);
            member.presence = Presence::InUse;
            member.look = true;
            // What it shows is compared with what was to be created.
            let unfinished = member.unfinished.take();
            member.intent = member.intent.take().or(unfinished);
        }
    }

    /// A system that knows the creations that it made refused the announced one: no earlier attempt at
    /// it was made. Whoever sleeps may make it yet, so what is created from now on is another one, of
    /// the values that are agreed then.
    pub fn never_made(&mut self, system: &SystemName) {
        let Some(member) = self.members.get_mut(system) else {
            return;
        };
        let was_tried = member.unfinished.take().is_some();
        let repeats = member.intent.as_mut();
        let repeats = repeats.is_some_and(|one| std::mem::take(&mut one.repeats));
        if was_tried || repeats {
            *self.left.entry(system.clone()).or_default() += 1;
        }
    }

    /// A record says that an announced creation brought it about, whatever became of the answer and
    /// whoever changed it since.
    pub fn shown_created(&mut self, system: &SystemName, id: ForeignId) {
        if let Some(member) = self.members.get_mut(system) {
            let unfinished = member.unfinished.take();
            member.intent = member.intent.take().or(unfinished);
        }
        self.acknowledged(system, id, None);
    }

    /// Leaves a field out of an announced write, which is done without it. False if nothing else is
    /// to be written: then the write is still about that field, and is to be [`refused`](Self::refused).
    pub fn withhold(&mut self, system: &SystemName, field: &FieldName) -> bool {
        let member = self.members.get_mut(system);
        let Some(intent) = member.and_then(|member| member.intent.as_mut()) else {
            return false;
        };
        let is_announced = intent.fields.contains(field.as_str());
        let others = intent.fields.len() - usize::from(is_announced);
        if others == 0 && intent.mark.is_none() {
            return false;
        }
        intent.fields.remove(field.as_str());
        true
    }

    /// A removed record cannot be brought back: a new one takes its place.
    pub fn forgotten(&mut self, system: &SystemName) {
        if let Some(member) = self.members.get_mut(system) {
            *member = MemberRecord::default();
        }
    }

    /// The document of the record in `system` says that it belongs here.
    pub fn bound(&mut self, system: &SystemName) {
        if let Some(member) = self.members.get_mut(system) {
            member.bound = true;
        }
    }

    /// Something may have changed in `system`.
    pub fn hint(&mut self, system: &SystemName) {
        if let Some(member) = self.members.get_mut(system)
            && member.id.is_some()
        {
            member.look = true;
        }
    }

    /// A second record of `system` has the natural key of this one. Says so once.
    pub fn duplicate(&mut self, system: &SystemName, id: &ForeignId, now: DateTime<Utc>) {
        let subject = ConflictSubject::DuplicateKey {
            system: system.clone(),
            id: id.clone(),
            other: None,
        };
        let is_told = self.open_conflicts().any(|one| one.subject == subject);
        if is_told || self.is_apart(system, id) {
            return;
        }
        let side = Side {
            system: system.clone(),
            value: None,
        };
        self.found(subject, vec![side], ConflictState::Open, now);
    }

    /// Decides an open conflict: what `choice` names counts from now on. A value that a person enters
    /// has to be one that the field [can have](crate::crm::FieldDefinition::check).
    ///
    /// # Errors
    /// There is no such open conflict, the chosen system has nothing to say in it, or it is not one to
    /// be decided so.
    pub fn resolve(
        &mut self,
        conflict: ConflictId,
        choice: Choice,
        by: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ResolveError> {
        let found = self.conflicts.iter().find(|one| one.id == conflict);
        let found = found.ok_or(ResolveError::Unknown(conflict))?;
        if !found.is_open() {
            return Err(ResolveError::NotOpen(conflict));
        }
        let subject = found.subject.clone();
        if let ConflictSubject::DuplicateKey { system, id, other } = &subject {
            self.decide_key(conflict, (system, id), *other, &choice, now)?;
            self.decided(conflict, by, choice, now);
            return Ok(());
        }
        if let Some(field) = subject.field() {
            let (value, of) = match &choice {
                Choice::Take { system } => (found.value_of(system)?, system.clone()),
                Choice::Value { value } => (value.clone(), SystemName::person()),
                Choice::Record { .. } | Choice::Apart => {
                    return Err(ResolveError::NotSo { conflict });
                }
            };
            self.decide_field(field.as_str(), value, &of, now);
            if let Some(base) = self.fields.get_mut(field.as_str()) {
                base.chosen = matches!(subject, ConflictSubject::Oscillation { .. });
            }
        } else {
            let Choice::Take { system } = &choice else {
                return Err(ResolveError::NotSo { conflict });
            };
            let alive = self.says_alive(found, system)?;
            self.decide_life(alive, system, now);
        }
        self.decided(conflict, by, choice, now);
        Ok(())
    }

    /// What a side says of the record's being there. Who entered a value wants it kept.
    fn says_alive(&self, conflict: &Conflict, system: &SystemName) -> Result<bool, ResolveError> {
        if system.is_person() {
            return conflict.value_of(system).map(|_| true);
        }
        let member = self.members.get(system);
        let member = member.ok_or_else(|| conflict.no_side(system))?;
        Ok(member.presence == Presence::InUse)
    }

    pub(super) fn decided(
        &mut self,
        conflict: ConflictId,
        by: &str,
        choice: Choice,
        at: DateTime<Utc>,
    ) {
        if let Some(conflict) = self.conflicts.iter_mut().find(|one| one.id == conflict) {
            let by = by.to_owned();
            conflict.state = ConflictState::Resolved { by, choice, at };
        }
    }

    pub(super) fn decide_field(
        &mut self,
        field: &str,
        value: Option<Value>,
        system: &SystemName,
        now: DateTime<Utc>,
    ) {
        let Some(base) = self.fields.get_mut(field) else {
            return;
        };
        base.held = None;
        base.calm();
        base.version += 1;
        base.origin = system.clone();
        base.at = now;
        let shown = Patch::from(value.clone());
        base.value = value;
        for member in self.members.values_mut() {
            if let Some(held) = member.fields.get_mut(field)
                && held.shadow == shown
            {
                held.synced = base.version;
            }
        }
    }

    pub(super) fn decide_life(&mut self, alive: bool, system: &SystemName, now: DateTime<Utc>) {
        self.life.held = None;
        if alive && !self.life.alive {
            self.reclaim(now);
        }
        if alive {
            self.unmerge();
        }
        self.life.alive = alive;
        self.life.version += 1;
        self.life.origin = system.clone();
        self.life.at = now;
        for member in self.members.values_mut() {
            let there = member.presence == Presence::InUse;
            if there == alive {
                member.life_synced = self.life.version;
            }
        }
    }

    /// How long a refused write waits.
    pub fn refused_until(policy: &SyncPolicy, now: DateTime<Utc>) -> DateTime<Utc> {
        now + policy.refused_retry()
    }
}

impl Conflict {
    fn no_side(&self, system: &SystemName) -> ResolveError {
        ResolveError::NoSide {
            conflict: self.id,
            system: system.clone(),
        }
    }

    /// What a side says.
    fn value_of(&self, system: &SystemName) -> Result<Option<Value>, ResolveError> {
        let side = self.sides.iter().find(|side| side.system == *system);
        let side = side.ok_or_else(|| self.no_side(system))?;
        Ok(side.value.clone())
    }
}

impl MemberRecord {
    /// Nothing is written here before `until`. What was in the way before has been since then.
    pub(super) fn hinder(
        &mut self,
        reason: String,
        until: DateTime<Utc>,
        fields: Fields<u64>,
        now: DateTime<Utc>,
    ) {
        let before = self.obstacle.take().filter(|one| one.reason == reason);
        self.obstacle = Some(Obstacle {
            reason,
            since: before.as_ref().map_or(now, |before| before.since),
            until,
            fields,
            overdue: before.and_then(|before| before.overdue),
        });
    }

    /// A version of a field is not written here before `until`. One that was refused before has been
    /// since then.
    pub(super) fn refuse(
        &mut self,
        field: &FieldName,
        version: u64,
        reason: String,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let before = self.refused.get(field.as_str());
        let before = before.filter(|before| before.version == version);
        let refusal = Refusal {
            reason,
            version,
            since: before.map_or(now, |before| before.since),
            until,
            overdue: before.and_then(|before| before.overdue),
        };
        self.refused.insert(field.clone(), refusal);
    }

    /// Takes back what was announced. A creation that may have been made before stays in mind.
    fn give_up(&mut self) -> Option<Intent> {
        let intent = self.intent.take();
        let unclear = |one: &&Intent| one.kind == IntentKind::Create && one.repeats;
        if let Some(creation) = intent.as_ref().filter(unclear) {
            self.unfinished = Some(creation.clone());
        }
        intent
    }
}
