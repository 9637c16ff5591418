//! Scripts that run the JavaScript packages of others.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Why a test is not run by `cargo test` alone.
const ADVICE: &str = "run `cargo xtask conformance`, which installs them";

/// Longest run of a script.
const RUN_MAX: Duration = Duration::from_secs(60);

/// The folder with `package.json` and, once they are installed, the packages.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// `node js/<name>`, ready for arguments.
///
/// # Errors
/// When the packages are not installed.
pub fn script(name: &str) -> io::Result<Command> {
    let folder = folder();
    if !folder.join("node_modules").is_dir() {
        let what = format!("{} has no node_modules: {ADVICE}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    let mut command = Command::new("node");
    command
        .arg(folder.join("js").join(name))
        .current_dir(folder);
    Ok(command)
}

/// Runs a script to its end; its result is what it says on its last line, in JSON.
///
/// # Errors
/// When it cannot be run, does not end in time, fails (with all that it said), or when its last
/// line is not JSON.
pub async fn answer(script: Command) -> io::Result<Value> {
    let about = format!("{script:?}");
    let mut script = tokio::process::Command::from(script);
    script.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(RUN_MAX, script.output()).await;
    let output = output.map_err(|_| {
        let what = format!("{about} did not end within {} s", RUN_MAX.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, what)
    })?;
    read(&about, &output?)
}

/// The same, for whoever does not wait for anything else meanwhile.
///
/// # Errors
/// As [`answer`], without a time.
pub fn answer_blocking(mut script: Command) -> io::Result<Value> {
    let about = format!("{script:?}");
    read(&about, &script.stdin(Stdio::null()).output()?)
}

fn read(about: &str, output: &Output) -> io::Result<Value> {
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let what = format!("{about}: {}\n{said}{errors}", output.status);
        return Err(io::Error::other(what));
    }
    let last = said.trim_end().lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .map_err(|error| io::Error::other(format!("{about} said {last:?}: {error}")))
}
