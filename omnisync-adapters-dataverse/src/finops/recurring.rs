//! The second mode: a queue in front of the import, whose messages the service names.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::id::{ETag, ExecutionId};
use omnisync_core::port::{
    Action, Collection, Content, DocumentKey, Expect, ImportStatus, ResultsPage, StateStore,
    StateStoreExt as _, Submission, SubmitReceipt, Write, Written,
};
use omnisync_core::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::client::{FinOpsClient, Step};
use super::config::FinOpsConfig;
use super::wire::{self, Job};
use super::{results, submission};

/// Where the names of messages are kept.
const MESSAGES: Collection = Collection::new("finops_messages");

/// How long the name of a message is kept: longer than any import takes.
const KEPT: TimeDelta = TimeDelta::days(90);

/// A recurring data job.
#[derive(Debug)]
pub(super) struct Recurring {
    activity_id: String,
    store: Arc<dyn StateStore>,
}

/// What is known about the message of an import.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    execution_id: ExecutionId,
    activity_id: String,
    /// When it was last about to be put into the queue.
    began_at: DateTime<Utc>,
    /// What the service calls it; `None` while its answer is open.
    #[serde(rename = "messageId")]
    name: Option<String>,
}

impl Recurring {
    pub(super) fn new(activity_id: String, store: Arc<dyn StateStore>) -> Self {
        Self { activity_id, store }
    }

    /// Puts the package into the queue, unless it is there. The intent is stored before and the
    /// name of the message after: a message whose name was lost counts as on its way for as long
    /// as the capability says.
    pub(super) async fn submit(
        &self,
        client: &FinOpsClient,
        config: &FinOpsConfig,
        mut submission: Submission,
    ) -> Result<SubmitReceipt, PortError> {
        let step = Step::Enqueue;
        let execution = submission.execution;
        let company = submission::company(&submission, config)?.to_owned();
        let content = submission::content(&mut submission, config.package_bytes_max).await?;
        let now = client.clock.now();
        let known = self.known(execution).await;
        let known = known.map_err(PortError::without_effect)?;
        if let Some((message, _)) = &known {
            if let Some(id) = &message.name {
                return Ok(receipt(execution, id));
            }
            let open = TimeDelta::seconds(config.visible_after_seconds.into());
            let left = message.began_at + open - now;
            if let Ok(left) = left.to_std() {
                let what = "the package may be in the queue already: it is waited for";
                return Err(step
                    .error(ErrorKind::Unavailable, what)
                    .with_retry_after(left));
            }
        }
        let expect = known.map_or(Expect::Absent, |(_, etag)| Expect::Tag(etag));
        let mut message = Message {
            execution_id: execution,
            activity_id: self.activity_id.clone(),
            began_at: now,
            name: None,
        };
        let etag = self.save(&message, expect).await;
        let etag = etag.map_err(PortError::without_effect)?;
        let limits = config.submit_limits();
        let sent = client
            .enqueue(
                &self.activity_id,
                &company,
                &execution.to_string(),
                content,
                limits,
            )
            .await;
        let body = match sent {
            Ok(body) => body,
            Err(error) if error.is_ambiguous() => return Err(error),
            Err(error) => {
                // Nothing is in the queue: the next one need not wait.
                let forget = Write {
                    key: key(execution),
                    expect: Expect::Tag(etag),
                    action: Action::Delete,
                };
                let forgotten = self.store.write_one(forget).await;
                let pause = forgotten.err().and_then(|unsaved| unsaved.retry_after());
                return Err(error.no_sooner(pause));
            }
        };
        let id = wire::message_id(&body).map_err(|error| step.unreadable(error))?;
        message.name = Some(id.clone());
        let named = self.save(&message, Expect::Tag(etag)).await;
        named.map_err(|unsaved| {
            let what = format!("the package is in the queue as {id}, and its name was not stored");
            step.error(ErrorKind::Unavailable, what)
                .no_sooner(unsaved.retry_after())
                .with_source(unsaved)
        })?;
        Ok(receipt(execution, &id))
    }

    pub(super) async fn status(
        &self,
        client: &FinOpsClient,
        execution: ExecutionId,
    ) -> Result<ImportStatus, PortError> {
        Ok(match self.job(client, execution).await? {
            Some(job) => job.status(),
            None => ImportStatus::NotSubmitted,
        })
    }

    pub(super) async fn results(
        &self,
        client: &FinOpsClient,
        config: &FinOpsConfig,
        execution: ExecutionId,
    ) -> Result<ResultsPage, PortError> {
        let job = self.job(client, execution).await?;
        let Some(job) = job else {
            let what = format!("import {execution} was never put into the queue");
            return Err(Step::JobStatus.error(ErrorKind::NotFound, what));
        };
        if !job.status().has_ended() {
            let what = format!("import {execution} has not ended ({})", job.state);
            return Err(Step::JobStatus.error(ErrorKind::Conflict, what));
        }
        if job.execution.is_empty() {
            if job.is_unopened() {
                return Ok(results::of_message(&job.log));
            }
            let what = format!("the message of import {execution} ended without an import");
            return Err(Step::JobStatus.error(ErrorKind::Corrupt, what));
        }
        results::read(client, config, &job.execution).await
    }

    async fn job(
        &self,
        client: &FinOpsClient,
        execution: ExecutionId,
    ) -> Result<Option<Job>, PortError> {
        let Some((message, _)) = self.known(execution).await? else {
            return Ok(None);
        };
        let Some(id) = message.name else {
            return Ok(None);
        };
        let body = client.job_status(&message.activity_id, &id).await?;
        let job = wire::job(&body).map_err(|error| Step::JobStatus.unreadable(error))?;
        Ok(Some(job))
    }

    async fn known(&self, execution: ExecutionId) -> Result<Option<(Message, ETag)>, PortError> {
        let document = self.store.get_one(&key(execution)).await?;
        document
            .map(|document| Ok((document.parse()?, document.etag)))
            .transpose()
    }

    async fn save(&self, message: &Message, expect: Expect) -> Result<ETag, PortError> {
        let state = if message.name.is_some() {
            "Enqueued"
        } else {
            "Open"
        };
        let body = to_raw_value(message).map_err(|error| {
            Step::Enqueue
                .error(
                    ErrorKind::Internal,
                    "the name of the message cannot be stored",
                )
                .with_source(error)
        })?;
        let content = Content {
            state: state.to_owned(),
            due_at: None,
            expires_at: message.began_at.checked_add_signed(KEPT),
            body,
        };
        let write = Write {
            key: key(message.execution_id),
            expect,
            action: Action::Put(content),
        };
        match self.store.write_one(write).await? {
            Written::Put(etag) => Ok(etag),
            Written::Deleted => {
                let what = "the store deleted what was to be kept";
                Err(Step::Enqueue.error(ErrorKind::Internal, what))
            }
        }
    }
}

fn key(execution: ExecutionId) -> DocumentKey {
    DocumentKey::new(MESSAGES, execution.to_string())
}

fn receipt(execution: ExecutionId, message: &str) -> SubmitReceipt {
    SubmitReceipt {
        execution,
        evidence: format!("message {message}"),
    }
}
