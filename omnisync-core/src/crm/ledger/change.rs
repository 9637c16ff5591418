//! Where a value comes from, and what becomes of a change.

use chrono::{DateTime, Utc};

use super::arbitrate::{Agreed, Claim, Loss, Ruling, believed, rule};
use super::conflict::{Choice, Conflict, ConflictId, ConflictState, ConflictSubject, Side};
use super::decision::{Grounds, Stance, Verdict};
use super::member::{Held, MemberRecord};
use super::observe::Look;
use super::record::{Base, LinkRecord};
use crate::crm::name::{FieldName, SystemName};
use crate::crm::patch::Patch;
use crate::crm::value::Value;

/// How far ahead of ours the clock of a system is believed where no rule says, in seconds.
const SKEW_SECONDS: u32 = 300;

impl LinkRecord {
    /// Where a value comes from that differs from what was last seen, and what a rule had to go by
    /// where one was asked.
    pub(super) fn attribute(
        &mut self,
        member: &mut MemberRecord,
        field: &FieldName,
        value: Option<&Value>,
        look: &Look<'_>,
    ) -> (Verdict, Option<Grounds>) {
        let name = field.as_str();
        let held = member.fields.get(name).cloned().unwrap_or_default();
        let shows = |of: Option<&Value>| {
            of == value
                || look
                    .lenses
                    .normal(look.system, field, of)
                    .is_some_and(|normal| normal.as_ref() == value)
        };
        let mut see = |synced: u64| {
            member.fields.insert(
                field.clone(),
                Held {
                    shadow: Patch::from(value.cloned()),
                    synced,
                    hidden: false,
                },
            );
        };
        if let Some(unfinished) = &member.unfinished
            && let Some(written) = unfinished.fields.get(name)
            && shows(written.value.as_ref())
        {
            // It landed behind what was agreed since, whatever the system was thought to follow.
            see(written.version);
            return (Verdict::Echo, None);
        }
        let mut reaction = false;
        if let Some(intent) = &member.intent
            && let Some(written) = intent.fields.get(name)
        {
            if shows(written.value.as_ref()) {
                see(held.synced.max(written.version));
                return (Verdict::Echo, None);
            }
            let chosen = self.base(field).is_some_and(|base| base.chosen);
            let ours = look.ours || chosen && member.receipt.is_none();
            if intent.acknowledged && ours && held.synced >= written.version {
                see(held.synced);
                return (Verdict::Normalised, None);
            }
            reaction = true;
        }
        let Some(base) = self.base(field) else {
            see(0);
            let is_awaited = |member: &MemberRecord| member.awaiting.contains(name);
            if value.is_none() && self.members.values().any(is_awaited) {
                // Another system has a value, and nobody knows yet what it means.
                return (Verdict::NoOp, None);
            }
            return self.change(member, field, &held, value, false, look);
        };
        let agrees = shows(base.value.as_ref());
        see(if agrees { base.version } else { held.synced });
        if let Some(conflict) = base.held {
            self.side(conflict, look.system, value);
            return (Verdict::Held { conflict }, None);
        }
        if agrees {
            return (Verdict::NoOp, None);
        }
        self.change(member, field, &held, value, reaction, look)
    }

    /// A change that a system made by itself.
    fn change(
        &mut self,
        member: &mut MemberRecord,
        field: &FieldName,
        held: &Held,
        value: Option<&Value>,
        reaction: bool,
        look: &Look<'_>,
    ) -> (Verdict, Option<Grounds>) {
        let policy = look.policy.of(field.as_str());
        let base = self.base(field).cloned();
        let grounds = Grounds {
            stance: stance(held, base.as_ref(), reaction),
            agreed_at: base.as_ref().map(|base| base.at),
            shown_by: self.shown_by(field),
        };
        let ruled = rule(
            policy,
            base.as_ref().map(|base| Agreed {
                value: base.value.as_ref(),
                version: base.version,
                at: base.at,
            }),
            Claim {
                system: look.system,
                value,
                modified_at: look.modified_at,
                grounds: &grounds,
            },
            look.now,
        );
        let Some(mut base) = base else {
            let base = Base::first(value, look);
            self.agree(member, field, base);
            return (Verdict::Applied, Some(grounds));
        };
        let was_given = grounds.stance == Stance::Knows && base.origin != *look.system;
        if (reaction || was_given) && base.oscillates(value, reaction, look) {
            let subject = ConflictSubject::Oscillation {
                field: field.clone(),
            };
            let conflict = self.ask(subject, &base, value, look);
            base.held = Some(conflict);
            self.fields.insert(field.clone(), base);
            return (Verdict::Held { conflict }, None);
        }
        let contested = ruled.loss == Loss::Contested;
        let verdict = match ruled.ruling {
            Ruling::Take => {
                let conflict =
                    contested.then(|| self.settled(field, &base, value, look.system, look));
                let next = base.next(value.cloned(), look);
                self.agree(member, field, next);
                conflict.map_or(Verdict::Applied, |conflict| Verdict::Superseded {
                    conflict,
                })
            }
            Ruling::Keep => {
                let winner = base.origin.clone();
                let conflict = contested.then(|| self.settled(field, &base, value, &winner, look));
                if held.synced >= base.version {
                    self.rewrite(field, &mut base);
                }
                self.fields.insert(field.clone(), base);
                match ruled.loss {
                    Loss::Nothing => Verdict::NoOp,
                    Loss::Noted | Loss::Contested => Verdict::Overruled { conflict },
                }
            }
            Ruling::Combine(all) => {
                let next = base.next(Some(all), look);
                self.fields.insert(field.clone(), next);
                Verdict::Merged
            }
            Ruling::Ask => {
                let subject = ConflictSubject::Field {
                    field: field.clone(),
                };
                let conflict = self.ask(subject, &base, value, look);
                base.held = Some(conflict);
                self.fields.insert(field.clone(), base);
                Verdict::Held { conflict }
            }
        };
        (verdict, Some(grounds))
    }

