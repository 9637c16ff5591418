use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::{info, instrument};

use super::super::build::PackageSpec;
use super::super::repository::{Repository, Saved, Stored};
use super::super::worker::Worker;
use super::open::Opened;
use super::outcome::{BatchOutcome, BatchStep, Dropped};
use crate::batch::{
    Attempt, BatchCommand, BatchRecord, BatchState, Member, SegmentList, Settlement,
};
use crate::error::PortError;
use crate::id::{BatchId, OrderId};
use crate::policy::BatchPolicy;
use crate::port::{BlobStage, StateStore};

/// Unfinished batches that a run looks at.
const BATCHES_EXAMINED_MAX: usize = 1_000;

/// Turns waiting orders into staged packages.
///
/// A run either goes on with a batch that its worker left unfinished, or opens a new one when
/// the policy says so. Dying at any point is harmless: the batch's record says what is next, and
/// every effect names what it did before.
#[derive(Debug)]
pub struct BatchFlow {
    pub(super) repository: Repository,
    pub(super) stage: Arc<dyn BlobStage>,
    pub(super) worker: Worker,
    pub(super) policy: BatchPolicy,
    pub(super) spec: PackageSpec,
}

impl BatchFlow {
    /// A flow over `store` and `stage`.
    pub fn new(
        store: Arc<dyn StateStore>,
        stage: Arc<dyn BlobStage>,
        worker: Worker,
        policy: BatchPolicy,
        spec: PackageSpec,
    ) -> Self {
        Self {
            repository: Repository::new(store),
            stage,
            worker,
            policy,
            spec,
        }
    }

    /// Goes on with an unfinished batch, or opens one when the policy says so.
    ///
    /// # Errors
    /// Those of store and stage, and `Corrupt` for a stored package or order that was altered.
    /// The batch stays where it is; run again. One that somebody has to repair is left alone for
    /// a while, so that the batches behind it go on, and one whose document was altered is told
    /// once there is nothing else to do.
    pub async fn run_once(&self) -> Result<BatchOutcome, PortError> {
        Box::pin(self.run(false)).await
    }

    /// The same, opening a batch whenever any order waits.
    ///
    /// # Errors
    /// As [`BatchFlow::run_once`].
    pub async fn run_now(&self) -> Result<BatchOutcome, PortError> {
        Box::pin(self.run(true)).await
    }

    #[instrument(skip_all, fields(worker = %self.worker.id, batch.id = tracing::field::Empty))]
    async fn run(&self, requested: bool) -> Result<BatchOutcome, PortError> {
        let mut dropped = Vec::new();
        let mut unreadable = None;
        let (batch, proposal) = match self.take_over(&mut unreadable).await? {
            Some(batch) => (batch, None),
            None => match self.open(requested, &mut dropped).await? {
                Opened::Batch(batch, proposal) => (*batch, Some(proposal)),
                Opened::Nothing => {
                    let idle = BatchOutcome::of(BatchStep::Idle, None, dropped);
                    return unreadable.map_or(Ok(idle), Err);
                }
                Opened::Elsewhere(id) => {
                    return Ok(BatchOutcome::of(BatchStep::Elsewhere, Some(id), dropped));
                }
            },
        };
        let (id, epoch) = (batch.record.id, batch.record.epoch);
        tracing::Span::current().record("batch.id", tracing::field::display(id));
        match self.proceed(batch, proposal, dropped).await {
            Err(error) if !error.is_transient() => self.put_off(id, epoch, error).await,
            done => done,
        }
    }

    /// Lets go of a batch that somebody has to repair, and reports the error. Whoever lost the
    /// batch meanwhile has nothing to report: what it saw was another worker's progress.
    async fn put_off(
        &self,
        id: BatchId,
        epoch: u32,
        error: PortError,
    ) -> Result<BatchOutcome, PortError> {
        let batch = match self.repository.batch(id).await {
            Ok(Some(batch)) => batch,
            Ok(None) => return Err(error),
            Err(busy) => return Err(error.no_sooner(busy.retry_after())),
        };
        // Whoever lost the batch has nothing to report, except that something is busy.
        let lost = |error: PortError| match error.retry_after() {
            Some(_) => Err(error),
            None => Ok(BatchOutcome::of(BatchStep::Elsewhere, Some(id), Vec::new())),
        };
        if batch.record.epoch != epoch {
            return lost(error);
        }
        let attempt = batch.record.attempts.saturating_add(1);
        let delay = self.policy.retry.delay(attempt, self.worker.ids.jitter());
        let wait = BatchCommand::Yield {
            due_at: self.worker.after(delay),
            waits_for: error.to_string(),
            attempt: Attempt::Failed,
        };
        match self
            .repository
            .advance(&batch, wait, self.worker.now())
            .await
        {
            Ok(Saved::Lost) => lost(error),
            Ok(Saved::Yes(_)) => Err(error),
            Err(busy) => Err(error.no_sooner(busy.retry_after())),
        }
    }

