use std::fmt;

use http::Method;
use omnisync_core::policy::Priority;

use crate::redact;
use crate::trace::TraceContext;
use crate::transport::{Limits, Request};

/// Whether a request may be sent again when it is not known what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Once more or once less makes no difference: it reads, or carries its own precondition or
    /// identity.
    Safe,
    /// It is only sent again when the peer certainly did not process it.
    Never,
}

/// A request, and what the client should know about it.
///
/// ```
/// use omnisync_http::{Call, Repeat};
///
/// let request = http::Request::post("https://acme.crm4.dynamics.com/api/data/v9.2/accounts")
///     .body("{}".into())?;
/// let call = Call::new("dataverse.create", request);
/// assert_eq!(call.repeat(), Repeat::Never);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct Call {
    pub(crate) operation: &'static str,
    pub(crate) request: Request,
    pub(crate) repeat: Repeat,
    pub(crate) also: &'static [u16],
    pub(crate) authorize: bool,
    pub(crate) priority: Priority,
    pub(crate) limits: Option<Limits>,
    pub(crate) trace: Option<TraceContext>,
}

impl Call {
    /// Sends `request` as part of `operation`, a constant such as `"dataverse.update"`, with a
    /// token. Requests that read (GET, HEAD, OPTIONS) are [`Repeat::Safe`], others are not.
    pub fn new(operation: &'static str, request: Request) -> Self {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        Self {
            operation,
            request,
            repeat: if reads { Repeat::Safe } else { Repeat::Never },
            also: &[],
            authorize: true,
            priority: Priority::Normal,
            limits: None,
            trace: None,
        }
    }

    /// Says whether the request may be repeated.
    #[must_use]
    pub fn with_repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Statuses that this peer answers while it is not ready, on top of the usual ones. A request
    /// that is [`Repeat::Never`] is not repeated for them.
    #[must_use]
    pub fn with_repeat_also(mut self, statuses: &'static [u16]) -> Self {
        self.also = statuses;
        self
    }

    /// Sends the request without a token: its URL is signed, or it asks for one.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.authorize = false;
        self
    }

    /// How much the call matters to a [`SharedBudget`](crate::SharedBudget); [`Priority::Normal`]
    /// unless said otherwise.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Limits of this call instead of those of the client.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The trace that the call belongs to.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Whether the request may be repeated.
    pub fn repeat(&self) -> Repeat {
        self.repeat
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("operation", &self.operation)
            .field("method", self.request.method())
            .field("url", &redact::url(self.request.uri()))
            .field("body_bytes", &self.request.body().len())
            .field("repeat", &self.repeat)
            .field("authorize", &self.authorize)
            .field("priority", &self.priority)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
