use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::{info, instrument, warn};

use super::build::{PackageSpec, order_of};
use super::repository::{Decision, Repository, Saved, Stored};
use super::settle::{ExpectedRecords, Fates, OrderVerdict, UnmatchedRecord};
use super::worker::Worker;
use crate::batch::{BatchCommand, BatchRecord, BatchState, Member, PackageRecord, Settlement};
use crate::error::{ErrorKind, PortError};
use crate::id::{BatchId, ExecutionId, OrderId};
use crate::order::{Cause, Command, OrderRecord, OrderState, QuarantineReason, StateName};
use crate::policy::RetryPolicy;
use crate::port::{BlobStage, ErpImporter, ImportStatus, StateStore, Submission};

/// Orders that are settled with one write.
const SETTLE_ORDERS: usize = 500;
/// Unfinished batches that a run looks at.
const BATCHES_EXAMINED_MAX: usize = 1_000;
/// Pages of results that one import may have.
const RESULT_PAGES_MAX: usize = 100_000;

/// How patient a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverPolicy {
    /// How long a worker holds a batch without renewing, in seconds. Default 60.
    pub lease_seconds: u32,
    /// Time between two questions for an import's status, in milliseconds. Default 30,000.
    pub poll_ms: u32,
    /// How long the ERP may have no trace of an import that it took, before the package is
    /// submitted again, in seconds. Default 600.
    pub vanished_seconds: u32,
    /// How long an import may take before its orders are set aside, in seconds. Default 86,400.
    pub import_seconds_max: u32,
    /// How often the results are read again while records are missing from them. Default 5.
    pub results_attempts_max: u32,
    /// How often an order is sent again after transient failures of its records. Default 5.
    pub order_attempts_max: u32,
    /// Delays after failed calls, and how many failures the ERP may have with one package before
    /// its orders are set aside.
    pub retry: RetryPolicy,
}

impl Default for DeliverPolicy {
    fn default() -> Self {
        Self {
            lease_seconds: 60,
            poll_ms: 30_000,
            vanished_seconds: 600,
            import_seconds_max: 86_400,
            results_attempts_max: 5,
            order_attempts_max: 5,
            retry: RetryPolicy::default(),
        }
    }
}

impl DeliverPolicy {
    fn lease(&self) -> chrono::Duration {
        chrono::Duration::seconds(self.lease_seconds.into())
    }
}

/// Submits staged packages, oldest first and one at a time per project, and settles every order
/// from the import's own results.
#[derive(Debug)]
pub struct Deliver {
    repository: Repository,
    stage: Arc<dyn BlobStage>,
    erp: Arc<dyn ErpImporter>,
    worker: Worker,
    policy: DeliverPolicy,
    spec: PackageSpec,
}

/// What a run of [`Deliver`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverOutcome {
    /// The batch; `None` when none was due.
    pub batch: Option<BatchId>,
    /// How far it got.
    pub step: Delivered,
    /// Orders that were settled now.
    pub orders: Vec<SettledOrder>,
    /// Results that belong to no order of the batch: reported, never guessed.
    pub unmatched: Vec<UnmatchedRecord>,
}

