//! Links and invariants in Markdown.

use std::collections::BTreeSet;

use super::Finding;
use super::source::SourceFile;
use crate::workspace::Package;

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const INVARIANT: &str = "**Architecture Invariant";

pub(super) fn check<'a>(
    files: &[SourceFile],
    published: impl Iterator<Item = &'a Package>,
) -> Vec<Finding> {
    let places = places(files);
    let written = files
        .iter()
        .filter(|file| file.is_markdown() && file.is_written_by_hand());
    let mut findings: Vec<Finding> = written.flat_map(|file| links(file, &places)).collect();
    if let Some(architecture) = files.iter().find(|file| file.path == ARCHITECTURE) {
        findings.extend(published.filter_map(|package| invariant(architecture, &package.name)));
    }
    findings
}

/// Every path that a link may lead to: files and the folders that hold them.
fn places(files: &[SourceFile]) -> BTreeSet<&str> {
    let mut places = BTreeSet::from([""]);
    for file in files {
        let mut place = Some(file.path.as_str());
        while let Some(path) = place {
            places.insert(path);
            place = path.rsplit_once('/').map(|(folder, _)| folder);
        }
    }
    places
}

fn links(file: &SourceFile, places: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose_lines(file) {
        // What stands in backticks is code, where brackets are not links.
        let line: String = line.split('`').step_by(2).collect();
        let broken = targets(&line).filter(|target| !leads_somewhere(file, target, places));
        findings.extend(broken.map(|target| {
            Finding::error(
                &file.path,
                number,
                format!("the link to {target} leads nowhere"),
            )
        }));
    }
    findings
}

/// The lines outside of fenced code.
fn prose_lines(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.lines().filter(move |(_, line)| {
        let line = line.trim_start();
        let fence = line.starts_with("```") || line.starts_with("~~~");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The targets of `[text](target "title")` and `[label]: target`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    let reference = line
        .trim_start()
        .strip_prefix('[')
        .filter(|label| !label.starts_with('^'))
        .and_then(|rest| rest.split_once("]: "))
        .and_then(|(_, target)| target.split_whitespace().next());
    inline.chain(reference)
}

fn leads_somewhere(file: &SourceFile, target: &str, places: &BTreeSet<&str>) -> bool {
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let is_address = target.contains("://") || target.starts_with("mailto:");
    // A file that is included as documentation may link to items.
    let is_item = target.contains("::");
    let path = target.split('#').next().unwrap_or(target);
    if is_address || is_item || path.is_empty() {
        return true;
    }
    resolve(&file.path, path).is_some_and(|path| places.contains(path.as_str()))
}

/// The path that `target` means in the file at `origin`; none when it leaves the repository.
fn resolve(origin: &str, target: &str) -> Option<String> {
    let mut path: Vec<&str> = origin.split('/').collect();
    path.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                path.pop()?;
            }
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

/// Demands an invariant that names the crate, or stands below a heading that does.
fn invariant(architecture: &SourceFile, name: &str) -> Option<Finding> {
    let mut headings: Vec<(usize, &str)> = Vec::new();
    let mut in_invariant = false;
    for (_, line) in prose_lines(architecture) {
        let level = line.chars().take_while(|c| *c == '#').count();
        if level > 0 {
            headings.retain(|(above, _)| *above < level);
            headings.push((level, line));
        }
        in_invariant = line.contains(INVARIANT) || (in_invariant && !line.is_empty());
        let below_heading = || headings.iter().any(|(_, heading)| names(heading, name));
        if in_invariant && (names(line, name) || below_heading()) {
            return None;
        }
    }
    let message = format!("has no architecture invariant for {name}");
    Some(Finding::error(&architecture.path, 1, message))
}

/// Whether the line has the name of the crate, and not that of a crate whose name goes on.
fn names(line: &str, name: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
        .any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check as expect;
    use super::*;

    fn check_links(text: &str, expected: &[&str]) {
        let files = [
            SourceFile::new("README.md", ""),
            SourceFile::new("omnisync-core/README.md", text),
            SourceFile::new("omnisync-core/src/lib.rs", ""),
        ];
        let links = files.iter().flat_map(|file| links(file, &places(&files)));
        expect(&links.collect::<Vec<_>>(), expected);
    }

    fn check_invariant(text: &str, expected: &[&str]) {
        let finding = invariant(&SourceFile::new(ARCHITECTURE, text), "omnisync-core");
        expect(finding.as_slice(), expected);
    }

    #[test]
    fn links_to_files_folders_and_addresses_resolve() {
        check_links(
            "[a](../README.md#top) [b](src/) [c](src/lib.rs \"title\") [d](..)\n",
            &[],
        );
        check_links(
            "[a](#part) [b](https://example.com) [`c`](crate::Order)\n",
            &[],
        );
        check_links("[a]: ./src/lib.rs\n[^1]: a note\n", &[]);
    }

    #[test]
    fn links_in_code_are_not_links() {
        check_links("`[a](gone.md)`\n```text\n[a](gone.md)\n```\n", &[]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let gone = "omnisync-core/README.md:1: the link to gone.md leads nowhere";
        check_links("[`a`](gone.md)\n", &[gone]);
        check_links("[a]: gone.md\n", &[gone]);
        check_links(
            "[a](../../README.md)\n",
            &["omnisync-core/README.md:1: the link to ../../README.md leads nowhere"],
        );
    }

    #[test]
    fn an_invariant_names_its_crate_in_its_paragraph_or_heading() {
        check_invariant(
            "**Architecture Invariant:** `omnisync-core` is pure.\n",
            &[],
        );
        check_invariant(
            "**Architecture Invariant:** the crate\n`omnisync-core` is pure.\n",
            &[],
        );
        check_invariant(
            "## `omnisync-core`\n### Rules\n**Architecture Invariant:** pure.\n",
            &[],
        );
    }

    #[test]
    fn a_crate_without_an_invariant_is_found() {
        let missing = "ARCHITECTURE.md:1: has no architecture invariant for omnisync-core";
        check_invariant("`omnisync-core` is pure.\n", &[missing]);
        check_invariant(
            "**Architecture Invariant:** pure.\n\n`omnisync-core`\n",
            &[missing],
        );
        check_invariant(
            "## omnisync-core\n## Rest\n**Architecture Invariant:** pure.\n",
            &[missing],
        );
        check_invariant(
            "**Architecture Invariant:** `omnisync-core-extra`.\n",
            &[missing],
        );
    }
}
