use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// What is sent: the body is whole, so that it can be sent again.
pub type Request = http::Request<Bytes>;

/// What is answered, read to its end.
pub type Response = http::Response<Bytes>;

/// What one exchange may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From looking up the host to the last byte of the answer.
    pub timeout: Duration,
    /// Largest body of an answer, in bytes.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    /// 30 s and 8 MiB.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            body_bytes_max: 8 * 1_024 * 1_024,
        }
    }
}

/// One exchange with a peer over HTTP.
///
/// # Contract
/// 1. An answer of any status is a `Response`; errors are for exchanges without one.
/// 2. Redirects are never followed: a 3xx is a `Response` as any other.
/// 3. A request is sent at most once.
/// 4. Nothing is sent in plain text, except to this machine.
/// 5. `limits` hold; a body beyond its cap is not kept.
/// 6. Nothing is added that says who asks: no cookies, no referrer, no credentials.
///
/// # Cancel safety
/// Dropping the future gives the exchange up; its effect is open.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` and reads the whole answer.
    ///
    /// # Errors
    /// [`TransportError`]: its kind says whether the request may have had an effect.
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, TransportError>;
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, TransportError> {
        (**self).send(request, limits).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: Transport + ?Sized> Transport for Box<T> {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, TransportError> {
        (**self).send(request, limits).await
    }
}

/// Why there is no answer, and with it whether the request had an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// Nothing was sent: no address, no connection, no TLS. Certainly no effect.
    NotSent,
    /// No whole answer in time. The effect is open.
    TimedOut,
    /// The connection ended before the whole answer was read. The effect is open.
    Cut,
    /// The answer is larger than the limit. The peer did answer.
    TooLarge,
    /// The request cannot be sent as it is. Nothing was sent.
    Invalid,
}

impl TransportErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::NotSent => "no connection; nothing was sent",
            Self::TimedOut => "no answer in time",
            Self::Cut => "the connection ended before the answer",
            Self::TooLarge => "the answer is larger than body_bytes_max",
            Self::Invalid => "the request cannot be sent",
        }
    }
}

/// An exchange without an answer.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// An error without a cause.
    pub const fn new(kind: TransportErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Names the cause, which must not print URLs, header values or bodies.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What happened to the request.
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    pub(crate) fn into_source(self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.source
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
