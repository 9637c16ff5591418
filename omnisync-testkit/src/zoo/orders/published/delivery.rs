use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use omnisync_core::error::PortError;
use omnisync_core::id::{BatchId, BlobName, ExecutionId, ProjectName, Sha256};
use omnisync_core::port::{
    BlobStage, BlobStageExt as _, Clock, ErpImporter, IdSource, ImportStatus, Submission,
    byte_stream,
};

use super::options::PublishedOptions;
use crate::clock::later;

/// The workflow that hands a package to the ERP.
#[derive(Debug)]
pub struct Delivery {
    stage: Arc<dyn BlobStage>,
    erp: Arc<dyn ErpImporter>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    project: ProjectName,
    options: PublishedOptions,
}

/// What the workflow believes that it did.
#[derive(Debug)]
pub enum Delivered {
    /// There was no package: the run succeeds.
    NoBlobs,
    /// The workflow logged `DeliverySuccess`.
    Success {
        /// The package.
        blob: BlobName,
        /// The import.
        execution: ExecutionId,
        /// The last answer to the question for the status, which the workflow did not look at.
        ignored: Option<ImportStatus>,
    },
    /// The workflow logged `DeliveryFailure` and sent a mail.
    Failure {
        /// The package.
        blob: BlobName,
        /// What failed.
        error: PortError,
    },
    /// The run failed outside the part that has a handler: nothing is logged, nobody is told.
    Unnoticed {
        /// What failed.
        error: PortError,
    },
}

impl Delivered {
    /// What failed, whether the workflow noticed it or not.
    pub fn into_error(self) -> Option<PortError> {
        match self {
            Self::NoBlobs | Self::Success { .. } => None,
            Self::Failure { error, .. } | Self::Unnoticed { error } => Some(error),
        }
    }
}

impl Delivery {
    /// The workflow over `stage` and `erp`.
    pub fn new(
        stage: Arc<dyn BlobStage>,
        erp: Arc<dyn ErpImporter>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        project: ProjectName,
        options: &PublishedOptions,
    ) -> Self {
        Self {
            stage,
            erp,
            clock,
            ids,
            project,
            options: options.clone(),
        }
    }

    /// Delivers the first package of the list. Its orders are not touched, whatever happens: the
    /// workflow never writes to the state store (hole O15).
    pub async fn run_once(&self) -> Delivered {
        // The handler runs after a failure of the import only. When listing or reading fails, it
        // is skipped together with the import, and the alert with it (hole O20).
        let blob = match self.first_blob().await {
            Ok(Some(blob)) => blob,
            Ok(None) => return Delivered::NoBlobs,
            Err(error) => return Delivered::Unnoticed { error },
        };
        let content = match self.read(&blob).await {
            Ok(content) => content,
            Err(error) => return Delivered::Unnoticed { error },
        };
        match self.import(&blob, &content).await {
            Ok((execution, ignored)) => Delivered::Success {
                blob,
                execution,
                ignored,
            },
            Err(error) => Delivered::Failure { blob, error },
        }
    }

    /// Names begin with a time and lists are sorted, so the first name is the oldest package.
    /// It is never moved, marked or deleted: the next run takes it again, and newer packages
    /// have their turn only once it has been deleted by age (hole O16).
    async fn first_blob(&self) -> Result<Option<BlobName>, PortError> {
        let listed = self
            .retried(|| self.stage.list("oms_", None, self.options.blobs_listed_max))
            .await?;
        Ok(listed
            .into_iter()
            .find(|name| Path::new(name.as_str()).extension() == Some("zip".as_ref())))
    }

    async fn read(&self, blob: &BlobName) -> Result<Bytes, PortError> {
        let most = self.stage.capability().blob_bytes_max;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.retried(|| self.stage.get_bytes(blob, most)).await
    }

    /// Starts an import and waits for as long as the loop has rounds.
    async fn import(
        &self,
        blob: &BlobName,
        content: &Bytes,
    ) -> Result<(ExecutionId, Option<ImportStatus>), PortError> {
        let submit = || async {
            let submission = self.submission(blob, content);
            let execution = submission.execution;
            self.erp.submit(submission).await?;
            Ok(execution)
        };
        let execution = self.retried(submit).await?;
        let ignored = self.wait(execution).await?;
        Ok((execution, ignored))
    }

    /// Every attempt names a new import: when only the answer was lost, the ERP imports the
    /// package a second time (hole O21).
    fn submission(&self, blob: &BlobName, content: &Bytes) -> Submission {
        let execution = BatchId::from_hash(self.ids.unique().into_bytes());
        Submission {
            execution: execution.into(),
            project: self.project.clone(),
            legal_entity: None,
            package: blob.clone(),
            bytes: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256: Sha256::of(content),
            content: byte_stream(content.clone()),
        }
    }

    /// Asks for the status until the loop's limits are reached, and assigns the answer to
    /// nothing, so no answer ends the loop (hole O18). A loop that reached its limits succeeds:
    /// an import that failed, or that still runs, is a delivery (hole O19). Only a question that
    /// fails in the very last round makes the loop fail.
    async fn wait(&self, execution: ExecutionId) -> Result<Option<ImportStatus>, PortError> {
        let ends_at = later(self.clock.now(), self.options.polling_max);
        let mut answer = Ok(None);
        for _ in 0..self.options.polls_max {
            answer = self.retried(|| self.erp.status(execution)).await.map(Some);
            if answer.is_ok() {
                let pause = later(self.clock.now(), self.options.poll_every);
                self.clock.sleep_until(pause).await;
            }
            if self.clock.now() >= ends_at {
                break;
            }
        }
        answer
    }

    /// An action of the workflow, with the retries that the platform gives to every action.
    async fn retried<T, F>(&self, action: impl Fn() -> F + Send + Sync) -> Result<T, PortError>
    where
        T: Send,
        F: Future<Output = Result<T, PortError>> + Send,
    {
        let mut delays = self.options.retry_delays.iter();
        loop {
            let error = match action().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            match delays.next() {
                Some(delay) if error.is_transient() => {
                    let again = later(self.clock.now(), *delay);
                    self.clock.sleep_until(again).await;
                }
                _ => return Err(error),
            }
        }
    }
}
