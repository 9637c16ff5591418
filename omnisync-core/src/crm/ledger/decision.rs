use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::conflict::ConflictId;
use crate::crm::name::{FieldName, SystemName};
use crate::crm::value::Value;

/// What was decided at one look at one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// The system.
    pub system: SystemName,
    /// When the system last changed the record, by its own clock.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub modified_at: Option<DateTime<Utc>>,
    /// What about each field that was not as it was known.
    #[serde(default)]
    pub fields: Vec<FieldDecision>,
    /// What about the record's being there, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Verdict>,
}

/// What was decided about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDecision {
    /// The field.
    pub field: FieldName,
    /// What.
    pub verdict: Verdict,
    /// What the system shows.
    pub observed: Option<Value>,
    /// The agreed value before.
    pub agreed: Option<Value>,
    /// Its version; 0 where there was none.
    pub agreed_version: u64,
    /// The agreed version that the system followed.
    pub synced: u64,
    /// What a rule had to go by, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grounds: Option<Grounds>,
}

/// What a rule has to go by besides the values: with it, the decision can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grounds {
    /// What the system knew of the agreed value.
    pub stance: Stance,
    /// When the agreed value was set, where there was one.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub agreed_at: Option<DateTime<Utc>>,
    /// The other systems that had shown the field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown_by: Vec<SystemName>,
}

/// What a system knew of the agreed value when it came by its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stance {
    /// It never showed the field before.
    First,
    /// The same, of a record that may be one which we created.
    FirstOfOurs,
    /// It had not received the agreed value.
    Behind,
    /// It had.
    Knows,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Verdict {
    /// Our own write, seen again.
    Echo,
    /// The system rewrote what we wrote.
    Normalised,
    /// Another way to the value that is agreed.
    NoOp,
    /// A change: it is the agreed value now.
    Applied,
    /// Two changes that did not know of each other: this one was taken, the other is in the
    /// conflict.
    Superseded {
        /// Where both values are.
        conflict: ConflictId,
    },
    /// The agreed value stays and is put back. Of two changes that did not know of each other, both
    /// values are in the conflict; a change by one who knew better, against the rule, stands here
    /// alone.
    Overruled {
        /// Where both values are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conflict: Option<ConflictId>,
    },
    /// Both values together are the agreed value now.
    Merged,
    /// A person has to decide.
    Held {
        /// What about.
        conflict: ConflictId,
    },
    /// It points at a record that is not known yet.
    Parked,
    /// The value cannot be read by the field map.
    Unreadable,
}
