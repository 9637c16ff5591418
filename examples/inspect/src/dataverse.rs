//! Events of Dynamics 365.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use omnisync_adapters_dataverse::webhook;

use crate::error::{InspectError, chain};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Body of an event, of a call-back or of a page, as JSON.
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
}

impl Arguments {
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: vec![file.to_owned()],
        }
    }
}

/// Writes a line for each file, and gives what is wrong with the others.
pub(crate) fn run(
    arguments: &Arguments,
    lines: &mut dyn Write,
) -> Result<Vec<String>, InspectError> {
    let mut problems = Vec::new();
    for path in &arguments.file {
        let body = fs::read(path).map_err(InspectError::read(path))?;
        match webhook::describe(&body) {
            Ok(shown) => writeln!(lines, "{shown}").map_err(InspectError::Output)?,
            Err(source) => problems.push(chain(&InspectError::Dataverse {
                path: path.clone(),
                source,
            })),
        }
    }
    Ok(problems)
}
