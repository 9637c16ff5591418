use std::sync::Arc;

use tracing::instrument;

use super::documents::{Documents, Kept, RecordEntry, Saved};
use super::landscape::{CrmSystem, Landscape};
use super::pass::{PassStage, StreamEntry};
use crate::crm::field_map::CompiledFieldMap;
use crate::crm::ledger::Told;
use crate::crm::{EntityName, FieldName, ForeignId, Hint, HintScope, Origin, SystemName};
use crate::error::{ErrorKind, PortError};
use crate::flow::Worker;
use crate::port::StateStore;

/// How often a document is read and written again after somebody else changed it.
const CONFLICTS_MAX: usize = 16;

/// Records that are asked for at once when changes are caught up with.
const PAGE_RECORDS: usize = 200;

/// Notes where to look.
#[derive(Debug)]
pub struct Hear {
    documents: Documents,
    landscape: Arc<Landscape>,
    worker: Worker,
}

/// What became of one hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// These records are looked at.
    Records(usize),
    /// Every record of the object is compared.
    Everything,
    /// Nobody shares this object.
    NotShared,
    /// The rule for echoes drops it.
    Dropped,
}

/// What became of hints, in their order.
#[derive(Debug, Default)]
pub struct HearOutcome {
    /// One for each hint.
    pub hints: Vec<Heard>,
}

/// How far [`Hear::catch_up`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaughtUp {
    /// Records that were named as changed.
    pub records: usize,
    /// Records that take part and were not named among all: they are looked at.
    pub unnamed: usize,
    /// The system did not know the cursor any more: every record is compared.
    pub gap: bool,
    /// More is waiting.
    pub more: bool,
}

impl Hear {
    /// Notes hints in `store`.
    pub fn new(store: Arc<dyn StateStore>, landscape: Arc<Landscape>, worker: Worker) -> Self {
        Self {
            documents: Documents::new(store),
            landscape,
            worker,
        }
    }

    /// Notes hints of `system`. Once this returns they may be acknowledged.
    ///
    /// # Errors
    /// Those of the store; none of the hints may be acknowledged then. `Misconfigured` for a system
    /// that is not part of the landscape.
    #[instrument(skip_all, fields(worker = %self.worker.id, system = %system))]
    pub async fn hear(
        &self,
        system: &SystemName,
        hints: &[Hint],
    ) -> Result<HearOutcome, PortError> {
        let known = self.system(system)?;
        let mut outcome = HearOutcome::default();
        for hint in hints {
            let heard = self.one(known, hint).await?;
            outcome.hints.push(heard);
        }
        Ok(outcome)
    }

    fn system(&self, name: &SystemName) -> Result<&CrmSystem, PortError> {
        self.landscape.system(name).ok_or_else(|| {
            PortError::new(ErrorKind::Misconfigured, "crm_sync.hear")
                .with_detail(format!("{name} is no system of the landscape"))
        })
    }

    async fn one(&self, system: &CrmSystem, hint: &Hint) -> Result<Heard, PortError> {
        let Some(entity) = system.entity_of(&hint.object) else {
            return Ok(Heard::NotShared);
        };
        match &hint.scope {
            HintScope::Everything => {
                self.lost(system.name(), &entity).await?;
                Ok(Heard::Everything)
            }
            HintScope::Records(_) if system.echo().drops(&hint.origin) => Ok(Heard::Dropped),
            HintScope::Records(ids) => {
                let told = told(system, &entity, hint);
                for id in ids {
                    self.note_in(
                        &entity,
                        system.name(),
                        id,
                        &hint.origin,
                        None,
                        told.as_ref(),
                    )
                    .await?;
                }
                Ok(Heard::Records(ids.len()))
            }
        }
    }

    pub(super) fn jitter(&self) -> f64 {
        self.worker.ids.jitter()
    }

    /// The record has to be looked at.
    pub(super) async fn note(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
        origin: &Origin,
    ) -> Result<(), PortError> {
        self.note_in(entity, system, id, origin, None, None).await
    }

