//! Fixed workloads, for a counter of instructions.

use std::io::Write as _;

use clap::{Args, ValueEnum as _};
use omnisync_benches::workload::Workload;

use crate::error::Error;

#[derive(Debug, Args)]
pub(crate) struct WorkArguments {
    /// What to do; without it, the names are printed
    workload: Option<Workload>,
    /// Make what the work needs, and leave it at that
    #[arg(long, requires = "workload")]
    prepare: bool,
}

pub(crate) fn run(arguments: &WorkArguments) -> Result<(), Error> {
    let Some(workload) = arguments.workload else {
        let names = Workload::value_variants().iter();
        return names
            .filter_map(|workload| Some(workload.to_possible_value()?.get_name().to_owned()))
            .try_for_each(|name| print(&name));
    };
    let work = workload.prepare().map_err(Error::Work)?;
    if arguments.prepare {
        return Ok(());
    }
    let made = work.run().map_err(Error::Work)?;
    print(&made.to_string())
}

fn print(line: &str) -> Result<(), Error> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(Error::Print)
}
