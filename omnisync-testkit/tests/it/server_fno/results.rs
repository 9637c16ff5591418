//! What became of each record.

use std::sync::Arc;

use omnisync_testkit::server::fno::{FileEncoding, RecordView, RowError, refuse_share};
use serde_json::json;

use super::client::{Reply, send};
use super::packages::{Entity, HEADERS, LINES, orders, package, utf16};
use super::{Place, place};

/// A place in which order `SO-2` was refused by the target, and `SO-3` did not get there.
async fn refused(place: Place) -> Place {
    place.fno.set_rule(Arc::new(|row| {
        (row.entity == HEADERS && row.get("SALESORDERNUMBER") == "SO-2")
            .then(|| RowError::with_code("DMF1830", "credit, limit"))
    }));
    let headers = Entity::headers(&[
        "SO-1,C-1,C-1,USD,2026-03-01",
        "SO-2,C-1,C-1,USD,2026-03-01",
        "SO-3,C-1,C-1,USD,soon",
    ]);
    let lines = Entity::lines(&["L-1,SO-1,A-1,1,2026-03-01", "L-2,SO-2,A-1,1,2026-03-01"]);
    let word = place
        .client
        .import("E-1", &package(&[headers, lines]))
        .await;
    assert_eq!(word, "PartiallySucceeded");
    place
}

async fn keys_url(place: &Place, entity: &str) -> Reply {
    let action = "GetImportTargetErrorKeysFileUrl";
    place.client.of_entity(action, "E-1", entity).await
}

/// Has the error keys file made, waits for it and fetches it.
async fn keys_file(place: &Place, entity: &str) -> Vec<u8> {
    let action = "GenerateImportTargetErrorKeysFile";
    let made = place.client.of_entity(action, "E-1", entity).await;
    assert_eq!(made.value(), true);
    assert!(made.text().contains("$metadata#Edm.Boolean"));
    assert_eq!(keys_url(place, entity).await.value(), "", "it is pending");
    let url = keys_url(place, entity).await.value();
    let file = send("GET", url.as_str().unwrap(), &[], b"").await.unwrap();
    assert_eq!(file.status, 200);
    file.body
}

#[tokio::test]
async fn errors_are_a_list_within_a_string() {
    let place = refused(place(|_| ()).await).await;

    let errors = place.client.errors("E-1").await;

    let keys: Vec<_> = errors.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["SO-2", "SO-3", "L-2"]);
    assert_eq!(errors[0].1, "DMF1830: credit, limit");
    assert!(errors[2].1.contains("'SO-2'"));
}

#[tokio::test]
async fn keys_of_what_the_target_refused_come_in_a_file() {
    let place = refused(place(|_| ()).await).await;

    assert_eq!(
        keys_url(&place, HEADERS).await.value(),
        "",
        "nobody had it made"
    );
    assert_eq!(
        keys_file(&place, HEADERS).await,
        b"SALESORDERNUMBER\r\nSO-2\r\n"
    );
    assert_eq!(keys_file(&place, LINES).await, b"INVENTORYLOTID\r\nL-2\r\n");
}

#[tokio::test]
async fn an_error_keys_file_comes_without_header_line_and_in_other_encodings() {
    let place = place(|options| {
        options.keys_file_header = false;
        options.error_file_encoding = FileEncoding::Utf16;
    });
    let place = refused(place.await).await;

    assert_eq!(keys_file(&place, HEADERS).await, utf16("SO-2\r\n"));
}