    /// The same for one that a pass over every record named, or found not to be named.
    async fn note_in(
        &self,
        entity: &EntityName,
        system: &SystemName,
        id: &ForeignId,
        origin: &Origin,
        pass: Option<u64>,
        told: Option<&Told>,
    ) -> Result<(), PortError> {
        let now = self.worker.now();
        for _ in 0..CONFLICTS_MAX {
            let before = self.documents.record(entity, system, id).await?;
            let mut entry = before.unwrap_or_else(|| RecordEntry::unheard(entity, system, id));
            entry.content.hints += 1;
            entry.content.origin = origin.clone();
            if let Some(told) = told {
                entry.content.tell(told);
            }
            entry.content.due = Some(entry.content.due.map_or(now, |due| due.min(now)));
            entry.content.pass = entry.content.pass.max(pass.unwrap_or_default());
            if let Saved::Yes(_) = self.documents.save_record(&entry).await? {
                return Ok(());
            }
        }
        Err(contended("crm_sync.hear"))
    }

    /// Changes of an object were lost.
    async fn lost(&self, system: &SystemName, entity: &EntityName) -> Result<(), PortError> {
        for _ in 0..CONFLICTS_MAX {
            let mut stream = self.documents.stream(system, entity).await?;
            stream.content.lost();
            let saved = self.documents.save_stream(system, entity, &stream).await?;
            if let Saved::Yes(_) = saved {
                return Ok(());
            }
        }
        Err(contended("crm_sync.hear"))
    }

    /// Asks `system` which records of an entity changed since the last time, and notes them: a page
    /// of them. For systems without a change stream, and to find what a stream lost.
    ///
    /// Where changes were lost every record is named anew, and then those are noted that take part
    /// and were not named: they may have been removed. Call it again while `more` is waiting.
    ///
    /// # Errors
    /// Those of the store and of the system. `Misconfigured` for what is not part of the landscape.
    #[instrument(skip_all, fields(worker = %self.worker.id, system = %system, entity = %entity))]
    pub async fn catch_up(
        &self,
        system: &SystemName,
        entity: &EntityName,
    ) -> Result<CaughtUp, PortError> {
        let known = self.system(system)?;
        let map = known.map(entity).ok_or_else(|| {
            PortError::new(ErrorKind::Misconfigured, "crm_sync.catch_up")
                .with_detail(format!("{system} does not share {entity}"))
        })?;
        let stream = self.stream(system, entity).await?;
        match stream.content.pass.as_ref().map(|pass| &pass.stage) {
            Some(PassStage::Comparing { from }) => {
                self.compare(system, entity, &stream, from.as_deref()).await
            }
            Some(PassStage::Naming) | None => self.ask(known, map, &stream).await,
        }
    }

    /// The stream, with a pass begun where one is due. A pass is stored before anything is asked: a
    /// loss that is noted later is not covered by it.
    async fn stream(
        &self,
        system: &SystemName,
        entity: &EntityName,
    ) -> Result<Kept<StreamEntry>, PortError> {
        for _ in 0..CONFLICTS_MAX {
            let mut stream = self.documents.stream(system, entity).await?;
            if !stream.content.wants_pass() {
                return Ok(stream);
            }
            stream.content.begin_pass();
            let saved = self.documents.save_stream(system, entity, &stream).await?;
            if let Saved::Yes(etag) = saved {
                stream.etag = Some(etag);
                return Ok(stream);
            }
        }
        Err(contended("crm_sync.catch_up"))
    }

