use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode};
use omnisync_core::{ErrorKind, PortError};

use crate::call::{Call, Repeat};
use crate::endpoint::UrlError;
use crate::redact;
use crate::transport::{Response, TransportError, TransportErrorKind};

/// A call without success: refused, unanswered, or answered with anything but 2xx and 304.
///
/// The answer, where there is one, is kept for the adapter to read ([`response`](Self::response)).
/// Neither `Debug` nor `Display` shows its headers or body, nor the query of the URL. The type is
/// one pointer wide and becomes a [`PortError`] by `?`.
pub struct HttpError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    method: Method,
    url: String,
    reason: Box<str>,
    request_id: Option<Box<str>>,
    attempts: u32,
    /// An earlier attempt may have had an effect.
    was_open: bool,
    /// Whatever the attempts came to, the request has no effect that matters.
    has_no_effect: bool,
    failure: Failure,
    retry_after: Option<Duration>,
    response: Option<Response>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What is known about the effect of the last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// Nothing was sent, and sending again would change nothing.
    Refused,
    /// Nothing was sent; it may be tried again.
    NotSent,
    /// Sent, and without an answer that says what came of it.
    Open,
    /// Answered.
    Answered(StatusCode),
}

impl HttpError {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation of the call.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The status of the answer, if there is one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.response.as_ref().map(Response::status)
    }

    /// The answer, if there is one: for the adapter to read its headers and body.
    pub fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// The delay that the peer asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Method and URL without query.
    pub fn target(&self) -> String {
        format!("{} {}", self.0.method, self.0.url)
    }

    /// The `x-ms-client-request-id` of the call, by which support finds it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Attempts that were made; the one that a fresh token was fetched for does not count.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// True when the request may have had an effect although it failed, in any of its attempts:
    /// ask before sending again. A precondition that does not hold may be our own doing then.
    pub fn is_effect_open(&self) -> bool {
        if self.0.has_no_effect {
            return false;
        }
        let is_open = match self.0.failure {
            Failure::Refused | Failure::NotSent => false,
            Failure::Open => true,
            Failure::Answered(status) => {
                status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
            }
        };
        is_open || self.0.was_open
    }

    /// The same error, of a kind that the adapter read from the body of the answer, and why: a
    /// code of the service, never its text as it came.
    #[must_use]
    pub fn explained(mut self, kind: ErrorKind, reason: &str) -> Self {
        self.0.kind = kind;
        self.0.reason = format!("{}: {reason}", self.0.reason).into();
        self
    }

    /// The same error of a request that has no effect that matters, whatever its method: it reads,
    /// or prepares what only another request makes count. Then an earlier attempt without an answer
    /// hides nothing of what the last one says.
    #[must_use]
    pub fn without_effect(mut self) -> Self {
        self.0.has_no_effect = true;
        self
    }

    /// As the error of a port operation of another name.
    ///
    /// Where an earlier attempt of a write may have had its effect, an answer about the last one
    /// alone (such as 403 or 429) becomes `Unavailable`, which leaves the effect open. What an
    /// answer says about the item stays: `NotFound`, `AlreadyExists`, `Conflict`, `LockLost`.
    pub fn into_port(self, operation: &'static str) -> PortError {
        let inner = *self.0;
        let is_open = inner.hides_open_effect();
        let (kind, detail) = if is_open {
            let detail = inner.detail();
            let detail = format!("{detail}; an earlier attempt may have had its effect");
            (ErrorKind::Unavailable, detail)
        } else {
            (inner.kind, inner.detail())
        };
        let error = PortError::new(kind, operation).with_detail(detail);
        let error = error.no_sooner(inner.retry_after);
        let error = if inner.has_no_effect {
            error.without_effect()
        } else {
            error
        };
        match inner.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// Nothing was sent, since the request or the client is wrong.
    pub(crate) fn refused(call: &Call, reason: &str) -> Self {
        Self::of(call, ErrorKind::Invalid, Failure::Refused, reason)
    }

    /// Nothing was sent: the URL must not be asked.
    pub(crate) fn url(call: &Call, error: UrlError) -> Self {
        Self::refused(call, "the URL is not to be asked").caused_by(error)
    }

    /// Nothing was sent: there is no token for it.
    pub(crate) fn token(call: &Call, error: PortError) -> Self {
        // What the authority does not find or finds in conflict is not the item of the call.
        let kind = match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict
            | ErrorKind::LockLost
            | ErrorKind::TooLarge => ErrorKind::Denied,
            kind => kind,
        };
        let reason = "there is no token for it";
        let mut whole = Self::of(call, kind, Failure::Refused, reason);
        whole.0.retry_after = error.retry_after();
        whole.caused_by(error)
    }

    /// Nothing was sent: the peer is known to refuse for longer than the call may wait.
    pub(crate) fn held_back(call: &Call, wait: Duration) -> Self {
        Self::paused(call, "held back, since the peer asked for a pause", wait)
    }

    /// Nothing was sent: the budget has no call left for it.
    pub(crate) fn budget_spent(call: &Call, wait: Duration) -> Self {
        Self::paused(call, "not sent, since the budget of calls is spent", wait)
    }

    fn paused(call: &Call, reason: &str, wait: Duration) -> Self {
        let mut whole = Self::of(call, ErrorKind::Throttled, Failure::Refused, reason);
        whole.0.retry_after = Some(wait);
        whole
    }

    /// There is no answer.
    pub(crate) fn unanswered(call: &Call, error: TransportError) -> Self {
        let (kind, failure) = match error.kind() {
            TransportErrorKind::NotSent => (ErrorKind::Unavailable, Failure::NotSent),
            TransportErrorKind::TimedOut | TransportErrorKind::Cut => {
                (ErrorKind::TimedOut, Failure::Open)
            }
            TransportErrorKind::TooLarge => (ErrorKind::TooLarge, Failure::Open),
            TransportErrorKind::Invalid => (ErrorKind::Invalid, Failure::Refused),
        };
        Self::of(call, kind, failure, &error.to_string()).because(error.into_source())
    }

    /// The peer answered, and not with success.
    pub(crate) fn answered(call: &Call, response: Response, wait: Option<Duration>) -> Self {
        let status = response.status();
        let mut reason = format!("answered {}", status.as_u16());
        if status.is_redirection() {
            reason.push_str(", a redirection, which is never followed; check the base URL");
        }
        let failure = Failure::Answered(status);
        let mut whole = Self::of(call, kind_of(status), failure, &reason);
        whole.0.retry_after = wait.filter(|_| is_pause(status));
        whole.0.response = Some(response);
        whole
    }

    /// Whether the request may be sent again.
    pub(crate) fn is_repeatable(&self, repeat: Repeat, also: &[u16]) -> bool {
        match (self.0.failure, repeat) {
            (Failure::Refused, _) | (Failure::Open, Repeat::Never) => false,
            (Failure::NotSent, _) => true,
            (Failure::Open, Repeat::Safe) => self.0.kind != ErrorKind::TooLarge,
            (Failure::Answered(status), Repeat::Safe) => {
                is_passing(status) || also.contains(&status.as_u16())
            }
            // What was turned away before it was looked at. A 503 may come from a proxy that gave
            // up waiting for an answer.
            (Failure::Answered(status), Repeat::Never) => status == StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// Adds what the client knows about the call.
    pub(crate) fn after(mut self, attempts: u32, was_open: bool, request_id: &str) -> Self {
        self.0.attempts = attempts;
        self.0.was_open = was_open;
        self.0.request_id = Some(request_id.into());
        self
    }

    fn of(call: &Call, kind: ErrorKind, failure: Failure, reason: &str) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: call.operation,
            method: call.request.method().clone(),
            url: redact::url(call.request.uri()),
            reason: reason.into(),
            request_id: None,
            attempts: 0,
            was_open: false,
            has_no_effect: false,
            failure,
            retry_after: None,
            response: None,
            source: None,
        }))
    }

    fn caused_by(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.because(Some(source.into()))
    }

    fn because(mut self, source: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = source;
        self
    }
}

