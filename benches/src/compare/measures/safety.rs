//! What safety costs.

use std::path::PathBuf;
use std::process::Command;

use super::{Inputs, word};
use crate::compare::contestant::Contestant;
use crate::compare::plan::{Bound, Figure, Plan};
use crate::error::Error;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
const ORDERS: &str = "10000";

/// Traces and validation beside the flows without them.
pub(in crate::compare) fn safety(inputs: &Inputs<'_>) -> Result<Vec<Plan>, Error> {
    let input = word(&inputs.orders(100_000)?);
    let work = word(inputs.work);
    let common = [
        "safety", "--input", &input, "--work", &work, "--orders", ORDERS,
    ];
    let job = |words: &[&'static str]| -> Vec<&str> { [common.as_slice(), words].concat() };
    let flows = job(&["--job", "flows"]);
    let untraced = word(&untraced(inputs)?);
    let tracing = Plan::new(
        "m13",
        "tracing",
        Figure::Time,
        Contestant::program("built without tracing", untraced, &flows),
    )
    .with(
        Contestant::own("nobody listens", &flows)?,
        Some(Bound::AtMost(1.03)),
    )
    .with(
        Contestant::own("spans are written", &job(&["--job", "flows", "--trace"]))?,
        Some(Bound::AtMost(1.15)),
    );
    let validation = Plan::new(
        "m13",
        "validation",
        Figure::Time,
        Contestant::own("flows", &flows)?,
    )
    .with(
        Contestant::own("validation in them", &job(&["--job", "validation"]))?,
        Some(Bound::AtMost(0.15)),
    );
    Ok(vec![tracing, validation])
}

/// This program, built so that traces are not even compiled.
fn untraced(inputs: &Inputs<'_>) -> Result<PathBuf, Error> {
    let target = inputs.work.join("untraced");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(&cargo)
        .args(["build", "--release", "--quiet", "--manifest-path", MANIFEST])
        .args(["--features", "tracing/release_max_level_off"])
        .arg("--target-dir")
        .arg(&target)
        .output()
        .map_err(|source| Error::Command {
            command: cargo.clone(),
            source,
        })?;
    if !output.status.success() {
        return Err(Error::Failed {
            command: format!("{cargo} build"),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    Ok(target.join("release").join("xbench"))
}
