//! The instruction gate: counts what fixed workloads execute, and compares it with what is recorded
//! in the repository. Counts do not depend on who else uses the machine, so a change that makes the
//! code slower is seen where a clock would see noise.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ci::Outcome;
use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::Workspace;

mod callgrind;
mod change;
mod recorded;
mod tools;

use change::{Change, Finding};
use recorded::Recorded;
use tools::Tools;

const BENCHES: &str = "omnisync-benches";
const PROGRAM: &str = "xbench";
/// Optimises the program as a whole: built crate by crate, a function that nobody calls changes what
/// is inlined elsewhere, and with it a count by as much as 2 %.
const PROFILE: &str = "sim";
const RECORDED: &str = "benches/instructions.json";
/// Below the build folder, for `callgrind_annotate`.
const FOLDER: &str = "instructions";

/// Counts, and compares with what is recorded; or records.
pub(crate) fn run(workspace: &Workspace, record: bool) -> Result<Outcome, Error> {
    let path = workspace.root.join(RECORDED);
    let Some(tools) = Tools::here()? else {
        let reason = "install valgrind to count instructions";
        return if record {
            Err(Error::Unequipped { reason })
        } else {
            Ok(Outcome::Skipped(reason.to_owned()))
        };
    };
    if record {
        let recorded = Recorded {
            instructions: count_all(workspace)?,
            tools,
        };
        recorded.save(&path)?;
        println!("{RECORDED} is written: commit it with the change that it belongs to");
        return Ok(Outcome::Passed);
    }

    let recorded = Recorded::load(&path)?;
    if let Some(difference) = recorded.tools.difference(&tools) {
        return Ok(Outcome::Skipped(format!(
            "counts are comparable with the same tools only: {difference}; `cargo xtask \
             instructions --record` records with those of this machine"
        )));
    }
    let counted = count_all(workspace)?;
    report(&change::compare(&recorded.instructions, &counted))
}

/// What every workload executes, by its name.
fn count_all(workspace: &Workspace) -> Result<BTreeMap<String, u64>, Error> {
    let build = ["build", "--profile", PROFILE, "--package", BENCHES];
    Cargo::new(build.into_iter().chain(["--bin", PROGRAM])).run(&workspace.root)?;
    let program = workspace.target_directory.join(PROFILE).join(PROGRAM);
    let folder = workspace.target_directory.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|source| Error::Write {
        path: folder.clone(),
        source,
    })?;
    let names = tools::output(&program, &["work"])?;
    names
        .lines()
        .map(|name| Ok((name.to_owned(), count(&program, &folder, name)?)))
        .collect()
}

/// What a workload executes beyond its own preparation, and beyond what every program does.
fn count(program: &Path, folder: &Path, name: &str) -> Result<u64, Error> {
    let run = |arguments: &[&str], file: &str| {
        callgrind::count(program, arguments, &folder.join(format!("{name}.{file}")))
    };
    let prepared = run(&["work", name, "--prepare"], "prepared.out")?;
    let done = run(&["work", name], "out")?;
    let count = done.saturating_sub(prepared);
    println!("{name:<14} {count:>12} instructions");
    Ok(count)
}

fn report(changes: &[Change]) -> Result<Outcome, Error> {
    for change in changes {
        println!("{change}");
    }
    let of = |finding| {
        let found = changes.iter();
        found.filter(move |change| change.finding() == finding)
    };
    let cheaper: Vec<&str> = of(Finding::Cheaper)
        .map(|change| change.workload.as_str())
        .collect();
    if !cheaper.is_empty() {
        println!(
            "{} became cheaper: `cargo xtask instructions --record` would keep it so",
            cheaper.join(", ")
        );
    }
    let failed: Vec<String> = of(Finding::Costlier)
        .chain(of(Finding::Unknown))
        .map(Change::brief)
        .collect();
    if failed.is_empty() {
        Ok(Outcome::Passed)
    } else {
        Err(Error::Instructions { changes: failed })
    }
}
