//! Measures OMNISYNC side by side with others.

use crate::command::Cargo;
use crate::error::Error;
use crate::workspace::Workspace;

const BENCHES: &str = "omnisync-benches";

/// Runs a comparison with the arguments of the user.
pub(crate) fn run(arguments: &[String], workspace: &Workspace) -> Result<(), Error> {
    let words = [
        "run",
        "--release",
        "--quiet",
        "--package",
        BENCHES,
        "--",
        "compare",
    ];
    let arguments = arguments.iter().map(String::as_str);
    Cargo::new(words.into_iter().chain(arguments)).run_silently(&workspace.root)
}
