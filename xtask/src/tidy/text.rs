//! The form of a single file: its length, its whitespace, and the attributes of its tests.

use super::Finding;
use super::source::SourceFile;

const LINES_NOTED: usize = 600;
const LINES_MAX: usize = 1_000;

/// Names the folder with the reference samples, in the environment and in reasons.
const SAMPLES: &str = "OMNISYNC_SAMPLES";

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.is_written_by_hand() {
        findings.extend(length(file));
        findings.extend(whitespace(file));
    }
    if file.is_rust() {
        findings.extend(ignored_tests(file));
        findings.extend(integration_root(file));
    }
    findings
}

fn length(file: &SourceFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        let message = format!("{lines} lines, the limit is {LINES_MAX}");
        Some(Finding::error(&file.path, 1, message))
    } else if lines > LINES_NOTED {
        Some(Finding::note(&file.path, 1, format!("{lines} lines")))
    } else {
        None
    }
}

fn whitespace(file: &SourceFile) -> Vec<Finding> {
    // `str::lines` would hide a carriage return at the end of a line.
    let mut findings: Vec<Finding> = file
        .text
        .split('\n')
        .enumerate()
        .filter(|(_, line)| line.trim_end() != *line)
        .map(|(index, _)| {
            Finding::error(&file.path, index + 1, "whitespace at the end of the line")
        })
        .collect();
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        let message = "the file must end with one newline";
        findings.push(Finding::error(
            &file.path,
            file.text.lines().count(),
            message,
        ));
    }
    findings
}

fn ignored_tests(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        let attribute = line.trim_start();
        let is_bare = attribute.starts_with("#[ignore]")
            || (attribute.starts_with("#[cfg_attr(") && attribute.contains(", ignore)"));
        if is_bare {
            findings.push(Finding::error(
                &file.path,
                number,
                "an ignored test needs a reason",
            ));
        } else if attribute.starts_with("#[ignore") && attribute.contains(SAMPLES) {
            findings.extend(samples_test(file, number));
        }
    }
    findings
}

/// CI picks the tests on samples by name; one of another name would never run.
fn samples_test(file: &SourceFile, attribute: usize) -> Option<Finding> {
    let mut functions = file
        .lines()
        .skip(attribute)
        .filter(|(_, line)| line.contains("fn "));
    let (number, function) = functions.next()?;
    let is_picked = function.contains("samples") || file.path.contains("samples");
    let message = "a test on the samples needs `samples` in its name";
    (!is_picked).then(|| Finding::error(&file.path, number, message))
}

/// Clippy's leave for tests reaches the helpers of an integration test only under this attribute.
fn integration_root(file: &SourceFile) -> Option<Finding> {
    if !file.path.ends_with("tests/it/main.rs") {
        return None;
    }
    let mut code = file
        .lines()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with("//"));
    match code.next() {
        Some((_, "#![cfg(test)]")) => None,
        Some((number, _)) => Some(Finding::error(
            &file.path,
            number,
            "must begin with `#![cfg(test)]`",
        )),
        None => Some(Finding::error(
            &file.path,
            1,
            "must begin with `#![cfg(test)]`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check as expect;
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        expect(&super::check(&SourceFile::new(path, text)), expected);
    }

    #[test]
    fn a_long_file_is_noted_and_a_very_long_one_refused() {
        check("a.rs", &"x\n".repeat(LINES_NOTED), &[]);
        check(
            "a.rs",
            &"x\n".repeat(LINES_NOTED + 1),
            &["a.rs:1: note: 601 lines"],
        );
        check(
            "a.rs",
            &"x\n".repeat(LINES_MAX + 1),
            &["a.rs:1: 1001 lines, the limit is 1000"],
        );
        check("tests/golden/a.csv", &"x\n".repeat(LINES_MAX + 1), &[]);
    }

    #[test]
    fn a_line_has_no_whitespace_at_its_end() {
        check(
            "a.md",
            "a\nb \n",
            &["a.md:2: whitespace at the end of the line"],
        );
        check(
            "a.md",
            "a\r\nb\n",
            &["a.md:1: whitespace at the end of the line"],
        );
        check("tests/golden/a.csv", "a\r\n", &[]);
    }

    #[test]
    fn a_file_ends_with_one_newline() {
        check("a.md", "", &[]);
        check("a.md", "a\n", &[]);
        check(
            "a.md",
            "a\nb",
            &["a.md:2: the file must end with one newline"],
        );
        check(
            "a.md",
            "a\n\n",
            &["a.md:2: the file must end with one newline"],
        );
    }

    #[test]
    fn an_ignored_test_gives_its_reason() {
        check("a.rs", "#[ignore = \"needs a server\"]\n", &[]);
        check(
            "a.rs",
            "    #[ignore]\n",
            &["a.rs:1: an ignored test needs a reason"],
        );
        check(
            "a.rs",
            "#[cfg_attr(miri, ignore)]\n",
            &["a.rs:1: an ignored test needs a reason"],
        );
    }

    #[test]
    fn a_test_on_the_samples_says_so_in_its_name() {
        let text = |name| format!("#[ignore = \"needs {SAMPLES}\"]\n#[test]\nfn {name}() {{\n");
        check("a.rs", &text("samples_are_read"), &[]);
        check("samples.rs", &text("orders_are_read"), &[]);
        check(
            "a.rs",
            &text("orders_are_read"),
            &["a.rs:3: a test on the samples needs `samples` in its name"],
        );
    }

    #[test]
    fn an_integration_test_is_test_code() {
        let path = "omnisync-core/tests/it/main.rs";
        check(path, "//! Flows.\n\n#![cfg(test)]\n\nmod ingest;\n", &[]);
        check(
            path,
            "mod ingest;\n",
            &["omnisync-core/tests/it/main.rs:1: must begin with `#![cfg(test)]`"],
        );
        check(
            path,
            "",
            &["omnisync-core/tests/it/main.rs:1: must begin with `#![cfg(test)]`"],
        );
    }
}
