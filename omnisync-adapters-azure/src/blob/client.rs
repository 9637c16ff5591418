//! Requests to the storage account.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use http::{HeaderMap, Method};
use omnisync_core::id::BlobName;
use omnisync_core::port::{Clock, IdSource};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Call, Client, HttpError, Limits, Repeat, Response, Secret};
use uuid::Uuid;

use super::block::Summary;
use super::config::Settings;
use super::location::Location;
use super::sign::{Key, VERSION, encode_query};
use super::wire::{self, DelegationKey, META_BYTES, META_PUT, META_SHA256, WireError};

/// Dates as HTTP writes them.
const DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// On top of what an answer is to hold.
const BODY_SLACK_BYTES: usize = 64 << 10;

/// Largest page of a listing, in bytes: less than a reader of XML takes.
const LISTING_BYTES_MAX: usize = 15 << 20;

/// A step at the service, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Put,
    StageBlock,
    Commit,
    Get,
    Head,
    List,
    Delete,
    CreateContainer,
    DelegationKey,
    ReadUrl,
}

impl Step {
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::Put => "blob.put",
            Self::StageBlock => "blob.stage_block",
            Self::Commit => "blob.commit",
            Self::Get => "blob.get",
            Self::Head => "blob.head",
            Self::List => "blob.list",
            Self::Delete => "blob.delete",
            Self::CreateContainer => "blob.create_container",
            Self::DelegationKey => "blob.delegation_key",
            Self::ReadUrl => "blob.read_url",
        }
    }

    pub(super) fn error(self, kind: ErrorKind, detail: impl Into<String>) -> PortError {
        PortError::new(kind, self.operation()).with_detail(detail)
    }

    /// An answer of success that cannot be read.
    pub(super) fn unreadable(self, error: WireError) -> PortError {
        self.error(
            ErrorKind::Unavailable,
            "the service answered with something else; a proxy may stand in between",
        )
        .with_source(error)
    }
}

/// What requests are signed with.
#[derive(Debug, Clone)]
pub(super) enum Signature {
    /// A token, which the HTTP client adds.
    Bearer,
    Account(Key),
    /// The query of a shared access signature.
    Shared(Secret),
}

/// A request before it is signed.
struct Draft {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Draft {
    fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn own(self, name: &'static str, value: &str) -> Self {
        // Nothing that is put here has other than printable ASCII.
        let value = HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""));
        self.header(HeaderName::from_static(name), value)
    }

    fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// What a new blob carries, and that it must be new.
    fn new_blob(self, name: &BlobName, put: Uuid, summary: &Summary) -> Self {
        let content_type = match name.as_str().rsplit_once('.') {
            Some((_, "zip")) => "application/zip",
            _ => "application/octet-stream",
        };
        self.header(IF_NONE_MATCH, HeaderValue::from_static("*"))
            .own("x-ms-blob-content-type", content_type)
            .own(META_SHA256, &summary.sha256.to_string())
            .own(META_BYTES, &summary.bytes.to_string())
            .own(META_PUT, &put.simple().to_string())
    }
}

/// A folder of a container, over HTTP.
pub(super) struct BlobClient {
    http: Client,
    pub(super) location: Location,
    pub(super) signature: Signature,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
}

