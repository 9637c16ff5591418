//! References to records that are not known yet: how long they wait, and when somebody is told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::member::{MemberRecord, Presence};
use super::policy::SyncPolicy;
use super::record::LinkRecord;
use crate::crm::fields::Fields;
use crate::crm::name::FieldName;
use crate::crm::value::Reference;

/// A reference that leads nowhere yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    /// What it points at, as the system names it.
    #[serde(flatten)]
    pub reference: Reference,
    /// Since when it waits; `None` until the next look where it was stored without.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub since: Option<DateTime<Utc>>,
    /// When it was last seen to lead nowhere.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub looked_at: Option<DateTime<Utc>>,
    /// When it had waited for longer than the rules allow, and people were told.
    #[serde(
        default,
        with = "crate::instant::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub overdue: Option<DateTime<Utc>>,
}

impl Awaited {
    /// A reference that was found to lead nowhere at `now`. The same one as `known` waits on.
    pub(super) fn seen(reference: &Reference, known: Option<&Self>, now: DateTime<Utc>) -> Self {
        let known = known.filter(|known| known.reference == *reference);
        Self {
            reference: reference.clone(),
            since: Some(known.and_then(|known| known.since).unwrap_or(now)),
            looked_at: Some(now),
            overdue: known.and_then(|known| known.overdue),
        }
    }

    /// When it has waited for too long; `None` for never.
    fn deadline(&self, policy: &SyncPolicy) -> Option<DateTime<Utc>> {
        policy.deadline(self.since?)
    }
}

impl MemberRecord {
    /// What its fields point at and nobody knows yet. A record that is not in use waits for nothing.
    pub fn awaited(&self) -> impl Iterator<Item = (&FieldName, &Awaited)> {
        let is_there = self.presence == Presence::InUse;
        self.awaiting.iter().filter(move |_| is_there)
    }

    /// When its references are looked at again; `None` where none leads nowhere.
    pub(super) fn parked_until(
        &self,
        policy: &SyncPolicy,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let again = self.awaited().map(|(_, awaited)| {
            // What else goes on with the link does not put the next look off.
            let before = awaited.looked_at.unwrap_or(now);
            match awaited.deadline(policy) {
                Some(deadline) if deadline <= now => before + policy.park_overdue_retry(),
                Some(deadline) => deadline.min(before + policy.park_retry()),
                None => before + policy.park_retry(),
            }
        });
        again.min()
    }
}

impl LinkRecord {
    /// Somebody mended what was in the way: what was refused is tried again, and what could not be
    /// read or led nowhere is looked at.
    pub fn retry(&mut self) {
        for member in self.members.values_mut() {
            member.obstacle = None;
            member.refused = Fields::new();
            if !member.unreadable.is_empty() && member.id.is_some() {
                (member.look, member.unseen) = (true, true);
            }
        }
        self.retry_parked();
    }

    /// References that led nowhere are looked at again.
    pub fn retry_parked(&mut self) {
        for member in self.members.values_mut() {
            let waits = member.awaited().next().is_some();
            member.look |= waits && member.id.is_some();
        }
    }
}
