use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::crm::fields::Fields;
use crate::crm::name::SystemName;

/// Who is right about a field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum FieldPolicy {
    /// The value that was observed last, whoever has it. Where two people changed the field
    /// without knowing of each other, the other value goes into the conflict ledger.
    #[default]
    LatestObserved,
    /// This system. What others say is put back, and goes into the conflict ledger.
    SourceOfTruth {
        /// The system.
        system: SystemName,
    },
    /// Of two values that were set without knowing of each other, the one whose record was changed
    /// later by the clock of its system. Clocks that are more than `skew_max_seconds` ahead are not
    /// believed.
    LatestAt {
        /// How far ahead of ours a clock may be, in seconds.
        skew_max_seconds: u32,
    },
    /// Of two values that were set without knowing of each other, the larger one.
    Max,
    /// Of two values that were set without knowing of each other, the smaller one.
    Min,
    /// Of two sets that were chosen without knowing of each other, all options together; for fields
    /// of one value as `LatestObserved`.
    Union,
    /// A person decides between values that were set without knowing of each other. Until then
    /// every system keeps what it has.
    Manual,
}

/// What a merge of two records in one system means for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum MergePolicy {
    /// The record that was merged away is taken out of use everywhere, once its values are kept in
    /// the conflict ledger of the one that is left. Where somebody changed it meanwhile, or another
    /// system merged the two the other way round, a person is asked.
    #[default]
    Follow,
    /// A person is asked. Until then the others keep both records.
    Ask,
}

/// Rules of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SyncPolicy {
    /// For fields that have none of their own.
    pub field_default: FieldPolicy,
    /// For these fields.
    pub fields: Fields<FieldPolicy>,
    /// What a merge of two records means for the other systems.
    pub merges: MergePolicy,
    /// How long a value that a system refused is left alone before it is tried again, in seconds.
    pub refused_retry_seconds: u32,
    /// How long a worker has a link for itself after it announced a write, in seconds.
    pub lease_seconds: u32,
    /// How often a reference that leads nowhere yet is looked at again, in seconds.
    pub park_retry_seconds: u32,
    /// How long a reference may lead nowhere, or a write may have something in its way, before it is
    /// overdue and people are told, in seconds; `None` for however long it takes.
    pub park_deadline_seconds: Option<u32>,
    /// How often a reference that is overdue is looked at again, in seconds. Once its record is
    /// known it is released all the same.
    pub park_overdue_retry_seconds: u32,
    /// In how many seconds reactions of systems to our own writes are counted.
    pub reaction_window_seconds: u32,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self {
            field_default: FieldPolicy::default(),
            fields: Fields::new(),
            merges: MergePolicy::default(),
            refused_retry_seconds: 3_600,
            lease_seconds: 60,
            park_retry_seconds: 60,
            park_deadline_seconds: Some(86_400),
            park_overdue_retry_seconds: 3_600,
            reaction_window_seconds: 600,
        }
    }
}

impl SyncPolicy {
    /// The same with another rule for fields that have none of their own.
    #[must_use]
    pub fn with_default(mut self, policy: FieldPolicy) -> Self {
        self.field_default = policy;
        self
    }

    /// The rule of a field.
    pub fn of(&self, field: &str) -> &FieldPolicy {
        self.fields.get(field).unwrap_or(&self.field_default)
    }

    pub(super) fn lease(&self) -> TimeDelta {
        seconds(self.lease_seconds)
    }

    pub(super) fn refused_retry(&self) -> TimeDelta {
        seconds(self.refused_retry_seconds)
    }

    pub(super) fn park_retry(&self) -> TimeDelta {
        seconds(self.park_retry_seconds)
    }

    /// When what waits since then is overdue; `None` for never.
    pub(super) fn deadline(&self, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        since.checked_add_signed(self.park_deadline_seconds.map(seconds)?)
    }

    pub(super) fn park_overdue_retry(&self) -> TimeDelta {
        seconds(self.park_overdue_retry_seconds)
    }

    pub(super) fn reaction_window(&self) -> TimeDelta {
        seconds(self.reaction_window_seconds)
    }
}

fn seconds(seconds: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(seconds))
}