    /// Makes `base` the agreed value, which the system that is looked at shows.
    fn agree(&mut self, member: &mut MemberRecord, field: &FieldName, base: Base) {
        if let Some(held) = member.fields.get_mut(field.as_str()) {
            held.synced = base.version;
        }
        self.fields.insert(field.clone(), base);
    }

    /// Gives the agreed value a new version that every system follows but the one that is looked
    /// at, so that this one is written to.
    fn rewrite(&mut self, field: &FieldName, base: &mut Base) {
        let before = base.version;
        base.version += 1;
        for member in self.members.values_mut() {
            if let Some(held) = member.fields.get_mut(field.as_str())
                && held.synced == before
            {
                held.synced = base.version;
            }
        }
    }

    /// The systems that have shown a field, but the one that is looked at.
    fn shown_by(&self, field: &FieldName) -> Vec<SystemName> {
        let shows = |member: &MemberRecord| {
            let held = member.fields.get(field.as_str());
            held.is_some_and(|held| !held.shadow.is_absent())
        };
        let all = self.members.iter().filter(|(_, member)| shows(member));
        all.map(|(system, _)| system.clone()).collect()
    }

    /// A conflict that a rule has decided.
    fn settled(
        &mut self,
        field: &FieldName,
        base: &Base,
        value: Option<&Value>,
        winner: &SystemName,
        look: &Look<'_>,
    ) -> ConflictId {
        let state = ConflictState::Resolved {
            by: "policy".to_owned(),
            choice: Choice::Take {
                system: winner.clone(),
            },
            at: look.now,
        };
        let subject = ConflictSubject::Field {
            field: field.clone(),
        };
        self.found(subject, sides(base, value, look), state, look.now)
    }

    /// A conflict that a person has to decide.
    fn ask(
        &mut self,
        subject: ConflictSubject,
        base: &Base,
        value: Option<&Value>,
        look: &Look<'_>,
    ) -> ConflictId {
        self.found(
            subject,
            sides(base, value, look),
            ConflictState::Open,
            look.now,
        )
    }

    pub(super) fn found(
        &mut self,
        subject: ConflictSubject,
        sides: Vec<Side>,
        state: ConflictState,
        at: DateTime<Utc>,
    ) -> ConflictId {
        let id = self.next_conflict();
        self.note_conflict(Conflict {
            id,
            subject,
            at,
            sides,
            state,
        });
        id
    }

    /// What `system` says in an open conflict.
    fn side(&mut self, conflict: ConflictId, system: &SystemName, value: Option<&Value>) {
        let Some(conflict) = self.conflicts.iter_mut().find(|one| one.id == conflict) else {
            return;
        };
        let value = value.cloned();
        match conflict
            .sides
            .iter_mut()
            .find(|side| &side.system == system)
        {
            Some(side) => side.value = value,
            None => conflict.sides.push(Side {
                system: system.clone(),
                value,
            }),
        }
    }
}

impl Base {
    fn first(value: Option<&Value>, look: &Look<'_>) -> Self {
        Self {
            value: value.cloned(),
            version: 1,
            origin: look.system.clone(),
            at: believed(look.modified_at, SKEW_SECONDS, look.now),
            held: None,
            chosen: false,
            reactions: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn next(&self, value: Option<Value>, look: &Look<'_>) -> Self {
        Self {
            value,
            version: self.version + 1,
            origin: look.system.clone(),
            at: believed(look.modified_at, SKEW_SECONDS, look.now),
            held: None,
            chosen: false,
            reactions: self.reactions.clone(),
            answers: self.answers.clone(),
        }
    }
}

fn stance(held: &Held, base: Option<&Base>, in_intent: bool) -> Stance {
    match base {
        Some(base) if held.synced < base.version => {
            match (held.shadow.is_absent() && held.synced == 0, in_intent) {
                (true, true) => Stance::FirstOfOurs,
                (true, false) => Stance::First,
                (false, _) => Stance::Behind,
            }
        }
        _ => Stance::Knows,
    }
}

fn sides(base: &Base, value: Option<&Value>, look: &Look<'_>) -> Vec<Side> {
    vec![
        Side {
            system: base.origin.clone(),
            value: base.value.clone(),
        },
        Side {
            system: look.system.clone(),
            value: value.cloned(),
        },
    ]
}
