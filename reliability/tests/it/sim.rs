use serde_json::Value;

use super::{program, text};

/// A run of `pair` in which nothing goes wrong.
const QUIET: &str = "t";

#[test]
fn some_seeds_of_one_scenario_end_in_one_object() {
    let output = program(&["sim", "--seeds", "20", "--scenario", "pair", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(text(&output.stdout).lines().count(), 1);
    assert_eq!(summary["tier"], Value::Null);
    assert_eq!(
        (&summary["seeds"], &summary["runs"]),
        (&20.into(), &20.into())
    );
    assert_eq!(summary["violations"], 0);
    assert_eq!(summary["counterexamples"], Value::Array(Vec::new()));
    for member in ["port_calls", "faults", "simulated_ms"] {
        assert!(summary[member].as_u64().unwrap() > 0, "{member}");
    }
    assert!(text(&output.stderr).starts_with("pair "));
}

#[test]
fn the_same_seeds_make_the_same_runs() {
    let calls = |first: &str| {
        let seeds = ["--seeds", "3", "--first-seed", first, "--scenario", "pair"];
        let output = program(&[&["sim", "--json"], &seeds[..]].concat());
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        (summary["port_calls"].clone(), summary["first_seed"].clone())
    };
    assert_eq!(calls("0"), calls("0"));
    assert_eq!(calls("5").1, 5);
    assert_ne!(calls("0").0, calls("5").0);
}

#[test]
fn a_tape_is_replayed_with_its_story() {
    let output = program(&["sim", "--scenario", "pair", "--tape", QUIET]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let story = text(&output.stdout);
    assert!(story.contains("every promise is kept"), "{story}");
    assert!(story.contains(" 0 faults, trace hash "), "{story}");
}

#[test]
fn a_replayed_tape_can_be_read_by_a_program() {
    let output = program(&["sim", "--scenario", "pair", "--tape", QUIET, "--json"]);
    let repetition: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(repetition["violations"], 0);
    assert_eq!(repetition["invariant"], Value::Null);
    assert_eq!(repetition["trace_hash"].as_str().unwrap().len(), 16);
    let calls = repetition["port_calls"].as_u64().unwrap();
    assert!(repetition["story"].as_array().unwrap().len() >= usize::try_from(calls).unwrap());
}

#[test]
fn an_unknown_scenario_is_no_violation() {
    let output = program(&["sim", "--seeds", "1", "--scenario", "pear"]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(
        complaint.starts_with("error: there is no scenario `pear`"),
        "{complaint}"
    );
}
