//! A deterministic simulator: workers over ports that fail in every way, run by run, each of
//! which can be repeated exactly.
//!
//! Every choice of a run, whose turn it is, what fails and how, comes from one [`Tape`]. The
//! same tape makes the same run, on any machine and in any build. [`Explorer`] chooses tapes:
//! every run with so many faults, every run with so many preemptions, seeds by the million. A
//! tape that breaks a promise is shortened and can be replayed.
//!
//! A [`Scenario`] says what is simulated.

mod choices;
mod clock;
mod explore;
mod fault_kind;
pub mod orders;
mod report;
mod run;
mod scenario;
mod schedule;
mod tape;
mod trace_hash;
mod violation;
mod watch;
mod world;

pub use explore::{Explorer, Replayed, explore};
pub use fault_kind::FaultKind;
pub use report::{Counterexample, Rate, Report};
pub use scenario::{Environment, Life, Play, Scenario, Shape, Worker};
pub use tape::{NotATape, Tape};
pub use violation::Violation;
pub use world::Sim;
