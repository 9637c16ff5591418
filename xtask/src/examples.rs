//! Runs the examples as their manifests say:
//!
//! ```toml
//! [package.metadata.omnisync]
//! ci = [["run", "--work", "{temp}"]]
//! ```
//!
//! Each list is one run. `{temp}` stands for a fresh folder that is removed afterwards. An example
//! checks its own result and says so by its exit code.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::Command;

use crate::command::{Cargo, Stopwatch};
use crate::error::Error;
use crate::workspace::{Package, Workspace};

const TEMP: &str = "{temp}";

/// Built together, as the tests are: alone, each would build what it shares with the others once more.
const BUILD: [&str; 4] = ["build", "--workspace", "--all-features", "--bins"];

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    Cargo::new(BUILD).run(&workspace.root)?;
    for package in &workspace.packages {
        if !workspace
            .relative(&package.manifest_path)
            .starts_with("examples/")
        {
            continue;
        }
        if package.ci_runs().is_empty() {
            println!("{} declares no run for CI", package.name);
            continue;
        }
        run_example(package, workspace)?;
    }
    Ok(())
}

fn run_example(package: &Package, workspace: &Workspace) -> Result<(), Error> {
    let name = format!("{}{}", package.name, EXE_SUFFIX);
    let program = workspace.target_directory.join("debug").join(name);
    for arguments in package.ci_runs() {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", package.name))
            .tempdir()
            .map_err(|source| Error::TemporaryFolder { source })?;
        let arguments = filled(arguments, folder.path());
        let line = format!("{} {}", package.name, arguments.join(" "));
        println!("$ {line}");
        let watch = Stopwatch::start();
        let mut command = Command::new(&program);
        command.args(&arguments).current_dir(&workspace.root);
        let status = command.status().map_err(|source| Error::Start {
            command: line.clone(),
            source,
        })?;
        if !status.success() {
            return Err(Error::Failed {
                command: line,
                status,
            });
        }
        println!("  done in {}", watch.seconds());
    }
    Ok(())
}

/// The arguments of a run whose folder is this one.
fn filled(arguments: &[String], folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy();
    let filled = arguments.iter();
    filled
        .map(|argument| argument.replace(TEMP, &folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gets_its_folder_wherever_it_asks_for_it() {
        let arguments = ["run", "--work", "{temp}/a", "--out={temp}"].map(str::to_owned);
        let filled = filled(&arguments, Path::new("folder"));
        assert_eq!(filled, ["run", "--work", "folder/a", "--out=folder"]);
    }
}
