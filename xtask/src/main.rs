//! Developer tasks of the workspace: `cargo xtask ci` runs every check that a change must pass, the
//! other tasks run one part of it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task reports on the terminal"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::workspace::Workspace;

mod ci;
mod command;
mod error;
mod examples;
mod features;
mod purity;
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
    /// Lint every crate with none, each and all of its features
    Features,
    /// Run the examples as their manifests say
    Examples,
    /// Check what the core and the adapters depend on
    Purity,
    /// Check the files of the repository
    Tidy,
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
        Task::Features => features::run(&workspace),
        Task::Examples => examples::run(&workspace),
        Task::Purity => purity::run(&workspace),
        Task::Tidy => tidy::run(&workspace),
    }
}
