//! Runs the adapters against software that others wrote: installs it, runs every check there is,
//! and prints what passed by service.

mod checks;
mod packages;
mod summary;

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::Workspace;

use checks::Program;
use summary::Summary;

/// The package of the checks, all of which are meant.
const CHECKS: &str = "omnisync-conformance";
/// The host that is run whole, and the name of those checks among its tests.
const HOST: (&str, &str) = ("order-pipeline", "azure::");

pub(crate) fn run(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.root.join("conformance");
    packages::install(&folder)?;
    // The selection of the other steps of CI, so that nothing is built twice.
    let build = Cargo::new(["test", "--workspace", "--all-features", "--test", "it"]);
    let artifacts = build
        .with(["--no-run", "--message-format", "json-render-diagnostics"])
        .output(&workspace.root)?;

    let mut summary = Summary::default();
    for (package, filter) in [(CHECKS, None), (HOST.0, Some(HOST.1))] {
        let program = Program::find(workspace, package, &artifacts)?;
        for check in program.run(filter)? {
            summary.add(package, &check)?;
        }
    }
    let versions = packages::versions(&folder, workspace)?;
    println!("\n{}", summary.table(&versions)?);
    Ok(())
}
