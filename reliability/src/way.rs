//! One exploration of one scenario.

use std::fmt;

use omnisync_testkit::sim::{Counterexample, Explorer, Report, Scenario};

/// How a scenario is explored, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Runs with exactly so many faults.
    Faults { depth: usize, runs_max: u64 },
    /// Runs with up to so many preemptions and up to one fault.
    Preemptions { preemptions_max: u32, runs_max: u64 },
    /// Runs whose choices are drawn.
    Seeds { first: u64, count: u64 },
}

impl Way {
    /// Whether there is nothing to explore.
    pub(crate) const fn is_empty(self) -> bool {
        match self {
            Self::Faults { runs_max, .. } | Self::Preemptions { runs_max, .. } => runs_max == 0,
            Self::Seeds { count, .. } => count == 0,
        }
    }

    pub(crate) fn explore(self, scenario: &dyn Scenario) -> Result<Report, Box<Counterexample>> {
        let explorer = Explorer::new(scenario);
        match self {
            Self::Faults { depth, runs_max } => explorer.faults(depth, runs_max),
            Self::Preemptions {
                preemptions_max,
                runs_max,
            } => explorer.preemptions(preemptions_max, runs_max),
            Self::Seeds { first, count } => explorer.seeds(first, count),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Faults { depth: 1, .. } => "1 fault".to_owned(),
            Self::Faults { depth, .. } => format!("{depth} faults"),
            Self::Preemptions {
                preemptions_max, ..
            } => format!("{preemptions_max} preemptions"),
            Self::Seeds { .. } => "seeds".to_owned(),
        };
        f.pad(&text)
    }
}
