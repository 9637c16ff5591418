use std::path::{Path, PathBuf};

use crate::support::{fixtures, inspect, lines, stderr};

fn samples() -> PathBuf {
    let Some(samples) = std::env::var_os("OMNISYNC_SAMPLES") else {
        panic!("OMNISYNC_SAMPLES is not set: the recorded files were not read");
    };
    Path::new(&samples).join("dynamics")
}

#[test]
fn an_event_is_shown_with_its_hints() {
    let event = fixtures().join("dynamics/account-update.json");
    let output = inspect(&["dataverse".as_ref(), &event]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = &lines(&output)[0];
    assert_eq!(shown["hints"][0]["origin"]["client"], "omnisync");
    assert_eq!(
        shown["context"]["operationCreatedOn"],
        "2026-03-14T08:00:01-07:00"
    );
}

#[test]
fn a_file_that_is_no_event_is_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    std::fs::write(&path, "{\n\"Depth\": }").unwrap();
    let good = fixtures().join("dynamics/account-update.json");
    let output = inspect(&["dataverse".as_ref(), &path, &good]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("line 2"), "{}", stderr(&output));
    assert_eq!(lines(&output).len(), 1);
}

#[test]
fn a_package_is_shown_from_its_archive_and_from_its_folder() {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../omnisync-core/tests/golden/dixf");
    let output = inspect(&["package".as_ref(), &golden.join("orders-dmf.zip")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let archive = lines(&output)[0].clone();
    assert_eq!(archive["report"]["layout"], "dmf");
    assert_eq!(archive["header"]["packageType"], "DefinitionGroup");

    let output = inspect(&["package".as_ref(), &golden.join("dmf")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(lines(&output)[0]["manifest"], archive["manifest"]);

    let output = inspect(&["package".as_ref(), &golden.join("orders-seed.zip")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(lines(&output)[0]["report"]["layout"], "seed");
}

#[test]
fn what_is_no_package_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = inspect(&["package".as_ref(), folder.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Manifest.xml"));
    let event = fixtures().join("dynamics/account-update.json");
    let output = inspect(&["package".as_ref(), &event]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is no package"));
    std::fs::write(folder.path().join("Manifest.xml"), "<a>").unwrap();
    let output = inspect(&["package".as_ref(), folder.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn a_batch_of_cloud_events_is_shown_event_by_event() {
    let batch = fixtures().join("cloudevent/batch.json");
    let output = inspect(&["cloudevent".as_ref(), &batch]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("batch.json: event 2: "),
        "{}",
        stderr(&output)
    );
    assert_eq!(lines(&output)[0]["type"], "OrderCreated");

    let folder = tempfile::tempdir().unwrap();
    let single = folder.path().join("event.json");
    std::fs::write(
        &single,
        r#"{"specversion":"1.0","id":"1","source":"/a","type":"b"}"#,
    )
    .unwrap();
    let output = inspect(&["cloudevent".as_ref(), &single]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(lines(&output)[0]["id"], "1");
}

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn the_recorded_samples_of_dynamics_are_shown() {
    let update = samples().join("contact-update-async.json");
    let create = samples().join("agentstatus-create-sync.json");
    let output = inspect(&["dataverse".as_ref(), &update, &create]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = lines(&output);
    assert_eq!(shown[0]["hints"][0]["kind"], "update");
    assert_eq!(shown[1]["hints"][0]["object"], "msdyn_agentstatus");

    let package = samples().join("package-asset-major-types");
    let output = inspect(&["package".as_ref(), &package]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let manifest = &lines(&output)[0]["manifest"];
    assert_eq!(manifest["entities"][0]["maps"].as_array().unwrap().len(), 2);
}
