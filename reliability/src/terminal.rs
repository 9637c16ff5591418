//! What is printed, and where.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::error::Error;

/// Prints for people on standard output, or on standard error where a program reads the output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    json: bool,
}

impl Terminal {
    /// `json` reserves standard output for one object.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line for people.
    pub(crate) fn line(self, text: impl Display) -> Result<(), Error> {
        let written = if self.json {
            writeln!(io::stderr(), "{text}")
        } else {
            writeln!(io::stdout(), "{text}")
        };
        written.map_err(Error::Output)
    }

    /// The result, where a program asked for it.
    pub(crate) fn result(self, value: &impl Serialize) -> Result<(), Error> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(value).map_err(Error::Json)?;
        writeln!(io::stdout(), "{text}").map_err(Error::Output)
    }

    /// Says why the program ends. Nobody is left to hear of it when that fails.
    pub(crate) fn complain(message: &str) {
        drop(writeln!(io::stderr(), "error: {message}"));
    }
}