    /// Takes the oldest batch that nobody holds any more, and says why one cannot be read.
    async fn take_over(
        &self,
        unreadable: &mut Option<PortError>,
    ) -> Result<Option<Stored<BatchRecord>>, PortError> {
        let now = self.worker.now();
        for state in [BatchState::Sealed, BatchState::Open] {
            let batches = self
                .repository
                .batches(state, &self.spec.project, BATCHES_EXAMINED_MAX)
                .await?;
            if let Some(error) = batches.unreadable {
                unreadable.get_or_insert(error);
            }
            for batch in batches.readable {
                if !batch.record.may_be_taken_by(&self.worker.id, now) {
                    continue;
                }
                let take = BatchCommand::Take {
                    worker: self.worker.id.clone(),
                    lease: self.policy.lease(),
                };
                if let Saved::Yes(taken) = self.repository.advance(&batch, take, now).await? {
                    info!(batch.id = %taken.record.id, epoch = taken.record.epoch, "batch taken over");
                    return Ok(Some(taken));
                }
            }
        }
        Ok(None)
    }

    /// Claims, seals and stages, from wherever the batch is. Lists that were stored a moment ago
    /// are not read again.
    async fn proceed(
        &self,
        mut batch: Stored<BatchRecord>,
        proposal: Option<Vec<Member>>,
        dropped: Vec<(OrderId, Dropped)>,
    ) -> Result<BatchOutcome, PortError> {
        let mut outcome = BatchOutcome::of(BatchStep::Elsewhere, Some(batch.record.id), dropped);
        let members;
        if batch.record.state == BatchState::Open {
            let proposal = match proposal {
                Some(proposal) => Some(proposal),
                None => self.proposal(&batch.record, &mut outcome.dropped).await?,
            };
            let Some(proposal) = proposal else {
                return self.give_up(batch, outcome.dropped).await;
            };
            let Some((renewed, claimed)) =
                self.claim(batch, &proposal, &mut outcome.dropped).await?
            else {
                return Ok(outcome);
            };
            (batch, members) = (renewed, claimed);
            if members.is_empty() {
                return self.give_up(batch, outcome.dropped).await;
            }
            let list = SegmentList::sealed(batch.record.epoch, members.len());
            self.repository
                .save_members(batch.record.id, &list, &members)
                .await?;
            let seal = BatchCommand::Seal { members: list };
            match self
                .repository
                .advance(&batch, seal, self.worker.now())
                .await?
            {
                Saved::Yes(sealed) => batch = sealed,
                Saved::Lost => return Ok(outcome),
            }
        } else {
            members = self.repository.sealed_members(&batch.record).await?;
        }
        self.stage(batch, &members, &mut outcome).await?;
        Ok(outcome)
    }

    async fn give_up(
        &self,
        batch: Stored<BatchRecord>,
        dropped: Vec<(OrderId, Dropped)>,
    ) -> Result<BatchOutcome, PortError> {
        let finish = BatchCommand::Finish {
            settlement: Settlement::default(),
            retention: self.worker.retention.batch(),
        };
        let step = match self
            .repository
            .advance(&batch, finish, self.worker.now())
            .await?
        {
            Saved::Yes(_) => BatchStep::Empty,
            Saved::Lost => BatchStep::Elsewhere,
        };
        Ok(BatchOutcome::of(step, Some(batch.record.id), dropped))
    }

    pub(super) async fn renew_if_due(
        &self,
        batch: Stored<BatchRecord>,
    ) -> Result<Saved, PortError> {
        self.repository
            .renew_if_due(batch, self.policy.lease(), self.worker.now())
            .await
    }

    /// Orders that wait, and until when each is in a batch at the latest.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn backlog(&self) -> Result<BTreeMap<OrderId, DateTime<Utc>>, PortError> {
        let waiting = self.repository.waiting_orders().await?;
        Ok(waiting
            .into_iter()
            .map(|(since, order)| (order, self.policy.deadline(since)))
            .collect())
    }
}
