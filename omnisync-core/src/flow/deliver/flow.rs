use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{instrument, warn};

use super::super::build::PackageSpec;
use super::super::project::{Occupied, Project};
use super::super::repository::{Repository, Saved, Stored};
use super::super::worker::Worker;
use super::outcome::{DeliverOutcome, Delivered};
use super::policy::DeliverPolicy;
use super::ruling::Ruling;
use crate::batch::{Attempt, BatchCommand, BatchRecord, BatchState};
use crate::error::{ErrorKind, PortError};
use crate::id::ExecutionId;
use crate::port::{BlobStage, ErpImporter, ImportStatus, StateStore};

/// Unfinished batches that a run looks at.
const BATCHES_EXAMINED_MAX: usize = 1_000;

/// What a failure means for the project's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// The ERP has the import, or may have it: no other may begin.
    Keep,
    /// The ERP certainly has nothing of it: others may go first.
    Leave,
}

/// Submits staged packages, oldest first and one at a time per project, and settles every order
/// from the import's own results.
#[derive(Debug)]
pub struct Deliver {
    pub(super) repository: Repository,
    pub(super) stage: Arc<dyn BlobStage>,
    pub(super) erp: Arc<dyn ErpImporter>,
    pub(super) worker: Worker,
    pub(super) policy: DeliverPolicy,
    pub(super) spec: PackageSpec,
    pub(super) project: Project,
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
            project: Project::new(spec.project.clone()),
            spec,
        }
    }

    /// Moves the oldest due batch one step on.
    ///
    /// # Errors
    /// Those of store and stage, `Corrupt` for a package that was altered, and errors of the ERP
    /// that somebody has to repair. The batch stays where it is; run again. A package that the
    /// ERP does not have leaves its project to the batches behind it meanwhile. `Corrupt` also for
    /// a batch whose document was altered, once there is nothing else to do.
    #[instrument(skip_all, fields(worker = %self.worker.id))]
    pub async fn run_once(&self) -> Result<DeliverOutcome, PortError> {
        Box::pin(self.run()).await
    }

    async fn run(&self) -> Result<DeliverOutcome, PortError> {
        let now = self.worker.now();
        let mut next_due: Option<DateTime<Utc>> = None;
        let mut holder = None;
        let mut unreadable = None;
        // What the ERP has comes first: it occupies the project.
        for state in [BatchState::Submitted, BatchState::Staged] {
            let batches = self
                .repository
                .batches(state, &self.spec.project, BATCHES_EXAMINED_MAX)
                .await?;
            unreadable = unreadable.or(batches.unreadable);
            for batch in batches.readable {
                if !batch.record.may_be_taken_by(&self.worker.id, now) {
                    let due = due_at(&batch.record);
                    next_due = Some(next_due.map_or(due, |earlier| earlier.min(due)));
                    continue;
                }
                let id = batch.record.id;
                // The slot may be with a batch that is behind this one: an older batch can come
                // later, when orders of long ago are sent again. Only its holder can go on then.
                if holder.is_some_and(|holder| holder != id) {
                    continue;
                }
                match self.repository.occupy(&self.project, id, now).await? {
                    Occupied::Ours => {}
                    Occupied::By(other) => {
                        holder = Some(other);
                        continue;
                    }
                    Occupied::Raced => {
                        return Ok(DeliverOutcome::of(Some(id), Delivered::Elsewhere));
                    }
                }
                let take = BatchCommand::Take {
                    worker: self.worker.id.clone(),
                    lease: self.policy.lease(),
                };
                return match self.repository.advance(&batch, take, now).await? {
                    Saved::Yes(taken) => self.proceed(taken).await,
                    Saved::Lost => Ok(DeliverOutcome::of(Some(id), Delivered::Elsewhere)),
                };
            }
        }
        match unreadable {
            Some(error) => Err(error),
            None => Ok(DeliverOutcome::of(
                None,
                Delivered::Idle { until: next_due },
            )),
        }
    }

    async fn proceed(&self, batch: Stored<BatchRecord>) -> Result<DeliverOutcome, PortError> {
        if batch.record.state == BatchState::Staged {
            self.submit(batch).await
        } else {
            self.poll(batch).await
        }
    }

    /// Asks how far the import is.
    async fn poll(&self, batch: Stored<BatchRecord>) -> Result<DeliverOutcome, PortError> {
        let execution = ExecutionId::from(batch.record.id);
        let status = match self.erp.status(execution).await {
            Ok(status) => status,
            Err(error) => return self.wait_after(batch, error, Slot::Keep).await,
        };
        let now = self.worker.now();
        if status.has_ended() {
            return self.settle(batch, &status).await;
        }
        let visible_after = self.erp.capability().visible_after_seconds;
        let vanished = self.policy.vanished_seconds.max(visible_after);
        let is_lost =
            status == ImportStatus::NotSubmitted && self.is_older(&batch.record, vanished);
        let again = batch.record.resubmissions < self.policy.resubmissions_max;
        // What an ERP that is slow to know has shown once is not imported a second time.
        if is_lost && again && !batch.record.is_seen {
            warn!(batch.id = %batch.record.id, "the ERP has no trace of the import");
            let waits_for = "the ERP lost the import: it is submitted again".to_owned();
            let until = now;
            let step = Delivered::Waiting { waits_for, until };
            return self.advance(batch, BatchCommand::Restage, step).await;
        }
        if self.is_overdue(&batch.record) || (is_lost && !again) {
            warn!(batch.id = %batch.record.id, status = status.as_str(), "the import takes too long");
            return self.settle_with(batch, Ruling::Overdue).await;
        }
        let waits_for = format!("the import ({})", status.as_str());
        let until = self
            .worker
            .after(Duration::from_millis(self.policy.poll_ms.into()));
        let known = !matches!(
            status,
            ImportStatus::NotSubmitted | ImportStatus::Unknown(_)
        );
        let attempt = if known && self.is_slow_to_know() {
            Attempt::Seen
        } else {
            Attempt::Early
        };
        self.wait(batch, waits_for, until, attempt).await
    }

    /// What a failed call of the ERP means for the batch.
    pub(super) async fn wait_after(
        &self,
        batch: Stored<BatchRecord>,
        error: PortError,
        slot: Slot,
    ) -> Result<DeliverOutcome, PortError> {
        if error.is_transient() || error.kind() == ErrorKind::Conflict {
            note_failure(&batch.record, &error);
            let attempt = batch.record.attempts.saturating_add(1);
            let backoff = self.policy.retry.delay(attempt, self.worker.ids.jitter());
            let delay = error.retry_after().unwrap_or(backoff);
            let waits_for = format!("the ERP ({})", error.kind());
            let until = self.worker.after(delay);
            // Where the wait cannot be stored, whoever runs the flow has to know of it.
            let too = |unsaved: PortError| unsaved.no_sooner(error.retry_after());
            let id = batch.record.id;
            let waiting = self
                .wait(batch, waits_for, until, ended(slot, &error))
                .await;
            let waiting = waiting.map_err(too)?;
            if waiting.step == Delivered::Elsewhere {
                return lost(waiting, error);
            }
            // The import in the way may be of another batch here, which a worker that had lost
            // its lease submitted: that one has to come to its turn.
            if slot == Slot::Leave && error.kind() == ErrorKind::Conflict {
                let now = self.worker.now();
                let vacated = self.repository.vacate(&self.project, id, now).await;
                vacated.map_err(too)?;
            }
            return Ok(waiting);
        }
        let refused =
            slot == Slot::Leave && matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge);
        let refusals = batch.record.futile_attempts.saturating_add(1);
        if refused && self.policy.retry.is_exhausted(refusals) {
            note_failure(&batch.record, &error);
            let detail = error.to_string();
            return self.settle_with(batch, Ruling::Refused { detail }).await;
        }
        self.fail(batch, error, slot).await
    }

    /// Lets go of the batch and reports the error: somebody has to repair something.
    pub(super) async fn fail(
        &self,
        batch: Stored<BatchRecord>,
        error: PortError,
        slot: Slot,
    ) -> Result<DeliverOutcome, PortError> {
        note_failure(&batch.record, &error);
        let id = batch.record.id;
        let attempt = batch.record.attempts.saturating_add(1);
        let backoff = self.policy.retry.delay(attempt, self.worker.ids.jitter());
        let until = self
            .worker
            .after(backoff.max(error.retry_after().unwrap_or_default()));
        let too = |unsaved: PortError| unsaved.no_sooner(error.retry_after());
        let waits_for = error.to_string();
        let waiting = self
            .wait(batch, waits_for, until, ended(slot, &error))
            .await;
        let waiting = waiting.map_err(too)?;
        if waiting.step == Delivered::Elsewhere {
            return lost(waiting, error);
        }
        if slot == Slot::Leave && !error.is_transient() {
            let now = self.worker.now();
            let vacated = self.repository.vacate(&self.project, id, now).await;
            vacated.map_err(too)?;
        }
        Err(error)
    }

    pub(super) async fn wait(
        &self,
        batch: Stored<BatchRecord>,
        waits_for: String,
        until: DateTime<Utc>,
        attempt: Attempt,
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
                attempt,
            },
            step,
        )
        .await
    }

    pub(super) async fn advance(
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
            Saved::Yes(_) => Ok(DeliverOutcome::of(Some(id), step)),
            Saved::Lost => Ok(DeliverOutcome::of(Some(id), Delivered::Elsewhere)),
        }
    }

    pub(super) async fn renew_if_due(
        &self,
        batch: Stored<BatchRecord>,
    ) -> Result<Saved, PortError> {
        self.repository
            .renew_if_due(batch, self.policy.lease(), self.worker.now())
            .await
    }
}

