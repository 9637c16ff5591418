//! Every check that a change must pass, in order.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::{Cargo, Stopwatch};
use crate::error::Error;
use crate::workspace::Workspace;
use crate::{conformance, examples, features, instructions, purity, simulation, tidy};

/// Names the folder with the reference samples.
const SAMPLES: &str = "OMNISYNC_SAMPLES";

const STEPS: [Step; 13] = [
    Step {
        name: "format",
        run: format,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "features",
        run: |workspace| passed(features::run(workspace)),
    },
    Step {
        name: "documentation",
        run: documentation,
    },
    Step {
        name: "tests",
        run: tests,
    },
    Step {
        name: "conformance",
        run: |workspace| passed(conformance::run(workspace)),
    },
    Step {
        name: "simulation",
        run: |workspace| passed(simulation::run(workspace)),
    },
    Step {
        name: "examples",
        run: |workspace| passed(examples::run(workspace)),
    },
    Step {
        name: "instructions",
        run: |workspace| instructions::run(workspace, false),
    },
    Step {
        name: "purity",
        run: |workspace| passed(purity::run(workspace)),
    },
    Step {
        name: "samples",
        run: samples,
    },
    Step {
        name: "dependencies",
        run: dependencies,
    },
    Step {
        name: "tidy",
        run: |workspace| passed(tidy::run(workspace)),
    },
];

struct Step {
    name: &'static str,
    run: fn(&Workspace) -> Result<Outcome, Error>,
}

/// How a check ended that did not fail.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    /// Not run, with what it takes to run it.
    Skipped(String),
}

pub(crate) fn run(workspace: &Workspace, keep_going: bool) -> Result<(), Error> {
    let watch = Stopwatch::start();
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n=== {}/{} {} ===", index + 1, STEPS.len(), step.name);
        let (verdict, duration) = run_step(step, workspace);
        summary.push((step.name, verdict, duration));
        if verdict == "failed" {
            failed.push(step.name);
            if !keep_going {
                break;
            }
        }
    }

    println!("\n=== summary ===");
    for (name, verdict, duration) in summary {
        println!("{name:<14} {verdict:<8} {:>7.1} s", duration.as_secs_f64());
    }
    println!("{:<23} {:>7.1} s", "total", watch.elapsed().as_secs_f64());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Steps { steps: failed })
    }
}

/// Runs a step and says how it went, in a word and on the terminal.
fn run_step(step: &Step, workspace: &Workspace) -> (&'static str, Duration) {
    let watch = Stopwatch::start();
    let verdict = match (step.run)(workspace) {
        Ok(Outcome::Passed) => "passed",
        Ok(Outcome::Skipped(reason)) => {
            println!("{reason}");
            "skipped"
        }
        Err(error) => {
            println!("error: {}", error.chain());
            "failed"
        }
    };
    println!("{} {verdict} after {}", step.name, watch.seconds());
    (verdict, watch.elapsed())
}

fn passed(result: Result<(), Error>) -> Result<Outcome, Error> {
    result.map(|()| Outcome::Passed)
}

fn format(workspace: &Workspace) -> Result<Outcome, Error> {
    passed(Cargo::new(["fmt", "--all", "--check"]).run(&workspace.root))
}

fn clippy(workspace: &Workspace) -> Result<Outcome, Error> {
    let selection = ["clippy", "--workspace", "--all-targets", "--all-features"];
    passed(Cargo::new(selection.into_iter().chain(["--", "-D", "warnings"])).run(&workspace.root))
}

fn documentation(workspace: &Workspace) -> Result<Outcome, Error> {
    let doc = Cargo::new(["doc", "--workspace", "--no-deps", "--all-features"]);
    passed(
        doc.environment("RUSTDOCFLAGS", "-D warnings")
            .run(&workspace.root),
    )
}

fn tests(workspace: &Workspace) -> Result<Outcome, Error> {
    passed(Cargo::new(["test", "--workspace", "--all-features"]).run(&workspace.root))
}

/// Runs the ignored tests on reference samples, which have `samples` in their name or path.
fn samples(workspace: &Workspace) -> Result<Outcome, Error> {
    let Some(folder) = std::env::var_os(SAMPLES).map(PathBuf::from) else {
        return Ok(Outcome::Skipped(
            "set OMNISYNC_SAMPLES to the folder of the samples to run them".to_owned(),
        ));
    };
    // Tests run in the folder of their package, where a relative path would lead elsewhere.
    let folder = match folder.canonicalize() {
        Ok(folder) if folder.is_dir() => folder,
        Ok(path) => {
            return Err(Error::NoSamples {
                path,
                source: std::io::ErrorKind::NotADirectory.into(),
            });
        }
        Err(source) => {
            return Err(Error::NoSamples {
                path: folder,
                source,
            });
        }
    };

    let test = [
        "test",
        "--workspace",
        "--all-features",
        "--tests",
        "--",
        "--ignored",
        "samples",
    ];
    let listed = Cargo::new(test.into_iter().chain(["--list"])).output(&workspace.root)?;
    if !listed.lines().any(|line| line.ends_with(": test")) {
        return Err(Error::NoSampleTests);
    }
    passed(
        Cargo::new(test)
            .environment(SAMPLES, folder)
            .run(&workspace.root),
    )
}

/// Checks licences, banned crates and sources where the tool for it is installed.
fn dependencies(workspace: &Workspace) -> Result<Outcome, Error> {
    if !Cargo::new(["deny", "--version"]).succeeds(&workspace.root) {
        return Ok(Outcome::Skipped(
            "install cargo-deny to check licences, bans and sources".to_owned(),
        ));
    }
    passed(Cargo::new(["deny", "check", "bans", "licenses", "sources"]).run(&workspace.root))
}
