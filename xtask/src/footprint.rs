//! What each feature of a crate costs whoever turns it on: crates, C builds, compile time. Printed
//! as a table for its README. Time is that of the processors, which other work on the machine
//! changes little.

use std::collections::BTreeSet;
use std::fs;

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::{Package, Workspace};

/// Ticks of the kernel in a second, as it tells programs.
const TICKS_PER_SECOND: f64 = 100.0;
/// Where the time of a process's children stands, behind its name: user, then system.
const CHILDREN_TIMES: usize = 13;

/// What compiles C.
const C_COMPILERS: &[&str] = &["cc", "cmake"];

pub(crate) fn run(workspace: &Workspace, name: &str) -> Result<(), Error> {
    let found = |package: &&Package| package.name == name;
    let package = workspace.packages.iter().find(found);
    let package = package.ok_or_else(|| Error::NoPackage {
        package: name.to_owned(),
    })?;
    let bare = Footprint::of(workspace, name, None)?;
    let mut lines = vec![
        "| feature | crates | C builds | processor seconds |".to_owned(),
        "|---|---|---|---|".to_owned(),
        bare.line("none", &Footprint::default()),
    ];
    let features = package.features.keys().filter(|name| *name != "default");
    for feature in features {
        let footprint = Footprint::of(workspace, name, Some(feature))?;
        lines.push(footprint.line(&format!("`{feature}`"), &bare));
    }
    println!("\n{}", lines.join("\n"));
    Ok(())
}

/// What it takes to build a crate.
#[derive(Debug, Default)]
struct Footprint {
    crates: BTreeSet<String>,
    /// Those that compile C.
    c_builds: BTreeSet<String>,
    seconds: f64,
}

impl Footprint {
    fn of(workspace: &Workspace, package: &str, feature: Option<&str>) -> Result<Self, Error> {
        let feature = format!("--features={}", feature.unwrap_or_default());
        let selection = ["--package", package, "--no-default-features", &feature];
        let tree = |edges: &[&str]| {
            let form = ["--prefix=none", "--format={p}"];
            let words = ["tree"].iter().chain(&selection).chain(&form).chain(edges);
            Cargo::new(words.copied()).output(&workspace.root)
        };
        let crates = names(&tree(&["--edges=normal"])?);
        let with_builds = names(&tree(&["--edges=normal,build"])?);
        let mut c_builds = BTreeSet::new();
        for compiler in C_COMPILERS {
            if with_builds.contains(*compiler) {
                let users = tree(&["--edges=normal,build", "--invert", compiler, "--depth=1"])?;
                c_builds.extend(names(&users).into_iter().filter(|name| name != compiler));
            }
        }

        // In a folder of its own, nothing is there before.
        let folder = tempfile::tempdir().map_err(|source| Error::TemporaryFolder { source })?;
        Cargo::new(["fetch", "--locked"]).run(&workspace.root)?;
        let build = Cargo::new(["build", "--offline"].iter().chain(&selection).copied())
            .environment("CARGO_TARGET_DIR", folder.path())
            .environment("CARGO_INCREMENTAL", "0");
        let before = children_seconds()?;
        build.run(&workspace.root)?;
        Ok(Self {
            crates,
            c_builds,
            seconds: children_seconds()? - before,
        })
    }

    /// A row of the table, as what this needs more than `bare`.
    fn line(&self, name: &str, bare: &Self) -> String {
        let crates = self.crates.difference(&bare.crates).count();
        let c_builds: Vec<&str> = self
            .c_builds
            .difference(&bare.c_builds)
            .map(String::as_str)
            .collect();
        let c_builds = if c_builds.is_empty() {
            "none".to_owned()
        } else {
            c_builds.join(", ")
        };
        let seconds = (self.seconds - bare.seconds).max(0.0);
        format!("| {name} | {crates} | {c_builds} | {seconds:.0} |")
    }
}

/// What the children of this process, and theirs, have used of the processors.
fn children_seconds() -> Result<f64, Error> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    read_children_seconds(&stat).ok_or(Error::Unequipped {
        reason: "the time of processes is read from /proc, which only Linux has",
    })
}

fn read_children_seconds(stat: &str) -> Option<f64> {
    // The name may hold anything; the last parenthesis ends it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(CHILDREN_TIMES);
    let mut ticks = || times.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// The crates of a tree, one version of each.
fn names(tree: &str) -> BTreeSet<String> {
    let lines = tree.lines().filter_map(|line| line.split(' ').next());
    let named = lines.filter(|name| !name.is_empty());
    named.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(crates: &[&str], c_builds: &[&str], seconds: f64) -> Footprint {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Footprint {
            crates: set(crates),
            c_builds: set(c_builds),
            seconds,
        }
    }

    #[test]
    fn a_row_says_what_a_feature_adds() {
        let bare = footprint(&["a", "b"], &[], 4.0);
        assert_eq!(
            bare.line("none", &Footprint::default()),
            "| none | 2 | none | 4 |"
        );
        let more = footprint(&["a", "b", "c", "ring"], &["ring"], 10.6);
        assert_eq!(more.line("`f`", &bare), "| `f` | 2 | ring | 7 |");
    }

    #[test]
    fn the_time_of_children_is_read_behind_any_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 250 150 20";
        assert_eq!(read_children_seconds(stat), Some(4.0));
        assert_eq!(read_children_seconds(""), None);
    }

    #[test]
    fn a_crate_counts_once_however_often_the_tree_names_it() {
        let tree = "a v1.0.0 (path)\nb v2.0.0\nb v2.0.0 (*)\n\n";
        let expected = ["a", "b"].map(str::to_owned);
        assert_eq!(names(tree), BTreeSet::from(expected));
    }
}
