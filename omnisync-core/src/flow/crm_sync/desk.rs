use std::sync::Arc;

use thiserror::Error;

use super::documents::{Documents, LinkState, Saved};
use super::hear::contended;
use super::landscape::Landscape;
use super::look::resolve;
use crate::crm::ledger::{
    Choice, ConflictId, Difference, LinkRecord, ResolveError, SyncPolicy, what_if,
};
use crate::crm::{
    EntityName, ForeignId, LinkId, Reference, ReferenceTarget, SystemName, Value, ValueError,
};
use crate::error::{ErrorKind, PortError};
use crate::flow::Worker;
use crate::port::StateStore;

/// How often a link is read and changed again after somebody else changed it.
pub(super) const CONFLICTS_MAX: usize = 8;

/// Says what is known of records, and takes decisions of people.
#[derive(Debug)]
pub struct CrmDesk {
    pub(super) documents: Documents,
    landscape: Arc<Landscape>,
    pub(super) worker: Worker,
}

/// What is known of a record of one system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordExplanation {
    /// The link, with what was decided at every look, and every conflict.
    pub link: Option<LinkRecord>,
    /// Why it belongs to no link.
    pub waits_for: Option<String>,
    /// Hints so far.
    pub hints: u64,
}

/// Why a decision was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeskError {
    /// It cannot be decided so.
    #[error(transparent)]
    Refused(#[from] ResolveError),
    /// The record is part of no link, or the link is not there.
    #[error("{id} of {system} is part of no such link; explain it to see where it stands")]
    NotLinked {
        /// The system.
        system: SystemName,
        /// Its record.
        id: ForeignId,
    },
    /// There is no such link.
    #[error("there is no link {link}")]
    NoLink {
        /// The link.
        link: LinkId,
    },
    /// The record is part of another link.
    #[error("the record is part of link {link}; unlink it first")]
    LinkedElsewhere {
        /// That link.
        link: LinkId,
    },
    /// The link has another record of the system.
    #[error("{id} of {system} stands for the link; unlink it first")]
    Occupied {
        /// The system.
        system: SystemName,
        /// Its record.
        id: ForeignId,
    },
    /// The store failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl CrmDesk {
    /// A desk over `store`.
    pub fn new(store: Arc<dyn StateStore>, landscape: Arc<Landscape>, worker: Worker) -> Self {
        Self {
            documents: Documents::new(store),
            landscape,
            worker,
        }
    }

    /// What is known of a record; `None` if nobody ever spoke of it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn explain(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
    ) -> Result<Option<RecordExplanation>, PortError> {
        let Some(entry) = self.documents.record(entity, system, id).await? else {
            return Ok(None);
        };
        let link = match entry.content.link {
            Some(link) => self.documents.link(link).await?,
            None => None,
        };
        Ok(Some(RecordExplanation {
            link: link.map(|link| link.content),
            waits_for: entry.content.waits_for,
            hints: entry.content.hints,
        }))
    }

    /// A link by its identity.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn link(&self, link: LinkId) -> Result<Option<LinkRecord>, PortError> {
        Ok(self.documents.link(link).await?.map(|link| link.content))
    }

    /// What other rules would have decided otherwise for a link. Writes nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn what_if(
        &self,
        link: LinkId,
        policy: &SyncPolicy,
    ) -> Result<Vec<Difference>, PortError> {
        let link = self.documents.link(link).await?;
        Ok(link.map_or_else(Vec::new, |link| what_if(&link.content, policy)))
    }

    /// Decides an open conflict. The systems are told by the next run of
    /// [`CrmSync`](super::CrmSync).
    ///
    /// # Errors
    /// [`DeskError::LinkedElsewhere`] where the record that is named is part of another link;
    /// [`DeskError::Refused`] where there is no such open conflict, the system has nothing to say in
    /// it, or the field cannot have the value; else those of the store.
    pub async fn resolve(
        &self,
        conflict: ConflictId,
        choice: Choice,
        by: &str,
    ) -> Result<(), DeskError> {
        for _ in 0..CONFLICTS_MAX {
            let stored = self.documents.link(conflict.link()).await?;
            let mut link = stored.ok_or(ResolveError::Unknown(conflict))?;
            if let Choice::Record { id } = &choice {
                self.is_free(&link.content, conflict, id).await?;
            }
            let choice = self.entered(&link.content, conflict, &choice).await?;
            let now = self.worker.now();
            link.content.resolve(conflict, choice, by, now)?;
            let saved = self
                .documents
                .save_link(&link, LinkState::Working, Some(now))
                .await?;
            if let Saved::Yes(_) = saved {
                return Ok(());
            }
        }
        Err(contended("crm_sync.resolve").into())
    }

    /// The choice, with a value that the field can have: what it points at is named as all systems
    /// name it.
    async fn entered(
        &self,
        link: &LinkRecord,
        conflict: ConflictId,
        choice: &Choice,
    ) -> Result<Choice, DeskError> {
        let subject = link.conflicts.iter().find(|one| one.id == conflict);
        let field = subject.and_then(|one| one.subject.field());
        let (Choice::Value { value }, Some(field)) = (choice, field) else {
            return Ok(choice.clone());
        };
        let definition = self.landscape.entity(&link.entity);
        let definition = definition.and_then(|entity| entity.fields.get(field.as_str()));
        let definition = definition.ok_or_else(|| {
            PortError::new(ErrorKind::Misconfigured, "crm_sync.resolve")
                .with_detail(format!("{} has no {field} in this landscape", link.entity))
                .without_effect()
        })?;
        let unfit = |reason| ResolveError::Unfit {
            conflict,
            field: field.clone(),
            reason,
        };
        definition.check(value.as_ref()).map_err(unfit)?;
        let value = match value {
            Some(Value::Reference(reference)) => {
                let known = self.known(reference).await?;
                let known = known.ok_or_else(|| unfit(ValueError::Unresolved))?;
                Some(Value::Reference(Box::new(known)))
            }
            other => other.clone(),
        };
        Ok(Choice::Value { value })
    }

    /// The reference by its link; `None` where nobody knows the record.
    async fn known(&self, reference: &Reference) -> Result<Option<Reference>, PortError> {
        let found = resolve(&self.documents, reference).await?;
        let Some(Reference {
            target: ReferenceTarget::Link(link),
            ..
        }) = found
        else {
            return Ok(None);
        };
        let target = self.documents.link(link).await?;
        let is_one = target.is_some_and(|target| target.content.entity == reference.entity);
        Ok(found.filter(|_| is_one))
    }

    /// The systems and rules that it speaks of.
    pub fn landscape(&self) -> &Landscape {
        &self.landscape
    }
}
