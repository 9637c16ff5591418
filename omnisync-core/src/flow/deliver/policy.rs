use serde::{Deserialize, Serialize};

use crate::policy::RetryPolicy;

/// How patient a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverPolicy {
    /// How long a worker holds a batch without renewing, in seconds. Default 60.
    pub lease_seconds: u32,
    /// Time between two questions for an import's status, in milliseconds. Default 30,000.
    pub poll_ms: u32,
    /// How long the ERP may have no trace of an import that it took, before the package is
    /// submitted again, in seconds. Default 600.
    pub vanished_seconds: u32,
    /// How long an import may take before its orders are set aside, in seconds. Default 86,400.
    pub import_seconds_max: u32,
    /// How often a package is submitted again because the ERP lost the import, before its orders
    /// are set aside. Default 3.
    pub resubmissions_max: u32,
    /// How long a worker holds a batch while it reads results from which refused records are
    /// told only, in seconds. Default 900.
    pub results_seconds_max: u32,
    /// How often the results are read while records are missing from them. Default 5.
    pub results_attempts_max: u32,
    /// How often an order is sent again after transient failures of its records. Default 5.
    pub order_attempts_max: u32,
    /// Delays after failed calls, and how often the ERP may refuse one package before its orders
    /// are set aside.
    pub retry: RetryPolicy,
}

impl Default for DeliverPolicy {
    fn default() -> Self {
        Self {
            lease_seconds: 60,
            poll_ms: 30_000,
            vanished_seconds: 600,
            import_seconds_max: 86_400,
            resubmissions_max: 3,
            results_seconds_max: 900,
            results_attempts_max: 5,
            order_attempts_max: 5,
            retry: RetryPolicy::default(),
        }
    }
}

impl DeliverPolicy {
    pub(super) fn lease(&self) -> chrono::Duration {
        chrono::Duration::seconds(self.lease_seconds.into())
    }
}
