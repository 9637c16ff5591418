//! Developer tasks of the workspace: `cargo xtask ci` runs every check that a change must pass, the
//! other tasks run one part of it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task reports on the terminal"
)]

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::ci::Outcome;
use crate::error::Error;
use crate::workspace::Workspace;

mod bench;
mod ci;
mod command;
mod conformance;
mod error;
mod examples;
mod features;
mod footprint;
mod instructions;
mod purity;
mod simulation;
mod tidy;
mod workspace;

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about = "Developer tasks of the workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every check that a change must pass
    Ci {
        /// Run the remaining steps after one has failed
        #[arg(long)]
        keep_going: bool,
    },
    /// Run the adapters against software that others wrote
    Conformance,
    /// Lint every crate with none and with each of its features
    Features,
    /// Measure what each feature of a package adds to a build, cold; as a table for its README
    Footprint {
        /// Name of the package
        package: String,
    },
    /// Run the examples as their manifests say
    Examples,
    /// Check what the core and the adapters depend on
    Purity,
    /// Simulate: a tier (t1 without arguments), seeds, or one tape
    #[command(disable_help_flag = true)]
    Sim(Passed),
    /// Hunt the known mistakes in the simulation
    #[command(disable_help_flag = true)]
    Zoo(Passed),
    /// Measure side by side with others
    #[command(disable_help_flag = true)]
    Bench(Passed),
    /// Count what fixed workloads execute, and compare it with what is recorded
    Instructions {
        /// Record the counts instead
        #[arg(long)]
        record: bool,
    },
    /// Check the files of the repository
    Tidy,
}

/// What goes to another program as it is.
#[derive(Debug, Args)]
struct Passed {
    /// Arguments of that program: `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), Error> {
    let workspace = Workspace::load()?;
    match task {
        Task::Ci { keep_going } => ci::run(&workspace, *keep_going),
        Task::Conformance => conformance::run(&workspace),
        Task::Features => features::run(&workspace),
        Task::Footprint { package } => footprint::run(&workspace, package),
        Task::Examples => examples::run(&workspace),
        Task::Purity => purity::run(&workspace),
        Task::Sim(Passed { arguments }) => simulation::pass("sim", arguments, &workspace),
        Task::Zoo(Passed { arguments }) => simulation::pass("zoo", arguments, &workspace),
        Task::Bench(Passed { arguments }) => bench::run(arguments, &workspace),
        Task::Instructions { record } => instructions(&workspace, *record),
        Task::Tidy => tidy::run(&workspace),
    }
}

fn instructions(workspace: &Workspace, record: bool) -> Result<(), Error> {
    if let Outcome::Skipped(reason) = instructions::run(workspace, record)? {
        println!("skipped: {reason}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], expected: &[&str]) {
        let words = ["cargo xtask", "sim"].iter().chain(arguments);
        let Task::Sim(passed) = Arguments::parse_from(words).task else {
            panic!("another task");
        };
        assert_eq!(passed.arguments, expected);
    }

    #[test]
    fn the_arguments_of_the_simulator_are_passed_as_they_are() {
        for arguments in [
            &[][..],
            &["--help"],
            &["--scenario", "pair", "--tape", "tAA-_w"],
            &["--seeds", "5", "--json"],
        ] {
            check(arguments, arguments);
        }
    }
}
