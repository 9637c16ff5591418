//! Policies: pure decisions with every limit named. Flows ask, adapters obey.

mod batching;
mod breaker;
mod budget;
mod retention;
mod retry;
mod throttle;

pub use batching::{Backlog, BatchPolicy, Schedule, ScheduleError, Trigger};
pub use breaker::{Breaker, BreakerPolicy, BreakerReason};
pub use budget::{BudgetPolicy, BudgetSpent, CallBudget, Priority};
pub use retention::RetentionPolicy;
pub use retry::RetryPolicy;
pub use throttle::{Refused, Throttle, ThrottlePolicy, Turn};
