//! Requests to a namespace.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Call, Client, Endpoint, HttpError, Limits, Repeat, Response};

use super::super::sas::{SasKey, encoded};

/// What a request is about, for its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// An entity.
    Entity,
    /// A lock, which may be lost.
    Lock,
}

/// A namespace.
#[derive(Debug)]
pub(super) struct RestClient {
    pub(super) http: Client,
    pub(super) endpoint: Endpoint,
    pub(super) key: Option<SasKey>,
    pub(super) life: TimeDelta,
    pub(super) timeout: Duration,
    pub(super) message_bytes_max: usize,
    pub(super) clock: Arc<dyn Clock>,
}

impl RestClient {
    /// The URL of something below an entity.
    pub(super) fn url(&self, path: &str, below: &str) -> Result<Uri, PortError> {
        let path: Vec<String> = path.split('/').map(segment).collect();
        self.endpoint
            .join(&format!("/{}{below}", path.join("/")))
            .map_err(|error| unsendable(error.into()))
    }

    /// A URL that the service gave, when it is one of its own.
    pub(super) fn own(&self, location: &HeaderValue) -> Option<Uri> {
        let uri: Uri = location.to_str().ok()?.parse().ok()?;
        let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
        origin
            .eq_ignore_ascii_case(&self.endpoint.origin())
            .then_some(uri)
    }

    /// Sends a request about the entity at `path`. It is never sent again by itself once it may
    /// have had an effect.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        mut request: Request<Bytes>,
        path: &str,
        about: About,
        wait: Duration,
    ) -> Result<Response, PortError> {
        if let Some(key) = &self.key {
            let uri = format!("{}/{path}", self.endpoint.origin()).to_lowercase();
            let token = key.sign(&uri, self.clock.now() + self.life);
            let mut value =
                HeaderValue::from_str(token.expose()).map_err(|error| unsendable(error.into()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limits = Limits {
            timeout: self.timeout + wait,
            body_bytes_max: self.message_bytes_max,
        };
        let call = Call::new(operation, request)
            .with_repeat(Repeat::Never)
            .with_limits(limits);
        let call = if self.key.is_some() {
            call.without_token()
        } else {
            call
        };
        let answer = self.http.send(call).await;
        answer.map_err(|error| refused(operation, error, about))
    }

    pub(super) fn request(method: Method, uri: Uri, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request
    }
}

/// A part of a path. `$` begins the names of the service itself.
fn segment(part: &str) -> String {
    match part.strip_prefix('$') {
        Some(rest) => format!("${}", encoded(rest)),
        None => encoded(part),
    }
}

pub(super) fn unsendable(error: Box<dyn std::error::Error + Send + Sync>) -> PortError {
    PortError::new(ErrorKind::Misconfigured, "service_bus_rest.request")
        .with_detail("the request cannot be written")
        .with_source(error)
        .without_effect()
}

fn refused(operation: &'static str, error: HttpError, about: About) -> PortError {
    let is_open = error.is_effect_open();
    let error = match (error.status(), about) {
        (Some(StatusCode::NOT_FOUND | StatusCode::GONE), About::Lock) => {
            error.explained(ErrorKind::LockLost, "the lock is not known any longer")
        }
        (Some(StatusCode::NOT_FOUND | StatusCode::GONE), About::Entity) => {
            error.explained(ErrorKind::Misconfigured, "there is no such entity")
        }
        _ => error,
    };
    let error = error.into_port(operation);
    if is_open {
        error
    } else {
        error.without_effect()
    }
}
