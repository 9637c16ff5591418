//! Waiting orders become staged packages.

mod claim;
mod flow;
mod open;
mod outcome;
mod stage;

pub use flow::BatchFlow;
pub use outcome::{BatchOutcome, BatchStep, Dropped};
