use std::io::Write;
use std::path::Path;

use crate::error::InspectError;
use crate::{cloudevent, dataverse, package, sf_cdc};

/// Inspects the files in `fixtures`, and compares what is shown with what is in them.
pub(crate) fn run(report: &mut dyn Write) -> Result<(), InspectError> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folder = fixtures.join("sf-cdc");
    let arguments = sf_cdc::Arguments::new(&folder, &folder.join("events.json"));
    let mut shown = Vec::new();
    let problems = sf_cdc::run(&arguments, &mut shown)?;
    for problem in problems {
        shown.extend(format!("{}\n", sf_cdc::without_folder(&problem)).bytes());
    }
    compare("sf-cdc", &shown, &folder.join("expected.txt"))?;

    let folder = fixtures.join("dynamics");
    let mut shown = Vec::new();
    let events = folder.join("account-update.json");
    dataverse::run(&[events], &mut shown)?;
    package::run(
        &package::Arguments::new(&folder.join("package")),
        &mut shown,
    )?;
    compare("dynamics", &shown, &folder.join("expected.txt"))?;

    let folder = fixtures.join("cloudevent");
    let mut shown = Vec::new();
    let events = folder.join("batch.json");
    for problem in cloudevent::run(&[events], &mut shown)? {
        shown.extend(format!("{}\n", sf_cdc::without_folder(&problem)).bytes());
    }
    compare("cloudevent", &shown, &folder.join("expected.txt"))?;
    writeln!(report, "everything was seen").map_err(InspectError::Output)
}

fn compare(case: &'static str, shown: &[u8], expected: &Path) -> Result<(), InspectError> {
    let expected = std::fs::read_to_string(expected).map_err(InspectError::read(expected))?;
    let shown = String::from_utf8_lossy(shown);
    let lines = shown.lines().count().max(expected.lines().count());
    let differs = |line: &usize| shown.lines().nth(*line) != expected.lines().nth(*line);
    match (0..lines).find(differs) {
        Some(line) => Err(InspectError::SelfTest {
            case,
            line: line + 1,
        }),
        None => Ok(()),
    }
}
