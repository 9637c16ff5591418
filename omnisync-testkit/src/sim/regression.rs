//! Tapes that once broke a promise, kept in files so that they are replayed for ever.
//!
//! A `.tape` file is text: comments that begin with `#` and say what the bug was, one line
//! `scenario NAME` and one line `tape TEXT`.
//!
//! ```text
//! # The ERP asked for a pause, and the worker asked again at once.
//! scenario two-workers
//! tape tawcAAwEH
//! ```

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::report::Counterexample;
use super::tape::Tape;

/// What the name of a file with a regression ends with.
pub const EXTENSION: &str = "tape";

/// A run that once broke a promise.
///
/// ```
/// use omnisync_testkit::sim::regression::Regression;
///
/// let text = "# Asked again at once.\nscenario two-workers\ntape tawcAAwEH\n";
/// let regression: Regression = text.parse().unwrap();
/// assert_eq!(regression.scenario, "two-workers");
/// assert_eq!(regression.to_string(), text);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regression {
    /// What the bug was, a line each.
    pub notes: Vec<String>,
    /// The scenario.
    pub scenario: String,
    /// The run.
    pub tape: Tape,
}

/// A regression and the file it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub regression: Regression,
}

/// A line of a text is wrong, or one is missing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {wrong}")]
pub struct WrongLine {
    /// Which line, beginning with 1; one behind the last when something is missing.
    pub line: usize,
    /// What is wrong.
    pub wrong: String,
}

/// A file with a regression cannot be used.
#[derive(Debug, Error)]
pub enum RegressionError {
    /// It could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("{} could not be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not in the format.
    #[error("{}:{}: {}", path.display(), wrong.line, wrong.wrong)]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line.
        wrong: WrongLine,
    },
}

impl Regression {
    /// The run of a counterexample, with what it broke as the note.
    pub fn of(found: &Counterexample) -> Self {
        Self {
            notes: found
                .violation
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect(),
            scenario: found.scenario.clone(),
            tape: found.tape.clone(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not in the format.
    pub fn read(path: &Path) -> Result<Self, RegressionError> {
        let text = fs::read_to_string(path).map_err(|source| RegressionError::Read {
            path: path.to_owned(),
            source,
        })?;
        text.parse().map_err(|wrong| RegressionError::Wrong {
            path: path.to_owned(),
            wrong,
        })
    }

    /// Writes a file, over one of that name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RegressionError> {
        fs::write(path, self.to_string()).map_err(|source| RegressionError::Write {
            path: path.to_owned(),
            source,
        })
    }
}

/// The name of the file for a counterexample: the scenario, what was broken, and the beginning of
/// the hash of the run.
pub fn file_name(found: &Counterexample, trace_hash: u64) -> String {
    let hash = trace_hash >> 32;
    let (scenario, invariant) = (&found.scenario, found.violation.invariant);
    format!("{scenario}-{invariant}-{hash:08x}.{EXTENSION}")
}

/// Reads every regression of a folder, in the order of the names of their files. Other files are
/// left alone.
///
/// # Errors
/// The folder or a file cannot be read, or a file is not in the format.
pub fn read_folder(folder: &Path) -> Result<Vec<Kept>, RegressionError> {
    let unreadable = |source| RegressionError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(unreadable)?;
    let is_tape = |path: &PathBuf| path.extension().is_some_and(|it| it == EXTENSION);
    Vec::retain(&mut paths, is_tape);
    paths.sort();
    let kept = paths.into_iter().map(|path| {
        let regression = Regression::read(&path)?;
        Ok(Kept { path, regression })
    });
    kept.collect()
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{}", format!("# {note}").trim_end())?;
        }
        writeln!(f, "scenario {}", self.scenario)?;
        writeln!(f, "tape {}", self.tape)
    }
}

impl FromStr for Regression {
    type Err = WrongLine;

    fn from_str(text: &str) -> Result<Self, WrongLine> {
        let (mut notes, mut scenario, mut tape) = (Vec::new(), None, None);
        for (line, words) in (1..).zip(text.lines().map(str::trim)) {
            let wrong = |wrong: String| WrongLine { line, wrong };
            if words.is_empty() {
                continue;
            }
            if let Some(note) = words.strip_prefix('#') {
                notes.push(note.trim().to_owned());
                continue;
            }
            let (key, value) = words.split_once(' ').unwrap_or((words, ""));
            let value = value.trim();
            let twice = match key {
                "scenario" if is_name(value) => scenario.replace(value.to_owned()).is_some(),
                "scenario" => return Err(wrong(format!("`{value}` is no name of a scenario"))),
                "tape" => {
                    let parsed = value.parse().map_err(|error| wrong(format!("{error}")))?;
                    tape.replace(parsed).is_some()
                }
                _ => {
                    let expected = "expected `scenario NAME`, `tape TEXT` or a comment with `#`";
                    return Err(wrong(format!("{expected}, found `{words}`")));
                }
            };
            if twice {
                return Err(wrong(format!("a second `{key}`")));
            }
        }
        let missing = |key: &str| WrongLine {
            line: text.lines().count() + 1,
            wrong: format!("there is no `{key}`"),
        };
        Ok(Self {
            notes,
            scenario: scenario.ok_or_else(|| missing("scenario"))?,
            tape: tape.ok_or_else(|| missing("tape"))?,
        })
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !text.is_empty() && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::super::violation::Violation;
    use super::*;

    fn check_wrong(text: &str, line: usize, wrong: &str) {
        let found = text.parse::<Regression>().unwrap_err();
        assert_eq!(found.line, line, "{text}");
        assert!(found.wrong.contains(wrong), "{found}");
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let regression = Regression {
            notes: vec!["One line,".to_owned(), String::new(), "another.".to_owned()],
            scenario: "two-workers".to_owned(),
            tape: Tape::from(vec![0, 0, 7]),
        };
        assert_eq!(regression.to_string().parse(), Ok(regression));
    }

    #[test]
    fn a_text_in_another_form_is_refused_with_the_line() {
        let tape = Tape::from(vec![1]).to_string();
        check_wrong("", 1, "no `scenario`");
        check_wrong("# note\nscenario a\n", 3, "no `tape`");
        check_wrong(&format!("tape {tape}\n"), 2, "no `scenario`");
        check_wrong("scenario a\n\ntape !\n", 3, "not a tape");
        check_wrong("scenario a b\n", 1, "no name");
        check_wrong("scenario\n", 1, "no name");
        check_wrong("scenario a\nscenario b\n", 2, "a second `scenario`");
        check_wrong(&format!("tape {tape}\ntape {tape}\n"), 2, "a second `tape`");
        check_wrong("seed 7\n", 1, "found `seed 7`");
    }

    #[test]
    fn the_file_of_a_counterexample_says_what_was_broken() {
        let found = Counterexample {
            scenario: "pair".to_owned(),
            violation: Violation::new("I-O2", "imported twice\nby w0"),
            tape: Tape::from(vec![3]),
            original: Tape::default(),
            run: 1,
            story: Vec::new(),
            report: Report::default(),
        };
        assert_eq!(
            file_name(&found, 0x0123_4567_89ab_cdef),
            "pair-I-O2-01234567.tape"
        );
        assert_eq!(
            Regression::of(&found).notes,
            ["I-O2: imported twice", "by w0"]
        );
    }
}
