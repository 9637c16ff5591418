//! What a process used, measured from outside.

use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::error::Error;
use crate::line::Line;

/// Runs a command that prints one line, and prints that line with what the command used. This
/// process waits for no other, so the usage of its children is the command's.
pub(crate) fn run(command: &[String]) -> Result<(), Error> {
    let name = command.join(" ");
    let mut words = command.iter();
    let program = words.next().map(String::as_str).unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(|source| Error::Command {
            command: name.clone(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Failed {
            command: name,
            output,
        });
    }
    let last = text.lines().last().unwrap_or_default();
    let mut line: Line = serde_json::from_str(last).map_err(|source| Error::NotALine {
        command: name,
        line: last.to_owned(),
        source,
    })?;
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(Error::Usage)?;
    line.user_s = seconds(used.user_time().num_milliseconds());
    line.sys_s = seconds(used.system_time().num_milliseconds());
    line.maxrss_kb = u64::try_from(used.max_rss()).unwrap_or_default();
    line.print()
}

fn seconds(milliseconds: i64) -> f64 {
    f64::from(i32::try_from(milliseconds).unwrap_or(i32::MAX)) / 1_000.0
}
