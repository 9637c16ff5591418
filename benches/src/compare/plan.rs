//! What is run in turn, and what is asked of it.

use serde::{Deserialize, Serialize};

use super::contestant::Contestant;
use crate::line::Line;

/// What two contestants are compared by. Less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Seconds of the job.
    Time,
    /// Seconds of the job by the orders it had.
    TimePerOrder,
    /// Most memory of the process.
    Memory,
    /// Half of the acknowledgements took at most so long.
    Latency,
    /// Size of what came out.
    Bytes,
}

impl Figure {
    /// The figure of a line; the first time where the job was done more than once.
    pub(crate) fn of(self, line: &Line) -> f64 {
        let count = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        match self {
            Self::Time => line.wall_s,
            Self::TimePerOrder => line.wall_s / count(line.n.unwrap_or(1).max(1)),
            Self::Memory => count(line.maxrss_kb),
            Self::Latency => line.p50_us.unwrap_or(f64::NAN),
            Self::Bytes => count(line.bytes_out),
        }
    }

    /// A figure for people.
    pub(crate) fn told(self, number: f64) -> String {
        match self {
            Self::Time => format!("{number:.3} s"),
            Self::TimePerOrder => format!("{:.2} us an order", number * 1e6),
            Self::Memory => format!("{:.1} MB", number / 1e3),
            Self::Latency => format!("{number:.0} us"),
            Self::Bytes => format!("{:.2} MB", number / 1e6),
        }
    }
}

/// What a ratio has to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(crate) fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

/// A contestant and what is asked of its ratio.
#[derive(Debug, Clone)]
pub(crate) struct Rival {
    pub(crate) contestant: Contestant,
    pub(crate) goal: Option<Bound>,
    /// The same of its best time by the base's best.
    pub(crate) warm_goal: Option<Bound>,
}

/// Contestants that run in turn. Ratios are by the base, which runs twice in every round.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) measure: &'static str,
    /// What is varied within the measure, such as the number of producers.
    pub(crate) case: String,
    pub(crate) figure: Figure,
    pub(crate) rounds: usize,
    pub(crate) base: Contestant,
    pub(crate) rivals: Vec<Rival>,
    pub(crate) absent: Vec<String>,
}

impl Plan {
    pub(crate) fn new(
        measure: &'static str,
        case: impl Into<String>,
        figure: Figure,
        base: Contestant,
    ) -> Self {
        Self {
            measure,
            case: case.into(),
            figure,
            rounds: 7,
            base,
            rivals: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// Sets how many rounds there are unless the user says.
    pub(crate) fn with_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Adds a contestant.
    pub(crate) fn with(self, contestant: Contestant, goal: Option<Bound>) -> Self {
        self.with_warm(contestant, goal, None)
    }

    /// Adds a contestant that gets faster as it runs.
    pub(crate) fn with_warm(
        mut self,
        contestant: Contestant,
        goal: Option<Bound>,
        warm_goal: Option<Bound>,
    ) -> Self {
        self.rivals.push(Rival {
            contestant,
            goal,
            warm_goal,
        });
        self
    }

    /// Names one who is not installed.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.absent.push(name.to_owned());
        self
    }
}
