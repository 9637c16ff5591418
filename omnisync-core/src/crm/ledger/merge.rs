//! Two records of one system that became one.

use chrono::{DateTime, Utc};

use super::conflict::{Choice, ConflictId, ConflictState, ConflictSubject, Side};
use super::decision::Verdict;
use super::member::{MemberRecord, Presence};
use super::observe::Look;
use super::policy::MergePolicy;
use super::record::LinkRecord;
use crate::crm::name::{ForeignId, LinkId, SystemName};

/// Into what a record was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeInto {
    /// The record that is left.
    pub into: ForeignId,
    /// Its link, where it is part of one.
    pub link: Option<LinkId>,
    /// That link is gone as well, or was merged into this one elsewhere.
    pub opposed: bool,
}

impl LinkRecord {
    /// The record of one system was merged into that of another link: it is taken out of use
    /// elsewhere too, or a person is asked.
    pub(super) fn merged(
        &mut self,
        member: &mut MemberRecord,
        merge: &MergeInto,
        look: &Look<'_>,
    ) -> Verdict {
        let unclear = merge.opposed
            || look.policy.merges == MergePolicy::Ask
            || self.editor(member, look).is_some()
            || self.open_conflicts().next().is_some();
        if !unclear {
            self.note_merge(look.system, member.id.clone(), merge, None, look.now);
            self.begin_life(member, false, look);
            return Verdict::Applied;
        }
        let in_use = self.members.iter();
        let in_use = in_use.filter(|(_, member)| member.presence == Presence::InUse);
        let others: Vec<SystemName> = in_use.map(|(system, _)| system.clone()).collect();
        let id = member.id.clone();
        let conflict = self.note_merge(look.system, id, merge, Some(others), look.now);
        self.life.held = Some(conflict);
        Verdict::Held { conflict }
    }

    /// `against`: those who would have a say, where a person is asked.
    fn note_merge(
        &mut self,
        system: &SystemName,
        id: Option<ForeignId>,
        merge: &MergeInto,
        against: Option<Vec<SystemName>>,
        now: DateTime<Utc>,
    ) -> ConflictId {
        let state = match &against {
            Some(_) => ConflictState::Open,
            None => ConflictState::Resolved {
                by: "policy".to_owned(),
                choice: Choice::Take {
                    system: system.clone(),
                },
                at: now,
            },
        };
        let systems = std::iter::once(system.clone()).chain(against.into_iter().flatten());
        let sides = systems.map(|system| Side {
            system,
            value: None,
        });
        let subject = ConflictSubject::Merge {
            system: system.clone(),
            id,
            into: merge.into.clone(),
            link: merge.link,
        };
        self.found(subject, sides.collect(), state, now)
    }

    /// The record of `system` was merged into one that belongs to nothing else, which takes its
    /// place.
    pub fn relinked(&mut self, system: &SystemName, into: &ForeignId, now: DateTime<Utc>) {
        let Some(member) = self.members.get_mut(system) else {
            return;
        };
        let before = std::mem::replace(member, MemberRecord::of(into.clone()));
        *self.left.entry(system.clone()).or_default() += 1;
        self.not_apart(system, into);
        let merge = MergeInto {
            into: into.clone(),
            link: Some(self.link),
            opposed: false,
        };
        self.note_merge(system, before.id, &merge, None, now);
        let duplicate = self.open_conflicts().find(|one| {
            matches!(&one.subject, ConflictSubject::DuplicateKey { system: of, id, other: None }
                if of == system && id == into)
        });
        if let Some(duplicate) = duplicate.map(|one| one.id) {
            let choice = Choice::Record { id: into.clone() };
            self.decided(duplicate, "policy", choice, now);
        }
    }

    /// Another link's record was merged into one of this link: what was agreed there is kept in the
    /// conflict ledger, before anything of it is taken out of use. False if all of that was kept
    /// before.
    pub fn absorb(&mut self, other: &Self, now: DateTime<Utc>) -> bool {
        let mut is_new = self.absorbed.insert(other.link);
        for (field, theirs) in other.fields.iter() {
            let ours = self.fields.get(field.as_str());
            let value = ours.and_then(|base| base.value.clone());
            let kept = Side {
                system: theirs.origin.clone(),
                value: theirs.value.clone(),
            };
            let is_kept = self.conflicts.iter().any(|one| {
                matches!(&one.subject, ConflictSubject::Field { field: of } if of == field)
                    && one.sides.contains(&kept)
            });
            if theirs.value.is_none() || theirs.value == value || is_kept {
                continue;
            }
            is_new = true;
            let winner = ours.map_or(&self.life.origin, |base| &base.origin).clone();
            let sides = vec![
                Side {
                    system: winner.clone(),
                    value,
                },
                kept,
            ];
            let state = ConflictState::Resolved {
                by: "policy".to_owned(),
                choice: Choice::Take { system: winner },
                at: now,
            };
            let field = field.clone();
            self.found(ConflictSubject::Field { field }, sides, state, now);
        }
        is_new
    }

    /// The record is in use again, after it was merged away somewhere: there it is created anew, since
    /// what was merged cannot be brought back.
    pub(super) fn unmerge(&mut self) {
        for (name, member) in self.members.iter_mut() {
            if matches!(member.presence, Presence::Merged { .. }) {
                *member = MemberRecord::default();
                *self.left.entry(name.clone()).or_default() += 1;
            }
        }
    }

    /// The links of records that this one was merged into and that it goes for, as long as some system
    /// does not follow: what is agreed here has to be kept there before anything goes.
    pub fn merging_into(&self) -> Vec<LinkId> {
        if self.life.alive || self.life.held.is_some() {
            return Vec::new();
        }
        let decided = self.conflicts.iter();
        let decided = decided.filter(|one| matches!(one.state, ConflictState::Resolved { .. }));
        decided
            .filter_map(|one| match &one.subject {
                ConflictSubject::Merge { link, .. } => *link,
                _ => None,
            })
            .filter(|winner| *winner != self.link)
            .collect()
    }

    /// Every system follows what was decided about the record's being there.
    pub(super) fn follows_merge(&self) -> bool {
        self.members.values().all(|member| {
            let in_use = member.presence == Presence::InUse;
            in_use == self.life.alive || member.life_synced >= self.life.version
        })
    }
}
