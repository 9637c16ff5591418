use std::fs;

use crate::support::{Host, complaint};

/// What could be a conflict.
const ID: &str = "00000000-0000-8000-8000-000000000000.1";

#[test]
fn arguments_that_make_no_sense_are_told() {
    let host = Host::new();
    for (arguments, told) in [
        (vec!["run", "--edits", "many"], "--edits"),
        (vec!["run", "--conflicts", "loudest"], "is none of latest"),
        (vec!["explain"], "RECORD"),
        (
            vec!["resolve", "nonsense", "--take", "salesforce", "--by", "a"],
            "is no id of a conflict",
        ),
        (
            vec!["resolve", "x.1", "--take", "sap", "--by", "a"],
            "conflict",
        ),
        (
            vec!["resolve", ID, "--by", "a"],
            "--take <SYSTEM>|--value <TEXT>",
        ),
        (
            vec![
                "resolve",
                ID,
                "--take",
                "salesforce",
                "--value",
                "a",
                "--by",
                "a",
            ],
            "cannot be used with",
        ),
        (vec!["what-if"], "--policy"),
        (vec!["dance"], "dance"),
    ] {
        let text = complaint(&host.output(&arguments), 2);
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn a_field_that_nobody_has_is_told_before_anything_is_done() {
    let host = Host::new();
    let text = complaint(&host.run_output(&["--manual", "shoeSize"]), 1);
    assert!(text.contains("shoeSize is no field"), "{text}");
    assert!(!host.path("data").exists());
}

#[test]
fn records_that_are_none_are_told_by_their_line() {
    let host = Host::new();
    host.write("northwind-products.ndjson", "\n{\"productCode\": 1}\n");
    let text = complaint(&host.run_output(&[]), 1);
    assert!(
        text.contains("northwind-products.ndjson line 2 is no record"),
        "{text}"
    );
    fs::remove_file(host.path("northwind-customers.ndjson")).unwrap();
    let text = complaint(&host.run_output(&[]), 1);
    assert!(text.contains("cannot read"), "{text}");
}

#[test]
fn a_folder_holds_one_run() {
    let host = Host::new();
    let nothing = host.fails(&["explain", "TEST1"]);
    assert!(nothing.contains("holds no run"), "{nothing}");
    host.run(&["--edits", "0"]);
    let used = complaint(&host.run_output(&[]), 1);
    assert!(used.contains("holds a run already"), "{used}");
    let unknown = host.fails(&["explain", "NOBODY"]);
    assert!(unknown.contains("no record NOBODY"), "{unknown}");
    fs::write(host.path("data").join("crms.json"), "{").unwrap();
    let damaged = host.fails(&["explain", "TEST1"]);
    assert!(damaged.contains("is damaged"), "{damaged}");
}
