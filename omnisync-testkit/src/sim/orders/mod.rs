//! The order pipeline as a scenario: events in, packages out, every order settled once.
//!
//! [`OrderScenario`] puts a [`Host`] between a queue, a state store, a blob stage and an ERP that
//! misbehave, and an auditor beside them that checks the promises of the pipeline after every
//! effect. [`Pipeline`] is the plain composition of the flows; put your own in its place to see
//! whether it keeps the promises too.

mod audit;
mod catalogue;
mod environment;
mod host;
mod play;
mod scenario;
mod workload;

pub use audit::{INVARIANTS, Standing};
pub use catalogue::{MARKS, scenarios};
pub use host::{Host, Pipeline, PipelinePolicies, Ports};
pub use scenario::{Lateness, OrderScenario};
pub use workload::{Drawing, Twist};
