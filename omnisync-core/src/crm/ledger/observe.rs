use std::borrow::Borrow;

use chrono::{DateTime, Utc};

use super::Lenses;
use super::decision::{Decision, FieldDecision, Verdict};
use super::member::{Held, Intent, MemberRecord};
use super::merge::MergeInto;
use super::park::Awaited;
use super::place::{Placed, news};
use super::policy::SyncPolicy;
use super::record::{Base, LinkRecord};
use crate::crm::fields::Fields;
use crate::crm::name::{SystemName, VersionToken};
use crate::crm::patch::Patch;
use crate::crm::value::{Reference, Value};

/// What a system was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The record is in use.
    Present {
        /// Its version.
        version: VersionToken,
        /// Its fields, in the form that belongs to no system.
        fields: Fields<Observed>,
        /// When it was last changed, by the clock of the system.
        modified_at: Option<DateTime<Utc>>,
    },
    /// It was deleted or deactivated, or the system knows it no more.
    Gone,
    /// It was merged into another one.
    Merged(MergeInto),
}

/// One field as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It holds this.
    Value(Option<Value>),
    /// It points at a record that is not known yet.
    Unresolved(Box<Reference>),
    /// The field map cannot read it.
    Unreadable,
}

/// What a look brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It shows an older state than one that is known: look again later.
    Stale,
    /// Nothing that was not known.
    NoNews,
    /// Something; the record's decisions say what.
    News,
}

/// What does not change during one look.
pub(super) struct Look<'a> {
    pub(super) system: &'a SystemName,
    pub(super) lenses: &'a dyn Lenses,
    pub(super) policy: &'a SyncPolicy,
    pub(super) modified_at: Option<DateTime<Utc>>,
    /// The system shows the very version that our write gave it.
    pub(super) ours: bool,
    pub(super) now: DateTime<Utc>,
}

impl LinkRecord {
    /// Takes in what `system` was seen to hold.
    pub fn observe(
        &mut self,
        system: &SystemName,
        observation: impl Borrow<Observation>,
        lenses: &dyn Lenses,
        policy: &SyncPolicy,
        now: DateTime<Utc>,
    ) -> Outlook {
        let mut look = Look {
            system,
            lenses,
            policy,
            modified_at: None,
            ours: false,
            now,
        };
        if let Some(place) = self.members.get_mut(system) {
            let unanswered = |one: &Intent| !one.acknowledged && one.mark.is_some();
            place.mark_unsure |= place.intent.as_ref().is_some_and(unanswered);
        }
        match observation.borrow() {
            Observation::Present {
                version,
                fields,
                modified_at,
            } => {
                look.modified_at = *modified_at;
                self.shown(version, fields, look)
            }
            Observation::Gone => self.absent(None, &look),
            Observation::Merged(merge) => self.absent(Some(merge), &look),
        }
    }

    fn shown(
        &mut self,
        version: &VersionToken,
        fields: &Fields<Observed>,
        mut look: Look<'_>,
    ) -> Outlook {
        let Some(place) = self.members.get_mut(look.system) else {
            return Outlook::NoNews;
        };
        match place.place(version, fields.len(), look.modified_at) {
            Placed::Stale => {
                place.look = true;
                place.stale_looks = place.stale_looks.saturating_add(1);
                self.shown_late(fields, &look);
                return Outlook::Stale;
            }
            Placed::Known => {
                place.known();
                return Outlook::NoNews;
            }
            Placed::New => place.stale_looks = 0,
        }
        look.ours = place.receipt.as_ref() == Some(version);
        let before = place.modified_at;
        let intent;
        let outlook = if place.is_as_it_was(fields) {
            place.look = false;
            intent = place.intent.take();
            let written = intent.as_ref().filter(|one| one.acknowledged);
            let echoes = written.map(|written| echoes(written, &self.fields, place));
            match echoes {
                Some(echoes) if !echoes.is_empty() => {
                    self.note(decision(echoes, None, &look));
                    Outlook::News
                }
                _ => Outlook::NoNews,
            }
        } else {
            let mut member = std::mem::take(place);
            let outlook = self.present(&mut member, fields, &look);
            intent = member.intent.take();
            self.put_back(look.system, member);
            outlook
        };
        if let Some(place) = self.members.get_mut(look.system) {
            place.saw(version);
            place.modified_at = look.modified_at.or(place.modified_at);
            if intent.is_some() || !place.told.is_empty() {
                self.placed(before, intent, &look);
            }
        }
        outlook
    }

