//! Changes that a write of ours fell upon unseen.
//!
//! Where a system checks the version that a write expects, this cannot happen. Elsewhere a change
//! between our look and our write is gone before anybody saw it. What proves it afterwards:
//!
//! - an event that names the field and the time of the change, by the clock of the system: later
//!   than the state that our write was meant for, and earlier than the write itself. It is known
//!   then that a value was lost, and not which.
//! - a look that shows the state between, from a replica that is behind: then the value is known.
//!
//! What cannot be known: changes that no event tells the time and the fields of, changes in the
//! same unit of the system's clock as the state before or as our write, and everything in systems
//! whose receipts do not tell versions or whose records do not tell times, since the write itself
//! cannot be placed there.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::conflict::{ConflictState, ConflictSubject, Side};
use super::member::{Intent, IntentField, IntentKind, MemberRecord};
use super::observe::{Look, Observed};
use super::record::{Base, LinkRecord};
use crate::crm::fields::Fields;
use crate::crm::name::{FieldName, SystemName};
use crate::crm::patch::Patch;

/// Changes that were told of and that no look was made after yet.
const TOLD_MAX: usize = 8;

/// Our last write to a system that does not check versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// When the state was made that the write was meant for, by the clock of the system.
    #[serde(with = "crate::instant")]
    pub read_at: DateTime<Utc>,
    /// When the write was made, by the same clock.
    #[serde(with = "crate::instant")]
    pub written_at: DateTime<Utc>,
    /// What it wrote.
    pub fields: Fields<IntentField>,
}

/// A change that an event told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When it was made, by the clock of the system.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// The fields that it changed.
    pub fields: Vec<FieldName>,
}

impl Written {
    /// True if what happened then was between the state that was read and the write.
    fn fell_upon(&self, at: DateTime<Utc>) -> bool {
        self.read_at < at && at < self.written_at
    }
}

impl LinkRecord {
    /// An event of `system` tells that these fields were changed at that time. Says so in a conflict
    /// where our write is known to have fallen upon the change.
    pub fn told(&mut self, system: &SystemName, told: Told, now: DateTime<Utc>) {
        let Some(member) = self.members.get_mut(system) else {
            return;
        };
        if let Some(written) = member.written.clone()
            && told.at < written.written_at
        {
            self.judge(system, &written, &told, now);
            return;
        }
        if !member.told.contains(&told) {
            if member.told.len() == TOLD_MAX {
                member.told.remove(0);
            }
            member.told.push(told);
        }
    }

    /// A look shows our write, or what was made after it.
    pub(super) fn placed(
        &mut self,
        before: Option<DateTime<Utc>>,
        intent: Option<Intent>,
        look: &Look<'_>,
    ) {
        let Some(at) = look.modified_at else {
            return;
        };
        let Some(member) = self.members.get_mut(look.system) else {
            return;
        };
        let told = std::mem::take(&mut member.told);
        let (told, later): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.at <= at);
        member.told = later;
        let is_write =
            |one: &Intent| look.ours && one.acknowledged && one.kind == IntentKind::Update;
        if let (Some(read_at), Some(intent)) = (before, intent.filter(is_write))
            && !look.lenses.guards(look.system)
        {
            let written = Written {
                read_at,
                written_at: at,
                fields: intent.fields,
            };
            member.written = Some(written.clone());
            for told in &told {
                self.judge(look.system, &written, told, look.now);
            }
        }
    }

    fn judge(&mut self, system: &SystemName, written: &Written, told: &Told, now: DateTime<Utc>) {
        if !written.fell_upon(told.at) {
            return;
        }
        for field in &told.fields {
            if written.fields.contains(field.as_str()) {
                self.lost(system, field, told.at, None, now);
            }
        }
    }

    /// A look that shows an older state: the one that our write fell upon?
    pub(super) fn shown_late(&mut self, fields: &Fields<Observed>, look: &Look<'_>) {
        let member = self.members.get(look.system);
        let written = member.and_then(|member| member.written.clone());
        let (Some(written), Some(at)) = (written, look.modified_at) else {
            return;
        };
        if !written.fell_upon(at) {
            return;
        }
        for (field, write) in written.fields.iter() {
            if let Some(Observed::Value(value)) = fields.get(field.as_str())
                && Patch::from(value.clone()) != write.was
                && *value != write.value
            {
                let side = Side {
                    system: look.system.clone(),
                    value: value.clone(),
                };
                self.lost(look.system, field, at, Some(side), look.now);
            }
        }
    }

    /// Says once that a value was overwritten before anybody saw it.
    fn lost(
        &mut self,
        system: &SystemName,
        field: &FieldName,
        at: DateTime<Utc>,
        lost: Option<Side>,
        now: DateTime<Utc>,
    ) {
        let subject = ConflictSubject::OverwrittenAfterTheFact {
            system: system.clone(),
            field: field.clone(),
            at,
        };
        let known = self.conflicts.iter_mut().find(|one| one.subject == subject);
        if let Some(known) = known {
            // Somebody told of it, and now its value is known too.
            if let Some(side) = lost.filter(|_| known.is_open()) {
                known.sides.retain(|one| one.system != side.system);
                known.sides.push(side);
            }
            return;
        }
        // Without the value that was lost there is one side at least: what stands.
        let is_other = |base: &&Base| lost.is_none() || base.origin != *system;
        let stands = self.base(field).filter(is_other);
        let stands = stands.map(|base| Side {
            system: base.origin.clone(),
            value: base.value.clone(),
        });
        let sides = stands.into_iter().chain(lost).collect();
        self.found(subject, sides, ConflictState::Open, now);
    }
}

impl MemberRecord {
    /// What a field held when a write was announced.
    pub(super) fn was(&self, field: &FieldName) -> Patch<crate::crm::value::Value> {
        let held = self.fields.get(field.as_str());
        held.map_or(Patch::Absent, |held| held.shadow.clone())
    }
}
