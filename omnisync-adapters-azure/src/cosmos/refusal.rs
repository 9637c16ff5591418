//! What the refusals of the service and of its client mean.

use std::error::Error as StdError;
use std::time::Duration;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::diagnostics::DiagnosticsContext;
use omnisync_core::{ErrorKind, PortError};
use thiserror::Error;

/// Causes looked at below an error of the client.
const CAUSES_MAX: usize = 16;

/// A refusal, without the texts of the service: they may quote documents.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("status {status}, substatus {substatus}{}{}", part("activity", activity.as_deref()), part("cause", cause.as_deref()))]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) substatus: u16,
    /// Names the request in the logs of the service.
    activity: Option<String>,
    /// The innermost cause of a failed connection, which names no URL.
    cause: Option<String>,
    retry_after: Option<Duration>,
    /// What the provider of tokens said.
    token: Option<ErrorKind>,
    /// The service answered.
    is_answer: bool,
    /// It came before the request with the effect.
    pub(super) is_before: bool,
    /// An earlier attempt, or this one, may have had its effect.
    pub(super) is_open: bool,
}

fn part(name: &str, text: Option<&str>) -> String {
    text.map(|text| format!(", {name} {text}"))
        .unwrap_or_default()
}

impl Refusal {
    pub(super) fn of(error: &CosmosError) -> Self {
        let status = error.status();
        let answer = error.response();
        let is_answer = error.is_from_wire();
        let diagnostics = error.diagnostics();
        let mut refusal = Self {
            status: u16::from(status.status_code()),
            substatus: status.sub_status().map_or(0, |sub| sub.value()),
            activity: diagnostics
                .as_ref()
                .map(|diagnostics| diagnostics.activity_id().to_string()),
            cause: None,
            retry_after: answer
                .and_then(|answer| answer.headers().retry_after_ms)
                .map(Duration::from_millis),
            token: token_kind(error),
            is_answer,
            is_before: false,
            is_open: diagnostics.as_deref().is_some_and(was_open),
        };
        if !is_answer {
            refusal.cause = connection_cause(error);
        }
        refusal
    }

    /// A write that was taken without a word about the version it made.
    pub(super) const fn untold() -> Self {
        Self {
            status: 200,
            substatus: 0,
            activity: None,
            cause: None,
            retry_after: None,
            token: None,
            is_answer: true,
            is_before: false,
            is_open: true,
        }
    }

    /// A read that only another region answered.
    pub(super) fn elsewhere() -> Self {
        Self {
            status: 503,
            cause: Some("only another region answered".to_owned()),
            is_answer: false,
            is_before: true,
            is_open: false,
            ..Self::untold()
        }
    }

    /// An item that is not there, in a container that is.
    pub(super) const fn is_absent(&self) -> bool {
        self.status == 404 && self.substatus == 0 && !self.is_before
    }

    /// What it means, wherever it comes.
    pub(super) fn port(self, operation: &'static str, about: &str) -> PortError {
        let (kind, advice) = self.meaning();
        let certain = self.is_before
            || !self.is_open
                && match kind {
                    ErrorKind::TimedOut => false,
                    ErrorKind::Unavailable => self.certainly_nothing(),
                    _ => true,
                };
        // What came after an attempt that may have had its effect says nothing about that effect.
        let kind = if self.is_open && !kind.is_ambiguous() {
            ErrorKind::Unavailable
        } else {
            kind
        };
        let mut error = PortError::new(kind, operation).with_detail(format!("{about}: {advice}"));
        if let Some(delay) = self.retry_after {
            error = error.with_retry_after(delay);
        }
        if certain {
            error = error.without_effect();
        }
        error.with_source(self)
    }

