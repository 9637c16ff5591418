//! The natural key of a record: which link it stands for, and two records that have the same.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::conflict::{
    Choice, Conflict, ConflictId, ConflictState, ConflictSubject, ResolveError, Side,
};
use super::member::{Intent, IntentKind, MemberRecord, Presence};
use super::plan::Step;
use super::record::LinkRecord;
use crate::crm::name::{FieldName, ForeignId, LinkId, SystemName};
use crate::crm::value::Value;
use crate::id::WorkerId;

/// A key that a link is about to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyClaim {
    /// The key.
    pub key: String,
    /// Since when.
    #[serde(with = "crate::instant")]
    pub since: DateTime<Utc>,
}

/// What a reservation of a key for a link is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    /// The key stands for the link.
    Held,
    /// The record is being removed everywhere: then the key is free.
    Ending,
    /// The link gave it up, or its record is gone for good: another link may take the reservation.
    Free,
}

impl MemberRecord {
    /// Creations that were announced and may bring a record about, or may have.
    fn creations(&self) -> impl Iterator<Item = &Intent> {
        let writes = self.intent.iter().chain(&self.unfinished);
        writes.filter(|one| one.kind == IntentKind::Create)
    }
}

impl LinkRecord {
    /// True once nothing of the record is in use anywhere, and nothing of it can come to be but by
    /// somebody who brings it back.
    pub fn is_over(&self) -> bool {
        let is_out = |member: &MemberRecord| match member.presence {
            Presence::None => member.id.is_none() && member.creations().next().is_none(),
            Presence::InUse => false,
            Presence::Gone | Presence::Merged { .. } => !member.look && member.intent.is_none(),
        };
        let never_was = self.fields.is_empty();
        self.life.held.is_none()
            && (!self.life.alive || never_was)
            && self.members.values().all(is_out)
    }

    /// What a reservation of `key` for this link is worth.
    pub fn key_standing(&self, key: &str) -> KeyStanding {
        let is_claimed = self.claim.as_ref().is_some_and(|claim| claim.key == key);
        let is_own = self.natural_key.as_deref() == Some(key);
        if !is_claimed && !is_own || self.is_over() {
            return KeyStanding::Free;
        }
        if !self.life.alive && self.life.held.is_none() {
            return KeyStanding::Ending;
        }
        KeyStanding::Held
    }

    /// True if a creation in `system` was announced and may have brought a record about: one with
    /// the key of the link is taken for it, whatever became of the link since.
    pub fn may_have_created(&self, system: &SystemName) -> bool {
        self.members
            .get(system)
            .is_some_and(|member| member.id.is_none() && member.creations().next().is_some())
    }

    /// The key of an announced creation: the same for every attempt at this record in this life, and
    /// another one after a record left the link, which would be given back else.
    pub fn creation_key(&self, system: &SystemName, creation: &Intent) -> String {
        let key = format!("{}.{}", self.link, creation.life_version);
        match self.left.get(system) {
            None => key,
            Some(left) => format!("{key}.{left}"),
        }
    }

    /// The link whose creation has this key.
    pub fn link_of_creation(key: &str) -> Option<LinkId> {
        key.split('.').next()?.parse().ok()
    }

    /// True if the record, which a creation with this key brought about, is the one of this link:
    /// that is known, or it was announced and its end was not.
    pub fn is_of_creation(&self, system: &SystemName, id: &ForeignId, key: &str) -> bool {
        self.members.get(system).is_some_and(|member| {
            if let Some(known) = &member.id {
                return known == id;
            }
            let mut creations = member.creations();
            creations.any(|one| self.creation_key(system, one) == key)
        })
    }

    /// True if a person said that the record is another thing.
    pub fn is_apart(&self, system: &SystemName, id: &ForeignId) -> bool {
        self.apart.get(system).is_some_and(|ids| ids.contains(id))
    }

    /// True if nobody else is at it and nothing has to be looked at, so that its agreed values are
    /// what is known now.
    pub fn is_looked_at(&self, worker: &WorkerId, now: DateTime<Utc>) -> bool {
        let mut members = self.members.iter();
        self.leased_by_another(worker, now).is_none()
            && members.all(|(system, member)| -> bool {
                let step: Option<Step> = member.look_needed(system);
                step.is_none()
            })
    }

    /// Somebody brought the record back. While it was gone its key was free to be taken, so it is
    /// reserved again before anything is brought back elsewhere.
    pub(super) fn reclaim(&mut self, now: DateTime<Utc>) {
        let key = self.natural_key.clone();
        self.claim = key.map(|key| KeyClaim { key, since: now });
    }

    /// Announces that `key` is about to be reserved.
    pub fn claims(&mut self, key: &str, now: DateTime<Utc>) {
        if self.claim.as_ref().is_none_or(|claim| claim.key != key) {
            let key = key.to_owned();
            self.claim = Some(KeyClaim { key, since: now });
        }
    }

