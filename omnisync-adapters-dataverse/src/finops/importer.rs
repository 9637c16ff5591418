use async_trait::async_trait;
use omnisync_core::id::ExecutionId;
use omnisync_core::port::{
    ErpCapability, ErpImporter, ImportStatus, RepeatedExecution, Reporting, ResultsPage,
    Submission, SubmitReceipt,
};
use omnisync_core::{ErrorKind, PortError};
use serde_json::json;

use super::client::{FinOpsClient, Step};
use super::config::FinOpsConfig;
use super::submission::Submitter;
use super::{results, submission, wire};

/// Imports data packages into Dynamics 365 Finance & Operations.
#[derive(Debug)]
pub struct FinOpsImporter {
    client: FinOpsClient,
    config: FinOpsConfig,
    submitter: Submitter,
}

impl FinOpsImporter {
    pub(super) fn new(client: FinOpsClient, config: FinOpsConfig, submitter: Submitter) -> Self {
        Self {
            client,
            config,
            submitter,
        }
    }

    async fn execution_status(&self, execution: &str) -> Result<ImportStatus, PortError> {
        let step = Step::Status;
        let parameters = json!({ "executionId": execution });
        let action = "GetExecutionSummaryStatus";
        let answer = self.client.ask_about(step, action, &parameters).await?;
        let Some(body) = answer else {
            return Ok(ImportStatus::NotSubmitted);
        };
        let word = wire::text(&body).map_err(|error| step.unreadable(error))?;
        Ok(wire::import_status(&word))
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ErpImporter for FinOpsImporter {
    fn capability(&self) -> ErpCapability {
        let (repeated, parallel) = match self.submitter {
            Submitter::Package => (
                self.config.repeated_execution,
                self.config.parallel_per_project,
            ),
            // Messages are remembered, and the queue takes them all and decides by itself.
            Submitter::Recurring(_) => (RepeatedExecution::ReturnsExisting, u32::MAX),
        };
        let mut capability = ErpCapability::new(repeated);
        capability.parallel_per_project = parallel;
        capability.reporting = Reporting::Refused;
        capability.visible_after_seconds = self.config.visible_after_seconds;
        capability
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        match &self.submitter {
            Submitter::Package => submission::import(&self.client, &self.config, submission).await,
            Submitter::Recurring(job) => job.submit(&self.client, &self.config, submission).await,
        }
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        match &self.submitter {
            Submitter::Package => self.execution_status(&execution.to_string()).await,
            Submitter::Recurring(job) => job.status(&self.client, execution).await,
        }
    }

    async fn results(
        &self,
        execution: ExecutionId,
        _continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        if let Submitter::Recurring(job) = &self.submitter {
            return job.results(&self.client, &self.config, execution).await;
        }
        let id = execution.to_string();
        let status = self.execution_status(&id).await?;
        if status == ImportStatus::NotSubmitted {
            let what = format!("import {id} is not known");
            return Err(Step::Status.error(ErrorKind::NotFound, what));
        }
        if !status.has_ended() {
            let what = format!("import {id} has not ended ({})", status.as_str());
            return Err(Step::Status.error(ErrorKind::Conflict, what));
        }
        results::read(&self.client, &self.config, &id).await
    }
}
