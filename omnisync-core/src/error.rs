//! The one error of every port: what happened, in which operation, and what the caller can do.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Result of a port operation.
pub type Result<T, E = PortError> = std::result::Result<T, E>;

/// What the caller can do about a [`PortError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The item does not exist.
    NotFound,
    /// A create-only operation found the item present.
    AlreadyExists,
    /// A precondition other than absence did not hold.
    Conflict,
    /// The lock or lease of a delivery was lost: the settlement did not take effect.
    LockLost,
    /// The peer asks for a pause. See [`PortError::retry_after`].
    Throttled,
    /// The peer could not be reached or failed for the moment.
    Unavailable,
    /// The peer did not answer in time: the effect may or may not have happened.
    TimedOut,
    /// Credentials are missing, wrong or insufficient.
    Denied,
    /// The peer, or what is said about it here, is not set up for the request: somebody has to
    /// change a setting.
    Misconfigured,
    /// Stored or transferred bytes are not what was written: hash, format or schema disagree.
    Corrupt,
    /// The request is wrong and will stay wrong.
    Invalid,
    /// The request or item is larger than the peer takes.
    TooLarge,
    /// No space, quota or handle is left.
    Exhausted,
    /// The back end does not offer the operation. Nothing has been done.
    Unsupported,
    /// Anything else. Treated as permanent.
    Internal,
}

/// How to proceed after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Repeating cannot help.
    Never,
    /// Repeating helps once somebody repaired the cause (disk space, permission, configuration).
    AfterFix,
    /// Repeat with growing delays.
    Backoff,
    /// Repeat no earlier than after this delay.
    After(Duration),
}

impl ErrorKind {
    /// How to proceed after an error of this kind when the peer named no delay.
    pub const fn retry(self) -> Retry {
        match self {
            Self::Throttled | Self::Unavailable | Self::TimedOut => Retry::Backoff,
            Self::Denied | Self::Misconfigured | Self::Exhausted | Self::Corrupt => Retry::AfterFix,
            Self::NotFound
            | Self::AlreadyExists
            | Self::Conflict
            | Self::LockLost
            | Self::Invalid
            | Self::TooLarge
            | Self::Unsupported
            | Self::Internal => Retry::Never,
        }
    }

    /// True when the effect may have happened although an error was returned.
    pub const fn is_ambiguous(self) -> bool {
        matches!(self, Self::TimedOut | Self::Unavailable)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Conflict => "precondition failed",
            Self::LockLost => "lock lost",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed out",
            Self::Denied => "access denied",
            Self::Misconfigured => "not set up for it",
            Self::Corrupt => "corrupt data",
            Self::Invalid => "invalid request",
            Self::TooLarge => "too large",
            Self::Exhausted => "no capacity left",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Failure of a port operation.
///
/// `Display` is one line without the cause; walk [`StdError::source`] or use
/// [`PortError::report`] for the whole chain. The type is one pointer wide.
pub struct PortError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    detail: Option<Box<str>>,
    retry_after: Option<Duration>,
    has_no_effect: bool,
    is_of_store: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl PortError {
    /// An error of `kind` in `operation`, a constant such as `"state_store.write"`.
    pub fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            detail: None,
            retry_after: None,
            has_no_effect: false,
            is_of_store: false,
            source: None,
        }))
    }

    /// Says what happened to which item, and what to do. Never put payloads or secrets here.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// The delay that the peer asked for.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// The same error, not to be retried before `delay` even where it asks for less: something
    /// that another peer asked for at the same time.
    #[must_use]
    pub fn no_sooner(mut self, delay: Option<Duration>) -> Self {
        self.0.retry_after = self.0.retry_after.max(delay);
        self
    }

    /// Says that the effect certainly did not happen, whatever the kind leaves open: a connection
    /// that was refused, a step before the one with the effect.
    #[must_use]
    pub fn without_effect(mut self) -> Self {
        self.0.has_no_effect = true;
        self
    }

    /// Says that the store of the flow failed, and none of the systems that it talks to: only the
    /// flow itself knows whom it asked.
    #[must_use]
    pub(crate) fn of_store(mut self) -> Self {
        self.0.is_of_store = true;
        self
    }

    /// The underlying cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The port operation that failed.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What happened to which item.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The delay that the peer asked for, if it named one.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How to proceed: the peer's own delay, else the advice of the kind.
    pub fn retry(&self) -> Retry {
        self.0
            .retry_after
            .map_or_else(|| self.0.kind.retry(), Retry::After)
    }

    /// True when the effect may have happened although an error was returned.
    pub fn is_ambiguous(&self) -> bool {
        self.0.kind.is_ambiguous() && !self.0.has_no_effect
    }

    pub(crate) fn is_of_store(&self) -> bool {
        self.0.is_of_store
    }

    /// True when repeating later, without anybody repairing anything, can succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self.retry(), Retry::Backoff | Retry::After(_))
    }

    /// The whole chain of causes in one line.
    pub fn report(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.kind)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortError")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("detail", &self.0.detail)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for PortError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

const _: () = {
    const fn assert_send_sync<T: Send + Sync + 'static>() {}
    assert_send_sync::<PortError>();
    assert!(size_of::<PortError>() == size_of::<usize>());
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_operation_kind_and_detail_but_not_the_cause() {
        let error = PortError::new(ErrorKind::Corrupt, "blob_stage.get")
            .with_detail("package a.zip was altered")
            .with_source(std::io::Error::other("hash mismatch"));
        assert_eq!(
            error.to_string(),
            "blob_stage.get: corrupt data (package a.zip was altered)"
        );
        assert_eq!(
            error.report(),
            "blob_stage.get: corrupt data (package a.zip was altered): hash mismatch"
        );
    }

    #[test]
    fn a_delay_named_by_the_peer_wins_over_the_advice_of_the_kind() {
        let error = PortError::new(ErrorKind::Throttled, "erp.submit");
        assert_eq!(error.retry(), Retry::Backoff);
        let error = error.with_retry_after(Duration::from_secs(7));
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    }
}
