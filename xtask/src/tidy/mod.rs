//! Checks the files of the repository against the rules that no compiler knows.

use std::fmt;

use crate::error::Error;
use crate::workspace::Workspace;

mod layout;
mod manifest;
mod markdown;
mod source;
mod text;
mod words;

/// Something in a file that breaks a rule, or that is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from one.
    line: usize,
    level: Level,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Fails the check.
    Error,
    /// Is reported only.
    Note,
}

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let files = source::files(&workspace.root)?;
    let mut findings = layout::check(&files);
    findings.extend(manifest::check(workspace, &files));
    findings.extend(markdown::check(&files, workspace.published()));
    for file in &files {
        findings.extend(text::check(file));
        findings.extend(words::check(file));
    }

    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    let count = findings
        .iter()
        .filter(|finding| finding.level == Level::Error)
        .count();
    println!(
        "{} files, {count} errors, {} notes",
        files.len(),
        findings.len() - count
    );
    if count == 0 {
        Ok(())
    } else {
        Err(Error::Findings { count })
    }
}

impl Finding {
    fn error(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            level: Level::Error,
            message: message.into(),
        }
    }

    fn note(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            level: Level::Note,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level == Level::Note {
            "note: "
        } else {
            ""
        };
        write!(f, "{}:{}: {level}{}", self.path, self.line, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares findings by what they print.
    pub(super) fn check(findings: &[Finding], expected: &[&str]) {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(findings, expected);
    }

    #[test]
    fn a_finding_prints_where_it_is() {
        let findings = [
            Finding::error("a.rs", 3, "is wrong"),
            Finding::note("b.rs", 1, "is long"),
        ];

        check(&findings, &["a.rs:3: is wrong", "b.rs:1: note: is long"]);
    }
}
