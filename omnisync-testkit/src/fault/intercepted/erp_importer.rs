use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use omnisync_core::error::PortError;
use omnisync_core::id::ExecutionId;
use omnisync_core::port::{
    ErpCapability, ErpImporter, ImportStatus, RecordKey, RecordOutcome, RecordResult, ResultsPage,
    Submission, SubmitReceipt,
};

use super::super::distortion::{position, shuffle};
use super::super::{Distortion, Seen, Subject};
use super::Intercepted;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: ErpImporter> ErpImporter for Intercepted<P> {
    fn capability(&self) -> ErpCapability {
        self.inner.capability()
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let execution = submission.execution;
        let subject = Subject::Execution(execution);
        let (call, distortion) = self.seam.before("erp_importer.submit", subject).await?;
        let result = if distortion == Some(Distortion::Repeated) {
            match twice(submission).await {
                Ok((first, second)) => {
                    if self.inner.submit(first).await.is_ok() {
                        self.seam.show(&call, Seen::Submitted(execution));
                    }
                    self.inner.submit(second).await
                }
                Err(error) => Err(error),
            }
        } else {
            self.inner.submit(submission).await
        };
        if result.is_ok() {
            self.seam.show(&call, Seen::Submitted(execution));
        }
        self.seam.after(&call, result).await
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        let subject = Subject::Execution(execution);
        let (call, distortion) = self.seam.before("erp_importer.status", subject).await?;
        let mut result = self.inner.status(execution).await;
        if let Ok(status) = &mut result {
            match distortion {
                Some(Distortion::Stale) if status.has_ended() => *status = ImportStatus::Executing,
                Some(Distortion::Damaged { .. }) if *status != ImportStatus::NotSubmitted => {
                    *status = ImportStatus::Unknown("Zapped".to_owned());
                }
                _ => {}
            }
            self.seam.show(&call, Seen::Status(execution, status));
        }
        self.seam.after(&call, result).await
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let subject = Subject::Execution(execution);
        let (call, distortion) = self.seam.before("erp_importer.results", subject).await?;
        let mut result = self.inner.results(execution, continuation).await;
        if let Ok(page) = &mut result {
            distort(&mut page.records, distortion);
            for record in &page.records {
                self.seam.show(&call, Seen::Result(execution, record));
            }
        }
        self.seam.after(&call, result).await
    }
}

/// The same submission two times over.
async fn twice(submission: Submission) -> Result<(Submission, Submission), PortError> {
    let Submission {
        execution,
        project,
        legal_entity,
        package,
        bytes,
        sha256,
        content,
    } = submission;
    let chunks: Vec<Bytes> = content.try_collect().await?;
    let content = |chunks: Vec<Bytes>| stream::iter(chunks.into_iter().map(Ok)).boxed();
    let first = Submission {
        execution,
        project: project.clone(),
        legal_entity: legal_entity.clone(),
        package: package.clone(),
        bytes,
        sha256,
        content: content(chunks.clone()),
    };
    let second = Submission {
        execution,
        project,
        legal_entity,
        package,
        bytes,
        sha256,
        content: content(chunks),
    };
    Ok((first, second))
}

fn distort(records: &mut Vec<RecordResult>, distortion: Option<Distortion>) {
    match distortion {
        Some(Distortion::Partial { dice }) if !records.is_empty() => {
            records.remove(position(dice, records.len()));
        }
        Some(Distortion::Shuffled { dice }) => shuffle(records, dice),
        Some(Distortion::Doubled { dice }) => {
            if let Some(twice) = records.get(position(dice, records.len())).cloned() {
                records.push(twice);
            }
        }
        Some(Distortion::Damaged { dice }) => records.push(RecordResult {
            key: RecordKey {
                entity: "Nobody's".to_owned(),
                columns: [("KEY".to_owned(), dice.to_string())].into(),
            },
            outcome: RecordOutcome::Imported {
                evidence: "RecId 0".to_owned(),
            },
        }),
        _ => {}
    }
}