/// What an error says about the attempt. Only what was said of the package itself counts against
/// it.
fn ended(slot: Slot, error: &PortError) -> Attempt {
    match (slot, error.kind()) {
        (Slot::Keep, _) => Attempt::Failed,
        (Slot::Leave, ErrorKind::Invalid | ErrorKind::TooLarge) => Attempt::Futile,
        (Slot::Leave, _) if error.is_ambiguous() => Attempt::Failed,
        (Slot::Leave, _) => Attempt::Refused,
    }
}

/// Whoever lost the batch meanwhile has nothing to report, except that a busy system wants to be
/// left alone: nobody else was told.
fn lost(elsewhere: DeliverOutcome, error: PortError) -> Result<DeliverOutcome, PortError> {
    match error.retry_after() {
        Some(_) => Err(error),
        None => Ok(elsewhere),
    }
}

fn due_at(batch: &BatchRecord) -> DateTime<Utc> {
    batch
        .lease
        .as_ref()
        .map_or(batch.due_at, |lease| lease.until)
}

fn note_failure(batch: &BatchRecord, error: &PortError) {
    warn!(
        BatchId = %batch.id,
        BlobName = batch.package.as_ref().map_or("", |package| package.name.as_str()),
        error = %error,
        "DeliveryFailure"
    );
}
