use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::name::{FieldName, ForeignId};

/// Word from a system that something may have changed. It says where to look; what the record
/// holds is read back, so a hint that is late, doubled, forged or wrong does no harm but a read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hint {
    /// The system's own name of the object: `Account`, `contact`.
    pub object: String,
    /// What of it.
    pub scope: HintScope,
    /// What is said to have happened.
    pub kind: ChangeKind,
    /// Who is said to have done it.
    #[serde(default)]
    pub origin: Origin,
    /// When, by the clock of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// The system's own names of the fields that are said to have changed. Empty where it does not
    /// say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldName>,
}

/// Which records a hint is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HintScope {
    /// These. An event that names several gives them all.
    Records(Vec<ForeignId>),
    /// Every record of the object: changes were lost, and everything has to be compared.
    Everything,
}

/// What is said to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// The record was created.
    Create,
    /// It was changed.
    Update,
    /// It was deleted.
    Delete,
    /// It was taken back from the bin.
    Undelete,
    /// It is spoken of without a change.
    Snapshot,
    /// Something happened that the event does not tell.
    Gap,
    /// A kind that is not known here.
    Unknown,
}

/// Who is said to have made a change. Never the reason to ignore it, but for the compatible
/// policies that are asked to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Id of the user in the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Name by which the client announced itself: the client id in Salesforce's `changeOrigin`, the
    /// `tag` of a Dataverse request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}
