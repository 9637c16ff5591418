use chrono::Duration;
use serde::{Deserialize, Serialize};

/// How long terminal things stay. Nothing that is not terminal is ever removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionPolicy {
    /// Days that a settled order stays. While it does, a repeated event is recognised: keep it
    /// longer than any source can replay. Default 90.
    pub order_days: u32,
    /// Days that a finished batch and its package stay. Default 90.
    pub batch_days: u32,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            order_days: 90,
            batch_days: 90,
        }
    }
}

impl RetentionPolicy {
    /// How long a settled order stays.
    pub fn order(&self) -> Duration {
        Duration::days(self.order_days.into())
    }

    /// How long a finished batch and its package stay.
    pub fn batch(&self) -> Duration {
        Duration::days(self.batch_days.into())
    }
}
