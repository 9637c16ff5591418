//! Recurring integrations.

use serde_json::{Value, json};

use super::client::{Reply, send};
use super::packages::{Entity, HEADERS, orders, package};
use super::{Place, place};

const ACTIVITY: &str = "6a1c9f3e-0d8e-4c2f-9b57-2f1f7d3b8a10";

async fn enqueue(place: &Place, target: &str, package: &[u8]) -> Reply {
    let url = format!("{}/api/connector/enqueue/{target}", place.server.base_url());
    let bearer = format!("Bearer {}", place.client.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-ms-dyn-externalidentifier", "batch-7"),
    ];
    send("POST", &url, &headers, package).await.unwrap()
}

async fn message(place: &Place, package: &[u8]) -> String {
    let reply = enqueue(place, &format!("{ACTIVITY}?company=USMF"), package).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // The id is a JSON string, and nothing around it.
    serde_json::from_slice(&reply.body).unwrap()
}

async fn status(place: &Place, message: &str) -> Value {
    let message = message.replace('{', "%7B").replace('}', "%7D");
    let target = format!("/api/connector/jobstatus/{ACTIVITY}?jobId={message}");
    let reply = place.client.get(&target).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The words of a message until none of them is new.
async fn words(place: &Place, message: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for _ in 0..8 {
        let detail = status(place, message).await;
        let word = detail["DataJobStatus"]["DataJobState"]
            .as_str()
            .unwrap()
            .to_owned();
        if words.last() != Some(&word) {
            words.push(word);
        }
    }
    words
}

#[tokio::test]
async fn a_package_goes_through_the_queue_into_the_tables() {
    let place = place(|_| ()).await;
    let message = message(&place, &orders()).await;

    let words = words(&place, &message).await;

    assert_eq!(words, ["Enqueued", "Dequeued", "InProcess", "Processed"]);
    assert_eq!(place.fno.headers().len(), 2);
    let detail = status(&place, &message).await;
    let job = &detail["DataJobStatus"];
    assert_eq!(job["DataProject"], "Recurring sales orders");
    assert_eq!(job["ExternalIdentifier"], "batch-7");
    assert_eq!(job["DataJobIdentifier"], message.as_str());
    assert!(job["DataJobCompletedDateTime"].is_string());
    assert_eq!(detail["ExecutionDetail"][0]["EntityName"], HEADERS);
    assert_eq!(detail["ExecutionDetail"][0]["TargetRecords"], 2);
    assert_eq!(detail["ExecutionDetail"][0]["TargetErrorCount"], 0);
}

#[tokio::test]
async fn errors_of_a_message_are_asked_for_by_its_execution() {
    let place = place(|_| ()).await;
    let lines = Entity::lines(&["L-1,SO-9,A-1,1,2026-03-01"]);
    let message = message(&place, &package(&[lines])).await;

    assert_eq!(
        words(&place, &message).await.last().unwrap(),
        "ProcessedWithErrors"
    );

    let detail = status(&place, &message).await;
    assert_eq!(detail["ExecutionDetail"][0]["TargetErrorCount"], 1);
    assert!(detail["ExecutionLog"].as_str().unwrap().contains("'SO-9'"));
    let execution = detail["DataJobStatus"]["ExecutionIdentifier"]
        .as_str()
        .unwrap();
    assert_ne!(execution, message);
    assert_eq!(place.client.errors(execution).await[0].0, "L-1");
    let asked = place
        .client
        .action("GetMessageStatus", json!({"messageId": message}));
    assert_eq!(asked.await.value(), "ProcessedWithErrors");
}

#[tokio::test]
async fn what_is_no_package_does_not_get_to_an_execution() {
    let place = place(|_| ()).await;
    let message = message(&place, b"no archive").await;

    assert_eq!(
        words(&place, &message).await.last().unwrap(),
        "PreProcessError"
    );

    assert!(place.fno.executions().is_empty());
    let detail = status(&place, &message).await;
    assert!(
        detail["ExecutionLog"]
            .as_str()
            .unwrap()
            .contains("no archive")
    );
}

#[tokio::test]
async fn messages_of_one_job_wait_for_each_other() {
    let place = place(|options| options.polls_to_end = None).await;
    let first = message(&place, &orders()).await;
    let second = message(&place, &orders()).await;

    assert_eq!(words(&place, &first).await.last().unwrap(), "InProcess");
    assert_eq!(words(&place, &second).await.last().unwrap(), "Dequeued");

    let execution = place.fno.executions()[0].id.clone();
    place.fno.finish(&execution);
    assert_eq!(words(&place, &second).await.last().unwrap(), "InProcess");
}

#[tokio::test]
async fn unknown_jobs_messages_and_companies_are_refused() {
    let place = place(|_| ()).await;
    let other = "00000000-0000-0000-0000-000000000000";

    assert_eq!(enqueue(&place, other, &orders()).await.status, 404);
    let company = format!("{ACTIVITY}?company=XXXX");
    assert_eq!(enqueue(&place, &company, &orders()).await.status, 400);
    assert_eq!(enqueue(&place, ACTIVITY, b"").await.status, 400);
    let target = format!("/api/connector/jobstatus/{ACTIVITY}?jobId=nobody");
    assert_eq!(place.client.get(&target).await.status, 404);
    let target = format!("/api/connector/jobstatus/{other}?jobId=nobody");
    assert_eq!(place.client.get(&target).await.status, 404);
}

#[tokio::test]
async fn an_installation_on_premises_redirects() {
    let place = place(|options| options.on_premises = true).await;

    let reply = enqueue(&place, ACTIVITY, &orders()).await;

    assert_eq!(reply.status, 302);
    assert!(reply.header("location").is_some());
}