impl Inner {
    /// True when the kind says nothing of an earlier attempt whose effect is open.
    fn hides_open_effect(&self) -> bool {
        let is_about_the_item = matches!(
            self.kind,
            ErrorKind::NotFound
                | ErrorKind::AlreadyExists
                | ErrorKind::Conflict
                | ErrorKind::LockLost
        );
        let has_effect = !self.has_no_effect && !self.method.is_safe();
        self.was_open && has_effect && !is_about_the_item && !self.kind.is_ambiguous()
    }

    fn detail(&self) -> String {
        let Self {
            method,
            url,
            reason,
            attempts,
            ..
        } = self;
        match attempts {
            0 | 1 => format!("{method} {url}: {reason}"),
            _ => format!("{method} {url}: {reason}, after {attempts} attempts"),
        }
    }
}

impl From<HttpError> for PortError {
    fn from(error: HttpError) -> Self {
        let operation = error.operation();
        error.into_port(operation)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            operation, kind, ..
        } = &*self.0;
        write!(f, "{operation}: {kind} ({})", self.0.detail())
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body_bytes = self.0.response.as_ref().map(|answer| answer.body().len());
        f.debug_struct("HttpError")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("detail", &self.0.detail())
            .field("status", &self.status())
            .field("retry_after", &self.0.retry_after)
            .field("request_id", &self.0.request_id)
            .field("body_bytes", &body_bytes)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for HttpError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// True when the same request may get another answer later.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// True where `Retry-After` asks for a pause: elsewhere it says when a job may be done.
fn is_pause(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn kind_of(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::TimedOut,
        409 | 412 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::Throttled,
        // Methods and versions that the peer does not know.
        501 | 505 => ErrorKind::Invalid,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

const _: () = {
    const fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<HttpError>();
    assert!(size_of::<HttpError>() == size_of::<usize>());
};