    fn absent(&mut self, merge: Option<&MergeInto>, look: &Look<'_>) -> Outlook {
        let Some(place) = self.members.get_mut(look.system) else {
            return Outlook::NoNews;
        };
        let mut member = std::mem::take(place);
        let outlook = self.gone(&mut member, merge, look);
        self.put_back(look.system, member);
        outlook
    }

    fn put_back(&mut self, system: &SystemName, mut member: MemberRecord) {
        member.look = false;
        member.intent = None;
        if let Some(place) = self.members.get_mut(system) {
            *place = member;
        }
    }

    fn present(
        &mut self,
        member: &mut MemberRecord,
        fields: &Fields<Observed>,
        look: &Look<'_>,
    ) -> Outlook {
        let mut decisions = Vec::new();
        let mut changed = false;
        let awaited = std::mem::take(&mut member.awaiting);
        member.unreadable.clear();
        for (field, observed) in news(fields, &member.fields) {
            let (agreed, agreed_version) = self
                .base(field)
                .map_or((None, 0), |base| (base.value.clone(), base.version));
            let synced = member.synced(field.as_str());
            let mut grounds = None;
            let (verdict, observed) = match observed {
                Observed::Value(value) => {
                    let (verdict, by) = self.attribute(member, field, value.as_ref(), look);
                    grounds = by;
                    (verdict, value.clone())
                }
                Observed::Unresolved(reference) => {
                    let known = awaited.get(field.as_str());
                    let waits = Awaited::seen(reference, known, look.now);
                    member.awaiting.insert(field.clone(), waits);
                    if known.is_some_and(|known| known.reference == **reference) {
                        continue;
                    }
                    (Verdict::Parked, Some(Value::Reference(reference.clone())))
                }
                Observed::Unreadable => {
                    member.unreadable.insert(field.clone());
                    (Verdict::Unreadable, None)
                }
            };
            changed |= !matches!(
                verdict,
                Verdict::Echo | Verdict::Normalised | Verdict::NoOp | Verdict::Unreadable
            );
            decisions.push(FieldDecision {
                field: field.clone(),
                verdict,
                observed,
                agreed,
                agreed_version,
                synced,
                grounds,
            });
        }
        member.unfinished = None;
        self.hide(member, fields);
        if let Some(written) = member.intent.as_ref().filter(|one| one.acknowledged) {
            let mut echoes = echoes(written, &self.fields, member);
            echoes.retain(|echo| decisions.iter().all(|one| one.field != echo.field));
            decisions.append(&mut echoes);
        }
        let life = self.alive(member, changed, look);
        if decisions.is_empty() && life.is_none() {
            return Outlook::NoNews;
        }
        self.note(decision(decisions, life, look));
        Outlook::News
    }

    /// Fields that were to be seen before they are written, and that the system does not show.
    fn hide(&self, member: &mut MemberRecord, fields: &Fields<Observed>) {
        if !std::mem::take(&mut member.unseen) {
            return;
        }
        for field in self
            .fields
            .names()
            .filter(|one| !fields.contains(one.as_str()))
        {
            let name = field.as_str();
            let synced = member.synced(name);
            if member
                .fields
                .get(name)
                .is_none_or(|held| held.shadow.is_absent())
            {
                let held = Held {
                    shadow: Patch::Absent,
                    synced,
                    hidden: true,
                };
                member.fields.insert(field.clone(), held);
            }
        }
    }
}

fn decision(fields: Vec<FieldDecision>, life: Option<Verdict>, look: &Look<'_>) -> Decision {
    Decision {
        at: look.now,
        system: look.system.clone(),
        modified_at: look.modified_at,
        fields,
        life,
    }
}

/// What shows what we wrote to it, to the letter.
fn echoes(written: &Intent, agreed: &Fields<Base>, member: &MemberRecord) -> Vec<FieldDecision> {
    let fields = written.fields.iter();
    fields
        .map(|(field, written)| {
            let (Ok(place) | Err(place)) = member.fields.position(field.as_str());
            let held = member.fields.get_near(field.as_str(), place);
            let base = agreed.get_near(field.as_str(), place);
            FieldDecision {
                field: field.clone(),
                verdict: Verdict::Echo,
                observed: written.value.clone(),
                agreed: base.and_then(|base| base.value.clone()),
                agreed_version: base.map_or(0, |base| base.version),
                synced: held.map_or(0, |held| held.synced),
                grounds: None,
            }
        })
        .collect()
}
