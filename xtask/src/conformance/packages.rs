//! The software of others: which it is, which version, and how it gets here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::command::{Cargo, Stopwatch};
use crate::error::Error;
use crate::workspace::Workspace;

/// What is installed, as the file that it was installed from says.
const LOCK: &str = "package-lock.json";
/// A copy of that file, made after everything was installed.
const INSTALLED: &str = "node_modules/.installed-from.json";
/// The crate whose emulator takes part.
const EMULATOR: &str = "azure_data_cosmos_driver";

/// Installs the packages of `package-lock.json`, unless exactly these are here.
pub(super) fn install(folder: &Path) -> Result<(), Error> {
    let node = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !node.is_ok_and(|status| status.success()) {
        return Err(Error::Unequipped {
            reason: "the software of others needs Node.js 20 or later, and npm: install them",
        });
    }
    let lock = read(&folder.join(LOCK))?;
    if fs::read(folder.join(INSTALLED)).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let npm = "npm ci --ignore-scripts --no-audit --no-fund";
    println!("$ {npm}");
    let watch = Stopwatch::start();
    let mut words = npm.split(' ');
    let status = Command::new(words.next().unwrap_or_default())
        .args(words)
        .current_dir(folder)
        .status()
        .map_err(|source| Error::Start {
            command: npm.to_owned(),
            source,
        })?;
    if !status.success() {
        let command = npm.to_owned();
        return Err(Error::Failed { command, status });
    }
    println!("  done in {}", watch.seconds());
    let path = folder.join(INSTALLED);
    fs::write(&path, lock).map_err(|source| Error::Write { path, source })
}

/// The version of everything that takes part, by name.
pub(super) fn versions(
    folder: &Path,
    workspace: &Workspace,
) -> Result<BTreeMap<String, String>, Error> {
    #[derive(Deserialize)]
    struct Manifest {
        dependencies: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }

    let manifest: Manifest = parse(&folder.join("package.json"))?;
    let mut versions = BTreeMap::new();
    for name in manifest.dependencies.into_keys() {
        let path = folder.join("node_modules").join(&name).join("package.json");
        let package: Package = parse(&path)?;
        versions.insert(name, package.version);
    }
    let id = Cargo::new(["pkgid", "--package", EMULATOR]).output(&workspace.root)?;
    let version = id.trim().rsplit(['@', '#']).next().unwrap_or_default();
    versions.insert(EMULATOR.to_owned(), version.to_owned());
    Ok(versions)
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read(path)?).map_err(|source| Error::NotUnderstood {
        what: path.display().to_string(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}
