//! The slot of a data project: one import at a time, across all workers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::repository::{Repository, is_race};
use crate::batch::BatchState;
use crate::error::PortError;
use crate::id::{BatchId, ProjectName, Sha256};
use crate::port::{
    Action, Collection, Content, DocumentKey, Expect, StateStoreExt as _, Write, body_of,
};

/// Where the slots are stored.
pub(super) const PROJECTS: Collection = Collection::new("projects");

/// A data project, and where its slot is stored.
#[derive(Debug, Clone)]
pub(super) struct Project {
    name: ProjectName,
    key: DocumentKey,
}

impl Project {
    /// Project names are free text, document ids are not.
    pub(super) fn new(name: ProjectName) -> Self {
        let id = Sha256::of(name.as_str().as_bytes()).to_string();
        let key = DocumentKey::new(PROJECTS, id);
        Self { name, key }
    }
}

#[derive(Serialize, Deserialize)]
struct Slot {
    project: ProjectName,
    /// The batch that is being imported. It keeps the slot, whoever works on it, until it is
    /// done.
    batch: Option<BatchId>,
    #[serde(with = "crate::instant")]
    since: DateTime<Utc>,
}

/// What became of asking for a slot.
pub(super) enum Occupied {
    /// The batch has the slot.
    Ours,
    /// This batch has it.
    By(BatchId),
    /// Somebody else was faster just now.
    Raced,
}

impl Repository {
    /// Takes the slot of `project` for `batch`, unless another batch has it.
    pub(super) async fn occupy(
        &self,
        project: &Project,
        batch: BatchId,
        now: DateTime<Utc>,
    ) -> Result<Occupied, PortError> {
        let document = self.store().get_one(&project.key).await?;
        let expect = match &document {
            None => Expect::Absent,
            Some(document) => {
                let slot: Slot = document.parse()?;
                match slot.batch {
                    Some(holder) if holder == batch => return Ok(Occupied::Ours),
                    Some(holder) if self.may_be_importing(holder).await? => {
                        return Ok(Occupied::By(holder));
                    }
                    _ => Expect::Tag(document.etag.clone()),
                }
            }
        };
        let taken = self.put_slot(project, Some(batch), now, expect).await?;
        Ok(if taken {
            Occupied::Ours
        } else {
            Occupied::Raced
        })
    }

    /// Frees the slot, when `batch` has it. A worker that dies before this leaves the slot to a
    /// batch that is done, which the next one sees.
    pub(super) async fn vacate(
        &self,
        project: &Project,
        batch: BatchId,
        now: DateTime<Utc>,
    ) -> Result<(), PortError> {
        if let Some(document) = self.store().get_one(&project.key).await? {
            let slot: Slot = document.parse()?;
            if slot.batch == Some(batch) {
                self.put_slot(project, None, now, Expect::Tag(document.etag))
                    .await?;
            }
        }
        Ok(())
    }

    /// True for a batch that is with the ERP, or on its way there.
    async fn may_be_importing(&self, batch: BatchId) -> Result<bool, PortError> {
        let batch = self.batch(batch).await?;
        Ok(batch.is_some_and(|batch| {
            matches!(
                batch.record.state,
                BatchState::Staged | BatchState::Submitted
            )
        }))
    }

    async fn put_slot(
        &self,
        project: &Project,
        batch: Option<BatchId>,
        since: DateTime<Utc>,
        expect: Expect,
    ) -> Result<bool, PortError> {
        let slot = Slot {
            project: project.name.clone(),
            batch,
            since,
        };
        let state = if batch.is_some() { "Busy" } else { "Free" };
        let content = Content {
            state: state.to_owned(),
            due_at: None,
            expires_at: None,
            body: body_of(&slot)?,
        };
        let write = Write {
            key: project.key.clone(),
            expect,
            action: Action::Put(content),
        };
        match self.store().write_one(write).await {
            Ok(_) => Ok(true),
            Err(error) if is_race(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
