//! Every run that once broke a promise keeps it now.

use std::fs;
use std::path::Path;

use omnisync_testkit::sim::regression::{Kept, Regression, read_folder};
use omnisync_testkit::sim::{Explorer, Replayed, Scenario, Tape, crm, orders};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../regressions");

fn replay_one_of<S: Scenario>(all: &[S], name: &str, tape: &Tape) -> Option<Replayed> {
    let scenario = all.iter().find(|scenario| scenario.name() == name)?;
    Some(Explorer::new(scenario).replay(tape))
}

fn replay(kept: &Kept) -> Result<(), String> {
    let Regression {
        notes,
        scenario: name,
        tape,
    } = &kept.regression;
    let file = kept.path.display();
    let replayed = replay_one_of(&orders::scenarios(), name, tape)
        .or_else(|| replay_one_of(&crm::scenarios(), name, tape))
        .ok_or_else(|| format!("{file}: there is no scenario `{name}`"))?;
    match replayed.violation {
        None => Ok(()),
        Some(violation) => Err(format!(
            "{file} fails again ({}): {violation}\n  {}",
            notes.join(" "),
            replayed.story.join("\n  ")
        )),
    }
}

#[test]
fn no_tape_that_was_kept_breaks_a_promise() {
    let kept = read_folder(Path::new(FOLDER)).unwrap();
    assert!(!kept.is_empty());
    let broken: Vec<String> = kept.iter().filter_map(|kept| replay(kept).err()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn every_tape_that_was_kept_says_what_the_bug_was() {
    for kept in read_folder(Path::new(FOLDER)).unwrap() {
        let notes = &kept.regression.notes;
        assert!(notes.iter().any(|note| !note.is_empty()), "{kept:?}");
    }
}

#[test]
fn a_tape_of_a_scenario_that_is_gone_is_an_error() {
    let kept = Kept {
        path: "gone.tape".into(),
        regression: "scenario gone\ntape tAA\n".parse().unwrap(),
    };
    assert_eq!(
        replay(&kept).unwrap_err(),
        "gone.tape: there is no scenario `gone`"
    );
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.tape");
    fs::write(folder.path().join("README.md"), "not a tape").unwrap();
    fs::write(&path, "scenario pair\ntape no tape\n").unwrap();
    let error = read_folder(folder.path()).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{}:2: not a tape", path.display())),
        "{error}"
    );
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let regression: Regression = "# A bug.\nscenario pair\ntape tAAE\n".parse().unwrap();
    for name in ["b.tape", "a.tape"] {
        regression.write(&folder.path().join(name)).unwrap();
    }
    let kept = read_folder(folder.path()).unwrap();
    let names: Vec<_> = kept
        .iter()
        .map(|kept| kept.path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a.tape", "b.tape"]);
    assert!(kept.iter().all(|kept| kept.regression == regression));
}
