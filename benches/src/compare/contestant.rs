//! Who takes part in a measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::line::Line;
use crate::samples::Samples;

/// Where the scripts of the peers are, a folder each.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
/// What a peer's check ends with where the peer is not installed.
const ABSENT: i32 = 69;
/// Tells a peer's script where this program is.
const XBENCH: &str = "XBENCH";

/// A command that does a job in a process of its own and prints a line.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    command: Vec<String>,
    /// The package it writes, where rows are to be checked.
    pub(crate) package: Option<PathBuf>,
}

impl Contestant {
    /// A subcommand of this program.
    pub(crate) fn own(name: &str, words: &[&str]) -> Result<Self, Error> {
        Ok(Self::program(name, own_path()?, words))
    }

    /// Another build of this program.
    pub(crate) fn program(name: &str, program: String, words: &[&str]) -> Self {
        let words = words.iter().map(ToString::to_string);
        Self {
            name: name.to_owned(),
            command: [program].into_iter().chain(words).collect(),
            package: None,
        }
    }

    /// A peer whose script is `peers/NAME/run`; `None` where it is not installed.
    pub(crate) fn peer(name: &str, words: &[&str]) -> Result<Option<Self>, Error> {
        let script = format!("{PEERS}/{name}/run");
        let status = Command::new(&script).arg("--check").output();
        match status.map(|output| output.status.code()) {
            Ok(Some(0)) => {}
            Ok(Some(ABSENT)) => return Ok(None),
            Ok(code) => {
                return Err(Error::Failed {
                    command: format!("{script} --check"),
                    output: format!("it ended with {code:?}"),
                });
            }
            Err(source) => {
                return Err(Error::Command {
                    command: script,
                    source,
                });
            }
        }
        Ok(Some(Self::program(name, script, words)))
    }

    /// Says which package it writes.
    pub(crate) fn with_package(mut self, package: PathBuf) -> Self {
        self.package = Some(package);
        self
    }

    /// The same under another name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Does the job once, and looks at the memory of its process meanwhile.
    pub(crate) fn watched(&self) -> Result<Samples, Error> {
        Samples::of(&self.name, &self.command)
    }

    /// Does the job once, in a process of its own.
    pub(crate) fn run(&self) -> Result<Line, Error> {
        // A process that waits for nobody else knows what its only child used.
        let own = own_path()?;
        let output = Command::new(&own)
            .arg("measure")
            .args(&self.command)
            .env(XBENCH, &own)
            .output()
            .map_err(|source| Error::Command {
                command: self.name.clone(),
                source,
            })?;
        if !output.status.success() {
            return Err(Error::Failed {
                command: self.name.clone(),
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        serde_json::from_str(&line).map_err(|source| Error::NotALine {
            command: self.name.clone(),
            line,
            source,
        })
    }
}

fn own_path() -> Result<String, Error> {
    let path = std::env::current_exe().map_err(|source| Error::Command {
        command: "xbench".to_owned(),
        source,
    })?;
    Ok(word(&path))
}

/// A path as a word of a command.
pub(crate) fn word(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