impl BlobClient {
    pub(super) fn new(
        http: Client,
        location: Location,
        signature: Signature,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            http,
            location,
            signature,
            settings,
            clock,
            ids,
        }
    }

    /// Writes a whole blob, which must be new.
    pub(super) async fn put(
        &self,
        name: &BlobName,
        put: Uuid,
        content: Bytes,
        summary: &Summary,
    ) -> Result<(), HttpError> {
        let draft = self
            .blob(Method::PUT, name)
            .new_blob(name, put, summary)
            .own("x-ms-blob-type", "BlockBlob")
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            )
            .body(content);
        self.send(Step::Put, draft, 0).await.map(drop)
    }

    /// Writes a block that belongs to no blob yet.
    pub(super) async fn stage_block(
        &self,
        name: &BlobName,
        id: &str,
        content: Bytes,
    ) -> Result<(), HttpError> {
        let draft = self
            .blob(Method::PUT, name)
            .query("comp", "block")
            .query("blockid", id)
            .header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            )
            .body(content);
        self.send(Step::StageBlock, draft, 0).await.map(drop)
    }

    /// Makes a blob of blocks, which must be new.
    pub(super) async fn commit(
        &self,
        name: &BlobName,
        put: Uuid,
        ids: &[String],
        summary: &Summary,
    ) -> Result<(), HttpError> {
        let draft = self
            .blob(Method::PUT, name)
            .query("comp", "blocklist")
            .new_blob(name, put, summary)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/xml"))
            .body(wire::block_list(ids));
        self.send(Step::Commit, draft, 0).await.map(drop)
    }

    pub(super) async fn head(&self, name: &BlobName) -> Result<Response, HttpError> {
        self.send(Step::Head, self.blob(Method::HEAD, name), 0)
            .await
    }

    /// Reads `bytes` bytes from `start`, of the writing that is named by `etag`.
    pub(super) async fn range(
        &self,
        name: &BlobName,
        start: u64,
        bytes: usize,
        etag: Option<&str>,
    ) -> Result<Response, HttpError> {
        let length = u64::try_from(bytes).unwrap_or(u64::MAX);
        let end = start.saturating_add(length).saturating_sub(1);
        let mut draft = self
            .blob(Method::GET, name)
            .own("x-ms-range", &format!("bytes={start}-{end}"));
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            draft = draft.header(IF_MATCH, etag);
        }
        self.send(Step::Get, draft, bytes).await
    }

    /// A page of the names that begin with `prefix`, from `from` on where the service can.
    pub(super) async fn list(
        &self,
        prefix: &str,
        from: Option<&str>,
        marker: Option<&str>,
        max: usize,
    ) -> Result<Response, HttpError> {
        let folder = self.location.folder();
        let mut draft = Draft::new(Method::GET, self.location.container_path())
            .query("restype", "container")
            .query("comp", "list")
            .query("prefix", format!("{folder}{prefix}"))
            .query("delimiter", "/")
            .query("maxresults", max.to_string());
        match (marker, from) {
            (Some(marker), _) => draft = draft.query("marker", marker),
            (None, Some(from)) => draft = draft.query("startFrom", format!("{folder}{from}")),
            (None, None) => {}
        }
        self.send(Step::List, draft, LISTING_BYTES_MAX).await
    }

    pub(super) async fn delete(&self, name: &BlobName) -> Result<(), HttpError> {
        let draft = self.blob(Method::DELETE, name);
        self.send(Step::Delete, draft, 0).await.map(drop)
    }

    pub(super) async fn create_container(&self) -> Result<(), HttpError> {
        let draft =
            Draft::new(Method::PUT, self.location.container_path()).query("restype", "container");
        self.send(Step::CreateContainer, draft, 0).await.map(drop)
    }

    pub(super) async fn delegation_key(
        &self,
        start: DateTime<Utc>,
        expiry: DateTime<Utc>,
    ) -> Result<DelegationKey, PortError> {
        let step = Step::DelegationKey;
        let draft = Draft::new(Method::POST, Location::service_path())
            .query("restype", "service")
            .query("comp", "userdelegationkey")
            .header(CONTENT_TYPE, HeaderValue::from_static("application/xml"))
            .body(wire::key_info(&instant(start), &instant(expiry)));
        let answer = self.send(step, draft, 0).await;
        // It only reads, though it is a POST.
        let answer =
            answer.map_err(|error| super::refusal::refused(step, error.without_effect()))?;
        wire::delegation_key(answer.body()).map_err(|error| step.unreadable(error))
    }

    fn blob(&self, method: Method, name: &BlobName) -> Draft {
        Draft::new(method, self.location.blob_path(name))
    }

    /// Sends a request, whose answer has at most `bytes` bytes. Every request may be repeated: it
    /// reads, or is conditional, or does the same once more.
    async fn send(&self, step: Step, draft: Draft, bytes: usize) -> Result<Response, HttpError> {
        let limits = Limits {
            timeout: Duration::from_millis(self.settings.timeout_ms.into()),
            body_bytes_max: bytes.saturating_add(BODY_SLACK_BYTES),
        };
        let mut call = Call::new(step.operation(), self.signed(draft))
            .with_repeat(Repeat::Safe)
            .with_limits(limits);
        if !matches!(self.signature, Signature::Bearer) {
            call = call.without_token();
        }
        self.http.send(call).await
    }

    fn signed(&self, draft: Draft) -> omnisync_http::Request {
        let Draft {
            method,
            path,
            query,
            mut headers,
            body,
        } = draft;
        let now = self.clock.now().format(DATE).to_string();
        let id = self.ids.unique().to_string();
        for (name, text) in [
            ("x-ms-date", now.as_str()),
            ("x-ms-version", VERSION),
            // The name of a call is signed too.
            ("x-ms-client-request-id", &id),
        ] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if !matches!(method, Method::GET | Method::HEAD) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let mut encoded = encode_query(&query);
        if let Signature::Shared(own) = &self.signature {
            if !encoded.is_empty() {
                encoded.push('&');
            }
            encoded.push_str(own.expose());
        }
        // What the parts consist of was checked when they were taken; a URL that is none all the
        // same is refused by the HTTP client.
        let uri = self.location.uri(&path, &encoded).unwrap_or_default();
        if let Signature::Account(key) = &self.signature {
            let account = &self.location.account;
            let text = key.authorization(account, &method, uri.path(), &query, &headers);
            if let Ok(mut value) = HeaderValue::from_str(&text) {
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        let mut request = omnisync_http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request
    }
}

impl fmt::Debug for BlobClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobClient")
            .field("location", &self.location)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// An instant in whole seconds, as the service writes it.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
