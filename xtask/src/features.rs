//! Lints every crate with none, each and all of its features, so that no feature leans on another
//! by accident.

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
/// what the library itself is missing, they cost the most, and the step before has linted them with
/// all.
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
    for feature in package.features.keys() {
        commands.push(clippy(
            &["--no-default-features", "--features", feature],
            product,
        ));
    }
    commands.push(clippy(&["--no-default-features"], "--all-targets"));
    commands.push(clippy(&["--all-features"], product));
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
    fn a_library_is_linted_with_none_each_and_all_features() {
        check(
            "lib",
            &[
                "--no-default-features --lib",
                "--no-default-features --features a --lib",
                "--no-default-features --features default --lib",
                "--no-default-features --all-targets",
                "--all-features --lib",
            ],
        );
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
                "--all-features --bins",
            ],
        );
    }
}
