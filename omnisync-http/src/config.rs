use std::time::Duration;

use http::HeaderValue;
use omnisync_core::policy::RetryPolicy;
use serde::{Deserialize, Serialize};

use crate::transport::Limits;

/// How a [`Client`](crate::Client) asks, repeats and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// Delays between attempts, and how many there may be. Default 4 attempts, 500 ms after the
    /// first, at most 30,000 ms.
    pub retry: RetryPolicy,
    /// Repetitions per hundred calls, over all calls of the client. Default 10.
    pub retry_percent_max: u32,
    /// Repetitions on top of that; spent ones come back within a minute. Default 10.
    pub retry_reserve: u32,
    /// Longest wait within a call, in milliseconds. A peer that asks for more ends the call with
    /// `Throttled`, so that the caller can store the wait. Default 30,000.
    pub wait_ms_max: u32,
    /// Longest wait that a peer is believed, in milliseconds. Default 3,600,000 (an hour).
    pub retry_after_ms_max: u32,
    /// Time for one attempt, in milliseconds, unless the call says otherwise. Default 30,000.
    pub timeout_ms: u32,
    /// Largest body of an answer, in bytes, unless the call says otherwise. Default 8,388,608.
    pub body_bytes_max: usize,
    /// How the client names itself. Default `omnisync/` and the version.
    pub user_agent: String,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            retry: RetryPolicy {
                base_ms: 500,
                cap_ms: 30_000,
                attempts_max: 4,
            },
            retry_percent_max: 10,
            retry_reserve: 10,
            wait_ms_max: 30_000,
            retry_after_ms_max: 3_600_000,
            timeout_ms: 30_000,
            body_bytes_max: Limits::default().body_bytes_max,
            user_agent: concat!("omnisync/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl ClientConfig {
    /// Sets [`Self::retry`].
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets [`Self::retry_percent_max`].
    #[must_use]
    pub fn with_retry_percent_max(mut self, percent: u32) -> Self {
        self.retry_percent_max = percent;
        self
    }

    /// Sets [`Self::retry_reserve`].
    #[must_use]
    pub fn with_retry_reserve(mut self, repetitions: u32) -> Self {
        self.retry_reserve = repetitions;
        self
    }

    /// Sets [`Self::wait_ms_max`].
    #[must_use]
    pub fn with_wait_ms_max(mut self, milliseconds: u32) -> Self {
        self.wait_ms_max = milliseconds;
        self
    }

    /// Sets [`Self::retry_after_ms_max`].
    #[must_use]
    pub fn with_retry_after_ms_max(mut self, milliseconds: u32) -> Self {
        self.retry_after_ms_max = milliseconds;
        self
    }

    /// Sets [`Self::timeout_ms`].
    #[must_use]
    pub fn with_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.timeout_ms = milliseconds;
        self
    }

    /// Sets [`Self::body_bytes_max`].
    #[must_use]
    pub fn with_body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// Sets [`Self::user_agent`].
    #[must_use]
    pub fn with_user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    pub(crate) fn wait_max(&self) -> Duration {
        Duration::from_millis(self.wait_ms_max.into())
    }

    pub(crate) fn retry_after_max(&self) -> Duration {
        Duration::from_millis(self.retry_after_ms_max.into())
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            timeout: Duration::from_millis(self.timeout_ms.into()),
            body_bytes_max: self.body_bytes_max,
        }
    }

    /// What is wrong, and what to do.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        let wrong = [
            (
                self.retry.attempts_max == 0,
                "retry.attempts_max is 0; give at least 1",
            ),
            (self.timeout_ms == 0, "timeout_ms is 0; give at least 1"),
            (
                self.body_bytes_max == 0,
                "body_bytes_max is 0; give at least 1",
            ),
            (
                self.retry_percent_max > 100,
                "retry_percent_max is over 100; give a percentage",
            ),
            (
                HeaderValue::from_str(&self.user_agent).is_err() || self.user_agent.is_empty(),
                "user_agent is no header value; give printable ASCII",
            ),
        ];
        wrong
            .into_iter()
            .find_map(|(is_wrong, what)| is_wrong.then_some(what))
    }
}