/// How far a run got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Nothing is due. `until` is when something will be, if anything waits.
    Idle {
        /// When the next batch is due.
        until: Option<DateTime<Utc>>,
    },
    /// Another worker is at it, or another batch occupies the project.
    Elsewhere,
    /// The ERP took the package.
    Submitted,
    /// The batch waits.
    Waiting {
        /// For what.
        waits_for: String,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The package had vanished: it will be built again from its orders.
    Restaged,
    /// Every order is settled.
    Done(Settlement),
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledOrder {
    /// The order.
    pub order: OrderId,
    /// Its state now. `Pending` when it is sent again.
    pub state: StateName,
    /// The word that a refusal or quarantine is counted by.
    pub reason: Option<String>,
}

/// What settling one order did.
struct SettledNow {
    order: SettledOrder,
    /// False when an earlier run had settled it.
    now: bool,
}

impl Deliver {
    /// A flow over `store`, `stage` and `erp`.
    pub fn new(
        store: Arc<dyn StateStore>,
        stage: Arc<dyn BlobStage>,
        erp: Arc<dyn ErpImporter>,
        worker: Worker,
        policy: DeliverPolicy,
        spec: PackageSpec,
    ) -> Self {
        Self {
            repository: Repository::new(store),
            stage,
            erp,
            worker,
            policy,
            spec,
        }
    }

    /// Moves the oldest due batch one step on.
    ///
    /// # Errors
    /// Those of store and stage, `Corrupt` for a package that was altered, and errors of the ERP
    /// that somebody has to repair. The batch stays where it is; run again.
    #[instrument(skip_all, fields(worker = %self.worker.id))]
    pub async fn run_once(&self) -> Result<DeliverOutcome, PortError> {
        let now = self.worker.now();
        let mut next_due: Option<DateTime<Utc>> = None;
        // What the ERP has comes first: it occupies the project.
        for state in [BatchState::Submitted, BatchState::Staged] {
            let batches = self
                .repository
                .batches(state, &self.spec.project, BATCHES_EXAMINED_MAX)
                .await?;
            for batch in batches {
                if !batch.record.may_be_taken_by(&self.worker.id, now) {
                    let due = due_at(&batch.record);
                    next_due = Some(next_due.map_or(due, |earlier| earlier.min(due)));
                    continue;
                }
                let id = batch.record.id;
                if !self.repository.occupy(&self.spec.project, id, now).await? {
                    return Ok(outcome(None, Delivered::Idle { until: next_due }));
                }
                let take = BatchCommand::Take {
                    worker: self.worker.id.clone(),
                    lease: self.policy.lease(),
                };
                return match self.repository.advance(&batch, take, now).await? {
                    Saved::Yes(taken) => self.proceed(taken).await,
                    Saved::Lost => Ok(outcome(Some(id), Delivered::Elsewhere)),
                };
            }
        }
        Ok(outcome(None, Delivered::Idle { until: next_due }))
    }

    async fn proceed(&self, batch: Stored<BatchRecord>) -> Result<DeliverOutcome, PortError> {
        if batch.record.state == BatchState::Staged {
            self.submit(batch).await
        } else {
            self.poll(batch).await
        }
    }

    /// Asks the ERP whether it has our import already, and submits the package if not.
    async fn submit(&self, batch: Stored<BatchRecord>) -> Result<DeliverOutcome, PortError> {
        let id = batch.record.id;
        match self.erp.status(ExecutionId::from(id)).await {
            Ok(ImportStatus::NotSubmitted) => {}
            Ok(_) => return self.submitted(batch).await,
            Err(error) => return self.wait_after(batch, error).await,
        }
        let package = batch.record.package.clone().ok_or_else(|| {
            PortError::new(ErrorKind::Corrupt, "deliver.submit").with_detail(format!(
                "the record of batch {id} names no package; restore it"
            ))
        })?;
        let read = match self.stage.get(&package.name).await {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                warn!(batch.id = %id, BlobName = %package.name, "package vanished from the stage");
                return self
                    .advance(batch, BatchCommand::Restage, Delivered::Restaged)
                    .await;
            }
            Err(error) => return self.fail(batch, error).await,
        };
        if read.receipt.sha256 != package.sha256 {
            return self.fail(batch, altered(&package)).await;
        }
        let submission = Submission {
            execution: id.into(),
            project: self.spec.project.clone(),
            legal_entity: self.spec.legal_entity.clone(),
            package: package.name.clone(),
            bytes: package.bytes,
            sha256: package.sha256,
            content: read.content,
        };
        match self.erp.submit(submission).await {
            Ok(_) => self.submitted(batch).await,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.submitted(batch).await,
            Err(error) => self.wait_after(batch, error).await,
        }
    }

    async fn submitted(&self, batch: Stored<BatchRecord>) -> Result<DeliverOutcome, PortError> {
        let id = batch.record.id;
        match self
            .repository
            .advance(&batch, BatchCommand::Submit, self.worker.now())
            .await?
        {
            Saved::Yes(_) => {
                info!(batch.id = %id, execution.id = %id, "package submitted");
                Ok(outcome(Some(id), Delivered::Submitted))
            }
            Saved::Lost => Ok(outcome(Some(id), Delivered::Elsewhere)),
        }
    }

    /// Asks how far the import is.
    async fn poll(&self, batch: Stored<BatchRecord>) -> Result<DeliverOutcome, PortError> {
        let execution = ExecutionId::from(batch.record.id);
        let status = match self.erp.status(execution).await {
            Ok(status) => status,
            Err(error) => return self.wait_after(batch, error).await,
        };
        let now = self.worker.now();
        let age = now - batch.record.submitted_at.unwrap_or(now);
        let older = |seconds: u32| age >= chrono::Duration::seconds(seconds.into());
        if status.has_ended() {
            return self.settle(batch, &status).await;
        }
        if status == ImportStatus::NotSubmitted && older(self.policy.vanished_seconds) {
            warn!(batch.id = %batch.record.id, "the ERP has no trace of the import");
            let waits_for = "the ERP lost the import: it is submitted again".to_owned();
            let until = now;
            let step = Delivered::Waiting { waits_for, until };
            return self.advance(batch, BatchCommand::Restage, step).await;
        }
        if older(self.policy.import_seconds_max) {
            warn!(batch.id = %batch.record.id, status = status.as_str(), "the import takes too long");
            return self
                .settle_with(batch, &status, Fates::default(), true)
                .await;
        }
        let waits_for = format!("the import ({})", status.as_str());
        let until = self
            .worker
            .after(Duration::from_millis(self.policy.poll_ms.into()));
        self.wait(batch, waits_for, until, false).await
    }

    /// Reads the results and settles every order.
    async fn settle(
        &self,
        batch: Stored<BatchRecord>,
        status: &ImportStatus,
    ) -> Result<DeliverOutcome, PortError> {
        let execution = ExecutionId::from(batch.record.id);
        let results = match self.results(execution).await {
            Ok(results) => results,
            Err(error) => return self.wait_after(batch, error).await,
        };
        let give_up = batch.record.attempts + 1 >= self.policy.results_attempts_max;
        self.settle_with(batch, status, results, give_up).await
    }

    async fn results(&self, execution: ExecutionId) -> Result<Fates, PortError> {
        let mut fates = Fates::default();
        let mut continuation = None;
        for _ in 0..RESULT_PAGES_MAX {
            let page = self.erp.results(execution, continuation).await?;
            fates.extend(page.records);
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(fates);
            }
        }
        Err(
            PortError::new(ErrorKind::TooLarge, "deliver.results").with_detail(format!(
                "import {execution} has more than {RESULT_PAGES_MAX} pages"
            )),
        )
    }

    async fn members(&self, batch: &BatchRecord) -> Result<Vec<Member>, PortError> {
        let gone = || {
            PortError::new(ErrorKind::Corrupt, "deliver.members").with_detail(format!(
                "the member list of batch {} is gone from the store; restore it",
                batch.id
            ))
        };
        let list = batch.members.as_ref().ok_or_else(gone)?;
        self.repository
            .members(batch.id, list)
            .await?
            .ok_or_else(gone)
    }

    /// What the results say about an order that is as its batch took it; `None` when the order
    /// went on since.
    fn verdict(
        &self,
        execution: ExecutionId,
        record: &OrderRecord,
        member: &Member,
        fates: &mut Fates,
    ) -> Result<Option<OrderVerdict>, PortError> {
        if record.content_hash != member.content {
            return Ok(None);
        }
        let mapped = self.spec.map.map(&order_of(record)?).map_err(|error| {
            PortError::new(ErrorKind::Corrupt, "deliver.verdict").with_source(error)
        })?;
        let (header, lines) = self.spec.map.record_keys(&mapped);
        let order = member.order.clone();
        let expected = ExpectedRecords {
            order,
            header,
            lines,
        };
        Ok(Some(fates.verdict(execution, &expected)))
    }

    /// Applies the verdicts, order by order; whoever was settled before stays as he is.
    async fn settle_with(
        &self,
        mut batch: Stored<BatchRecord>,
        status: &ImportStatus,
        mut fates: Fates,
        give_up: bool,
    ) -> Result<DeliverOutcome, PortError> {
        let id = batch.record.id;
        let members = self.members(&batch.record).await?;
        let mut done = outcome(Some(id), Delivered::Elsewhere);
        let mut settlement = Settlement::default();
        let mut unresolved = 0_usize;
        for chunk in members.chunks(SETTLE_ORDERS) {
            match self.renew_if_due(batch).await? {
                Saved::Yes(renewed) => batch = renewed,
                Saved::Lost => return Ok(done),
            }
            let ids: Vec<OrderId> = chunk.iter().map(|member| member.order.clone()).collect();
            let now = self.worker.now();
            let settled = self
                .repository
                .update_orders(&ids, |index, record| {
                    let verdict = match (&record, chunk.get(index)) {
                        (Some(record), Some(member)) => {
                            self.verdict(id.into(), record, member, &mut fates)?
                        }
                        _ => None,
                    };
                    Ok(self.decide(&batch.record, record, verdict, give_up, now))
                })
                .await?;
            for order in settled {
                match order? {
                    Some(settled) => {
                        count(&mut settlement, settled.order.state);
                        if settled.now {
                            done.orders.push(settled.order);
                        }
                    }
                    // Somebody took the order's document away: the batch must not wait for it.
                    None if give_up => settlement.quarantined += 1,
                    None => unresolved += 1,
                }
            }
        }
        done.unmatched = fates.into_unmatched();
        if unresolved > 0 {
            let waits_for = format!(
                "results of {unresolved} orders ({} import)",
                status.as_str()
            );
            let attempt = batch.record.attempts + 1;
            let delay = self.policy.retry.delay(attempt, self.worker.ids.jitter());
            let until = self.worker.after(delay);
            let waiting = self.wait(batch, waits_for, until, true).await?;
            return Ok(DeliverOutcome {
                step: waiting.step,
                ..done
            });
        }
        done.step = self.finish(batch, settlement).await?;
        Ok(done)
    }

    async fn finish(
        &self,
        batch: Stored<BatchRecord>,
        settlement: Settlement,
    ) -> Result<Delivered, PortError> {
        let now = self.worker.now();
        let finish = BatchCommand::Finish {
            settlement,
            retention: self.worker.retention.batch(),
        };
        let Saved::Yes(finished) = self.repository.advance(&batch, finish, now).await? else {
            return Ok(Delivered::Elsewhere);
        };
        self.repository
            .vacate(&self.spec.project, finished.record.id, now)
            .await?;
        let package = finished.record.package.as_ref();
        info!(
            BatchId = %finished.record.id,
            BatchSize = package.map_or(0, |package| package.orders),
            DurationMs = (now - finished.record.submitted_at.unwrap_or(now)).num_milliseconds(),
            BlobName = package.map_or("", |package| package.name.as_str()),
            imported = settlement.imported,
            rejected = settlement.rejected,
            retried = settlement.retried,
            quarantined = settlement.quarantined,
            "DeliverySuccess"
        );
        Ok(Delivered::Done(settlement))
    }

    /// What becomes of one order: `None` while nobody knows.
    fn decide(
        &self,
        batch: &BatchRecord,
        record: Option<OrderRecord>,
        verdict: Option<OrderVerdict>,
        give_up: bool,
        now: DateTime<Utc>,
    ) -> Decision<Option<SettledNow>> {
        let execution = ExecutionId::from(batch.id);
        let Some(mut record) = record else {
            return Decision::Keep(None);
        };
        let held = matches!(record.state, OrderState::Claimed { batch: by, .. } if by == batch.id);
        if !held {
            let order = settled_before(&record, execution);
            return Decision::Keep(order.map(|order| SettledNow { order, now: false }));
        }
        let Some(command) = self.command(execution, &record, verdict, give_up) else {
            return Decision::Keep(None);
        };
        let reason = reason_of(&command);
        let change = self.worker.change(now, Cause::Execution { id: execution });
        if record.settle(command, &batch.progress(), &change).is_err() {
            return Decision::Keep(None);
        }
        let order = SettledOrder {
            order: record.order_id.clone(),
            state: settled_before(&record, execution)
                .map_or_else(|| record.state.name(), |settled| settled.state),
            reason,
        };
        Decision::Write(Box::new(record), Some(SettledNow { order, now: true }))
    }

    fn command(
        &self,
        execution: ExecutionId,
        record: &OrderRecord,
        verdict: Option<OrderVerdict>,
        give_up: bool,
    ) -> Option<Command> {
        match verdict {
            Some(OrderVerdict::Imported(evidence)) => Some(Command::Import { evidence }),
            Some(OrderVerdict::Rejected(reason)) => Some(Command::Reject { reason }),
            Some(OrderVerdict::Transient(_))
                if record.retry_count < self.policy.order_attempts_max =>
            {
                Some(Command::Retry { execution })
            }
            Some(OrderVerdict::Transient(_)) => Some(Command::Quarantine {
                reason: QuarantineReason::AttemptsExhausted { execution },
            }),
            Some(OrderVerdict::Unresolved) | None => give_up.then_some(Command::Quarantine {
                reason: QuarantineReason::OutcomeUnknown { execution },
            }),
        }
    }

    /// What a failed call of the ERP means for the batch.
    async fn wait_after(
        &self,
        batch: Stored<BatchRecord>,
        error: PortError,
    ) -> Result<DeliverOutcome, PortError> {
        warn!(batch.id = %batch.record.id, error = %error, "DeliveryFailure");
        if error.is_transient() || error.kind() == ErrorKind::Conflict {
            let attempt = batch.record.attempts + 1;
            let backoff = self.policy.retry.delay(attempt, self.worker.ids.jitter());
            let delay = error.retry_after().unwrap_or(backoff);
            let waits_for = format!("the ERP ({})", error.kind());
            let until = self.worker.after(delay);
            return self.wait(batch, waits_for, until, true).await;
        }
        let refused = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge);
        if refused && self.policy.retry.is_exhausted(batch.record.attempts + 1) {
            return self.refuse(batch, &error).await;
        }
        self.fail(batch, error).await
    }

    /// Sets every order aside: the ERP does not take the package.
    async fn refuse(
        &self,
        batch: Stored<BatchRecord>,
        error: &PortError,
    ) -> Result<DeliverOutcome, PortError> {
        let execution = ExecutionId::from(batch.record.id);
        let detail = error.to_string();
        let members = self.members(&batch.record).await?;
        let ids: Vec<OrderId> = members.into_iter().map(|member| member.order).collect();
        let now = self.worker.now();
        let settled = self
            .repository
            .update_orders(&ids, |_, record| {
                let Some(mut record) = record else {
                    return Ok(Decision::Keep(None));
                };
                let held = record.state.batch() == Some(batch.record.id);
                let reason = QuarantineReason::PackageRefused {
                    execution,
                    detail: detail.clone(),
                };
                let word = reason.as_str().to_owned();
                let change = self.worker.change(now, Cause::Execution { id: execution });
                let command = Command::Quarantine { reason };
                if !held
                    || record
                        .settle(command, &batch.record.progress(), &change)
                        .is_err()
                {
                    return Ok(Decision::Keep(None));
                }
                let order = SettledOrder {
                    order: record.order_id.clone(),
                    state: StateName::Quarantined,
                    reason: Some(word),
                };
                Ok(Decision::Write(Box::new(record), Some(order)))
            })
            .await?;
        let mut done = outcome(Some(batch.record.id), Delivered::Elsewhere);
        for order in settled {
            done.orders.extend(order?);
        }
        let quarantined = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let settlement = Settlement {
            quarantined,
            ..Settlement::default()
        };
        done.step = self.finish(batch, settlement).await?;
        Ok(done)
    }

    /// Lets go of the batch and reports the error: somebody has to repair something.
    async fn fail(
        &self,
        batch: Stored<BatchRecord>,
        error: PortError,
    ) -> Result<DeliverOutcome, PortError> {
        let attempt = batch.record.attempts + 1;
        let delay = self.policy.retry.delay(attempt, self.worker.ids.jitter());
        let until = self.worker.after(delay);
        self.wait(batch, error.to_string(), until, true).await?;
        Err(error)
    }

    async fn wait(
        &self,
        batch: Stored<BatchRecord>,
        waits_for: String,
        until: DateTime<Utc>,
        failed: bool,
    ) -> Result<DeliverOutcome, PortError> {
        let step = Delivered::Waiting {
            waits_for: waits_for.clone(),
            until,
        };
        self.advance(
            batch,
            BatchCommand::Yield {
                due_at: until,
                waits_for,
                failed,
            },
            step,
        )
        .await
    }

    async fn advance(
        &self,
        batch: Stored<BatchRecord>,
        command: BatchCommand,
        step: Delivered,
    ) -> Result<DeliverOutcome, PortError> {
        let id = batch.record.id;
        match self
            .repository
            .advance(&batch, command, self.worker.now())
            .await?
        {
            Saved::Yes(_) => Ok(outcome(Some(id), step)),
            Saved::Lost => Ok(outcome(Some(id), Delivered::Elsewhere)),
        }
    }

    async fn renew_if_due(&self, batch: Stored<BatchRecord>) -> Result<Saved, PortError> {
        self.repository
            .renew_if_due(batch, self.policy.lease(), self.worker.now())
            .await
    }
}

