//! Handing a package over, and asking how far it is.

use omnisync_core::port::RepeatedExecution;
use omnisync_testkit::server::fno::FnoServer;
use serde_json::json;

use super::client::submission;
use super::packages::{Entity, orders, package, zip};
use super::{client_of, place};

#[tokio::test]
async fn answers_name_their_type() {
    let place = place(|_| ()).await;

    let body = json!({"uniqueFileName": "a.zip"});
    let reply = place.client.action("GetAzureWriteUrl", body).await;

    let context = format!("{}/data/$metadata#Edm.String", place.server.base_url());
    assert_eq!(reply.json()["@odata.context"], context);
    assert_eq!(reply.header("odata-version"), Some("4.0"));
}

#[tokio::test]
async fn a_parameter_that_is_missing_is_refused() {
    let place = place(|_| ()).await;
    let url = place.client.upload("a.zip", &orders()).await;
    for name in [
        "packageUrl",
        "executionId",
        "execute",
        "overwrite",
        "legalEntityId",
    ] {
        let mut body = submission("E-1", &url);
        body.as_object_mut().unwrap().remove(name);

        let reply = place.client.action("ImportFromPackage", body).await;

        assert_eq!(reply.status, 400);
        assert!(reply.refusal().contains(name));
    }
}

#[tokio::test]
async fn an_import_is_waited_for() {
    let place = place(|options| options.polls_to_end = Some(3)).await;

    place.client.submit("E-1", &orders()).await.value();

    for word in ["NotRun", "Executing", "Succeeded", "Succeeded"] {
        assert_eq!(place.client.status("E-1").await.value(), word);
    }
}

#[tokio::test]
async fn an_import_by_hand_ends_when_it_is_told_to() {
    let place = place(|options| options.polls_to_end = None).await;
    place.client.submit("E-1", &orders()).await.value();
    for _ in 0..5 {
        place.client.status("E-1").await.value();
    }
    assert!(place.fno.headers().is_empty());

    assert!(place.fno.finish("E-1"));

    assert_eq!(place.client.status("E-1").await.value(), "Succeeded");
    assert!(!place.fno.finish("E-1"));
}

#[tokio::test]
async fn an_execution_is_not_seen_at_first() {
    let place = place(|options| options.unseen_polls = 2).await;
    place.client.submit("E-1", &orders()).await.value();

    for _ in 0..2 {
        let reply = place.client.status("E-1").await;
        assert_eq!(reply.status, 400);
        assert!(reply.refusal().contains("were not found"));
    }
    assert_eq!(place.client.status("E-1").await.value(), "NotRun");
    assert!(
        place
            .client
            .status("E-9")
            .await
            .refusal()
            .contains("were not found")
    );
}

#[tokio::test]
async fn an_empty_execution_id_is_filled_in() {
    let place = place(|_| ()).await;
    let url = place.client.upload("a.zip", &orders()).await;

    let reply = place
        .client
        .action("ImportFromPackageAsync", submission("", &url))
        .await;

    let id = reply.value();
    assert_eq!(place.fno.executions()[0].id, id.as_str().unwrap());
}

