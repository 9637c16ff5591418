//! Runs the examples as their manifests say:
//!
//! ```toml
//! [package.metadata.omnisync]
//! ci = [["run", "--work", "{temp}"]]
//! ```
//!
//! Each list is one run. `{temp}` stands for a fresh folder that is removed afterwards. An example
//! checks its own result and says so by its exit code.

use std::path::Path;

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::{Package, Workspace};

const TEMP: &str = "{temp}";

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
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
        run_example(package, &workspace.root)?;
    }
    Ok(())
}

fn run_example(package: &Package, root: &Path) -> Result<(), Error> {
    Cargo::new(["build", "--package", &package.name]).run(root)?;
    for arguments in package.ci_runs() {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", package.name))
            .tempdir()
            .map_err(|source| Error::TemporaryFolder { source })?;
        command(&package.name, arguments, folder.path()).run(root)?;
    }
    Ok(())
}

fn command(package: &str, arguments: &[String], folder: &Path) -> Cargo {
    let folder = folder.to_string_lossy();
    let cargo = ["run", "--offline", "--quiet", "--package", package, "--"];
    let arguments = arguments
        .iter()
        .map(|argument| argument.replace(TEMP, &folder));
    Cargo::new(cargo.into_iter().map(str::to_owned).chain(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gets_its_folder_wherever_it_asks_for_it() {
        let arguments = ["run", "--work", "{temp}/a", "--out={temp}"].map(str::to_owned);

        let command = command("host", &arguments, Path::new("folder"));

        assert_eq!(
            command.to_string(),
            "cargo run --offline --quiet --package host -- run --work folder/a --out=folder"
        );
    }
}
