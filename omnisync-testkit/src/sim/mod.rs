//! A deterministic simulator: workers over ports that fail in every way, run by run, each of
//! which can be repeated exactly.
//!
//! Every choice of a run, whose turn it is, what fails and how, comes from one [`Tape`]. The
//! same tape makes the same run, on any machine and in any build. [`Explorer`] chooses tapes:
//! every run with so many faults, every run with so many preemptions, seeds by the million. A
//! tape that breaks a promise is shortened and can be replayed.
//!
//! A [`Scenario`] says what is simulated. [`crm`] has several CRMs that share records, and
//! [`orders`] the order pipeline, each with its auditor. Any composition of the flows can be put
//! into them:
//!
//! ```
//! use omnisync_testkit::sim::orders::{OrderScenario, Pipeline, PipelinePolicies, Ports, Twist};
//! use omnisync_testkit::sim::{self, Worker};
//!
//! let policies = PipelinePolicies::default();
//! let host = move |ports: Ports| -> Box<dyn Worker> { Box::new(Pipeline::new(ports, &policies)) };
//! let scenario = OrderScenario::new("my-host", host)
//!     .with_orders([Twist::Refused])
//!     .with_workers(1)
//!     .with_rounds(1);
//! // Every crash, lost answer, pause and refusal, and what they do in pairs.
//! let report = sim::explore(&scenario).unwrap();
//! assert!(report.runs > 1_000 && report.faults > 1_000);
//! ```
//!
//! A violation comes as a [`Counterexample`]: the story of the shortest run that shows it, and the
//! tape with which [`Explorer::replay`] makes it again.

mod choices;
mod clock;
pub mod crm;
mod explore;
mod fault_kind;
mod lookout;
pub mod orders;
pub mod regression;
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
