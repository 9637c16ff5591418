//! A record that was merged into another one of its system.

use super::{CONFLICTS_MAX, CrmSync};
use crate::crm::ledger::{LinkRecord, MergeInto, Presence};
use crate::crm::{EntityName, ForeignId, LinkId, Origin, SystemName};
use crate::error::PortError;
use crate::flow::crm_sync::documents::{LinkState, Saved};
use crate::flow::crm_sync::hear::contended;

/// Merges of merged records that are followed.
const HOPS_MAX: usize = 16;

/// What a merge means for the link of the record that is gone.
pub(super) enum Merged {
    /// It ends, or a person is asked.
    Into(MergeInto),
    /// The record that is left belongs to nothing else, and stands for the link from now on.
    Relinked,
    /// The record that is left was not looked at yet.
    Waits,
}

/// Where the record that is left belongs.
enum Winner {
    Link(ForeignId, LinkId),
    Nothing(ForeignId),
    Unknown,
}

impl CrmSync {
    pub(super) async fn merged(
        &self,
        link: &mut LinkRecord,
        system: &SystemName,
        loser: &ForeignId,
        mut merge: MergeInto,
    ) -> Result<Merged, PortError> {
        let member = link.members.get(system);
        let was = member.map(|member| &member.presence);
        if !link.life.alive || matches!(was, Some(Presence::Merged { .. })) {
            return Ok(Merged::Into(merge));
        }
        match self.winner(link, system, &merge.into).await? {
            Winner::Unknown => Ok(Merged::Waits),
            Winner::Nothing(into) => {
                link.relinked(system, &into, self.worker.now());
                Ok(Merged::Relinked)
            }
            Winner::Link(into, other) => {
                merge.into = into;
                merge.link = Some(other);
                merge.opposed =
                    link.absorbed.contains(&other) || !self.absorb(link, other, true).await?;
                // Whatever became of the event that told of it.
                let origin = Origin::default();
                self.hear
                    .note(&link.entity, system, &merge.into, &origin)
                    .await?;
                self.leads_to(&link.entity, system, loser, Some(other))
                    .await?;
                Ok(Merged::Into(merge))
            }
        }
    }

    /// The record at the end of a row of merges.
    async fn winner(
        &self,
        link: &LinkRecord,
        system: &SystemName,
        into: &ForeignId,
    ) -> Result<Winner, PortError> {
        let entity = &link.entity;
        let mut into = into.clone();
        for _ in 0..HOPS_MAX {
            let Some(entry) = self.documents.record(entity, system, &into).await? else {
                let origin = Origin::default();
                self.hear.note(entity, system, &into, &origin).await?;
                return Ok(Winner::Unknown);
            };
            let entry = entry.content;
            let other = entry.link.filter(|other| *other != link.link);
            let stored = match other {
                Some(other) => self.documents.link(other).await?,
                None => None,
            };
            let member = stored
                .as_ref()
                .and_then(|stored| stored.content.members.get(system))
                .filter(|member| member.id.as_ref() == Some(&into));
            match (member.map(|member| &member.presence), other) {
                (Some(Presence::Merged { into: next }), _) => into = next.clone(),
                (Some(_), Some(other)) => return Ok(Winner::Link(into, other)),
                _ if entry.link == Some(link.link) || entry.due.is_none() => {
                    return Ok(Winner::Nothing(into));
                }
                _ => return Ok(Winner::Unknown),
            }
        }
        Ok(Winner::Unknown)
    }

    /// What became agreed for a record since somebody merged it away is kept like what was agreed
    /// before, whoever decided that it goes all the same.
    pub(super) async fn keep_merged(&self, link: &LinkRecord) -> Result<(), PortError> {
        for other in link.merging_into() {
            self.absorb(link, other, false).await?;
        }
        Ok(())
    }

    /// Keeps what is agreed for `link` with the other one, which its record was merged into. False
    /// if that one is gone as well, and was to be in use.
    async fn absorb(
        &self,
        link: &LinkRecord,
        other: LinkId,
        in_use: bool,
    ) -> Result<bool, PortError> {
        for _ in 0..CONFLICTS_MAX {
            let Some(mut stored) = self.documents.link(other).await? else {
                return Ok(false);
            };
            let record = &mut stored.content;
            if in_use && (!record.life.alive || record.life.held.is_some()) {
                return Ok(false);
            }
            let now = self.worker.now();
            if !record.absorb(link, now) {
                return Ok(true);
            }
            let saved = self
                .documents
                .save_link(&stored, LinkState::Working, Some(now))
                .await?;
            if let Saved::Yes(_) = saved {
                return Ok(true);
            }
        }
        Err(contended("crm_sync.merge"))
    }

    /// References to a record that was merged away lead to the link of the one that is left.
    async fn leads_to(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
        link: Option<LinkId>,
    ) -> Result<(), PortError> {
        for _ in 0..CONFLICTS_MAX {
            let Some(mut entry) = self.documents.record(entity, system, id).await? else {
                return Ok(());
            };
            if entry.content.merged_into == link {
                return Ok(());
            }
            entry.content.merged_into = link;
            if let Saved::Yes(_) = self.documents.save_record(&entry).await? {
                return Ok(());
            }
        }
        Err(contended("crm_sync.merge"))
    }

    /// A record that was merged away is there again.
    pub(super) async fn unmerged(
        &self,
        link: &LinkRecord,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<(), PortError> {
        let member = link.members.get(system);
        let was = member.map(|member| &member.presence);
        if matches!(was, Some(Presence::Merged { .. })) {
            self.leads_to(&link.entity, system, id, None).await?;
        }
        Ok(())
    }
}
