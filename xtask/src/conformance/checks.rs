//! The checks are the tests of a program, which cargo built.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::Error;
use crate::workspace::Workspace;

/// A program of tests, and the folder of its package.
#[derive(Debug)]
pub(super) struct Program {
    executable: PathBuf,
    folder: PathBuf,
}

/// A test that ran.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// With its modules: `cosmos::contract::c01`.
    pub(super) name: String,
    /// `false` for one that did not run.
    pub(super) passed: bool,
}

/// What cargo says of something that it built.
#[derive(Debug, Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    executable: Option<PathBuf>,
    target: Target,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

impl Program {
    /// Finds the integration tests of `package` among the messages of a build.
    pub(super) fn find(
        workspace: &Workspace,
        package: &str,
        messages: &str,
    ) -> Result<Self, Error> {
        let missing = || Error::NoProgram {
            package: package.to_owned(),
        };
        let named = |candidate: &&crate::workspace::Package| candidate.name == package;
        let manifest = &workspace
            .packages
            .iter()
            .find(named)
            .ok_or_else(missing)?
            .manifest_path;
        let executable = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
            .filter(|artifact| artifact.manifest_path == *manifest && artifact.target.name == "it")
            .find_map(|artifact| artifact.executable)
            .ok_or_else(missing)?;
        let folder = manifest.parent().ok_or_else(missing)?.to_owned();
        Ok(Self { executable, folder })
    }

    /// Runs the tests that have `filter` in their names, ignored ones too, and tells what cargo
    /// would tell.
    pub(super) fn run(&self, filter: Option<&str>) -> Result<Vec<Check>, Error> {
        let mut command = Command::new(&self.executable);
        command.args(filter).args(["--include-ignored"]);
        let text = format!("{command:?}");
        println!("$ {text}");
        let not_started = |source| Error::Start {
            command: text.clone(),
            source,
        };
        let mut child = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(not_started)?;
        let mut checks = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                println!("{line}");
                checks.extend(Check::read(&line));
            }
        }
        let status = child.wait().map_err(not_started)?;
        if status.success() {
            Ok(checks)
        } else {
            let command = text;
            Err(Error::Failed { command, status })
        }
    }
}

impl Check {
    /// Reads `test <name> ... ok`.
    fn read(line: &str) -> Option<Self> {
        let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
        // What a test prints itself may come after its verdict, never before.
        let name = name.split(" - should panic").next().unwrap_or(name);
        Some(Self {
            name: name.to_owned(),
            passed: verdict.starts_with("ok"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_what_the_program_lists() {
        let check = |name: &str, passed| {
            let name = name.to_owned();
            Some(Check { name, passed })
        };
        for (line, expected) in [
            ("test blob::get ... ok", check("blob::get", true)),
            ("test blob::get ... FAILED", check("blob::get", false)),
            ("test blob::get ... ignored, why", check("blob::get", false)),
            ("test result: ok. 5 passed", None),
            ("running 5 tests", None),
        ] {
            assert_eq!(Check::read(line), expected, "{line}");
        }
    }
}
