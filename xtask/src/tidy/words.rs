//! Words that have no place in a finished repository: marks of unfinished work, and paths of one
//! machine. They are put together from pieces here, so that this file passes its own check.

use super::Finding;
use super::source::SourceFile;

/// Marks of unfinished work.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("dbg", "!"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
];

/// A mark of unfinished work in prose; in code it may open a loop.
const UNFINISHED_PROSE: &str = concat!("for", " now");

/// Roots below which machines and people keep their own files.
const MACHINE_ROOTS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/t", "mp/"),
];

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        let mut refuse = |message| findings.push(Finding::error(&file.path, number, message));
        if file.is_written_by_hand() {
            let words = UNFINISHED.iter().filter(|word| has_word(line, word));
            words.for_each(|word| refuse(format!("`{word}` marks unfinished work")));
            if has_word(&prose(file, line).to_lowercase(), UNFINISHED_PROSE) {
                refuse(format!("`{UNFINISHED_PROSE}` marks unfinished work"));
            }
        }
        if MACHINE_ROOTS
            .iter()
            .any(|root| has_machine_path(line, root))
        {
            refuse("a path of one machine".to_owned());
        }
    }
    findings
}

/// The part of a line that is written for people.
fn prose<'a>(file: &SourceFile, line: &'a str) -> &'a str {
    if file.is_rust() {
        line.split_once("//").map_or("", |(_, comment)| comment)
    } else {
        line
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    occurrences(line, word).any(|(before, after)| {
        // A whole string literal is data: one of the words is an ISO 4217 code.
        let is_data = before.ends_with('"') && after.starts_with('"');
        let goes_on = !word.ends_with('!') && after.starts_with(is_part);
        !is_data && !before.ends_with(is_part) && !goes_on
    })
}

/// Whether the line has a path that starts at `root` and goes on with a name.
fn has_machine_path(line: &str, root: &str) -> bool {
    // Otherwise the root is the middle of a longer path or of an address.
    let starts =
        |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || "._-~$}>)]*".contains(c));
    let goes_on =
        |after: &str| after.starts_with(|c: char| c.is_alphanumeric() || "._-".contains(c));
    occurrences(line, root).any(|(before, after)| starts(before) && goes_on(after))
}

/// What stands before and after every occurrence of `needle`.
fn occurrences<'a>(line: &'a str, needle: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    line.match_indices(needle).filter_map(move |(start, _)| {
        let (before, rest) = line.split_at_checked(start)?;
        Some((before, rest.strip_prefix(needle)?))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check as expect;
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        expect(&super::check(&SourceFile::new(path, text)), expected);
    }

    #[test]
    fn marks_of_unfinished_work_are_found_as_whole_words() {
        for word in UNFINISHED {
            let expected = format!("a.rs:2: `{word}` marks unfinished work");
            check(
                "a.rs",
                &format!("//! A file.\n// {word} (later)\n"),
                &[&expected],
            );
            check("a.rs", &format!("let some_{word} = 1;\n"), &[]);
            check("a.rs", &format!("let code = \"{word}\";\n"), &[]);
            check("tests/golden/a.txt", &format!("{word}\n"), &[]);
        }
        check("a.md", &format!("{}S\n", concat!("TO", "DO")), &[]);
    }

    #[test]
    fn an_excuse_in_prose_is_found_and_a_loop_in_code_is_not() {
        let excuse = format!("Good enough {UNFINISHED_PROSE}.");
        let expected = format!("1: `{UNFINISHED_PROSE}` marks unfinished work");
        check("a.md", &excuse, &[&format!("a.md:{expected}")]);
        check(
            "a.rs",
            &format!("// {excuse}"),
            &[&format!("a.rs:{expected}")],
        );
        check("a.rs", &format!("{UNFINISHED_PROSE} in instants {{"), &[]);
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        for root in MACHINE_ROOTS {
            check(
                "a.md",
                &format!("see `{root}ann/notes`\n"),
                &["a.md:1: a path of one machine"],
            );
            check(
                "a.md",
                &format!("file://{root}ann\n"),
                &["a.md:1: a path of one machine"],
            );
        }
    }

    #[test]
    fn a_path_below_another_is_not_of_one_machine() {
        for root in MACHINE_ROOTS {
            for before in ["https://example.com", "..", "{temp}", "$HOME", "target"] {
                check("a.md", &format!("{before}{root}name\n"), &[]);
            }
            check("a.md", &format!("the folder {root}\n"), &[]);
        }
    }

    #[test]
    fn golden_files_may_not_hold_a_path_of_one_machine() {
        let text = format!("{}ann\n", concat!("/ho", "me/"));
        check(
            "tests/golden/a.txt",
            &text,
            &["tests/golden/a.txt:1: a path of one machine"],
        );
    }
}
