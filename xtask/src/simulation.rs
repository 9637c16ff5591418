//! Runs the simulations: the first tier, the comparison of two builds, and the hunt for known
//! mistakes.

use std::path::Path;

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::Workspace;

const SIMULATOR: &str = "omnisync-reliability";

/// What a run of the simulator is built as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    Release,
    Dev,
}

/// Everything of the simulation that a change must pass.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let root = &workspace.root;
    simulator(Build::Release, &["sim", "--tier", "t1", "--no-save"]).run(root)?;
    compare_builds(root)?;
    simulator(Build::Release, &["zoo"]).run(root)
}

/// Runs a task of the simulator with the arguments of the user.
pub(crate) fn pass(task: &str, arguments: &[String], workspace: &Workspace) -> Result<(), Error> {
    let arguments: Vec<&str> = [task]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    simulator(Build::Release, &arguments).run_silently(&workspace.root)
}

/// The same seed has to make the same run, whatever the compiler made of the code.
fn compare_builds(root: &Path) -> Result<(), Error> {
    let hashes = |build| {
        let command = simulator(build, &["hashes"]);
        println!("$ {command}");
        command.output(root)
    };
    let count = compare(&hashes(Build::Release)?, &hashes(Build::Dev)?)?;
    println!("  {count} runs are the same in both builds");
    Ok(())
}

/// Counts the lines that both texts have; every line has to be the same.
fn compare(release: &str, dev: &str) -> Result<usize, Error> {
    let (mut releases, mut devs) = (release.lines(), dev.lines());
    let mut count = 0;
    loop {
        match (releases.next(), devs.next()) {
            (None, None) => return Ok(count),
            (release, dev) if release == dev => count += 1,
            (release, dev) => {
                let text = |line: Option<&str>| line.unwrap_or("nothing").to_owned();
                return Err(Error::Nondeterministic {
                    release: text(release),
                    dev: text(dev),
                });
            }
        }
    }
}

fn simulator(build: Build, arguments: &[&str]) -> Cargo {
    let profile: &[&str] = match build {
        Build::Release => &["--profile", "sim"],
        Build::Dev => &[],
    };
    let selection = ["--quiet", "--package", SIMULATOR, "--"];
    let words = ["run"].iter().chain(profile).chain(&selection);
    Cargo::new(words.chain(arguments).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulator_is_run_as_it_was_built() {
        assert_eq!(
            simulator(Build::Release, &["sim", "--seeds", "5"]).to_string(),
            "cargo run --profile sim --quiet --package omnisync-reliability -- sim --seeds 5"
        );
        assert_eq!(
            simulator(Build::Dev, &["hashes"]).to_string(),
            "cargo run --quiet --package omnisync-reliability -- hashes"
        );
    }

    #[test]
    fn builds_that_make_the_same_runs_are_the_same() {
        assert_eq!(compare("a 0 1\nb 0 2\n", "a 0 1\nb 0 2\n").unwrap(), 2);
    }

    #[test]
    fn the_first_run_that_differs_is_named() {
        let error = compare("a 0 1\na 1 2\n", "a 0 1\na 1 3\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the builds make different runs: a 1 2 in release, a 1 3 in dev"
        );
        let error = compare("a 0 1\n", "").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("a 0 1 in release, nothing in dev")
        );
    }
}
