//! `hashes`: what fixed runs are, to compare builds and machines.

use clap::Args;
use omnisync_testkit::sim::Explorer;

use crate::Verdict;
use crate::campaign::hexadecimal;
use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::terminal::Terminal;

/// Seeds of each scenario.
const SEEDS: u64 = 40;

#[derive(Debug, Args)]
pub(crate) struct HashesArguments {
    /// How many seeds of each scenario
    #[arg(long, value_name = "N", default_value_t = SEEDS, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

/// Prints a line for each run: the scenario, the seed, the hash of everything that happened.
pub(crate) fn run(arguments: &HashesArguments) -> Result<Verdict, Error> {
    let terminal = Terminal::new(false);
    for scenario in Catalogue::load().iter() {
        let explorer = Explorer::new(scenario);
        for seed in 0..arguments.seeds {
            let replayed = explorer.replay(&explorer.tape_of_seed(seed));
            let hash = hexadecimal(replayed.trace_hash);
            terminal.line(format!("{} {seed} {hash}", scenario.name()))?;
        }
    }
    Ok(Verdict::Kept)
}