    /// The announced key is reserved. Who had the former key as well is a duplicate no more; gives
    /// those that were set apart for it, which may have it for themselves now.
    pub fn keyed(&mut self, now: DateTime<Utc>) -> Vec<(SystemName, ForeignId)> {
        let Some(claim) = self.claim.take() else {
            return Vec::new();
        };
        if self.natural_key.as_ref() == Some(&claim.key) {
            return Vec::new();
        }
        self.natural_key = Some(claim.key);
        let apart = std::mem::take(&mut self.apart).into_iter();
        let apart =
            apart.flat_map(|(system, ids)| ids.into_iter().map(move |id| (system.clone(), id)));
        let apart: Vec<_> = apart.collect();
        self.settle_duplicates(|_| true, now);
        apart
    }

    /// A record of `system` stands for the link, where others had its natural key and the system lets
    /// one have it: those have it no more, and nobody has to decide about them.
    pub fn stands_alone(&mut self, system: &SystemName, now: DateTime<Utc>) {
        self.settle_duplicates(|of| of == system, now);
    }

    fn settle_duplicates(&mut self, is_moot: impl Fn(&SystemName) -> bool, now: DateTime<Utc>) {
        let moot = self.open_conflicts().filter(|one| {
            matches!(&one.subject, ConflictSubject::DuplicateKey { system, other: None, .. }
                if is_moot(system))
        });
        let moot: Vec<ConflictId> = moot.map(|one| one.id).collect();
        for conflict in moot {
            self.decided(conflict, "policy", Choice::Apart, now);
        }
    }

    /// The announced key stands for another link. A person decides; until then no system is told
    /// of the key, and nothing is brought back.
    pub fn key_is_taken(&mut self, by: LinkId, key_fields: &[FieldName], now: DateTime<Utc>) {
        let Some(claim) = self.claim.take() else {
            return;
        };
        let came_back = self.natural_key.as_ref() == Some(&claim.key);
        let named = if came_back {
            self.life.origin.clone()
        } else {
            let mut origins = key_fields.iter().filter_map(|field| self.base(field));
            let newest = origins.by_ref().max_by_key(|base| base.at);
            newest.map_or_else(|| self.life.origin.clone(), |base| base.origin.clone())
        };
        let of = |system: &SystemName| self.members.get(system)?.id.clone();
        let mut with_id = self.members.keys().map(|name| (name, of(name)));
        let found = of(&named)
            .map(|id| (named.clone(), id))
            .or_else(|| with_id.find_map(|(name, id)| Some((name.clone(), id?))));
        let Some((system, id)) = found else {
            return;
        };
        let sides = self.key_sides(&system, key_fields, came_back);
        let other = Some(by);
        let subject = ConflictSubject::DuplicateKey { system, id, other };
        let conflict = self.found(subject, sides, ConflictState::Open, now);
        if came_back {
            self.life.held = Some(conflict);
            return;
        }
        for field in key_fields {
            if let Some(base) = self.fields.get_mut(field.as_str()) {
                base.held = Some(conflict);
            }
        }
    }

    /// Who can be taken at their word about a key: those that have it not come first.
    fn key_sides(
        &self,
        named: &SystemName,
        key_fields: &[FieldName],
        came_back: bool,
    ) -> Vec<Side> {
        let shown = |member: &MemberRecord| -> Option<Value> {
            let [only] = key_fields else { return None };
            let held = member.fields.get(only.as_str())?;
            held.shadow.clone().said().flatten()
        };
        let members = self.members.iter().filter(|(_, member)| {
            member.id.is_some() && (came_back || member.presence == Presence::InUse)
        });
        let mut sides: Vec<Side> = members
            .map(|(system, member)| Side {
                system: system.clone(),
                value: shown(member),
            })
            .collect();
        sides.sort_by_key(|side| side.system == *named);
        sides
    }

    /// Carries out what a person chose about two records with one key.
    pub(super) fn decide_key(
        &mut self,
        conflict: ConflictId,
        (system, id): (&SystemName, &ForeignId),
        other: Option<LinkId>,
        choice: &Choice,
        now: DateTime<Utc>,
    ) -> Result<(), ResolveError> {
        let not_so = || ResolveError::NotSo { conflict };
        if other.is_some() {
            return match choice {
                Choice::Take { system } => self.take_key_of(conflict, system, now),
                Choice::Apart => {
                    self.free_of(conflict, system, now);
                    self.release(system, now);
                    Ok(())
                }
                Choice::Record { .. } | Choice::Value { .. } => Err(not_so()),
            };
        }
        match choice {
            Choice::Take { system: said } if said != system => Err(ResolveError::NoSide {
                conflict,
                system: said.clone(),
            }),
            Choice::Value { .. } => Err(not_so()),
            Choice::Take { .. } | Choice::Apart => {
                self.set_apart(system, id);
                Ok(())
            }
            Choice::Record { id: chosen } => {
                let linked = self.members.get(system).and_then(|one| one.id.clone());
                if linked.as_ref() == Some(chosen) {
                    self.set_apart(system, id);
                } else if chosen == id {
                    self.members
                        .insert(system.clone(), MemberRecord::of(id.clone()));
                    *self.left.entry(system.clone()).or_default() += 1;
                    if let Some(linked) = linked {
                        self.set_apart(system, &linked);
                    }
                } else {
                    return Err(not_so());
                }
                Ok(())
            }
        }
    }