    /// Notes a page of what the system names.
    async fn ask(
        &self,
        known: &CrmSystem,
        map: &CompiledFieldMap,
        stream: &Kept<StreamEntry>,
    ) -> Result<CaughtUp, PortError> {
        let (system, entity) = (known.name(), map.entity());
        let cursor = stream.content.cursor.as_deref();
        let asked = known
            .sink()
            .changes(map.object(), cursor, PAGE_RECORDS)
            .await;
        let page = match asked {
            Ok(page) => page,
            Err(error) if error.kind() == ErrorKind::NotFound && cursor.is_some() => {
                let step = StreamEntry::lost_place;
                self.move_stream(system, entity, stream, step).await?;
                return Ok(CaughtUp {
                    gap: true,
                    more: true,
                    ..CaughtUp::default()
                });
            }
            Err(error) => return Err(error),
        };
        let pass = stream.content.naming();
        for id in &page.records {
            let origin = Origin::default();
            self.note_in(entity, system, id, &origin, pass, None)
                .await?;
        }
        // Only now: a cursor never passes what is not noted. Where somebody else moved it, the same
        // records are named once more.
        let step = |stream: &mut StreamEntry| stream.read_to(page.cursor.clone(), page.more);
        self.move_stream(system, entity, stream, step).await?;
        Ok(CaughtUp {
            records: page.records.len(),
            more: page.more || pass.is_some(),
            ..CaughtUp::default()
        })
    }

    /// Notes a page of what the system did not name.
    async fn compare(
        &self,
        system: &SystemName,
        entity: &EntityName,
        stream: &Kept<StreamEntry>,
        from: Option<&str>,
    ) -> Result<CaughtUp, PortError> {
        let pass = stream.content.passes;
        let compared = self.documents.compare(system, entity, pass, from).await?;
        for id in &compared.unnamed {
            let origin = Origin::default();
            self.note_in(entity, system, id, &origin, Some(pass), None)
                .await?;
        }
        let step = |stream: &mut StreamEntry| stream.compared_to(compared.next.clone());
        self.move_stream(system, entity, stream, step).await?;
        Ok(CaughtUp {
            unnamed: compared.unnamed.len(),
            more: compared.next.is_some() || stream.content.is_behind_after_pass(),
            ..CaughtUp::default()
        })
    }

    async fn move_stream(
        &self,
        system: &SystemName,
        entity: &EntityName,
        stream: &Kept<StreamEntry>,
        step: impl Fn(&mut StreamEntry) + Send + Sync,
    ) -> Result<(), PortError> {
        self.documents
            .move_stream(system, entity, stream, step, CONFLICTS_MAX)
            .await?;
        Ok(())
    }

    /// The systems and entities of which changes are known to be missing: for each of them
    /// [`catch_up`](Self::catch_up) is due. What was never asked for is not among them: a system
    /// that joins is asked once by its host.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn catch_up_due(&self) -> Result<Vec<(SystemName, EntityName)>, PortError> {
        let mut due = Vec::new();
        for (system, entity) in self.landscape.shared() {
            if self.is_behind(system, entity).await? {
                due.push((system.clone(), entity.clone()));
            }
        }
        Ok(due)
    }

    /// True if changes of the entity are known to be missing, so that [`catch_up`](Self::catch_up)
    /// is due.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn is_behind(
        &self,
        system: &SystemName,
        entity: &EntityName,
    ) -> Result<bool, PortError> {
        let stream = self.documents.stream(system, entity).await?;
        Ok(stream.content.is_behind())
    }
}

/// What a hint tells of a change that a write of ours may fall upon: when, and of which fields.
fn told(system: &CrmSystem, entity: &EntityName, hint: &Hint) -> Option<Told> {
    if system.guards() {
        return None;
    }
    let map = system.map(entity)?;
    let is_named = |field: &&FieldName| {
        let mut natives = map.natives_of(field.as_str());
        natives.any(|native| hint.fields.contains(native))
    };
    let fields: Vec<_> = map.fields().filter(is_named).cloned().collect();
    let at = hint.at.filter(|_| !fields.is_empty())?;
    Some(Told { at, fields })
}

pub(super) fn contended(operation: &'static str) -> PortError {
    PortError::new(ErrorKind::Unavailable, operation)
        .with_detail("others kept changing the document")
        .without_effect()
}
