//! Whose value counts.

use chrono::{DateTime, TimeDelta, Utc};

use super::decision::{Grounds, Stance};
use super::policy::FieldPolicy;
use crate::crm::name::SystemName;
use crate::crm::value::Value;

/// The value that is agreed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed<'a> {
    pub(super) value: Option<&'a Value>,
    pub(super) version: u64,
    pub(super) at: DateTime<Utc>,
}

/// A value that a system shows and that no write of ours explains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) system: &'a SystemName,
    pub(super) value: Option<&'a Value>,
    /// When the record was changed, by the clock of the system.
    pub(super) modified_at: Option<DateTime<Utc>>,
    pub(super) grounds: &'a Grounds,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// The claim is the agreed value now.
    Take,
    /// The agreed value stays.
    Keep,
    /// Both together are.
    Combine(Value),
    /// A person decides.
    Ask,
}

/// A ruling, and what becomes of the value that loses by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruled {
    pub(super) ruling: Ruling,
    pub(super) loss: Loss,
}

/// What is told of the value that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing: whoever set the other value knew of it, or it is no value of anybody.
    Nothing,
    /// The decision has it: whoever set it knew the agreed value, and not the rule.
    Noted,
    /// A conflict has both: somebody set it whom nobody asked.
    Contested,
}

const fn ruled(ruling: Ruling, loss: Loss) -> Ruled {
    Ruled { ruling, loss }
}

const fn contested_if(is_contested: bool) -> Loss {
    if is_contested {
        Loss::Contested
    } else {
        Loss::Nothing
    }
}

pub(super) fn rule(
    policy: &FieldPolicy,
    agreed: Option<Agreed<'_>>,
    claim: Claim<'_>,
    now: DateTime<Utc>,
) -> Ruled {
    let Some(agreed) = agreed else {
        return ruled(Ruling::Take, Loss::Nothing);
    };
    let stance = claim.grounds.stance;
    // A record that joins brings what the others lack, and gets what it lacks.
    let first = matches!(stance, Stance::First | Stance::FirstOfOurs);
    if first && agreed.value.is_none() {
        // Nothing fills silently what somebody emptied, and least of all what may be ours.
        let was_emptied = agreed.version > 1 || stance == Stance::FirstOfOurs;
        return ruled(Ruling::Take, contested_if(was_emptied));
    }
    if first && claim.value.is_none() {
        let ours = stance == Stance::FirstOfOurs;
        return ruled(Ruling::Keep, contested_if(ours));
    }
    if let FieldPolicy::SourceOfTruth { system } = policy
        && claim.grounds.shown_by.contains(system)
        && claim.system != system
    {
        return ruled(
            Ruling::Keep,
            if stance == Stance::Knows {
                Loss::Noted
            } else {
                Loss::Contested
            },
        );
    }
    if stance == Stance::Knows {
        return ruled(Ruling::Take, Loss::Nothing);
    }
    match policy {
        FieldPolicy::LatestObserved | FieldPolicy::SourceOfTruth { .. } => {
            ruled(Ruling::Take, Loss::Contested)
        }
        FieldPolicy::LatestAt { skew_max_seconds } => {
            let at = believed(claim.modified_at, *skew_max_seconds, now);
            ruled(take_if(at > agreed.at), Loss::Contested)
        }
        FieldPolicy::Max => ruled(take_if(claim.value > agreed.value), Loss::Contested),
        FieldPolicy::Min => {
            let smaller = match (claim.value, agreed.value) {
                (Some(claim), Some(agreed)) => claim < agreed,
                (claim, _) => claim.is_some(),
            };
            ruled(take_if(smaller), Loss::Contested)
        }
        FieldPolicy::Union => match (agreed.value, claim.value) {
            (Some(Value::Choices(ours)), Some(Value::Choices(theirs))) => {
                let all = Value::Choices(ours.union(theirs).cloned().collect());
                ruled(Ruling::Combine(all), Loss::Nothing)
            }
            _ => ruled(Ruling::Take, Loss::Contested),
        },
        FieldPolicy::Manual => ruled(Ruling::Ask, Loss::Contested),
    }
}

const fn take_if(wins: bool) -> Ruling {
    if wins { Ruling::Take } else { Ruling::Keep }
}

/// When a change was made, as far as the clock of its system can be believed.
pub(super) fn believed(
    at: Option<DateTime<Utc>>,
    skew_max_seconds: u32,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let skew = TimeDelta::seconds(i64::from(skew_max_seconds));
    at.filter(|at| *at - now <= skew).unwrap_or(now)
}
