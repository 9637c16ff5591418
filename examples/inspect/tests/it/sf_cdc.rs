use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sf-cdc")
}

fn inspect(arguments: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inspect"));
    command.arg("sf-cdc").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn shown(schema: Option<&Path>, event: &Path) -> Output {
    let schema = schema.map(|schema| [Path::new("--schema"), schema]);
    let mut arguments: Vec<&Path> = schema.iter().flatten().copied().collect();
    arguments.extend([Path::new("--event"), event]);
    inspect(&arguments)
}

#[test]
fn every_record_of_every_event_is_a_line_and_a_bad_event_is_set_aside() {
    let file = fixtures().join("made-up-account.avsc");
    for schema in [fixtures(), file] {
        let output = shown(Some(&schema), &fixtures().join("events.json"));

        assert_eq!(output.status.code(), Some(1));
        let errors = stderr(&output);
        assert!(
            errors.contains("events.json: event 7: schema made-up-account: "),
            "{errors}"
        );
        assert_eq!(errors.lines().count(), 1);
        let lines = lines(&output);
        assert_eq!(lines.len(), 8);
        let update = &lines[1];
        let changed = [
            "ShippingAddress.Street",
            "ShippingAddress.City",
            "LastModifiedDate",
        ];
        assert_eq!(update["changed"], json!(changed));
        assert_eq!(update["nulled"], json!(["Phone"]));
        let values = json!({
            "ShippingAddress.Street": "Ring 2", "ShippingAddress.City": null,
            "LastModifiedDate": 1_770_000_001_000_i64,
        });
        assert_eq!(update["values"], values);
        assert_eq!(update["commit_number"], json!(9_007_199_254_740_993_i64));
        assert_eq!(lines[2]["record_id"], json!("001Dx00000AbCdFIAV"));
        assert_eq!(lines[6]["record_id"], Value::Null);
    }
}

#[test]
fn without_the_schema_the_header_is_shown() {
    let output = shown(None, &fixtures().join("events.json"));

    assert!(output.status.success(), "{}", stderr(&output));
    let lines = lines(&output);
    assert_eq!(lines.len(), 9);
    for line in &lines {
        assert_eq!(line["decoded"], json!("header"));
        assert_eq!(line.get("values"), None);
    }
    assert_eq!(lines[1]["bitmaps"]["changed"], json!(["0x40", "2-0x3"]));
}

#[test]
fn what_cannot_be_read_at_all_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    fs::write(&bad, "{").unwrap();
    let events = fixtures().join("events.json");
    for (schema, event, expected) in [
        (
            None,
            bad.as_path(),
            "holds no events: the events are not json",
        ),
        (
            Some(bad.as_path()),
            &*events,
            "holds no schema of a change event",
        ),
        (None, &*folder.path().join("none"), "cannot read"),
    ] {
        let output = shown(schema, event);
        assert_eq!(output.status.code(), Some(1));
        let errors = stderr(&output);
        assert!(
            errors.starts_with("error: ") && errors.contains(expected),
            "{errors}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn captured_samples_are_shown() {
    let samples = PathBuf::from(std::env::var_os("OMNISYNC_SAMPLES").unwrap()).join("salesforce");
    for (name, events) in [
        ("account-creation-events.json", 3),
        ("account-update-events.json", 1),
    ] {
        let output = shown(Some(&samples), &samples.join(name));
        assert!(output.status.success(), "{}", stderr(&output));
        let lines = lines(&output);
        assert_eq!(lines.len(), events);
        assert!(
            lines.iter().all(|line| line["decoded"] == json!("full")),
            "{lines:?}"
        );
    }
}
