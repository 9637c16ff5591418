use std::sync::Arc;

use async_trait::async_trait;

use super::flow::Guard;
use crate::error::PortError;
use crate::id::ExecutionId;
use crate::port::{
    ErpCapability, ErpImporter, ImportStatus, ResultsPage, Submission, SubmitReceipt,
};

/// An ERP that is left alone while its [`Guard`] says so: packages wait in the stage meanwhile.
#[derive(Debug)]
pub struct GuardedErp<E> {
    erp: E,
    guard: Arc<Guard>,
}

impl<E: ErpImporter> GuardedErp<E> {
    /// `erp` behind `guard`.
    pub fn new(erp: E, guard: Arc<Guard>) -> Self {
        Self { erp, guard }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<E: ErpImporter> ErpImporter for GuardedErp<E> {
    fn capability(&self) -> ErpCapability {
        self.erp.capability()
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let permit = self.guard.enter().await?;
        let result = self.erp.submit(submission).await;
        self.guard.leave(permit, result).await
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        let permit = self.guard.enter().await?;
        let result = self.erp.status(execution).await;
        self.guard.leave(permit, result).await
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let permit = self.guard.enter().await?;
        let result = self.erp.results(execution, continuation).await;
        self.guard.leave(permit, result).await
    }
}