    fn meaning(&self) -> (ErrorKind, &'static str) {
        if let Some(kind) = self.token {
            return (kind, "there is no token; check the credential");
        }
        match (self.status, self.substatus) {
            (_, 20_402) => (ErrorKind::Denied, "there is no token; check the credential"),
            (_, 20_010 | 20_012 | 20_015) => (
                ErrorKind::Unavailable,
                "no connection to the account; check endpoint, network and certificates",
            ),
            (_, 20_003 | 20_011 | 20_014 | 20_310..=20_312) => (
                ErrorKind::Unavailable,
                "the account cannot be reached for the moment",
            ),
            (_, 20_108 | 20_153) => (
                ErrorKind::Misconfigured,
                "the client cannot be made; check the endpoint",
            ),
            (_, 20_020) => (ErrorKind::Corrupt, "the answer cannot be read"),
            (400, 1_001) => (
                ErrorKind::Misconfigured,
                "the container has another partition key; set partition_key to its path",
            ),
            (400, _) if self.is_answer => {
                (ErrorKind::Invalid, "the service does not take the request")
            }
            (401, _) => (
                ErrorKind::Denied,
                "the account does not take the credential; check the key or the clock",
            ),
            (403, 3 | 1_008) | (404, 1_002) => (
                ErrorKind::Unavailable,
                "the account moves between regions; try again",
            ),
            (403, 1_014) => (ErrorKind::Exhausted, "the logical partition is full"),
            (403, _) => (
                ErrorKind::Denied,
                "the credential lacks rights; give it Cosmos DB Built-in Data Contributor",
            ),
            (404, _) => (
                ErrorKind::Misconfigured,
                "there is no such database or container; provision it",
            ),
            (408 | 504, _) => (ErrorKind::TimedOut, "no answer in time"),
            (409 | 412, _) => (ErrorKind::Conflict, "it has changed"),
            (413, _) => (
                ErrorKind::TooLarge,
                "the document is larger than the service takes",
            ),
            (429, _) => (
                ErrorKind::Throttled,
                "the request units of the container are used up; raise its throughput",
            ),
            (410 | 449 | 500 | 503, _) => {
                (ErrorKind::Unavailable, "the service fails for the moment")
            }
            _ => (ErrorKind::Internal, "the client failed; look at its log"),
        }
    }

    /// True for refusals before anything was done.
    const fn certainly_nothing(&self) -> bool {
        matches!(
            (self.status, self.substatus),
            (_, 20_010 | 20_012 | 20_310..=20_312) | (403 | 404 | 410 | 449, _)
        )
    }
}

/// True when an attempt was made whose effect is not known, before the one that answered or as the
/// only one.
fn was_open(diagnostics: &DiagnosticsContext) -> bool {
    let requests = diagnostics.requests();
    // What was dropped from the list is not known.
    if requests.len() < diagnostics.retained_request_count()
        || diagnostics.retained_request_count() < diagnostics.request_count()
    {
        return true;
    }
    requests
        .iter()
        .filter(|request| !request.pipeline_type().is_metadata())
        .any(|request| {
            let status = u16::from(request.status().status_code());
            let unanswered = request.error().is_some() || request.timed_out();
            let is_open = unanswered || matches!(status, 408 | 500..=599);
            let before = request.failed_transport_shards();
            let was_open = before
                .iter()
                .any(|shard| shard.request_sent().may_have_been_sent());
            was_open || is_open && request.request_sent().may_have_been_sent()
        })
}

/// True when not the first region alone was asked.
pub(super) fn went_elsewhere(diagnostics: &DiagnosticsContext) -> bool {
    let requests = diagnostics.requests();
    let mut regions = requests
        .iter()
        .filter(|request| !request.pipeline_type().is_metadata())
        .filter_map(|request| request.region());
    let first = regions.next();
    first.is_some_and(|first| regions.any(|region| region != first))
}

/// The kind that our own provider of tokens gave.
fn token_kind(error: &CosmosError) -> Option<ErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<PortError>().map(PortError::kind))
}

/// The innermost cause where it is about the connection. Those above it name the URL.
fn connection_cause(error: &CosmosError) -> Option<String> {
    let last = causes(error).last()?;
    let is_plain = last.is::<std::io::Error>() || last.is::<rustls::Error>();
    is_plain.then(|| last.to_string())
}

fn causes(error: &CosmosError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first = StdError::source(error);
    std::iter::successors(first, |cause: &&(dyn StdError + 'static)| (*cause).source())
        .take(CAUSES_MAX)
}
