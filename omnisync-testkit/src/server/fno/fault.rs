//! Trouble on demand.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::later;

/// Which requests a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// A token is asked for.
    Token,
    /// `GetAzureWriteUrl`.
    WriteUrl,
    /// A blob is written.
    Upload,
    /// A blob is read.
    Download,
    /// `ImportFromPackage` and `ImportFromPackageAsync`.
    Import,
    /// `GetExecutionSummaryStatus`.
    Status,
    /// `GetExecutionErrors`.
    Errors,
    /// `GenerateImportTargetErrorKeysFile`.
    GenerateKeys,
    /// `GetImportTargetErrorKeysFileUrl`.
    KeysUrl,
    /// `GetImportStagingErrorFileUrl`.
    StagingUrl,
    /// `DataManagementExecutionJobDetails`.
    JobDetails,
    /// A recurring integration's package comes in.
    Enqueue,
    /// Somebody asks for the status of a recurring integration's message.
    JobStatus,
    /// Anything else.
    Other,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// 429.
    Throttled(RetryAfter),
    /// 503.
    Unavailable,
    /// 500 with an HTML page.
    ErrorPage,
    /// 302 to a page of sign-in.
    Redirect,
    /// The connection is cut before anything has happened.
    CutBefore,
    /// It happens, and the connection is cut in place of an answer.
    CutAfter,
    /// It happens, and the connection is cut in the middle of the answer.
    CutWithin,
    /// It happens, and the answer's text ends in the middle.
    Truncated,
    /// It happens, and the answer is padded to so many bytes.
    Oversized(usize),
    /// Nothing happens until [`Fno::release`](super::Fno::release).
    Stalled,
}

/// What an answer of 429 says about when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Nothing.
    Absent,
    /// So many seconds.
    Seconds(u32),
    /// The date in so many seconds.
    Date(u32),
}

impl RetryAfter {
    pub(crate) fn header(self, now: DateTime<Utc>) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::Date(seconds) => {
                let date = later(now, Duration::from_secs(seconds.into()));
                Some(date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
        }
    }
}

/// A limit that clients are not told. It counts calls of the service, and not the storage account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in a window.
    pub requests_max: usize,
    /// Length of the sliding window.
    pub window_ms: u32,
    /// Requests at once.
    pub concurrent_max: usize,
    /// What the refusal says.
    pub retry_after: RetryAfter,
}

/// Whom a limit let through.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    recent: VecDeque<DateTime<Utc>>,
    pub(crate) running: usize,
}

impl Admitted {
    /// Counts a request that the limit has room for.
    pub(crate) fn admit(&mut self, limit: &RateLimit, now: DateTime<Utc>) -> bool {
        let window = Duration::from_millis(limit.window_ms.into());
        while self
            .recent
            .front()
            .is_some_and(|start| later(*start, window) <= now)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= limit.requests_max || self.running >= limit.concurrent_max {
            return false;
        }
        self.recent.push_back(now);
        true
    }
}
