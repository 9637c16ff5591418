use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::arbitrate::{Agreed, Claim, Loss, Ruling, rule};
use super::decision::{Decision, FieldDecision, Grounds, Stance, Verdict};
use super::policy::SyncPolicy;
use super::record::LinkRecord;
use crate::crm::name::{FieldName, SystemName};

/// A decision that another policy would have made otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// When it was made.
    #[serde(with = "crate::instant")]
    pub at: DateTime<Utc>,
    /// At which system the value was seen.
    pub system: SystemName,
    /// The field.
    pub field: FieldName,
    /// What was decided.
    pub was: Verdict,
    /// What would have been: `taken`, `kept`, `combined`, `asked`.
    pub would: String,
    /// Both values would stand in a conflict.
    #[serde(default)]
    pub contested: bool,
}

/// What `policy` would have decided otherwise, of the decisions that the record still keeps. Each is
/// judged as it stood when it was made: what would have followed from another decision is not
/// played on. Under the rules that made the decisions there is no difference. Writes nothing.
///
/// Changes of a field that was waiting for a person, or was set aside since systems kept answering
/// each other, were decided by no rule and are left out.
pub fn what_if(record: &LinkRecord, policy: &SyncPolicy) -> Vec<Difference> {
    let decisions = record.decisions.iter();
    let fields = decisions.flat_map(|one| one.fields.iter().map(move |field| (one, field)));
    fields
        .filter_map(|(decision, field)| difference(record, decision, field, policy))
        .collect()
}

fn difference(
    record: &LinkRecord,
    decision: &Decision,
    field: &FieldDecision,
    policy: &SyncPolicy,
) -> Option<Difference> {
    let (was, loss) = ruling_of(field)?;
    let grounds = field.grounds.clone();
    let is_exact = grounds.is_some();
    let grounds = grounds.unwrap_or_else(|| guessed(record, decision, field));
    let agreed = (field.agreed_version > 0).then(|| Agreed {
        value: field.agreed.as_ref(),
        version: field.agreed_version,
        at: grounds.agreed_at.unwrap_or(decision.at),
    });
    let claim = Claim {
        system: &decision.system,
        value: field.observed.as_ref(),
        modified_at: decision.modified_at,
        grounds: &grounds,
    };
    let ruled = rule(policy.of(field.field.as_str()), agreed, claim, decision.at);
    let would = word(&ruled.ruling);
    (would != was || is_exact && ruled.loss != loss).then(|| Difference {
        at: decision.at,
        system: decision.system.clone(),
        field: field.field.clone(),
        was: field.verdict.clone(),
        would: would.to_owned(),
        contested: ruled.loss == Loss::Contested,
    })
}

/// For decisions that were stored before their grounds were.
fn guessed(record: &LinkRecord, decision: &Decision, field: &FieldDecision) -> Grounds {
    let others = record.members.keys().filter(|one| **one != decision.system);
    Grounds {
        stance: if field.synced >= field.agreed_version {
            Stance::Knows
        } else {
            Stance::Behind
        },
        agreed_at: None,
        shown_by: others.cloned().collect(),
    }
}

/// What a rule decided, and what was told of the other value.
const fn ruling_of(field: &FieldDecision) -> Option<(&'static str, Loss)> {
    match &field.verdict {
        Verdict::Applied => Some(("taken", Loss::Nothing)),
        Verdict::Superseded { .. } => Some(("taken", Loss::Contested)),
        Verdict::Overruled { conflict: Some(_) } => Some(("kept", Loss::Contested)),
        Verdict::Overruled { conflict: None } => Some(("kept", Loss::Noted)),
        Verdict::Merged => Some(("combined", Loss::Nothing)),
        Verdict::NoOp if field.grounds.is_some() => Some(("kept", Loss::Nothing)),
        Verdict::Held { .. } if field.grounds.is_some() => Some(("asked", Loss::Contested)),
        Verdict::Held { .. }
        | Verdict::NoOp
        | Verdict::Echo
        | Verdict::Normalised
        | Verdict::Parked
        | Verdict::Unreadable => None,
    }
}

const fn word(ruling: &Ruling) -> &'static str {
    match ruling {
        Ruling::Take => "taken",
        Ruling::Keep => "kept",
        Ruling::Combine(_) => "combined",
        Ruling::Ask => "asked",
    }
}
