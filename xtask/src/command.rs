//! Runs programs: echoes the command, streams its output, says how long it took.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// A cargo command to be run in the root of the workspace.
#[derive(Debug)]
pub(crate) struct Cargo {
    arguments: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
}

/// Measures how long something takes.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    started: Instant,
}

impl Cargo {
    pub(crate) fn new<I>(arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
        }
    }

    /// The command with more arguments.
    pub(crate) fn with<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Runs the command with its output going to the terminal.
    pub(crate) fn run(&self, root: &Path) -> Result<(), Error> {
        println!("$ {self}");
        let watch = Stopwatch::start();
        let status = self
            .prepare(root)
            .status()
            .map_err(|source| self.not_started(source))?;
        println!(
            "  {} in {}",
            if status.success() { "done" } else { "failed" },
            watch.seconds()
        );
        if status.success() {
            Ok(())
        } else {
            Err(self.failed(status))
        }
    }

    /// Runs the command with its output going to the terminal, and says nothing besides: its
    /// output may be for a program.
    pub(crate) fn run_silently(&self, root: &Path) -> Result<(), Error> {
        let status = self.prepare(root).status();
        let status = status.map_err(|source| self.not_started(source))?;
        if status.success() {
            Ok(())
        } else {
            Err(self.failed(status))
        }
    }

    /// Runs the command and returns what it wrote to standard output.
    pub(crate) fn output(&self, root: &Path) -> Result<String, Error> {
        let output = self
            .prepare(root)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| self.not_started(source))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(self.failed(output.status))
        }
    }

    /// Whether the command runs and succeeds; it is silent either way.
    pub(crate) fn succeeds(&self, root: &Path) -> bool {
        let status = self
            .prepare(root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    fn prepare(&self, root: &Path) -> process::Command {
        // Cargo names itself to what it runs, so that a task uses the toolchain that started it.
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = process::Command::new(program);
        command.args(&self.arguments).current_dir(root);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self, source: std::io::Error) -> Error {
        Error::Start {
            command: self.to_string(),
            source,
        }
    }

    fn failed(&self, status: process::ExitStatus) -> Error {
        Error::Failed {
            command: self.to_string(),
            status,
        }
    }
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(&value.to_string_lossy()))?;
        }
        f.write_str("cargo")?;
        for argument in &self.arguments {
            write!(f, " {}", quoted(argument))?;
        }
        Ok(())
    }
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "a developer tool measures real time"
    )]
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn seconds(&self) -> String {
        format!("{:.1} s", self.elapsed().as_secs_f64())
    }
}

/// The argument as a shell takes it, so that an echoed command can be pasted.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,@+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_echoed_as_a_shell_takes_it() {
        let cargo =
            Cargo::new(["doc", "--no-deps", "it's"]).environment("RUSTDOCFLAGS", "-D warnings");

        assert_eq!(
            cargo.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }
}
