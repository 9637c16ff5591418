//! Requests to an environment.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Uri};
use omnisync_core::policy::Priority;
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Call, Client, Endpoint, HostAllowList, HttpError, Limits, Repeat};
use serde_json::Value;

use super::refusal::{is_not_found, refused};
use super::wire::WireError;
use crate::shared::odata;

const ACTIONS: &str = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.";

/// A step of an import, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    WriteUrl,
    Upload,
    Import,
    Status,
    JobDetails,
    Errors,
    ErrorKeys,
    ErrorFile,
    Enqueue,
    JobStatus,
}

impl Step {
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::WriteUrl => "finops.write_url",
            Self::Upload => "finops.upload",
            Self::Import => "finops.import",
            Self::Status => "finops.status",
            Self::JobDetails => "finops.job_details",
            Self::Errors => "finops.errors",
            Self::ErrorKeys => "finops.error_keys",
            Self::ErrorFile => "finops.error_file",
            Self::Enqueue => "finops.enqueue",
            Self::JobStatus => "finops.job_status",
        }
    }

    /// The step imports something.
    pub(super) const fn has_effect(self) -> bool {
        matches!(self, Self::Import | Self::Enqueue)
    }

    pub(super) fn error(self, kind: ErrorKind, detail: impl Into<String>) -> PortError {
        PortError::new(kind, self.operation()).with_detail(detail)
    }

    /// An answer of success that cannot be read.
    pub(super) fn unreadable(self, error: WireError) -> PortError {
        // What the step was to do may have been done.
        let kind = if self.has_effect() {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Corrupt
        };
        self.error(kind, "the environment answered with something else")
            .with_source(error)
    }
}

/// An environment.
#[derive(Debug, Clone)]
pub(super) struct FinOpsClient {
    http: Client,
    endpoint: Endpoint,
    blobs: HostAllowList,
    pub(super) clock: Arc<dyn Clock>,
}

