//! Which records are one, as people say.

use super::desk::{CONFLICTS_MAX, CrmDesk, DeskError};
use super::documents::{LinkState, Saved};
use super::hear::contended;
use crate::crm::ledger::{ConflictId, ConflictSubject, LinkRecord};
use crate::crm::{EntityName, ForeignId, LinkId, SystemName};

impl CrmDesk {
    /// Takes a record out of its link: it is another thing. Nothing of it is changed. As long as it
    /// has the natural key of the link it is left alone; with another key it is shared anew. A link
    /// that has no other record ends, and leaves its key to the record.
    ///
    /// # Errors
    /// [`DeskError::NotLinked`] where it belongs to no link; else those of the store.
    pub async fn unlink(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<LinkId, DeskError> {
        let not_linked = || DeskError::NotLinked {
            system: system.clone(),
            id: id.clone(),
        };
        let entry = self.documents.record(entity, system, id).await?;
        let link = entry.and_then(|entry| entry.content.link);
        let link = link.ok_or_else(not_linked)?;
        self.change(link, not_linked, |record, now| {
            let member = record.members.get(system);
            let is_member = member.is_some_and(|member| member.id.as_ref() == Some(id));
            if is_member {
                record.leaves(system, now);
            }
            // The same once more, after a crash, for one that left and was not told so.
            if is_member || record.is_apart(system, id) {
                Ok(())
            } else {
                Err(not_linked())
            }
        })
        .await?;
        for _ in 0..CONFLICTS_MAX {
            let stored = self.documents.record(entity, system, id).await?;
            let Some(mut entry) = stored.filter(|entry| entry.content.link == Some(link)) else {
                return Ok(link);
            };
            entry.content.link = None;
            entry.content.counted = false;
            entry.content.unlinked += 1;
            entry.content.hints += 1;
            entry.content.due = Some(self.worker.now());
            if let Saved::Yes(_) = self.documents.save_record(&entry).await? {
                return Ok(link);
            }
        }
        Err(contended("crm_sync.unlink").into())
    }

    /// Makes a record part of a link by hand, whatever its natural key. Where they differ the rules
    /// decide, as for any record that joins.
    ///
    /// # Errors
    /// [`DeskError::LinkedElsewhere`] where it belongs to another link, [`DeskError::Occupied`] where
    /// the link has another record of the system, [`DeskError::NotLinked`] where there is no such
    /// link or its record is gone for good; else those of the store.
    pub async fn join(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
        link: LinkId,
    ) -> Result<(), DeskError> {
        if let Some(link) = self.elsewhere(entity, system, id, link).await? {
            return Err(DeskError::LinkedElsewhere { link });
        }
        let not_there = || DeskError::NotLinked {
            system: system.clone(),
            id: id.clone(),
        };
        self.change(link, not_there, |record, _| {
            if record.entity != *entity || record.is_over() {
                return Err(not_there());
            }
            let member = record.members.get(system);
            match member.and_then(|member| member.id.as_ref()) {
                Some(same) if same == id => Ok(()),
                Some(other) => Err(DeskError::Occupied {
                    system: system.clone(),
                    id: other.clone(),
                }),
                None => {
                    record.joined(system, id.clone());
                    record.not_apart(system, id);
                    Ok(())
                }
            }
        })
        .await
    }

    /// A record that is chosen for a link may not be part of another one.
    pub(super) async fn is_free(
        &self,
        link: &LinkRecord,
        conflict: ConflictId,
        id: &ForeignId,
    ) -> Result<(), DeskError> {
        let subject = link.conflicts.iter().find(|one| one.id == conflict);
        let Some(ConflictSubject::DuplicateKey { system, .. }) = subject.map(|one| &one.subject)
        else {
            return Ok(());
        };
        let other = self.elsewhere(&link.entity, system, id, link.link).await?;
        other.map_or(Ok(()), |link| Err(DeskError::LinkedElsewhere { link }))
    }

    /// The link that counts on a record, if that is another one than `link`.
    async fn elsewhere(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
        link: LinkId,
    ) -> Result<Option<LinkId>, DeskError> {
        let entry = self.documents.record(entity, system, id).await?;
        let other = entry.and_then(|entry| entry.content.link);
        let Some(other) = other.filter(|other| *other != link) else {
            return Ok(None);
        };
        let stored = self.documents.link(other).await?;
        let member = stored
            .as_ref()
            .and_then(|one| one.content.members.get(system));
        let counts = member.is_some_and(|member| member.id.as_ref() == Some(id));
        Ok(counts.then_some(other))
    }

    /// Changes a link, which is gone on with at once.
    pub(super) async fn change(
        &self,
        link: LinkId,
        missing: impl Fn() -> DeskError,
        change: impl Fn(&mut LinkRecord, chrono::DateTime<chrono::Utc>) -> Result<(), DeskError>,
    ) -> Result<(), DeskError> {
        for _ in 0..CONFLICTS_MAX {
            let stored = self.documents.link(link).await?;
            let mut stored = stored.ok_or_else(&missing)?;
            let now = self.worker.now();
            change(&mut stored.content, now)?;
            let saved = self
                .documents
                .save_link(&stored, LinkState::Working, Some(now))
                .await?;
            if let Saved::Yes(_) = saved {
                return Ok(());
            }
        }
        Err(contended("crm_sync.desk").into())
    }
}