#[tokio::test]
async fn a_repeated_execution_id_is_rejected_returned_or_run_again() {
    for repeated in [
        RepeatedExecution::Rejected,
        RepeatedExecution::ReturnsExisting,
        RepeatedExecution::RunsAgain,
    ] {
        let place = place(|options| options.repeated_execution = repeated).await;
        place.client.import("E-1", &orders()).await;

        let reply = place.client.submit("E-1", &orders()).await;

        match repeated {
            RepeatedExecution::Rejected => {
                assert_eq!(reply.status, 400);
                let expected = "The execution ID 'E-1' already exists";
                assert!(reply.refusal().contains(expected));
            }
            RepeatedExecution::ReturnsExisting => assert_eq!(reply.value(), "E-1"),
            RepeatedExecution::RunsAgain => {
                assert_eq!(reply.value(), "E-1");
                assert!(place.fno.finish("E-1"));
            }
        }
        let twice = repeated == RepeatedExecution::RunsAgain;
        assert_eq!(place.fno.imports_of("SO-1"), if twice { 2 } else { 1 });
        assert_eq!(place.fno.submissions(), if twice { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_second_import_of_a_project_fails_while_the_first_runs() {
    let place = place(|options| options.polls_to_end = None).await;
    place.client.submit("E-1", &orders()).await.value();

    let reply = place.client.submit("E-2", &orders()).await;

    assert_eq!(reply.status, 500);
    assert!(reply.refusal().contains("DMF1996"));
    assert_eq!(place.fno.submissions(), 1);

    place
        .fno
        .reconfigure(|options| options.enhanced_parallel = true);
    place.client.submit("E-2", &orders()).await.value();
    assert!(place.fno.finish("E-1") && place.fno.finish("E-2"));
    assert_eq!(place.fno.imports_of("SO-1"), 2);
}

#[tokio::test]
async fn a_project_of_another_definition_needs_overwrite() {
    let place = place(|_| ()).await;
    place.client.import("E-1", &orders()).await;
    let other = package(&[Entity::headers(&["SO-5,C-1,C-1,USD,2026-03-01"])]);
    let url = place.client.upload("b.zip", &other).await;
    let mut body = submission("E-2", &url);
    body["overwrite"] = false.into();

    let reply = place.client.action("ImportFromPackage", body.clone()).await;

    assert_eq!(reply.status, 400);
    let expected = "The data project 'Orders' exists and overwrite has not been specified.";
    assert!(reply.refusal().ends_with(expected), "{}", reply.refusal());

    body["overwrite"] = true.into();
    place.client.action("ImportFromPackage", body).await.value();
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let place = place(|_| ()).await;
    let unknown = package(&[Entity::new("SalesOrderHeadersV2", 10, "A", &["1"])]);
    let folder = zip(&[("package/Manifest.xml", b"<x/>")]);
    let cases: [(&[u8], &str); 3] = [
        (b"no archive", "the package is no archive"),
        (&folder, "the package has a folder"),
        (
            &unknown,
            "Entity SalesOrderHeadersV2 does not exist in the target environment",
        ),
    ];
    for (bytes, expected) in cases {
        let reply = place.client.submit("E-1", bytes).await;

        assert_eq!(reply.status, 400);
        assert!(reply.refusal().contains(expected), "{}", reply.refusal());
    }
    let url = place.client.upload("a.zip", &orders()).await;
    let mut body = submission("E-1", &url);
    body["legalEntityId"] = "XXXX".into();
    let reply = place.client.action("ImportFromPackage", body).await;
    assert!(reply.refusal().contains("Target legal entity is not valid"));

    assert!(place.fno.executions().is_empty());
    assert_eq!(place.fno.submissions(), 0);
}

#[tokio::test]
async fn a_blocking_import_answers_when_it_has_ended() {
    let place = place(|options| {
        options.blocking = true;
        options.polls_to_end = None;
    })
    .await;
    let url = place.client.upload("a.zip", &orders()).await;
    let client = place.client.clone();
    let body = submission("E-1", &url);
    let held = tokio::spawn(async move { client.try_action("ImportFromPackage", body).await });
    place.fno.until_in_progress(1).await;
    while place.fno.executions().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!held.is_finished());

    place.fno.finish("E-1");

    assert_eq!(held.await.unwrap().unwrap().value(), "E-1");
}

#[tokio::test]
async fn a_restart_cuts_a_blocking_import_and_keeps_what_it_took() {
    let place = place(|options| {
        options.blocking = true;
        options.polls_to_end = None;
    })
    .await;
    let url = place.client.upload("a.zip", &orders()).await;
    let client = place.client.clone();
    let body = submission("E-1", &url);
    let held = tokio::spawn(async move { client.try_action("ImportFromPackage", body).await });
    while place.fno.executions().is_empty() {
        tokio::task::yield_now().await;
    }

    place.server.stop().await;

    assert!(held.await.unwrap().is_none());
    let server = FnoServer::serve(place.fno.clone()).await.unwrap();
    let client = client_of(&server);
    place.fno.finish("E-1");
    assert_eq!(client.status("E-1").await.value(), "Succeeded");
}

#[tokio::test]
async fn an_execution_is_said_to_be_anything_canceled_lost_or_deleted() {
    let place = place(|_| ()).await;
    place.client.submit("E-1", &orders()).await.value();
    assert!(place.fno.say("E-1", "Hibernating"));
    assert_eq!(place.client.status("E-1").await.value(), "Hibernating");
    assert!(place.fno.stop_saying("E-1"));
    assert!(place.fno.cancel("E-1"));
    assert_eq!(place.client.status("E-1").await.value(), "Canceled");
    assert!(place.fno.headers().is_empty());
    assert!(place.fno.lose("E-1"));
    assert_eq!(place.client.status("E-1").await.status, 400);

    place.client.import("E-2", &orders()).await;
    let body = json!({"executionId": "E-2"});
    let deleted = place
        .client
        .action("DeleteExecutionHistoryJob", body.clone());
    assert_eq!(deleted.await.status, 204);
    let again = place
        .client
        .action("GetExecutionSummaryPageUrl", body)
        .await;
    assert_eq!(again.status, 400);
}

#[tokio::test]
async fn a_url_outlives_a_restart() {
    let place = place(|options| options.polls_to_end = Some(0)).await;
    let url = place.client.upload("a.zip", &orders()).await;
    let base = place.server.base_url().to_owned();

    let server = place.server.restart().await.unwrap();

    assert_eq!(server.base_url(), base);
    let body = submission("E-1", &url);
    place.client.action("ImportFromPackage", body).await.value();
    assert_eq!(place.client.status("E-1").await.value(), "Succeeded");
}

#[tokio::test]
async fn a_package_that_is_not_executed_does_not_run() {
    let place = place(|_| ()).await;
    let url = place.client.upload("a.zip", &orders()).await;
    let mut body = submission("E-1", &url);
    body["execute"] = false.into();

    place.client.action("ImportFromPackage", body).await.value();

    for _ in 0..4 {
        assert_eq!(place.client.status("E-1").await.value(), "NotRun");
    }
    assert!(place.fno.headers().is_empty());
}
