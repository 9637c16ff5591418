use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::overwritten::{Told, Written};
use super::park::Awaited;
use crate::crm::fields::Fields;
use crate::crm::name::{FieldName, ForeignId, VersionToken};
use crate::crm::patch::Patch;
use crate::crm::value::Value;
use crate::id::WorkerId;

/// Versions of a record that are remembered, so that a read from a replica that is behind is known
/// as such.
const PAST_VERSIONS_MAX: usize = 8;

/// What is known of a record in one system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, stored under its own name"
)]
pub struct MemberRecord {
    /// Its id there, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ForeignId>,
    /// Whether it is there.
    #[serde(default)]
    pub presence: Presence,
    /// Version of the record's life that this system is known to follow.
    #[serde(default)]
    pub life_synced: u64,
    /// Per field: what was last seen, and which agreed version it is known to follow.
    #[serde(default)]
    pub fields: Fields<Held>,
    /// Version of the last observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<VersionToken>,
    /// Versions before that one.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub past: VecDeque<VersionToken>,
    /// Looks in a row that showed an older version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stale_looks: u32,
    /// When the record was last changed, by the clock of its system.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub modified_at: Option<DateTime<Utc>>,
    /// Version that our last acknowledged write gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<VersionToken>,
    /// A write that was announced and not read back yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// A write that may have been done although nobody said so, and that cannot be looked at. A
    /// creation is repeated to the letter: what the system answers is about the first time. An
    /// update of a record that was removed since is known again if the record comes back, and one
    /// that a worker makes after its lease when it lands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Intent>,
    /// It has to be looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub look: bool,
    /// A record with the natural key was looked for here, and none was found that could take part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sought: bool,
    /// Fields that point at records which are not known yet. Nothing is written over them.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub awaiting: Fields<Awaited>,
    /// Its mark says that a person has something to decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marked: bool,
    /// A write of its mark was not answered, so that nobody knows what the mark says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mark_unsure: bool,
    /// Its document says that it belongs to this link, so its hints lead here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
    /// Fields that hold what the field map cannot read: nothing is written over it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unreadable: BTreeSet<FieldName>,
    /// Our last write, where the system does not check versions: what comes to light later may show
    /// what it fell upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// Changes that events told of since the last look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// Why nothing is written to it at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
    /// Fields that are not written at present, and why.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub refused: Fields<Refusal>,
    /// Fields of a write that was refused as a whole: each is tried by itself once, so that the one
    /// to blame does not stand in the way of the others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub singly: BTreeSet<FieldName>,
    /// A field is to be written that was never seen here: the next look takes every field in, even
    /// if the version is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
}

/// Whether a record is there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// There is no record in this system yet.
    #[default]
    None,
    /// In use.
    InUse,
    /// Deleted or deactivated.
    Gone,
    /// Merged into another record of the system.
    Merged {
        /// The record that is left.
        into: ForeignId,
    },
}

/// What is known of one field in one system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The value as it was last seen: `Absent` where it was never seen.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub shadow: Patch<Value>,
    /// The agreed version that the system is known to follow; 0 for none.
    #[serde(default)]
    pub synced: u64,
    /// The field was looked for, and the system did not show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// A write, announced before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// What is to be done.
    pub kind: IntentKind,
    /// The fields that it writes.
    #[serde(default)]
    pub fields: Fields<IntentField>,
    /// The mark that it sets: whether a person has something to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<bool>,
    /// Version of the record's life that it brings.
    pub life_version: u64,
    /// Version of the record that it is conditional on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<VersionToken>,
    /// Who makes it.
    pub worker: WorkerId,
    /// Nobody else touches the link before.
    #[serde(with = "crate::instant")]
    pub until: DateTime<Utc>,
    /// The system said that it was done.
    #[serde(default)]
    pub acknowledged: bool,
    /// It may have been done before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
}

/// Kind of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IntentKind {
    /// Create the record.
    Create,
    /// Change fields.
    Update,
    /// Take the record out of use.
    Remove,
    /// Bring it back.
    Restore,
}

/// A field of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentField {
    /// What is written.
    pub value: Option<Value>,
    /// The agreed version that it brings.
    pub version: u64,
    /// What the field held as it was last seen, for systems that do not check versions.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    pub was: Patch<Value>,
}

/// Why nothing is written to a system at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// What is in the way, for people. No values.
    pub reason: String,
    /// Since when.
    #[serde(with = "crate::instant")]
    pub since: DateTime<Utc>,
    /// When it is tried again.
    #[serde(with = "crate::instant")]
    pub until: DateTime<Utc>,
    /// The fields that are to blame, as far as is known, and their agreed versions: a new value of
    /// one of them is tried at once. Empty where time is all that helps.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields<u64>,
    /// When it had lasted for longer than the rules allow, and people were told.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub overdue: Option<DateTime<Utc>>,
}

/// Why a field is not written to a system at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What is in the way, for people. No values.
    pub reason: String,
    /// The agreed version that was refused: a later one is tried at once.
    pub version: u64,
    /// Since when.
    #[serde(with = "crate::instant")]
    pub since: DateTime<Utc>,
    /// When it is tried again.
    #[serde(with = "crate::instant")]
    pub until: DateTime<Utc>,
    /// When it had lasted for longer than the rules allow, and people were told.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub overdue: Option<DateTime<Utc>>,
}

impl MemberRecord {
    /// A member that is known by its id and has not been looked at.
    pub fn of(id: ForeignId) -> Self {
        Self {
            id: Some(id),
            look: true,
            ..Self::default()
        }
    }

    pub(super) fn synced(&self, field: &str) -> u64 {
        self.fields.get(field).map_or(0, |held| held.synced)
    }

    pub(super) fn saw(&mut self, version: &VersionToken) {
        if self.seen.as_ref() == Some(version) {
            return;
        }
        let before = self.seen.replace(version.clone());
        // What our write gave it was there before, whether anybody saw it or not.
        let given = self.receipt.clone().filter(|given| {
            given != version && Some(given) != before.as_ref() && !self.past.contains(given)
        });
        for old in before.into_iter().chain(given) {
            if self.past.len() == PAST_VERSIONS_MAX {
                self.past.pop_front();
            }
            self.past.push_back(old);
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