    /// The key, or the being there, that one system has counts.
    fn take_key_of(
        &mut self,
        conflict: ConflictId,
        system: &SystemName,
        now: DateTime<Utc>,
    ) -> Result<(), ResolveError> {
        let no_side = || ResolveError::NoSide {
            conflict,
            system: system.clone(),
        };
        let member = self.members.get(system).ok_or_else(no_side)?;
        if self.life.held == Some(conflict) {
            let alive = member.presence == Presence::InUse;
            self.decide_life(alive, system, now);
            if alive {
                self.reclaim(now);
            }
            return Ok(());
        }
        let mut chosen = Vec::new();
        for (field, base) in self.fields.iter() {
            if base.held == Some(conflict) {
                let held = member.fields.get(field.as_str()).ok_or_else(no_side)?;
                let value = held.shadow.clone().said().ok_or_else(no_side)?;
                chosen.push((field.clone(), value));
            }
        }
        for (field, value) in chosen {
            self.decide_field(field.as_str(), value, system, now);
        }
        Ok(())
    }

    /// Nothing waits for the conflict any more; its fields go back to what the others have.
    fn free_of(&mut self, conflict: ConflictId, leaving: &SystemName, now: DateTime<Utc>) {
        if self.life.held == Some(conflict) {
            self.life.held = None;
        }
        let members = &self.members;
        let held = self.fields.iter();
        let held: Vec<FieldName> = held
            .filter(|(_, base)| base.held == Some(conflict))
            .map(|(field, _)| field.clone())
            .collect();
        let mut back = Vec::new();
        for field in held {
            let others = members.iter().filter(|(system, _)| *system != leaving);
            let mut shown = others.filter_map(|(system, member)| {
                let shadow = member.fields.get(field.as_str())?.shadow.clone();
                Some((system.clone(), shadow.said()?))
            });
            back.push((field.clone(), shown.next()));
        }
        for (field, shown) in back {
            match shown {
                Some((system, value)) => {
                    self.decide_field(field.as_str(), value, &system, now);
                }
                None => {
                    if let Some(base) = self.fields.get_mut(field.as_str()) {
                        base.held = None;
                    }
                }
            }
        }
    }

    pub(super) fn set_apart(&mut self, system: &SystemName, id: &ForeignId) {
        let apart = self.apart.entry(system.clone()).or_default();
        apart.insert(id.clone());
    }

    /// The record is meant after all.
    pub fn not_apart(&mut self, system: &SystemName, id: &ForeignId) {
        if let Some(apart) = self.apart.get_mut(system) {
            apart.remove(id);
        }
        self.apart.retain(|_, ids| !ids.is_empty());
    }

    /// A person said that the record of `system` is another thing.
    pub fn leaves(&mut self, system: &SystemName, now: DateTime<Utc>) {
        if let Some(id) = self.members.get(system).and_then(|one| one.id.clone()) {
            self.set_apart(system, &id);
        }
        self.release(system, now);
    }

    /// The record of `system` is no part of this any more. The last one that goes takes the life
    /// with it: nothing is created anew from what is remembered.
    pub fn release(&mut self, system: &SystemName, now: DateTime<Utc>) {
        if let Some(member) = self.members.get_mut(system) {
            *member = MemberRecord::default();
            *self.left.entry(system.clone()).or_default() += 1;
        }
        let mut members = self.members.values();
        if self.life.alive && !members.any(|member| member.presence == Presence::InUse) {
            self.decide_life(false, system, now);
        }
    }

    /// Conflicts about records with one key that were decided and not carried out yet: the records
    /// that have to be looked at again.
    pub fn decided_keys(&self) -> Vec<(ConflictId, Vec<(SystemName, ForeignId)>)> {
        let decided = self
            .conflicts
            .iter()
            .filter(|one| matches!(one.state, ConflictState::Resolved { .. }));
        decided
            .filter_map(|one| {
                let ConflictSubject::DuplicateKey { system, id, .. } = &one.subject else {
                    return None;
                };
                let apart = self.apart.get(system).into_iter().flatten();
                let all = std::iter::once(id).chain(apart.filter(|other| *other != id));
                Some((one.id, all.map(|id| (system.clone(), id.clone())).collect()))
            })
            .collect()
    }

    /// What was decided about a conflict is carried out.
    pub fn carried_out(&mut self, conflict: ConflictId) {
        let mut all = self.conflicts.iter_mut();
        if let Some(Conflict { state, .. }) = all.find(|one| one.id == conflict)
            && let ConflictState::Resolved { by, choice, .. } = state
        {
            *state = ConflictState::Propagated {
                by: std::mem::take(by),
                choice: choice.clone(),
            };
        }
    }
}
