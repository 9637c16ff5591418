//! Builds the package of a sealed batch and puts it into the stage.

use bytes::Bytes;
use tracing::info;

use super::super::build::build_package;
use super::super::repository::{Saved, Stored};
use super::flow::BatchFlow;
use super::outcome::{BatchOutcome, BatchStep};
use crate::batch::{BatchCommand, BatchRecord, Member, PackageRecord};
use crate::error::{ErrorKind, PortError};
use crate::port::{BlobStage, BlobStageExt as _};

impl BatchFlow {
    /// Builds the package, puts it into the stage and notes it.
    pub(super) async fn stage(
        &self,
        batch: Stored<BatchRecord>,
        members: &[Member],
        outcome: &mut BatchOutcome,
    ) -> Result<(), PortError> {
        let started = self.worker.now();
        let (content, package) =
            build_package(&self.repository, &self.spec, &batch.record, members).await?;
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
}
