//! Policies: pure decisions with every limit named. Flows ask, adapters obey.

mod batching;
mod breaker;
mod retention;
mod retry;

pub use batching::{Backlog, BatchPolicy, Schedule, ScheduleError, Trigger};
pub use breaker::{Breaker, BreakerPolicy};
pub use retention::RetentionPolicy;
pub use retry::RetryPolicy;
