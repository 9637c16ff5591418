//! A staged package on its way into the ERP.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use super::super::repository::{Saved, Stored};
use super::flow::{Deliver, Slot};
use super::outcome::{DeliverOutcome, Delivered};
use crate::batch::{Attempt, BatchCommand, BatchRecord, PackageRecord};
use crate::error::{ErrorKind, PortError};
use crate::id::ExecutionId;
use crate::port::{ImportStatus, Submission};

impl Deliver {
    /// Asks the ERP whether it has our import already, and submits the package if not.
    pub(super) async fn submit(
        &self,
        batch: Stored<BatchRecord>,
    ) -> Result<DeliverOutcome, PortError> {
        let id = batch.record.id;
        match self.erp.status(ExecutionId::from(id)).await {
            Ok(ImportStatus::NotSubmitted) => {
                if let Some(until) = self.may_have_it_until(&batch.record) {
                    let waits_for = "the ERP, which may have the package already".to_owned();
                    return self.wait(batch, waits_for, until, Attempt::Early).await;
                }
            }
            // An ERP that is slow to know may have a word for what it never saw.
            Ok(ImportStatus::Unknown(word)) if self.is_slow_to_know() => {
                if let Some(until) = self.may_have_it_until(&batch.record) {
                    let waits_for = format!("the ERP, which says {word} of the package");
                    return self.wait(batch, waits_for, until, Attempt::Early).await;
                }
            }
            Ok(_) => return self.submitted(batch).await,
            Err(error) => return self.wait_after(batch, error, Slot::Keep).await,
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
            Err(error) => return self.fail(batch, error, Slot::Leave).await,
        };
        if read.receipt.sha256 != package.sha256 {
            return self.fail(batch, altered(&package), Slot::Leave).await;
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
        let batch = match self.announce(batch).await? {
            Saved::Yes(announced) => announced,
            Saved::Lost => return Ok(DeliverOutcome::of(Some(id), Delivered::Elsewhere)),
        };
        match self.erp.submit(submission).await {
            Ok(_) => self.submitted(batch).await,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.submitted(batch).await,
            // What the ERP refuses for good it did not take.
            Err(error) => self.wait_after(batch, error, Slot::Leave).await,
        }
    }

    /// Stores that a submission is about to be made, for an ERP that may have a package without
    /// knowing it yet.
    async fn announce(&self, batch: Stored<BatchRecord>) -> Result<Saved, PortError> {
        if !self.is_slow_to_know() {
            return Ok(Saved::Yes(batch));
        }
        // A call that may take that long must not lose the batch meanwhile.
        let open = self.erp.capability().visible_after_seconds;
        let lease = self
            .policy
            .lease()
            .max(chrono::Duration::seconds(open.into()));
        let now = self.worker.now();
        self.repository
            .advance(&batch, BatchCommand::Announce { lease }, now)
            .await
    }

    pub(super) fn is_slow_to_know(&self) -> bool {
        self.erp.capability().visible_after_seconds > 0
    }

    /// When to ask again for a package that was announced and that the ERP does not know, while
    /// it may have it nevertheless.
    fn may_have_it_until(&self, batch: &BatchRecord) -> Option<DateTime<Utc>> {
        let open = self.erp.capability().visible_after_seconds;
        let until = batch.announced_at? + chrono::Duration::seconds(open.into());
        let poll = Duration::from_millis(self.policy.poll_ms.into());
        (self.worker.now() < until).then(|| until.min(self.worker.after(poll)))
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
                Ok(DeliverOutcome::of(Some(id), Delivered::Submitted))
            }
            Saved::Lost => Ok(DeliverOutcome::of(Some(id), Delivered::Elsewhere)),
        }
    }
}

fn altered(package: &PackageRecord) -> PortError {
    PortError::new(ErrorKind::Corrupt, "deliver.submit").with_detail(format!(
        "package {} in the stage is not the one that was staged: remove it and run again; it is \
         built again from its orders",
        package.name
    ))
}
