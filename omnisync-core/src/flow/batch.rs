use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tracing::{info, instrument};

use super::build::{PackageSpec, build_package, order_of};
use super::repository::{Decision, Repository, Saved, Stored};
use super::worker::Worker;
use crate::batch::{
    Attempt, BATCH_SCHEMA, BatchCommand, BatchRecord, BatchState, Lease, Member, PackageRecord,
    SegmentList, Settlement, batch_id,
};
use crate::error::{ErrorKind, PortError};
use crate::id::{BatchId, OrderId};
use crate::order::{Cause, Command, OrderRecord, OrderState, QuarantineReason, StateName};
use crate::policy::{Backlog, BatchPolicy, Trigger};
use crate::port::{BlobStage, BlobStageExt as _, StateStore};

/// Orders that are claimed with one write.
const CLAIM_ORDERS: usize = 500;
/// Unfinished batches that a run looks at.
const BATCHES_EXAMINED_MAX: usize = 1_000;
/// Batches of exactly the same members that may be given up before anything was claimed.
const ROUNDS_MAX: u32 = 64;

/// Turns waiting orders into staged packages.
///
/// A run either goes on with a batch that its worker left unfinished, or opens a new one when
/// the policy says so. Dying at any point is harmless: the batch's record says what is next, and
/// every effect names what it did before.
#[derive(Debug)]
pub struct BatchFlow {
    repository: Repository,
    stage: Arc<dyn BlobStage>,
    worker: Worker,
    policy: BatchPolicy,
    spec: PackageSpec,
}

/// What a run of [`BatchFlow`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOutcome {
    /// How far it got.
    pub step: BatchStep,
    /// The batch; `None` when nothing was due.
    pub batch: Option<BatchId>,
    /// Orders that the batch set out to take but did not.
    pub dropped: Vec<(OrderId, Dropped)>,
    /// The package, once staged.
    pub package: Option<PackageRecord>,
}

/// How far a run got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStep {
    /// No unfinished batch, and the policy opens none.
    Idle,
    /// Another worker is at it.
    Elsewhere,
    /// The package is in the stage.
    Staged,
    /// No order was left for the batch: it ended without a package.
    Empty,
}

/// Why a batch did not take an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropped {
    /// The order no longer waits as it did: changed, cancelled, or in another batch. If it
    /// waits, the next batch takes it.
    Gone,
    /// The order's document cannot be read: something else than OMNISYNC altered it.
    Unreadable {
        /// Which document, for the person who restores it.
        detail: String,
    },
    /// The field map has no value for a required column; the order is quarantined.
    MappingFailed {
        /// What is missing.
        detail: String,
    },
}

impl BatchOutcome {
    fn of(step: BatchStep, batch: Option<BatchId>, dropped: Vec<(OrderId, Dropped)>) -> Self {
        Self {
            step,
            batch,
            dropped,
            package: None,
        }
    }
}

/// What became of claiming one order.
enum Claim {
    Taken(Member),
    Dropped(Dropped),
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
    /// a while, so that the batches behind it go on.
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
        let batch = match self.take_over().await? {
            Some(batch) => batch,
            None => match self.open(requested, &mut dropped).await? {
                Opened::Batch(batch) => *batch,
                Opened::Nothing => return Ok(BatchOutcome::of(BatchStep::Idle, None, dropped)),
                Opened::Elsewhere(id) => {
                    return Ok(BatchOutcome::of(BatchStep::Elsewhere, Some(id), dropped));
                }
            },
        };
        let (id, epoch) = (batch.record.id, batch.record.epoch);
        tracing::Span::current().record("batch.id", tracing::field::display(id));
        match self.proceed(batch, dropped).await {
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
        let Ok(Some(batch)) = self.repository.batch(id).await else {
            return Err(error);
        };
        let elsewhere = BatchOutcome::of(BatchStep::Elsewhere, Some(id), Vec::new());
        if batch.record.epoch != epoch {
            return Ok(elsewhere);
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
            Ok(Saved::Lost) => Ok(elsewhere),
            Ok(Saved::Yes(_)) | Err(_) => Err(error),
        }
    }

