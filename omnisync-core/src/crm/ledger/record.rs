use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::conflict::{Conflict, ConflictId};
use super::decision::Decision;
use super::key::KeyClaim;
use super::members::Members;
use crate::crm::fields::Fields;
use crate::crm::name::{EntityName, FieldName, ForeignId, LinkId, SystemName};
use crate::crm::value::Value;

/// Decisions that a record keeps at most; older ones are counted only.
const DECISIONS_MAX: usize = 200;

/// How many of the oldest go at once, so that not every decision moves all the others.
const DECISIONS_SHED: usize = 50;

/// Conflicts that are over and still kept.
const SETTLED_CONFLICTS_MAX: usize = 100;

/// The version of a life that begins.
pub const LIFE_FIRST: u64 = 1;

/// One record across all systems: the document that is compared and set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkRecord {
    /// Its identity.
    pub link: LinkId,
    /// What it is.
    pub entity: EntityName,
    /// What identifies it among people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural_key: Option<String>,
    /// A key whose reservation it is about to take, stored before it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<KeyClaim>,
    /// Records that have its natural key and are other things, as a person said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apart: BTreeMap<SystemName, BTreeSet<ForeignId>>,
    /// Records of each system that left the link so far, and creations that were never made: what is
    /// created there after that is none of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<SystemName, u64>,
    /// Links whose record was merged into this one somewhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absorbed: BTreeSet<LinkId>,
    /// What is agreed about its fields.
    #[serde(default)]
    pub fields: Fields<Base>,
    /// What is agreed about its being there.
    pub life: Life,
    /// What each system is known to hold.
    #[serde(default)]
    pub members: Members,
    /// Differences that somebody has to know of, or to decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// What was decided at each look, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// Decisions made so far, with those that are no longer kept.
    #[serde(default)]
    pub decisions_made: u64,
    /// Conflicts so far.
    #[serde(default)]
    pub conflicts_made: u64,
    /// How many of these people were told of, or had nothing to decide in.
    #[serde(default)]
    pub conflicts_told: u64,
}

/// What is agreed about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// The value.
    pub value: Option<Value>,
    /// Its version: higher with every change.
    pub version: u64,
    /// Where it was seen first; [`SystemName::person`] for what a person entered.
    pub origin: SystemName,
    /// When, by the clock of that system where it told, else by ours.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// The conflict that a person has to decide before the field goes anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ConflictId>,
    /// A person chose the value, knowing that systems answer it with others: what one without
    /// versions in its receipts shows after our write is its way of writing it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
    /// When systems answered a write of ours with another value at once, lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<DateTime<Utc>>,
    /// Changes by systems that had just been given the value, lately: answers of automation, or
    /// edits of people who take turns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
}

/// A change by a system that had been given the agreed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// When it was seen.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// Tells its value from others, without being one.
    pub print: String,
}

/// What is agreed about a record's being there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// In use; else taken out of use.
    pub alive: bool,
    /// Its version: higher with every change.
    pub version: u64,
    /// Where it was seen first.
    pub origin: SystemName,
    /// When.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// The conflict that a person has to decide before anything is removed or brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ConflictId>,
}

impl LinkRecord {
    /// A record that was first seen in `origin`.
    pub fn new(
        link: LinkId,
        entity: EntityName,
        natural_key: Option<String>,
        origin: SystemName,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            link,
            entity,
            natural_key,
            claim: None,
            apart: BTreeMap::new(),
            left: BTreeMap::new(),
            absorbed: BTreeSet::new(),
            fields: Fields::new(),
            life: Life {
                alive: true,
                version: LIFE_FIRST,
                origin,
                at: now,
                held: None,
            },
            members: Members::new(),
            conflicts: Vec::new(),
            decisions: Vec::new(),
            decisions_made: 0,
            conflicts_made: 0,
            conflicts_told: 0,
        }
    }

    /// The agreed value of a field: `None` where nobody ever showed it.
    pub fn value(&self, field: &str) -> Option<Option<&Value>> {
        self.fields.get(field).map(|base| base.value.as_ref())
    }

    /// Conflicts that a person has to decide.
    pub fn open_conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| conflict.is_open())
    }

    /// Lets go of the older half of the decisions, for stores with small documents. False if there
    /// is nothing left to let go of.
    pub fn shed_decisions(&mut self) -> bool {
        let half = self.decisions.len().div_ceil(2);
        self.decisions.drain(..half);
        half > 0
    }

    pub(super) fn note(&mut self, decision: Decision) {
        self.decisions_made += 1;
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.drain(..DECISIONS_SHED);
        }
        self.decisions.push(decision);
    }

    pub(super) fn note_conflict(&mut self, conflict: Conflict) {
        let settled = self.conflicts.iter().filter(|one| one.is_over()).count();
        if settled >= SETTLED_CONFLICTS_MAX
            && let Some(oldest) = self.conflicts.iter().position(Conflict::is_over)
        {
            self.conflicts.remove(oldest);
        }
        self.conflicts.push(conflict);
    }

    pub(super) fn next_conflict(&mut self) -> ConflictId {
        self.conflicts_made += 1;
        ConflictId::new(self.link, self.conflicts_made)
    }

    /// Open conflicts since the last time that this was asked: each is told once, and counts as told
    /// when the record is stored.
    pub fn untold_conflicts(&mut self) -> Vec<Conflict> {
        let told = std::mem::replace(&mut self.conflicts_told, self.conflicts_made);
        let open = self.conflicts.iter().filter(|one| one.is_open());
        open.filter(|one| one.id.number() > told).cloned().collect()
    }

    pub(super) fn base(&self, field: &FieldName) -> Option<&Base> {
        self.fields.get(field.as_str())
    }
}
