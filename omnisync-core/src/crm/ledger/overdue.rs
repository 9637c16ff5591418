//! What has waited for longer than the rules allow, which people are told once.

use chrono::{DateTime, Utc};

use super::member::Presence;
use super::policy::SyncPolicy;
use super::record::LinkRecord;
use crate::crm::name::{FieldName, SystemName};
use crate::crm::value::Reference;

/// Something that waits for longer than the rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The system whose record waits.
    pub system: SystemName,
    /// What it waits for.
    pub cause: OverdueCause,
    /// Since when it waits.
    pub since: DateTime<Utc>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverdueCause {
    /// A field points at a record that nobody knows.
    Reference {
        /// The field.
        field: FieldName,
        /// What it points at, as the system names it.
        reference: Reference,
    },
    /// Nothing is written to the record.
    Obstacle {
        /// What is in the way, for people. No values.
        reason: String,
    },
    /// A field is not written.
    Refused {
        /// The field.
        field: FieldName,
        /// What is in the way, for people. No values.
        reason: String,
    },
}

impl LinkRecord {
    /// What has waited for too long since the last time that this was asked: each is told once, and
    /// counts as told when the record is stored.
    pub fn overdue(&mut self, policy: &SyncPolicy, now: DateTime<Utc>) -> Vec<Overdue> {
        let mut all = Vec::new();
        for (system, member) in self.members.iter_mut() {
            let mut tell = |cause, since| {
                all.push(Overdue {
                    system: system.clone(),
                    cause,
                    since,
                });
            };
            if let Some(obstacle) = &mut member.obstacle
                && is_news(&mut obstacle.overdue, obstacle.since, policy, now)
            {
                let reason = obstacle.reason.clone();
                tell(OverdueCause::Obstacle { reason }, obstacle.since);
            }
            if member.presence != Presence::InUse {
                continue;
            }
            for (field, awaited) in member.awaiting.iter_mut() {
                if let Some(since) = awaited.since
                    && is_news(&mut awaited.overdue, since, policy, now)
                {
                    let (field, reference) = (field.clone(), awaited.reference.clone());
                    tell(OverdueCause::Reference { field, reference }, since);
                }
            }
            for (field, refusal) in member.refused.iter_mut() {
                if is_news(&mut refusal.overdue, refusal.since, policy, now) {
                    let (field, reason) = (field.clone(), refusal.reason.clone());
                    tell(OverdueCause::Refused { field, reason }, refusal.since);
                }
            }
        }
        all
    }
}

/// True if something has waited for too long and nobody was told so before; `told` says when.
fn is_news(
    told: &mut Option<DateTime<Utc>>,
    since: DateTime<Utc>,
    policy: &SyncPolicy,
    now: DateTime<Utc>,
) -> bool {
    let deadline = policy.deadline(since);
    let is_over = deadline.is_some_and(|deadline| deadline <= now);
    let is_news = is_over && told.is_none();
    if is_news {
        *told = Some(now);
    }
    is_news
}
