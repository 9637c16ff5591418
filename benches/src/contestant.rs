//! Who takes part in a measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::line::Line;

/// Where the scripts of the peers are, a folder each.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
/// What a peer's check ends with where the peer is not installed.
const ABSENT: i32 = 69;

/// The second of ours: what it differs from the first by is drift.
pub(crate) const SELF: &str = "omnisync again";

/// One who packs orders.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    command: Vec<String>,
    /// What it writes; `None` for a floor, which writes nothing.
    pub(crate) package: Option<PathBuf>,
}

impl Contestant {
    /// OMNISYNC, under a name of its own.
    pub(crate) fn ours(name: &str, input: &Path, work: &Path) -> Result<Self, Error> {
        let package = work.join(format!("{}.zip", name.replace(' ', "-")));
        let command = [
            own_path()?,
            "package".to_owned(),
            "--input".to_owned(),
            text(input),
            "--out".to_owned(),
            text(&package),
        ];
        Ok(Self {
            name: name.to_owned(),
            command: command.into(),
            package: Some(package),
        })
    }

    /// One thread of libdeflate over the data files of `package`.
    pub(crate) fn floor(package: &Path) -> Result<Self, Error> {
        let command = [
            own_path()?,
            "floor".to_owned(),
            "--package".to_owned(),
            text(package),
        ];
        Ok(Self {
            name: "libdeflate-6".to_owned(),
            command: command.into(),
            package: None,
        })
    }

    /// A peer whose script is `peers/NAME/run`; `None` where it is not installed.
    pub(crate) fn peer(name: &str, input: &Path, work: &Path) -> Result<Option<Self>, Error> {
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
        let package = work.join(format!("{name}.zip"));
        Ok(Some(Self {
            name: name.to_owned(),
            command: vec![script, text(input), text(&package)],
            package: Some(package),
        }))
    }

    /// Does the job once, in a process of its own.
    pub(crate) fn run(&self) -> Result<Line, Error> {
        // A process that waits for nobody else knows what its only child used.
        let output = Command::new(own_path()?)
            .arg("measure")
            .args(&self.command)
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
        let line: Line = serde_json::from_str(&line).map_err(|source| Error::NotALine {
            command: self.name.clone(),
            line,
            source,
        })?;
        Ok(line)
    }
}

fn own_path() -> Result<String, Error> {
    let path = std::env::current_exe().map_err(|source| Error::Command {
        command: "xbench".to_owned(),
        source,
    })?;
    Ok(text(&path))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
