use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, instrument};

use super::repository::{Decision, Repository};
use super::worker::Worker;
use crate::batch::BatchState;
use crate::error::PortError;
use crate::id::{BatchId, OrderId};
use crate::order::{Cause, Command, OrderRecord, OrderState};
use crate::port::StateStore;

/// Returns orders that are claimed by a batch which does not list them.
///
/// A worker that loses its lease in the middle of claiming can still claim an order after
/// another worker has sealed the batch without it. Nobody would ever deliver such an order; the
/// sweep finds it and lets it wait again. Nor does a batch that is done still hold anything: it
/// ends only after it has settled what it lists.
#[derive(Debug)]
pub struct Sweep {
    repository: Repository,
    worker: Worker,
    /// Where the next run goes on. Losing it costs time, never an order.
    position: Mutex<Option<String>>,
}

/// What a run of [`Sweep`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SweepOutcome {
    /// Claimed orders that were looked at.
    pub examined: usize,
    /// Orders that wait again, and the batch that does not list them.
    pub released: Vec<(OrderId, BatchId)>,
    /// The run reached the end of the claimed orders: the next one begins anew.
    pub complete: bool,
}

/// Which orders a batch holds.
enum Roll {
    /// The batch still claims, or its list cannot be read: leave its orders alone.
    Open,
    /// The batch holds exactly these, each in one generation; none when it is gone or done.
    Closed(BTreeSet<(OrderId, u32)>),
}

impl Sweep {
    /// A sweep over `store`.
    pub fn new(store: Arc<dyn StateStore>, worker: Worker) -> Self {
        Self {
            repository: Repository::new(store),
            worker,
            position: Mutex::new(None),
        }
    }

    /// Looks at one page of claimed orders.
    ///
    /// # Errors
    /// Those of the store. What was released before stays released.
    #[instrument(skip_all, fields(worker = %self.worker.id))]
    pub async fn run_once(&self) -> Result<SweepOutcome, PortError> {
        let position = self
            .position
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (claimed, continuation) = self.repository.claim_page(position).await?;
        let mut outcome = SweepOutcome {
            examined: claimed.len(),
            complete: continuation.is_none(),
            released: Vec::new(),
        };
        let mut rolls = BTreeMap::new();
        let mut orphans: Vec<(OrderId, BatchId)> = Vec::new();
        for claim in claimed {
            let Some(batch) = claim.batch else {
                continue;
            };
            if let std::collections::btree_map::Entry::Vacant(entry) = rolls.entry(batch) {
                entry.insert(self.roll(batch).await?);
            }
            if let Some(Roll::Closed(members)) = rolls.get(&batch) {
                let listed = (claim.order, claim.generation);
                if !members.contains(&listed) {
                    orphans.push((listed.0, batch));
                }
            }
        }
        self.release(orphans, &mut outcome).await?;
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = continuation;
        Ok(outcome)
    }

    async fn roll(&self, batch: BatchId) -> Result<Roll, PortError> {
        let Some(stored) = self.repository.batch(batch).await? else {
            return Ok(Roll::Closed(BTreeSet::new()));
        };
        match stored.record.state {
            BatchState::Open => return Ok(Roll::Open),
            BatchState::Done => return Ok(Roll::Closed(BTreeSet::new())),
            BatchState::Sealed | BatchState::Staged | BatchState::Submitted => {}
        }
        let Some(list) = &stored.record.members else {
            return Ok(Roll::Open);
        };
        // A list that is gone says nothing: what the ERP may hold is not sent a second time.
        let members = self.repository.members(batch, list).await?;
        Ok(members.map_or(Roll::Open, |members| {
            let held = members
                .into_iter()
                .map(|member| (member.order, member.generation));
            Roll::Closed(held.collect())
        }))
    }

    async fn release(
        &self,
        orphans: Vec<(OrderId, BatchId)>,
        outcome: &mut SweepOutcome,
    ) -> Result<(), PortError> {
        let ids: Vec<OrderId> = orphans.iter().map(|(order, _)| order.clone()).collect();
        let now = self.worker.now();
        let released = self
            .repository
            .update_orders(&ids, |index, record| {
                let orphan = orphans.get(index).map(|(_, batch)| *batch);
                Ok(match (record, orphan) {
                    (Some(record), Some(batch)) => self.decide(record, batch, now),
                    _ => Decision::Keep(false),
                })
            })
            .await?;
        for ((order, batch), released) in orphans.into_iter().zip(released) {
            if released? {
                info!(order.id = %order, batch.id = %batch, "order released from batch");
                outcome.released.push((order, batch));
            }
        }
        Ok(())
    }

    fn decide(
        &self,
        mut record: OrderRecord,
        batch: BatchId,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Decision<bool> {
        let held = matches!(record.state, OrderState::Claimed { batch: by, .. } if by == batch);
        let change = self.worker.change(now, Cause::Sweep { batch });
        if held && record.apply(Command::Release { batch }, &change).is_ok() {
            Decision::Write(Box::new(record), true)
        } else {
            Decision::Keep(false)
        }
    }
}
