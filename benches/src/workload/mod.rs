//! Fixed pieces of work over the core, the same for the micro-benchmarks, which take their time,
//! and for the instruction gate, which counts what they execute. They start no threads, and read
//! nothing but their own constants.

use std::fmt;

use clap::ValueEnum;

mod arrival;
mod decide;
mod packager;
mod parser;
mod transition;

pub use decide::Decide;
pub use packager::Packager;
pub use parser::{Parser, order};
pub use transition::Transition;

/// Why a workload could not be done.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A fixed piece of work, with all that it needs at hand.
pub trait Work: fmt::Debug {
    /// Does it once, and says how much came of it: the same number every time.
    ///
    /// # Errors
    /// When the core refuses what it should take.
    fn run(&self) -> Result<u64, Failure>;
}

/// The workloads of the instruction gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Events in JSON become valid orders
    Parser,
    /// Orders go through their states in batches
    Transition,
    /// Events meet the orders that are stored
    Decide,
    /// Orders become a package for Finance & Operations
    PackagerDmf,
    /// Orders become a package of the order-pipeline design
    PackagerSeed,
}

impl Workload {
    /// Makes what the work needs. Sizes are chosen so that each work executes one to three hundred
    /// million instructions: what differs between two runs drowns, and counting takes seconds.
    ///
    /// # Errors
    /// When the core refuses what it should take.
    pub fn prepare(self) -> Result<Box<dyn Work>, Failure> {
        Ok(match self {
            Self::Parser => Box::new(Parser::new(2_000)),
            Self::Transition => Box::new(Transition::new(8_000)?),
            Self::Decide => Box::new(Decide::new(2_000)?),
            Self::PackagerDmf => Box::new(Packager::dmf(2_000)?),
            Self::PackagerSeed => Box::new(Packager::seed(2_000)?),
        })
    }
}
