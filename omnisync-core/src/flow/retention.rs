use std::sync::Arc;

use tracing::instrument;

use super::repository::{Repository, stored_batch};
use super::worker::Worker;
use crate::batch::{BATCHES, BatchRecord, BatchState, SegmentList};
use crate::error::{ErrorKind, PortError};
use crate::id::{BlobName, OrderId};
use crate::order::{ORDERS, StateName};
use crate::port::{
    Action, BlobStage, DocumentKey, Expect, Query, StateStore, StateStoreExt as _, Write,
};

/// Documents that a run removes at most, of each kind.
const REMOVED_MAX: usize = 1_000;

/// Removes what is terminal and old enough, and nothing else.
#[derive(Debug)]
pub struct Retention {
    repository: Repository,
    stage: Arc<dyn BlobStage>,
    worker: Worker,
}

/// What a run of [`Retention`] removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetentionOutcome {
    /// Orders.
    pub orders: Vec<OrderId>,
    /// Packages.
    pub packages: Vec<BlobName>,
    /// Number of batches.
    pub batches: usize,
    /// More is due: run again.
    pub more: bool,
}

impl Retention {
    /// A flow over `store` and `stage`.
    pub fn new(store: Arc<dyn StateStore>, stage: Arc<dyn BlobStage>, worker: Worker) -> Self {
        Self {
            repository: Repository::new(store),
            stage,
            worker,
        }
    }

    /// Removes one portion of what is due.
    ///
    /// # Errors
    /// Those of store and stage. `Corrupt` for a batch whose document was altered: it stays, and the
    /// others were removed.
    #[instrument(skip_all, fields(worker = %self.worker.id))]
    pub async fn run_once(&self) -> Result<RetentionOutcome, PortError> {
        let mut outcome = RetentionOutcome::default();
        for state in StateName::ALL
            .into_iter()
            .filter(|state| state.is_terminal())
        {
            self.remove_orders(state, &mut outcome).await?;
        }
        self.remove_batches(&mut outcome).await?;
        Ok(outcome)
    }

    async fn remove_orders(
        &self,
        state: StateName,
        outcome: &mut RetentionOutcome,
    ) -> Result<(), PortError> {
        let now = self.worker.now();
        let query = Query::all(ORDERS)
            .in_state(state.as_str())
            .due_before(now)
            .without_bodies();
        let store = self.repository.store();
        let due = store.query_all(query, REMOVED_MAX).await?;
        outcome.more |= due.len() == REMOVED_MAX;
        // The tag makes sure that what goes is what was looked at: an order that was opened
        // again, or got a newer revision, stays.
        let writes: Vec<Write> = due
            .into_iter()
            .filter(|document| document.expires_at.is_some_and(|expires| expires <= now))
            .map(|document| Write {
                key: document.key,
                expect: Expect::Tag(document.etag),
                action: Action::Delete,
            })
            .collect();
        for chunk in writes.chunks(self.repository.items_max()) {
            let written = store.write(chunk.to_vec()).await?;
            for (write, written) in chunk.iter().zip(written) {
                match written {
                    Ok(_) => outcome.orders.extend(OrderId::new(&write.key.id).ok()),
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn remove_batches(&self, outcome: &mut RetentionOutcome) -> Result<(), PortError> {
        let now = self.worker.now();
        let query = Query::all(BATCHES)
            .in_state(BatchState::Done.as_str())
            .due_before(now);
        let due = self
            .repository
            .store()
            .query_all(query, REMOVED_MAX)
            .await?;
        outcome.more |= due.len() == REMOVED_MAX;
        let mut unreadable = None;
        for document in due {
            let batch = match stored_batch(&document) {
                Ok(batch) => batch,
                Err(error) => {
                    unreadable.get_or_insert(error);
                    continue;
                }
            };
            if batch.record.state != BatchState::Done
                || batch.record.expires_at.is_none_or(|expires| now < expires)
            {
                continue;
            }
            // The record goes last: while it is there, a run that was cut off is repeated.
            if let Some(package) = &batch.record.package
                && self.stage.delete(&package.name).await?
            {
                outcome.packages.push(package.name.clone());
            }
            let segments: Vec<Write> = segment_keys(&batch.record)
                .map(|key| Write {
                    key,
                    expect: Expect::Any,
                    action: Action::Delete,
                })
                .collect();
            self.repository.write_all(segments).await?;
            let expect = Expect::Tag(document.etag.clone());
            let write = Write {
                key: document.key.clone(),
                expect,
                action: Action::Delete,
            };
            match self.repository.store().write_one(write).await {
                Ok(_) => outcome.batches += 1,
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        unreadable.map_or(Ok(()), Err)
    }
}

/// Segments that workers of any epoch may have left, those that lost their lease included. Nobody
/// writes a list after one is sealed, however many workers hold the batch later.
fn segment_keys(batch: &BatchRecord) -> impl Iterator<Item = DocumentKey> + '_ {
    let members = usize::try_from(batch.proposal.members).unwrap_or_default();
    let sealed_by = batch.members.as_ref().and_then(SegmentList::sealed_by);
    let sealed = (0..=sealed_by.unwrap_or(batch.epoch))
        .map(move |epoch| SegmentList::sealed(epoch, members));
    std::iter::once(batch.proposal.clone())
        .chain(sealed)
        .flat_map(|list| list.keys(batch.id).collect::<Vec<_>>())
}
