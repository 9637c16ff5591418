use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// The instructions that a program executes. `out` keeps where.
pub(super) fn count(program: &Path, arguments: &[&str], out: &Path) -> Result<u64, Error> {
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments)
        .stdout(Stdio::null());
    let named = || format!("valgrind {} {}", program.display(), arguments.join(" "));
    let status = command.status().map_err(|source| Error::Start {
        command: named(),
        source,
    })?;
    if !status.success() {
        let command = named();
        return Err(Error::Failed { command, status });
    }
    let path = out.to_owned();
    let text = fs::read_to_string(out).map_err(|source| Error::Read { path, source })?;
    total(&text).ok_or_else(|| Error::NoCount {
        path: out.to_owned(),
    })
}

/// The total of a report, which is its only event: `Ir`.
fn total(report: &str) -> Option<u64> {
    report
        .lines()
        .find_map(|line| line.strip_prefix("summary:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_the_summary() {
        let report = "version: 1\nevents: Ir\nsummary: 42\n\nfn=(1)\n5 7\ntotals: 42\n";
        assert_eq!(total(report), Some(42));
    }

    #[test]
    fn a_report_that_counted_something_else_has_no_total() {
        assert_eq!(total("events: Ir Dr\nsummary: 42 7\n"), None);
        assert_eq!(total(""), None);
    }
}
