//! What a simulation needs to know of the system under test.

use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::id::WorkerId;

use super::fault_kind::FaultKind;
use super::violation::Violation;
use super::world::Sim;
use crate::fault::Call;

/// A system to be simulated: workers over ports that outlive them.
///
/// A run has three phases. In the *chaos* every worker makes a few rounds while ports fail,
/// clocks jump and workers die. Then everything *heals*: no more faults, time passes in steps
/// longer than any lease, and the workers have to bring the system to rest. Last comes the
/// *audit*.
pub trait Scenario: Send + Sync {
    /// The name, as reports and tapes say it: letters, digits and hyphens.
    fn name(&self) -> &str;

    /// How it is run.
    fn shape(&self) -> Shape;

    /// Things that have to happen in some run, or the scenario is blind: see [`Sim::mark`].
    fn marks(&self) -> &[&'static str] {
        &[]
    }

    /// Builds the world of one run. Draws what is to happen in it from [`Sim::choose`], where 0
    /// is the plainest case.
    fn begin(&self, sim: &Sim) -> Box<dyn Play>;
}

/// How a scenario is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Workers at work at the same time.
    pub workers: usize,
    /// Rounds that each life of a worker makes in the chaos.
    pub rounds: u32,
    /// What passes between two rounds.
    pub pause: Duration,
    /// Longest lease or lock. A pause past it makes a worker a zombie, and one step of healing
    /// lasts a second longer.
    pub lease: Duration,
    /// Steps of healing after which everything has to be at rest.
    pub heal_ticks_max: u32,
    /// Calls that a run may make before it counts as a busy loop.
    pub calls_max: u64,
    /// Words that stand for secrets and personal data: they must not appear in anything that is
    /// logged, nor in an error.
    pub canaries: &'static [&'static str],
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            workers: 2,
            rounds: 3,
            pause: Duration::from_millis(7),
            lease: Duration::from_secs(60),
            heal_ticks_max: 60,
            calls_max: 20_000,
            canaries: &[],
        }
    }
}

/// One run of a scenario: what outlives the workers.
pub trait Play: Send {
    /// Starts a life of a worker: everything volatile is built anew.
    fn start(&mut self, life: &Life) -> Box<dyn Worker>;

    /// Called before each step of healing, for what people and clocks do meanwhile.
    fn heal(&mut self) {}

    /// What is not at rest yet; `None` when the system needs no further healing.
    fn unrest(&mut self) -> Option<Violation>;

    /// Checks the end.
    ///
    /// # Errors
    /// The first promise that was broken.
    fn audit(&mut self) -> Result<(), Violation>;
}

/// A worker that lives until it is killed.
#[async_trait]
pub trait Worker: Send {
    /// One round of what it does. It may await nothing but ports and the clock of the run.
    ///
    /// # Errors
    /// Whatever the ports said. The worker rests then, at least as long as the error asks.
    async fn round(&mut self) -> Result<(), PortError>;
}

/// A life of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Which worker, beginning with 0.
    pub worker: usize,
    /// Which of its lives, beginning with 0.
    pub number: u32,
    /// Its name. A worker that was restarted may have its old name or a new one.
    pub name: WorkerId,
}

/// What the systems behind the ports do by themselves, where a decorator cannot.
pub trait Environment: std::fmt::Debug + Send + Sync + 'static {
    /// Makes `kind` happen at `call`: a query that lags, a blob that a lifecycle rule removes, an
    /// import that is cancelled. `false` when nothing happened; then the call fails with a
    /// permanent error, or goes on, as the kind says.
    fn disturb(&self, kind: FaultKind, call: &Call, dice: u32) -> bool;
}