    /// Takes the oldest batch that nobody holds any more.
    async fn take_over(&self) -> Result<Option<Stored<BatchRecord>>, PortError> {
        let now = self.worker.now();
        for state in [BatchState::Sealed, BatchState::Open] {
            let batches = self
                .repository
                .batches(state, &self.spec.project, BATCHES_EXAMINED_MAX)
                .await?;
            for batch in batches {
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

    /// Opens a batch of the orders that wait longest.
    async fn open(
        &self,
        requested: bool,
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<Opened, PortError> {
        let waiting = self.repository.waiting_orders().await?;
        let Some((oldest, _)) = waiting.first() else {
            return Ok(Opened::Nothing);
        };
        let now = self.worker.now();
        let backlog = Backlog {
            orders: waiting.len(),
            oldest: *oldest,
        };
        let trigger = self.policy.trigger(now, &backlog);
        let trigger = if requested {
            trigger.or(Some(Trigger::Requested))
        } else {
            trigger
        };
        let Some(trigger) = trigger else {
            return Ok(Opened::Nothing);
        };

        let candidates = self.candidates(waiting);
        let (members, content_time) = self.propose(&candidates, dropped).await?;
        if members.is_empty() {
            return Ok(Opened::Nothing);
        }
        self.create(members, content_time, trigger).await
    }

    fn candidates(&self, waiting: Vec<(DateTime<Utc>, OrderId)>) -> Vec<OrderId> {
        let in_package = usize::try_from(self.spec.write.orders_max).unwrap_or(usize::MAX);
        let orders_max = self.policy.orders_max.min(in_package).max(1);
        waiting
            .into_iter()
            .take(orders_max)
            .map(|(_, order)| order)
            .collect()
    }

    /// Reads the candidates and takes as many as the policy lets into one package.
    async fn propose(
        &self,
        candidates: &[OrderId],
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<(Vec<Member>, DateTime<Utc>), PortError> {
        let mut members = Vec::with_capacity(candidates.len());
        let mut content_time = DateTime::<Utc>::MIN_UTC;
        let mut event_bytes = 0_u64;
        'candidates: for chunk in candidates.chunks(CLAIM_ORDERS) {
            let heads = self.repository.order_heads(chunk).await?;
            for (order, head) in chunk.iter().zip(heads) {
                let head = match head {
                    Ok(Some(head)) => head,
                    Ok(None) => continue,
                    Err(error) => {
                        dropped.push((order.clone(), unreadable(&error)));
                        continue;
                    }
                };
                if head.state != StateName::Pending {
                    continue;
                }
                let bytes = u64::try_from(head.event_bytes).unwrap_or(u64::MAX);
                event_bytes = event_bytes.saturating_add(bytes);
                if event_bytes > self.policy.event_bytes_max && !members.is_empty() {
                    break 'candidates;
                }
                content_time = content_time.max(head.waiting_since);
                members.push(head.member);
            }
        }
        members.sort_by(|a, b| a.order.cmp(&b.order));
        Ok((members, content_time))
    }

    async fn create(
        &self,
        members: Vec<Member>,
        content_time: DateTime<Utc>,
        trigger: Trigger,
    ) -> Result<Opened, PortError> {
        let now = self.worker.now();
        let lease = Lease {
            owner: self.worker.id.clone(),
            until: now.checked_add_signed(self.policy.lease()).unwrap_or(now),
        };
        let proposal = SegmentList::proposal(members.len());
        for round in 0..ROUNDS_MAX {
            let id = batch_id(&members, round);
            let record = BatchRecord {
                id,
                schema: BATCH_SCHEMA,
                state: BatchState::Open,
                epoch: 0,
                lease: Some(lease.clone()),
                project: self.spec.project.clone(),
                trigger,
                content_time,
                opened_at: now,
                sealed_at: None,
                staged_at: None,
                submitted_at: None,
                done_at: None,
                proposal: proposal.clone(),
                members: None,
                package: None,
                due_at: now,
                attempts: 0,
                futile_attempts: 0,
                waits_for: None,
                settlement: None,
                expires_at: None,
            };
            if let Saved::Yes(batch) = self.repository.create_batch(record).await? {
                self.repository
                    .save_members(id, &proposal, &members)
                    .await?;
                return Ok(Opened::Batch(Box::new(batch)));
            }
            match self.repository.batch(id).await? {
                // A batch of these very members was given up before it claimed any.
                Some(existing) if existing.record.state == BatchState::Done => {}
                _ => return Ok(Opened::Elsewhere(id)),
            }
        }
        Ok(Opened::Nothing)
    }

    /// Claims, seals and stages, from wherever the batch is.
    async fn proceed(
        &self,
        mut batch: Stored<BatchRecord>,
        dropped: Vec<(OrderId, Dropped)>,
    ) -> Result<BatchOutcome, PortError> {
        let mut outcome = BatchOutcome::of(BatchStep::Elsewhere, Some(batch.record.id), dropped);
        if batch.record.state == BatchState::Open {
            let Some(proposal) = self.proposal(&batch.record, &mut outcome.dropped).await? else {
                return self.give_up(batch, outcome.dropped).await;
            };
            let Some((renewed, members)) =
                self.claim(batch, &proposal, &mut outcome.dropped).await?
            else {
                return Ok(outcome);
            };
            batch = renewed;
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
        }
        self.stage(batch, &mut outcome).await?;
        Ok(outcome)
    }

    /// The orders that the batch set out to claim. Where the worker that opened it died before
    /// the list was stored, nothing is claimed yet and the list is made again; `None` when other
    /// orders wait by now.
    async fn proposal(
        &self,
        batch: &BatchRecord,
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<Option<Vec<Member>>, PortError> {
        if let Some(stored) = self.repository.members(batch.id, &batch.proposal).await? {
            return Ok(Some(stored));
        }
        let candidates = self.candidates(self.repository.waiting_orders().await?);
        let (members, _) = self.propose(&candidates, dropped).await?;
        if (0..ROUNDS_MAX).any(|round| batch_id(&members, round) == batch.id) {
            self.repository
                .save_members(batch.id, &batch.proposal, &members)
                .await?;
            return Ok(Some(members));
        }
        Ok(None)
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

    /// Claims the proposed orders one by one. `None` when the lease was lost on the way.
    async fn claim(
        &self,
        mut batch: Stored<BatchRecord>,
        proposal: &[Member],
        dropped: &mut Vec<(OrderId, Dropped)>,
    ) -> Result<Option<(Stored<BatchRecord>, Vec<Member>)>, PortError> {
        let mut members = Vec::with_capacity(proposal.len());
        for chunk in proposal.chunks(CLAIM_ORDERS) {
            match self.renew_if_due(batch).await? {
                Saved::Yes(renewed) => batch = renewed,
                Saved::Lost => return Ok(None),
            }
            let ids: Vec<OrderId> = chunk.iter().map(|member| member.order.clone()).collect();
            let now = self.worker.now();
            let claims = self
                .repository
                .update_orders(&ids, |index, record| {
                    let proposed = chunk.get(index);
                    self.decide_claim(&batch.record, proposed, record, now)
                })
                .await?;
            for (order, claim) in ids.into_iter().zip(claims) {
                match claim {
                    Ok(Claim::Taken(member)) => members.push(member),
                    Ok(Claim::Dropped(reason)) => dropped.push((order, reason)),
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        dropped.push((order, unreadable(&error)));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Some((batch, members)))
    }

    fn decide_claim(
        &self,
        batch: &BatchRecord,
        proposed: Option<&Member>,
        record: Option<OrderRecord>,
        now: DateTime<Utc>,
    ) -> Result<Decision<Claim>, PortError> {
        let Some(mut record) = record else {
            return Ok(Decision::Keep(Claim::Dropped(Dropped::Gone)));
        };
        // An earlier attempt at this batch claimed it, perhaps a moment ago: accept it. Taking
        // it for somebody else's would strand it.
        if record.state.batch() == Some(batch.id) {
            return Ok(Decision::Keep(Claim::Taken(Member::of(&record))));
        }
        // An order that returned to waiting since belongs to a later batch. A worker that lost
        // its lease long ago would else claim what this batch has already settled.
        let as_proposed = proposed.is_some_and(|member| *member == Member::of(&record));
        if record.state != OrderState::Pending || !as_proposed {
            return Ok(Decision::Keep(Claim::Dropped(Dropped::Gone)));
        }
        let change = self.worker.change(
            now,
            Cause::Batch {
                id: batch.id,
                epoch: batch.epoch,
            },
        );
        let mapped = order_of(&record)
            .map_err(|error| error.to_string())
            .and_then(|order| self.spec.map.map(&order).map_err(|error| error.to_string()));
        let (command, claim) = match mapped {
            Ok(_) => {
                let claim = Claim::Taken(Member::of(&record));
                (
                    Command::Claim {
                        batch: batch.id,
                        epoch: batch.epoch,
                    },
                    claim,
                )
            }
            Err(detail) => {
                let reason = QuarantineReason::MappingFailed {
                    detail: detail.clone(),
                };
                let claim = Claim::Dropped(Dropped::MappingFailed { detail });
                (Command::Quarantine { reason }, claim)
            }
        };
        record.apply(command, &change).map_err(|error| {
            PortError::new(ErrorKind::Internal, "batch.claim").with_source(error)
        })?;
        Ok(Decision::Write(Box::new(record), claim))
    }

    async fn renew_if_due(&self, batch: Stored<BatchRecord>) -> Result<Saved, PortError> {
        self.repository
            .renew_if_due(batch, self.policy.lease(), self.worker.now())
            .await
    }

    /// Builds the package, puts it into the stage and notes it.
    async fn stage(
        &self,
        batch: Stored<BatchRecord>,
        outcome: &mut BatchOutcome,
    ) -> Result<(), PortError> {
        let started = self.worker.now();
        let list = batch
            .record
            .members
            .clone()
            .ok_or_else(|| lost_members(&batch.record))?;
        let members = self
            .repository
            .members(batch.record.id, &list)
            .await?
            .ok_or_else(|| lost_members(&batch.record))?;
        let (content, package) =
            build_package(&self.repository, &self.spec, &batch.record, &members).await?;
        self.put(&package, content).await?;
        let now = self.worker.now();
        let stage = BatchCommand::Stage {
            package: package.clone(),
        };
        if let Saved::Yes(staged) = self.repository.advance(&batch, stage, now).await? {
            info!(
                BatchId = %staged.record.id,
                BatchSize = package.orders,
                DurationMs = self.worker.millis_since(started),
                BlobName = %package.name,
                "TransformSuccess"
            );
            outcome.step = BatchStep::Staged;
            outcome.package = Some(package);
        }
        Ok(())
    }

    /// Puts the package under its name; a package that is there already has to be the same.
    async fn put(&self, package: &PackageRecord, content: Bytes) -> Result<(), PortError> {
        match self.stage.put_bytes(&package.name, content).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let found = self.stage.head(&package.name).await?;
                if found.is_some_and(|found| found.sha256 == package.sha256) {
                    return Ok(());
                }
                Err(
                    PortError::new(ErrorKind::Corrupt, "batch.stage").with_detail(format!(
                        "{} is in the stage with other content than its batch makes: it was put \
                     there or altered by something else; move it away and run again",
                        package.name
                    )),
                )
            }
            Err(error) => Err(error),
        }
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

enum Opened {
    Batch(Box<Stored<BatchRecord>>),
    Nothing,
    Elsewhere(BatchId),
}

fn unreadable(error: &PortError) -> Dropped {
    Dropped::Unreadable {
        detail: error.to_string(),
    }
}

fn lost_members(batch: &BatchRecord) -> PortError {
    PortError::new(ErrorKind::Corrupt, "batch.members").with_detail(format!(
        "the member list of batch {} is gone from the store; restore it",
        batch.id
    ))
}
