//! Packages out: submitted once, and every order settled from the import's own results.

mod flow;
mod outcome;
mod policy;
mod ruling;
mod settling;
mod submitting;
mod weighing;

pub use flow::Deliver;
pub use outcome::{DeliverOutcome, Delivered, SettledOrder};
pub use policy::DeliverPolicy;
