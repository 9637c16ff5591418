//! A record's being there.

use super::conflict::{ConflictId, ConflictState, ConflictSubject, Side};
use super::decision::{Decision, Verdict};
use super::member::{Held, Intent, IntentKind, MemberRecord, Presence};
use super::merge::MergeInto;
use super::observe::{Look, Outlook};
use super::record::LinkRecord;
use crate::crm::name::SystemName;
use crate::crm::patch::Patch;

impl LinkRecord {
    pub(super) fn alive(
        &mut self,
        member: &mut MemberRecord,
        changed: bool,
        look: &Look<'_>,
    ) -> Option<Verdict> {
        let before = std::mem::replace(&mut member.presence, Presence::InUse);
        let (was_there, was_never) = (before == Presence::InUse, before == Presence::None);
        if was_there {
            let removal_due = !self.life.alive && member.life_synced < self.life.version;
            if removal_due && changed && self.life.held.is_none() {
                let deleter = self.life.origin.clone();
                let conflict = self.contest_life(&deleter, look);
                return Some(Verdict::Held { conflict });
            }
            return None;
        }
        if self.life.alive {
            member.life_synced = self.life.version;
            return (!was_never).then_some(Verdict::NoOp);
        }
        match member.intent.as_ref().map(|intent| intent.kind) {
            Some(IntentKind::Restore) => return Some(Verdict::Echo),
            // It said that it took the record out of use, and shows it all the same.
            Some(IntentKind::Remove) if look.ours => return Some(Verdict::Normalised),
            _ => {}
        }
        if was_never {
            // Whoever removed the others did not know of this one.
            if self.life.held.is_some() {
                return None;
            }
            let deleter = self.life.origin.clone();
            let conflict = self.contest_life(&deleter, look);
            return Some(Verdict::Held { conflict });
        }
        self.begin_life(member, true, look);
        Some(Verdict::Applied)
    }

    pub(super) fn gone(
        &mut self,
        member: &mut MemberRecord,
        merge: Option<&MergeInto>,
        look: &Look<'_>,
    ) -> Outlook {
        let now_it_is = merge.map_or(Presence::Gone, |merge| Presence::Merged {
            into: merge.into.clone(),
        });
        let before = std::mem::replace(&mut member.presence, now_it_is);
        let intent = member.intent.take();
        // Removed before anybody saw what was written: if it comes back, what it shows is compared
        // with that.
        if let Some(write) = intent
            .as_ref()
            .filter(|one| one.acknowledged || one.kind == IntentKind::Create)
        {
            for (field, written) in write.fields.iter() {
                let value = written.value.as_ref();
                let shown = look.lenses.normal(look.system, field, value);
                let held = Held {
                    shadow: Patch::from(shown.unwrap_or_else(|| value.cloned())),
                    synced: member.synced(field.as_str()),
                    hidden: false,
                };
                member.fields.insert(field.clone(), held);
            }
        }
        let unanswered = |one: &&Intent| one.kind == IntentKind::Update && !one.acknowledged;
        if let Some(update) = intent.as_ref().filter(unanswered) {
            member.unfinished = Some(update.clone());
        }
        if matches!(before, Presence::Gone | Presence::Merged { .. }) {
            return Outlook::NoNews;
        }
        let life = match intent {
            Some(intent) if intent.kind == IntentKind::Remove => {
                member.life_synced = member.life_synced.max(intent.life_version);
                Verdict::Echo
            }
            _ if !self.life.alive => {
                member.life_synced = self.life.version;
                Verdict::NoOp
            }
            _ if self.life.held.is_some() => Verdict::NoOp,
            _ => {
                if let Some(merge) = merge {
                    self.merged(member, merge, look)
                } else if let Some(editor) = self.editor(member, look) {
                    let conflict = self.contest_life(&editor, look);
                    Verdict::Held { conflict }
                } else {
                    self.begin_life(member, false, look);
                    Verdict::Applied
                }
            }
        };
        self.note(Decision {
            at: look.now,
            system: look.system.clone(),
            modified_at: None,
            fields: Vec::new(),
            life: Some(life),
        });
        Outlook::News
    }

    pub(super) fn begin_life(&mut self, member: &mut MemberRecord, alive: bool, look: &Look<'_>) {
        if alive {
            self.reclaim(look.now);
            self.unmerge();
        }
        self.life.alive = alive;
        self.life.version += 1;
        self.life.origin = look.system.clone();
        self.life.at = look.now;
        member.life_synced = self.life.version;
    }

    /// Who changed something that the system which removed the record had not received: also what
    /// points at a record that nobody knows yet.
    pub(super) fn editor(&self, member: &MemberRecord, look: &Look<'_>) -> Option<SystemName> {
        let unseen = self.fields.iter().find(|(field, base)| {
            base.origin != *look.system
                && look.lenses.takes(look.system, field)
                && member.synced(field.as_str()) < base.version
        });
        let parked = || {
            let mut others = self.members.iter().filter(|(one, _)| *one != look.system);
            others.find(|(_, other)| {
                let mut awaited = other.awaited();
                awaited.any(|(field, _)| look.lenses.takes(look.system, field))
            })
        };
        let unseen = unseen.map(|(_, base)| &base.origin);
        unseen
            .or_else(|| parked().map(|(system, _)| system))
            .cloned()
    }

    /// One side removed, the other changed: nothing is removed or brought back until a person has
    /// decided.
    fn contest_life(&mut self, other: &SystemName, look: &Look<'_>) -> ConflictId {
        let side = |system: &SystemName| Side {
            system: system.clone(),
            value: None,
        };
        let sides = vec![side(other), side(look.system)];
        let subject = ConflictSubject::DeleteVersusEdit;
        let conflict = self.found(subject, sides, ConflictState::Open, look.now);
        self.life.held = Some(conflict);
        conflict
    }
}
