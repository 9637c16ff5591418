//! Where files may lie and how modules may be named.

use std::collections::BTreeSet;

use super::Finding;
use super::source::SourceFile;

/// What the top level must hold.
const REQUIRED: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "clippy.toml",
    "deny.toml",
    "examples",
    "rustfmt.toml",
    "xtask",
];

/// What the top level may hold besides the crates.
const OPTIONAL: &[&str] = &[
    ".github",
    "UPGRADE.md",
    "conformance",
    "docs",
    "fuzz",
    "regressions",
    "reliability",
];

const CRATE_PREFIX: &str = "omnisync-";

/// Names that say nothing about what is inside.
const DRAWERS: &[&str] = &[
    "common", "helpers", "manager", "misc", "models", "types", "util", "utils",
];

pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = top_level(files);
    for file in files.iter().filter(|file| file.is_rust()) {
        findings.extend(module_path(file));
        findings.extend(inline_modules(file));
    }
    findings
}

fn top_level(files: &[SourceFile]) -> Vec<Finding> {
    let present: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .collect();
    let missing = REQUIRED.iter().filter(|name| !present.contains(*name));
    let foreign = present.iter().filter(|name| {
        !REQUIRED.contains(name) && !OPTIONAL.contains(name) && !name.starts_with(CRATE_PREFIX)
    });
    let missing = missing.map(|name| Finding::error(*name, 1, "is missing from the top level"));
    missing
        .chain(foreign.map(|name| Finding::error(*name, 1, "does not belong at the top level")))
        .collect()
}

fn module_path(file: &SourceFile) -> Option<Finding> {
    let stem = file.name().trim_end_matches(".rs");
    let drawer = file
        .folders()
        .chain([stem])
        .find(|name| DRAWERS.contains(name))?;
    Some(Finding::error(&file.path, 1, nameless(drawer)))
}

fn inline_modules(file: &SourceFile) -> impl Iterator<Item = Finding> {
    file.lines().filter_map(|(number, line)| {
        let name = line.split_once("mod ")?.1.strip_suffix(" {")?;
        DRAWERS
            .contains(&name)
            .then(|| Finding::error(&file.path, number, nameless(name)))
    })
}

fn nameless(name: &str) -> String {
    format!("a module named `{name}` does not say what it holds")
}

#[cfg(test)]
mod tests {
    use super::super::tests::check as expect;
    use super::*;

    fn files(paths: &[&str]) -> Vec<SourceFile> {
        paths
            .iter()
            .map(|path| SourceFile::new(*path, ""))
            .collect()
    }

    #[test]
    fn the_top_level_is_a_closed_set() {
        let mut paths = REQUIRED.to_vec();
        paths.extend(["omnisync-core/src/lib.rs", "fuzz/Cargo.toml"]);
        expect(&top_level(&files(&paths)), &[]);

        paths.push("notes.md");
        paths.retain(|path| *path != "README.md");
        expect(
            &top_level(&files(&paths)),
            &[
                "README.md:1: is missing from the top level",
                "notes.md:1: does not belong at the top level",
            ],
        );
    }

    #[test]
    fn a_module_says_what_it_holds() {
        for path in ["src/model.rs", "src/types_of_order.rs", "src/port/mod.rs"] {
            assert_eq!(module_path(&SourceFile::new(path, "")), None, "{path}");
        }
        for path in ["src/misc.rs", "src/misc/mod.rs", "tests/misc/a.rs"] {
            let finding = module_path(&SourceFile::new(path, ""));
            let expected = format!("{path}:1: a module named `misc` does not say what it holds");
            expect(finding.as_slice(), &[&expected]);
        }
    }

    #[test]
    fn an_inline_module_says_what_it_holds() {
        let text = format!("mod tests {{\npub(crate) {} {{\n", concat!("mod mi", "sc"));
        let findings: Vec<Finding> = inline_modules(&SourceFile::new("a.rs", text)).collect();

        expect(
            &findings,
            &["a.rs:2: a module named `misc` does not say what it holds"],
        );
    }
}
