//! How fast the simulator is: the scenarios of the order pipeline under random faults.

use clap::Args;
use omnisync_testkit::sim::orders::scenarios;
use omnisync_testkit::sim::{Explorer, Report};

use crate::error::Error;
use crate::line::Line;
use crate::stopwatch::timed;

#[derive(Debug, Args)]
pub(crate) struct SimulateArguments {
    /// Runs of each scenario, with seeds from 0
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
}

pub(crate) fn run(arguments: &SimulateArguments) -> Result<Line, Error> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (report, took) = timed(|| {
        let mut all = Report::default();
        for scenario in scenarios() {
            let explorer = Explorer::new(&scenario).on_threads(threads);
            let report = explorer.seeds(0, arguments.seeds);
            all.merge(&report.map_err(Error::Simulation)?);
        }
        Ok(all)
    });
    let report: Report = report?;
    Ok(Line {
        measure: "m11".to_owned(),
        peer: "omnisync".to_owned(),
        wall_s: took.as_secs_f64(),
        counts: [
            ("runs".to_owned(), report.runs),
            ("port calls".to_owned(), report.port_calls),
            ("faults".to_owned(), report.faults),
            ("simulated seconds".to_owned(), report.simulated_ms / 1_000),
        ]
        .into(),
        ..Line::default()
    })
}
