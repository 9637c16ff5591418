//! Leaves a peer alone that is down or overwhelmed: a breaker whose state is stored, so that all
//! workers share it and everybody can see it.

mod erp;
mod flow;
mod record;

pub use erp::GuardedErp;
pub use flow::{Guard, GuardPolicy, Permit};
pub use record::{BREAKERS, BreakerRecord, BreakerState};
