//! Lints every crate with none and with each of its features, so that no feature leans on another by
//! accident.

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::{Package, Workspace};

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    for package in &workspace.packages {
        if package.features.is_empty() {
            println!("{} has no features", package.name);
            continue;
        }
        for command in commands(package) {
            command.run(&workspace.root)?;
        }
    }
    Ok(())
}

/// The feature sets of one crate. Tests are linted with no features only: their dependencies can hide
/// what the library itself is missing, and they cost the most. With all features everything has been
/// linted by the step before, and a feature that stands for nothing is none.
fn commands(package: &Package) -> Vec<Cargo> {
    let product = if package.has_library() {
        "--lib"
    } else {
        "--bins"
    };
    let clippy = |selection: &[&str], targets: &str| {
        let head = ["clippy", "--package", &package.name];
        let tail = [targets, "--", "-D", "warnings"];
        Cargo::new(head.iter().chain(selection).chain(&tail).copied())
    };

    let mut commands = vec![clippy(&["--no-default-features"], product)];
    let stands_for_something =
        |(name, parts): &(&String, &Vec<String>)| name.as_str() != "default" || !parts.is_empty();
    for (feature, _) in package.features.iter().filter(stands_for_something) {
        commands.push(clippy(
            &["--no-default-features", "--features", feature],
            product,
        ));
    }
    commands.push(clippy(&["--no-default-features"], "--all-targets"));
    commands
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workspace::tests::package;

    fn check(targets: &str, expected: &[&str]) {
        let package = package(json!({
            "name": "p",
            "features": { "default": ["a"], "a": [] },
            "targets": [{ "kind": [targets] }],
        }));
        let actual: Vec<String> = commands(&package).iter().map(ToString::to_string).collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|set| format!("cargo clippy --package p {set} -- -D warnings"))
            .collect();
        assert_eq!(actual, expected);
    }

    #[test]
    fn a_library_is_linted_with_none_and_with_each_feature() {
        check(
            "lib",
            &[
                "--no-default-features --lib",
                "--no-default-features --features a --lib",
                "--no-default-features --features default --lib",
                "--no-default-features --all-targets",
            ],
        );
    }

    #[test]
    fn a_default_of_nothing_is_none() {
        let package = package(json!({
            "name": "p",
            "features": { "default": [] },
            "targets": [{ "kind": ["lib"] }],
        }));
        let sets = commands(&package);
        assert!(sets.iter().all(|set| !set.to_string().contains("default ")));
        assert_eq!(sets.len(), 2);
    }

    #[test]
    fn a_package_without_a_library_is_linted_by_its_binaries() {
        check(
            "bin",
            &[
                "--no-default-features --bins",
                "--no-default-features --features a --bins",
                "--no-default-features --features default --bins",
                "--no-default-features --all-targets",
            ],
        );
    }
}
