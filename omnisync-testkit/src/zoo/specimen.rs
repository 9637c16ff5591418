use std::fmt;
use std::sync::Arc;

use crate::sim::crm::{CrmHost, CrmPorts, CrmScenario};
use crate::sim::orders::{Host, OrderScenario, Ports};
use crate::sim::{Counterexample, Explorer, Report, Scenario, Tape};

/// Preemptions of one run.
const PREEMPTIONS_MAX: u32 = 2;

/// A host that breaks one rule, and scenarios in which that shows.
#[derive(Clone)]
pub struct Specimen {
    name: &'static str,
    what: &'static str,
    expected: &'static [&'static str],
    scenarios: Vec<Arc<dyn Scenario>>,
}

/// What a hunt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunted {
    /// The run that gave the specimen away.
    pub caught: Option<Catch>,
    /// Runs that were made.
    pub runs: u64,
}

/// How a specimen was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catch {
    /// The promise that it broke.
    pub invariant: &'static str,
    /// How it broke it.
    pub detail: String,
    /// Runs up to and with the one in which it did.
    pub runs: u64,
    /// The explorer that made this run.
    pub explorer: &'static str,
    /// The scenario of this run.
    pub scenario: String,
    /// The run. It is as it was found, not shortened.
    pub tape: Tape,
}

/// How runs are chosen, in the order in which they are tried.
#[derive(Debug, Clone, Copy)]
enum Way {
    OneFault,
    Preemptions,
    Seeds,
    TwoFaults,
}

impl Way {
    const ALL: [Self; 4] = [
        Self::OneFault,
        Self::Preemptions,
        Self::Seeds,
        Self::TwoFaults,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::OneFault => "one fault",
            Self::Preemptions => "preemptions",
            Self::Seeds => "seeds",
            Self::TwoFaults => "two faults",
        }
    }

    /// Runs that are worth their time in one scenario.
    const fn runs_max(self) -> u64 {
        match self {
            // All there are.
            Self::OneFault => 2_000,
            Self::Preemptions => 2_500,
            Self::Seeds => 12_000,
            Self::TwoFaults => 3_500,
        }
    }

    fn explore(
        self,
        explorer: &Explorer<'_>,
        runs_max: u64,
    ) -> Result<Report, Box<Counterexample>> {
        match self {
            Self::OneFault => explorer.faults(1, runs_max),
            Self::Preemptions => explorer.preemptions(PREEMPTIONS_MAX, runs_max),
            Self::Seeds => explorer.seeds(0, runs_max),
            Self::TwoFaults => explorer.faults(2, runs_max),
        }
    }
}

impl Specimen {
    /// `host` in each of `scenarios`.
    pub(super) fn new<H: Host + 'static>(
        name: &'static str,
        what: &'static str,
        expected: &'static [&'static str],
        scenarios: impl IntoIterator<Item = OrderScenario>,
        host: H,
    ) -> Self {
        let host = Arc::new(host);
        let with_host = |scenario: OrderScenario| -> Arc<dyn Scenario> {
            let host = Arc::clone(&host);
            Arc::new(scenario.with_host(move |ports: Ports| host.start(ports)))
        };
        Self {
            name,
            what,
            expected,
            scenarios: scenarios.into_iter().map(with_host).collect(),
        }
    }

    /// The same of CRM sync.
    pub(super) fn of_sync<H: CrmHost + 'static>(
        name: &'static str,
        what: &'static str,
        expected: &'static [&'static str],
        scenarios: impl IntoIterator<Item = CrmScenario>,
        host: H,
    ) -> Self {
        let host = Arc::new(host);
        let with_host = |scenario: CrmScenario| -> Arc<dyn Scenario> {
            let host = Arc::clone(&host);
            Arc::new(scenario.with_host(move |ports: CrmPorts| host.start(ports)))
        };
        Self {
            name,
            what,
            expected,
            scenarios: scenarios.into_iter().map(with_host).collect(),
        }
    }

    /// The flows as they come, in a scenario that specimens are hunted in. It breaks nothing.
    pub(super) fn sound(name: &'static str, scenario: impl Scenario + 'static) -> Self {
        Self {
            name,
            what: "nothing: these are the flows as they come",
            expected: &[],
            scenarios: vec![Arc::new(scenario)],
        }
    }

    /// The name: letters and hyphens.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Which rule it breaks, in a sentence.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The promises that may give it away.
    pub fn expected(&self) -> &'static [&'static str] {
        self.expected
    }

    /// Where it is hunted.
    pub fn scenarios(&self) -> &[Arc<dyn Scenario>] {
        &self.scenarios
    }

    /// Looks for a run in which the specimen breaks a promise: undisturbed and with one fault,
    /// with preemptions, by seeds, with two faults, each in every scenario, and no more than
    /// `runs_max` in all. What comes of it does not depend on the machine.
    pub fn hunt(&self, runs_max: u64) -> Hunted {
        let mut runs = 0;
        for way in Way::ALL {
            for scenario in &self.scenarios {
                let left = runs_max.saturating_sub(runs);
                if left == 0 {
                    break;
                }
                let explorer = Explorer::new(&**scenario).without_shrinking();
                match way.explore(&explorer, left.min(way.runs_max())) {
                    Ok(report) => runs += report.runs,
                    Err(found) => return caught(*found, runs, way),
                }
            }
        }
        Hunted { caught: None, runs }
    }
}

fn caught(found: Counterexample, runs_before: u64, way: Way) -> Hunted {
    let runs = runs_before + found.report.runs;
    let catch = Catch {
        invariant: found.violation.invariant,
        detail: found.violation.detail,
        runs,
        explorer: way.as_str(),
        scenario: found.scenario,
        tape: found.tape,
    };
    Hunted {
        caught: Some(catch),
        runs,
    }
}

impl fmt::Debug for Specimen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Specimen")
            .field("name", &self.name)
            .field("what", &self.what)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}
