//! What came of a plan.

use serde::{Deserialize, Serialize};

use super::plan::{Bound, Figure};
use super::ratios::Ratios;

/// How one contestant did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) orders: Option<u64>,
    /// Median of what is compared.
    pub(crate) figure: f64,
    /// Its figure by the base's of the same round.
    pub(crate) ratio: Ratios,
    /// Its best time by the base's best of the same round, where both repeat the job in a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) warm_ratio: Option<Ratios>,
    /// Medians.
    pub(crate) seconds: f64,
    pub(crate) memory_kb: f64,
    pub(crate) bytes: u64,
}

/// What was asked of a ratio, and what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) of: String,
    pub(crate) bound: Bound,
    pub(crate) ratio: f64,
}

/// What is said of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// The machine was restless.
    None,
}

/// A plan that was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) measure: String,
    pub(crate) case: String,
    pub(crate) figure: Figure,
    pub(crate) rounds: usize,
    /// The base against itself.
    pub(crate) drift: Ratios,
    /// The base first.
    pub(crate) standings: Vec<Standing>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) goals: Vec<Goal>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) absent: Vec<String>,
}

impl Report {
    /// Whether the machine was quiet enough for a verdict.
    pub(crate) fn is_steady(&self) -> bool {
        self.drift.is_steady()
    }

    /// Whether a goal is met, as far as the machine allows to say so.
    pub(crate) fn verdict(&self, goal: &Goal) -> Verdict {
        match (self.is_steady(), goal.bound.holds(goal.ratio)) {
            (false, _) => Verdict::None,
            (true, true) => Verdict::Met,
            (true, false) => Verdict::Missed,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { measure, case, .. } = self;
        writeln!(f, "{measure}, {case} ({} rounds)", self.rounds)?;
        let head = ["", "by the first", "warm", "", "memory"];
        let [name, ratio, warm, figure, memory] = head;
        writeln!(
            f,
            "  {name:<22} {ratio:>20} {warm:>20} {figure:>18} {memory:>10}"
        )?;
        for standing in &self.standings {
            let warm = standing.warm_ratio.map(|ratios| ratios.to_string());
            writeln!(
                f,
                "  {:<22} {:>20} {:>20} {:>18} {:>10}",
                standing.name,
                standing.ratio.to_string(),
                warm.unwrap_or_default(),
                self.figure.told(standing.figure),
                Figure::Memory.told(standing.memory_kb)
            )?;
        }
        writeln!(
            f,
            "  {:<22} {:>20}",
            "the first again",
            self.drift.to_string()
        )?;
        for name in &self.absent {
            writeln!(f, "  {name:<22} {:>20}", "absent")?;
        }
        for goal in &self.goals {
            let verdict = match self.verdict(goal) {
                Verdict::Met => "met",
                Verdict::Missed => "NOT met",
                Verdict::None => "no verdict",
            };
            let Goal { of, bound, ratio } = goal;
            writeln!(f, "  goal: {of} {bound}: {ratio:.2}, {verdict}")?;
        }
        Ok(())
    }
}