fn outcome(batch: Option<BatchId>, step: Delivered) -> DeliverOutcome {
    DeliverOutcome {
        batch,
        step,
        orders: Vec::new(),
        unmatched: Vec::new(),
    }
}

fn due_at(batch: &BatchRecord) -> DateTime<Utc> {
    batch
        .lease
        .as_ref()
        .map_or(batch.due_at, |lease| lease.until)
}

fn altered(package: &PackageRecord) -> PortError {
    PortError::new(ErrorKind::Corrupt, "deliver.submit").with_detail(format!(
        "package {} in the stage is not the one that was staged: remove it and run again; it is \
         built again from its orders",
        package.name
    ))
}

/// How an import ended for an order, as its trail tells.
fn settled_before(record: &OrderRecord, execution: ExecutionId) -> Option<SettledOrder> {
    let by_import = Cause::Execution { id: execution };
    let ended = |to: StateName| to.is_terminal() || to == StateName::Pending;
    let entry = record
        .trail
        .entries()
        .iter()
        .rev()
        .find(|entry| entry.cause == by_import && ended(entry.to))?;
    Some(SettledOrder {
        order: record.order_id.clone(),
        state: entry.to,
        reason: None,
    })
}

fn reason_of(command: &Command) -> Option<String> {
    match command {
        Command::Reject { reason } => Some(
            reason
                .code
                .clone()
                .unwrap_or_else(|| reason.class.to_string()),
        ),
        Command::Quarantine { reason } => Some(reason.as_str().to_owned()),
        _ => None,
    }
}

fn count(settlement: &mut Settlement, state: StateName) {
    let counter = match state {
        StateName::Imported => &mut settlement.imported,
        StateName::Rejected => &mut settlement.rejected,
        StateName::Pending => &mut settlement.retried,
        _ => &mut settlement.quarantined,
    };
    *counter += 1;
}
