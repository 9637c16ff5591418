//! Events of Dynamics 365.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use omnisync_adapters_dataverse::webhook;

use crate::error::{InspectError, chain};

/// Writes a line for each file, and gives what is wrong with the others.
pub(crate) fn run(files: &[PathBuf], lines: &mut dyn Write) -> Result<Vec<String>, InspectError> {
    let mut problems = Vec::new();
    for path in files {
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
