use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crm::entity::ValueError;
use crate::crm::name::{FieldName, ForeignId, LinkId, SystemName};
use crate::crm::value::Value;
use crate::id::IdError;

/// Identity of a conflict: its link and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConflictId {
    link: LinkId,
    number: u64,
}

impl ConflictId {
    pub(super) const fn new(link: LinkId, number: u64) -> Self {
        Self { link, number }
    }

    /// The record that it is about.
    pub const fn link(self) -> LinkId {
        self.link
    }

    pub(super) const fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.link, self.number)
    }
}

impl FromStr for ConflictId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = || IdError::Malformed {
            what: "conflict id",
        };
        let (link, number) = text.split_once('.').ok_or_else(malformed)?;
        Ok(Self {
            link: link.parse().map_err(|_| malformed())?,
            number: number.parse().map_err(|_| malformed())?,
        })
    }
}

impl TryFrom<String> for ConflictId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ConflictId> for String {
    fn from(id: ConflictId) -> Self {
        id.to_string()
    }
}

/// A difference that must not pass unseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// Its identity.
    pub id: ConflictId,
    /// What about.
    pub subject: ConflictSubject,
    /// When it was found.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// What each side says.
    pub sides: Vec<Side>,
    /// How far it is.
    pub state: ConflictState,
}

/// What a conflict is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ConflictSubject {
    /// Two values of a field, set without knowing of each other, or against a rule.
    Field {
        /// The field.
        field: FieldName,
    },
    /// One side removed the record while another changed it.
    DeleteVersusEdit,
    /// Two records have one natural key.
    DuplicateKey {
        /// The system.
        system: SystemName,
        /// Its record: a second one with the key of this link, or this link's own where `other` has
        /// the key.
        id: ForeignId,
        /// The link that has the key which this one's record was given, or had before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<LinkId>,
    },
    /// The record was merged into another one in a system.
    Merge {
        /// The system.
        system: SystemName,
        /// The record that was merged away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ForeignId>,
        /// The record that is left.
        into: ForeignId,
        /// Its link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<LinkId>,
    },
    /// A write of ours fell upon a change that nobody had seen. Where its value is known it is one of
    /// the sides.
    OverwrittenAfterTheFact {
        /// The system.
        system: SystemName,
        /// The field.
        field: FieldName,
        /// When the change was made, by the clock of the system.
        #[serde(with = "crate::instant")]
        at: DateTime<Utc>,
    },
    /// A field that systems keep changing in answer to our writes.
    Oscillation {
        /// The field.
        field: FieldName,
    },
}

impl ConflictSubject {
    /// The field whose value is in question, if it is one.
    pub const fn field(&self) -> Option<&FieldName> {
        match self {
            Self::Field { field }
            | Self::Oscillation { field }
            | Self::OverwrittenAfterTheFact { field, .. } => Some(field),
            Self::DeleteVersusEdit | Self::DuplicateKey { .. } | Self::Merge { .. } => None,
        }
    }
}

/// What one side says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// The system; [`SystemName::person`] for what a person had entered.
    pub system: SystemName,
    /// Its value: `None` for an empty field, and for conflicts that are not about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// How far a conflict is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ConflictState {
    /// A person has to decide.
    Open,
    /// Decided, by a rule or a person; the systems may still have to be told.
    Resolved {
        /// Who decided: `policy` or a person's name.
        by: String,
        /// What.
        choice: Choice,
        /// When.
        #[serde(with = "crate::instant")]
        at: DateTime<Utc>,
    },
    /// Decided, and every system follows.
    Propagated {
        /// Who decided.
        by: String,
        /// What.
        choice: Choice,
    },
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Choice {
    /// What this system has. Of two records with one key: the one that is linked stays so, and the
    /// other is left alone.
    Take {
        /// The system.
        system: SystemName,
    },
    /// Of a field: this value, whatever the systems have.
    Value {
        /// The value; `None` for an empty field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
    },
    /// Of two records of a system with one key, this one is the one that is shared.
    Record {
        /// Its id.
        id: ForeignId,
    },
    /// The record that the conflict names is another thing: it leaves its link, or stays out of it.
    Apart,
}

/// Why a conflict cannot be resolved so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The record has no such conflict.
    #[error("there is no conflict {0}")]
    Unknown(ConflictId),
    /// It was resolved before.
    #[error("conflict {0} is resolved already")]
    NotOpen(ConflictId),
    /// The system takes no part in it.
    #[error("system {system} has nothing to say in conflict {conflict}")]
    NoSide {
        /// The conflict.
        conflict: ConflictId,
        /// The system.
        system: SystemName,
    },
    /// A choice of another kind of conflict.
    #[error(
        "conflict {conflict} cannot be decided like that: take a side, or, for a field, enter a \
         value, or, for two records of one system with one key, name the record that is meant"
    )]
    NotSo {
        /// The conflict.
        conflict: ConflictId,
    },
    /// The field cannot have the value that was entered.
    #[error("conflict {conflict} cannot be decided by a value that {field} cannot have")]
    Unfit {
        /// The conflict.
        conflict: ConflictId,
        /// The field.
        field: FieldName,
        /// Why.
        #[source]
        reason: ValueError,
    },
}

impl Conflict {
    /// True while a person has to decide.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, ConflictState::Open)
    }

    /// True once every system follows.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, ConflictState::Propagated { .. })
    }
}
