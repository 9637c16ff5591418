//! Runs the simulations of the workspace: tiers of millions of runs, single tapes, the hashes that
//! two builds have to agree on, and the hunt for known mistakes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::hashes::HashesArguments;
use crate::sim::SimArguments;
use crate::terminal::Terminal;
use crate::zoo::ZooArguments;

mod campaign;
mod catalogue;
mod error;
mod hashes;
mod ledger;
mod plan;
mod revision;
mod sim;
mod summary;
mod terminal;
mod wall;
mod way;
mod zoo;

/// What a promise that was broken ends the program with.
const BROKEN: u8 = 1;
/// What ends the program when it could not do its work.
const NOT_DONE: u8 = 2;

#[derive(Debug, Parser)]
#[command(about = "Simulations of the workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Explore the scenarios, or replay one tape
    Sim(SimArguments),
    /// Print the hashes of fixed runs, to compare builds
    Hashes(HashesArguments),
    /// Hunt the known mistakes, each of which has to be caught
    Zoo(ZooArguments),
}

/// Whether everything was as it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Kept,
    Broken,
}

impl Verdict {
    const fn kept_if(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Broken }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(Verdict::Kept) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::from(BROKEN),
        Err(error) => {
            Terminal::complain(&error.chain());
            ExitCode::from(NOT_DONE)
        }
    }
}

fn run(task: &Task) -> Result<Verdict, Error> {
    match task {
        Task::Sim(arguments) => sim::run(arguments),
        Task::Hashes(arguments) => hashes::run(arguments),
        Task::Zoo(arguments) => zoo::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn check(arguments: &str, is_accepted: bool) {
        let words = ["omnisync-reliability"]
            .into_iter()
            .chain(arguments.split(' '));
        let parsed = Arguments::try_parse_from(words);
        assert_eq!(parsed.is_ok(), is_accepted, "{arguments}: {parsed:?}");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_tier_seeds_and_a_tape_exclude_each_other() {
        check("sim", true);
        check("sim --tier t2 --json --no-ledger", true);
        check("sim --seeds 5", true);
        check("sim --seeds 5 --scenario pair", true);
        check("sim --seeds 5 --only crm", true);
        check("sim --tier t2 --only crm", true);
        check("sim --seeds 5 --scenario pair --only crm", false);
        check("sim --tape tawcAAwEH --scenario two-workers", true);
        check("sim --tape tawcAAwEH", false);
        check("sim --scenario pair", false);
        check("sim --tier t1 --scenario pair", false);
        check("sim --tier t1 --seeds 5", false);
        check("sim --tape tawcAAwEH --scenario pair --seeds 5", false);
        check("sim --seeds 0", false);
        check("sim --tape nonsense --scenario pair", false);
        check("sim --tier t4", false);
    }
}