impl FinOpsClient {
    pub(super) fn new(
        http: Client,
        endpoint: Endpoint,
        blobs: HostAllowList,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            http,
            endpoint,
            blobs,
            clock,
        }
    }

    /// Calls an action that reads, or does the same when it is called again.
    pub(super) async fn ask(
        &self,
        step: Step,
        action: &str,
        parameters: &Value,
    ) -> Result<Bytes, PortError> {
        let call = Self::question(self.action(step, action, parameters)?);
        self.send(call).await.map_err(|error| refused(step, error))
    }

    /// The same, where the environment may not know what is asked about: `None`.
    pub(super) async fn ask_about(
        &self,
        step: Step,
        action: &str,
        parameters: &Value,
    ) -> Result<Option<Bytes>, PortError> {
        let call = Self::question(self.action(step, action, parameters)?);
        match self.send(call).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(refused(step, error)),
        }
    }

    /// Calls an action that imports: it is never called again by itself.
    pub(super) async fn act(
        &self,
        step: Step,
        action: &str,
        parameters: &Value,
        limits: Limits,
    ) -> Result<Bytes, PortError> {
        let call = self.action(step, action, parameters)?;
        let call = call.with_repeat(Repeat::Never).with_limits(limits);
        self.send(call).await.map_err(|error| refused(step, error))
    }

    /// What an import did with each entity.
    pub(super) async fn job_details(&self, execution: &str) -> Result<Bytes, PortError> {
        let step = Step::JobDetails;
        let id = odata::string_literal(execution);
        let select = "EntityName,TargetRecordsCreatedCount,TargetRecordsUpdatedCount";
        let path = format!(
            "/data/DataManagementExecutionJobDetails?cross-company=true\
             &$filter=JobId%20eq%20{id}&$select={select}"
        );
        let request = self.request(step, Method::GET, &path, Bytes::new())?;
        let call = Self::question(Call::new(step.operation(), request));
        self.send(call).await.map_err(|error| refused(step, error))
    }

    /// Puts a package into the queue of a recurring data job.
    pub(super) async fn enqueue(
        &self,
        activity: &str,
        company: &str,
        external_id: &str,
        package: Bytes,
        limits: Limits,
    ) -> Result<Bytes, PortError> {
        let step = Step::Enqueue;
        let company = odata::encoded(company);
        let path = format!("/api/connector/enqueue/{activity}?company={company}");
        let mut request = self.request(step, Method::POST, &path, package)?;
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            http::HeaderValue::from_static("application/zip"),
        );
        if let Ok(id) = http::HeaderValue::from_str(external_id) {
            headers.insert("x-ms-dyn-externalidentifier", id);
        }
        let call = Call::new(step.operation(), request).with_repeat(Repeat::Never);
        let sent = self.send(call.with_limits(limits)).await;
        sent.map_err(|error| refused(step, error))
    }

    /// How far a message in the queue of a recurring data job is.
    pub(super) async fn job_status(&self, activity: &str, id: &str) -> Result<Bytes, PortError> {
        let step = Step::JobStatus;
        let id = odata::encoded(id);
        let path = format!("/api/connector/jobstatus/{activity}?jobId={id}");
        let request = self.request(step, Method::GET, &path, Bytes::new())?;
        let call = Self::question(Call::new(step.operation(), request));
        self.send(call).await.map_err(|error| refused(step, error))
    }

    /// Writes a package to a signed URL that the environment gave, without a token.
    pub(super) async fn upload(
        &self,
        url: &str,
        package: Bytes,
        limits: Limits,
    ) -> Result<(), PortError> {
        let step = Step::Upload;
        let request = Request::put(self.peer_url(step, url)?)
            .header("x-ms-blob-type", "BlockBlob")
            .header(CONTENT_TYPE, "application/zip")
            .body(package)
            .map_err(|error| not_sendable(step, error))?;
        let call = Call::new(step.operation(), request)
            .without_token()
            .with_repeat(Repeat::Safe)
            .with_limits(limits);
        self.send(call).await.map(drop).map_err(|error| {
            if error.status() == Some(http::StatusCode::FORBIDDEN) {
                let what = "the signed URL was refused: it is good for a while only";
                return PortError::from(error.explained(ErrorKind::Unavailable, what))
                    .without_effect();
            }
            refused(step, error)
        })
    }

    /// Reads a file from a signed URL that the environment gave, without a token.
    pub(super) async fn download(&self, url: &str, limits: Limits) -> Result<Bytes, PortError> {
        let step = Step::ErrorFile;
        let request = Request::get(self.peer_url(step, url)?)
            .body(Bytes::new())
            .map_err(|error| not_sendable(step, error))?;
        let call = Call::new(step.operation(), request)
            .without_token()
            .with_limits(limits);
        self.send(call).await.map_err(|error| {
            if error.kind() == ErrorKind::TooLarge {
                let what = "the error file is larger than error_file_bytes_max: raise it";
                return error.explained(ErrorKind::Corrupt, what).into();
            }
            refused(step, error)
        })
    }

    /// A URL that came from the peer, when its host is allowed.
    fn peer_url(&self, step: Step, url: &str) -> Result<Uri, PortError> {
        self.blobs.check(url).map_err(|error| {
            step.error(
                ErrorKind::Denied,
                "the environment names a storage host that is not allowed: nothing was sent there; \
                 see blob_hosts",
            )
            .with_source(error)
        })
    }

    /// What became of an import matters more than the next one: it may use calls that are kept
    /// back.
    fn question(call: Call) -> Call {
        call.with_repeat(Repeat::Safe).with_priority(Priority::High)
    }

    fn action(&self, step: Step, action: &str, parameters: &Value) -> Result<Call, PortError> {
        let body = Bytes::from(parameters.to_string());
        let path = format!("{ACTIONS}{action}");
        let mut request = self.request(step, Method::POST, &path, body)?;
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        Ok(Call::new(step.operation(), request))
    }

    fn request(
        &self,
        step: Step,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Bytes>, PortError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self
            .endpoint
            .join(path)
            .map_err(|error| not_sendable(step, error))?;
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        Ok(request)
    }

    async fn send(&self, call: Call) -> Result<Bytes, HttpError> {
        self.http.send(call).await.map(http::Response::into_body)
    }
}

fn not_sendable(step: Step, error: impl std::error::Error + Send + Sync + 'static) -> PortError {
    step.error(ErrorKind::Misconfigured, "the request cannot be written")
        .with_source(error)
        .without_effect()
}
