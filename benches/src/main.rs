//! `xbench`: measures OMNISYNC side by side with what a user would pick instead.
//!
//! Every measurement prints one JSON line. A time counts only if the output holds the rows of the
//! input; `compare` runs all contestants in turn and reports ratios within a round.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the lines are what this program is for"
)]

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::compare::CompareArguments;
use crate::error::Error;
use crate::package::PackageArguments;
use crate::simulate::SimulateArguments;
use crate::store::StoreTask;
use crate::work::WorkArguments;

mod canonical;
mod compare;
mod error;
mod line;
mod package;
mod samples;
mod simulate;
mod stopwatch;
mod store;
mod throttle;
mod usage;
mod work;

#[derive(Debug, Parser)]
#[command(name = "xbench", about = "Measures OMNISYNC side by side with others")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write the canonical input: order events, one a line
    Gen {
        /// Makes the same events every time
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 100_000)]
        orders: u32,
        #[arg(long)]
        out: PathBuf,
    },
    /// Pack the orders of a file with OMNISYNC
    Package(PackageArguments),
    /// Deflate the data files of a package with libdeflate, one thread, level 6
    Floor {
        /// A package whose data files are taken
        #[arg(long)]
        package: PathBuf,
        /// Times the job is done in this process
        #[arg(long, default_value = "1")]
        repeat: NonZero<usize>,
    },
    /// Check that a package holds the rows of the events, whoever wrote it
    Verify {
        #[arg(long)]
        input: PathBuf,
        #[arg(long)]
        package: PathBuf,
    },
    /// Run a command and print what it used, in place of its own figures
    Measure {
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// Do a fixed workload once, for a counter of instructions
    Work(WorkArguments),
    /// Ask a peer with a hidden limit for as much as it takes, in virtual time
    Throttle,
    /// Run the simulator
    Simulate(SimulateArguments),
    /// Run ours and every peer in rotated order, and report ratios
    Compare(CompareArguments),
    #[command(flatten)]
    Store(StoreTask),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Error> {
    match task {
        Task::Gen { seed, orders, out } => canonical::write(seed, orders, &out),
        Task::Package(arguments) => package::run(&arguments)?.print(),
        Task::Floor { package, repeat } => package::floor::run(&package, repeat)?.print(),
        Task::Verify { input, package } => package::rows::verify(&input, &package),
        Task::Measure { command } => usage::run(&command),
        Task::Work(arguments) => work::run(&arguments),
        Task::Throttle => throttle::run().print(),
        Task::Simulate(arguments) => simulate::run(&arguments)?.print(),
        Task::Compare(arguments) => compare::run(&arguments),
        Task::Store(task) => store::run(&task),
    }
}