#[tokio::test]
async fn there_is_no_error_keys_file_without_errors() {
    let place = place(|_| ()).await;
    place.client.import("E-1", &orders()).await;

    let action = "GenerateImportTargetErrorKeysFile";
    let made = place.client.of_entity(action, "E-1", HEADERS).await;

    assert_eq!(made.value(), false);
    assert_eq!(keys_url(&place, HEADERS).await.value(), "");
    let unknown = place.client.of_entity(action, "E-1", "Customers V3").await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn rows_that_did_not_get_into_staging_come_whole() {
    let place = refused(place(|_| ()).await).await;
    let action = "GetImportStagingErrorFileUrl";

    let url = place.client.of_entity(action, "E-1", HEADERS).await.value();

    let file = send("GET", url.as_str().unwrap(), &[], b"").await.unwrap();
    let expected = format!(
        "{}\r\nSO-3,C-1,C-1,USD,soon\r\n",
        super::packages::HEADER_COLUMNS
    );
    assert_eq!(file.text(), expected);
    let none = place.client.of_entity(action, "E-1", LINES).await;
    assert_eq!(none.value(), "");
    let write = send(
        "PUT",
        url.as_str().unwrap(),
        &[("x-ms-blob-type", "BlockBlob")],
        b"x",
    );
    assert_eq!(write.await.unwrap().status, 403, "the URL is for reading");
}

#[tokio::test]
async fn records_tell_the_truth() {
    let place = refused(place(|_| ()).await).await;

    let records = place.fno.records("E-1");

    let failed = |record: &RecordView| record.error.is_some();
    let keys: Vec<_> = records
        .iter()
        .map(|record| (record.key.as_str(), failed(record)))
        .collect();
    let expected = [
        ("SO-1", false),
        ("SO-2", true),
        ("SO-3", true),
        ("L-1", false),
        ("L-2", true),
    ];
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_silent_execution_tells_nothing() {
    let place = refused(place(|_| ()).await).await;
    place.fno.silence("E-1");

    assert!(place.client.errors("E-1").await.is_empty());
    let action = "GenerateImportTargetErrorKeysFile";
    let made = place.client.of_entity(action, "E-1", HEADERS).await;
    assert_eq!(made.status, 500);
}

#[tokio::test]
async fn job_details_count_rows_by_entity() {
    let place = refused(place(|_| ()).await).await;
    let target = "/data/DataManagementExecutionJobDetails?$filter=JobId%20eq%20%27E-1%27";

    let value = place.client.get(target).await.value();

    let rows = value.as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let headers = &rows[0];
    assert_eq!(headers["EntityName"], HEADERS);
    assert_eq!(headers["StagingStatus"], "Error");
    assert_eq!(headers["TargetStatus"], "Error");
    assert_eq!(headers["StagingRecordsCreatedCount"], 2);
    assert_eq!(headers["TargetRecordsCreatedCount"], 1);
    assert_eq!(headers["TargetRecordsUpdatedCount"], 0);
    assert_eq!(rows[1]["StagingStatus"], "Finished");
}

#[tokio::test]
async fn job_details_are_filtered_by_ids_and_narrowed() {
    let place = place(|options| options.polls_to_end = None).await;
    place.client.submit("it's", &orders()).await.value();
    let set = "/data/DataManagementExecutionJobDetails";

    let target = format!("{set}?$filter=JobId+eq+'it''s'&$select=EntityName,TargetStatus");
    let value = place.client.get(&target).await.value();
    let row = json!({"EntityName": HEADERS, "TargetStatus": "NotStarted"});
    assert_eq!(value[0], row);

    let target = format!("{set}?$filter=DefinitionGroupId%20eq%20'Orders'");
    assert_eq!(
        place
            .client
            .get(&target)
            .await
            .value()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let target = format!("{set}?$filter=JobId eq 'x' or DefinitionGroupId eq 'Orders'");
    let value = place.client.get(&target.replace(' ', "%20")).await.value();
    assert_eq!(value.as_array().unwrap().len(), 2);
    let target = format!("{set}?$filter=JobId%20eq%20'nobody'");
    assert_eq!(place.client.get(&target).await.value(), json!([]));
}

#[tokio::test]
async fn any_other_question_for_job_details_is_refused() {
    let place = place(|_| ()).await;
    for query in [
        "",
        "?$filter=EntityName%20eq%20'x'",
        "?$filter=JobId%20ne%20'x'",
        "?$filter=JobId%20eq%20'x'%20and%20JobId%20eq%20'y'",
        "?$filter=JobId%20eq%20'x'%20or%20",
        "?$filter=JobId%20eq%20'it's'",
        "?$filter=JobId%20eq%20x",
        "?$filter=%FF",
        "?$filter=JobId%20eq%20'x'&$top=1",
    ] {
        let target = format!("/data/DataManagementExecutionJobDetails{query}");
        assert_eq!(place.client.get(&target).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_share_of_orders_is_refused_and_always_the_same() {
    let rows: Vec<_> = (0..1_000)
        .map(|number| format!("SO-{number:08},C-1,C-1,USD,2026-03-01"))
        .collect();
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    let package = package(&[Entity::headers(&rows)]);
    let mut taken = Vec::new();
    for _ in 0..2 {
        let place = place(|_| ()).await;
        place.fno.set_rule(refuse_share(0.2));
        place.client.import("E-1", &package).await;
        taken.push(place.fno.headers().into_keys().collect::<Vec<_>>());
        place.fno.clear_rule();
        assert_eq!(place.client.import("E-2", &package).await, "Succeeded");
    }
    assert!((700..900).contains(&taken[0].len()), "{}", taken[0].len());
    assert_eq!(taken[0], taken[1]);
}
