//! Shows what files of other systems hold: one JSON object a line, bad items set aside.

mod cloudevent;
mod dataverse;
mod error;
mod package;
mod self_test;
mod sf_cdc;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::InspectError;

/// Shows what files of other systems hold.
#[derive(Debug, Parser)]
#[command(name = "inspect", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Change events of Salesforce, one object for each record.
    SfCdc(sf_cdc::Arguments),
    /// Events of Dynamics 365: contexts of operations, call-backs of the connector, pages of change
    /// tracking.
    Dataverse {
        /// Body of an event, of a call-back or of a page, as JSON.
        #[arg(value_name = "FILE", required = true)]
        file: Vec<PathBuf>,
    },
    /// A data package of Finance & Operations, and what is wrong with it.
    Package(package::Arguments),
    /// Cloud events, one or a batch.
    Cloudevent {
        /// An event, or a list of events, as JSON.
        #[arg(value_name = "FILE", required = true)]
        file: Vec<PathBuf>,
    },
    /// Inspects files of its own, and says whether everything in them was seen.
    SelfTest,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let message = format!("error: {}\n", error::chain(&error));
            // Nobody is left to tell that this could not be written.
            drop(io::stderr().write_all(message.as_bytes()));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, InspectError> {
    let mut lines = io::stdout().lock();
    let problems = match command {
        Command::SfCdc(arguments) => sf_cdc::run(&arguments, &mut lines)?,
        Command::Dataverse { file } => dataverse::run(&file, &mut lines)?,
        Command::Package(arguments) => package::run(&arguments, &mut lines)?,
        Command::Cloudevent { file } => cloudevent::run(&file, &mut lines)?,
        Command::SelfTest => {
            self_test::run(&mut lines)?;
            Vec::new()
        }
    };
    lines.flush().map_err(InspectError::Output)?;
    let mut errors = io::stderr().lock();
    for problem in &problems {
        writeln!(errors, "error: {problem}").map_err(InspectError::Output)?;
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
