//! Trouble on demand.

use std::time::Duration;

use omnisync_testkit::server::fno::{Fault, RateLimit, RetryAfter, Route};
use serde_json::json;

use super::client::{send, submission};
use super::packages::orders;
use super::place;

#[tokio::test]
async fn refusals_come_in_the_shapes_of_the_service() {
    let place = place(|_| ()).await;
    let cases = [
        (
            Fault::Throttled(RetryAfter::Absent),
            429,
            "retry-after",
            None,
        ),
        (
            Fault::Throttled(RetryAfter::Seconds(7)),
            429,
            "retry-after",
            Some("7"),
        ),
        (
            Fault::Throttled(RetryAfter::Date(60)),
            429,
            "retry-after",
            Some("Thu, 01 Jan 2026 00:01:00 GMT"),
        ),
        (
            Fault::Unavailable,
            503,
            "content-type",
            Some("text/html; charset=utf-8"),
        ),
        (
            Fault::ErrorPage,
            500,
            "content-type",
            Some("text/html; charset=utf-8"),
        ),
    ];
    for (fault, status, header, value) in cases {
        place.fno.inject(Some(Route::Status), fault);

        let reply = place.client.status("E-1").await;

        assert_eq!((reply.status, reply.header(header)), (status, value));
    }
    place.fno.inject(None, Fault::Redirect);
    let reply = place.client.status("E-1").await;
    assert_eq!(reply.status, 302);
    assert!(
        reply
            .header("location")
            .unwrap()
            .starts_with(place.server.base_url())
    );
    assert_eq!(place.fno.faults_left(), 0);
}

#[tokio::test]
async fn a_fault_waits_for_its_route() {
    let place = place(|_| ()).await;
    place.fno.inject(Some(Route::Upload), Fault::Unavailable);
    let url = place.client.write_url("a.zip").await;
    let headers = [("x-ms-blob-type", "BlockBlob")];

    let first = send("PUT", &url, &headers, b"x").await.unwrap();
    let second = send("PUT", &url, &headers, b"x").await.unwrap();

    assert_eq!((first.status, second.status), (503, 201));
}

#[tokio::test]
async fn a_connection_is_cut_before_and_after_the_effect() {
    let place = place(|_| ()).await;
    let url = place.client.upload("a.zip", &orders()).await;
    for (fault, submissions) in [(Fault::CutBefore, 0), (Fault::CutAfter, 1)] {
        place.fno.inject(Some(Route::Import), fault);
        let body = submission("E-1", &url);

        let reply = place.client.try_action("ImportFromPackage", body).await;

        assert!(reply.is_none());
        assert_eq!(place.fno.submissions(), submissions);
    }
    let cut = place
        .fno
        .requests()
        .into_iter()
        .filter(|request| request.status.is_none());
    assert_eq!(cut.count(), 2);
}

#[tokio::test]
async fn an_answer_ends_in_the_middle_or_is_too_long() {
    let place = place(|_| ()).await;
    place.client.import("E-1", &orders()).await;

    place.fno.inject(Some(Route::Status), Fault::CutWithin);
    let reply = place.client.status("E-1").await;
    assert!(reply.cut && reply.status == 200);

    place.fno.inject(Some(Route::Status), Fault::Truncated);
    let reply = place.client.status("E-1").await;
    assert!(!reply.cut && serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());

    place
        .fno
        .inject(Some(Route::Errors), Fault::Oversized(1 << 20));
    let body = json!({"executionId": "E-1"});
    let reply = place.client.action("GetExecutionErrors", body).await;
    assert_eq!(reply.body.len(), 1 << 20);
}

#[tokio::test]
async fn a_stalled_request_goes_on_when_it_is_released() {
    let place = place(|_| ()).await;
    place.fno.inject(Some(Route::WriteUrl), Fault::Stalled);
    let client = place.client.clone();
    let held = tokio::spawn(async move { client.write_url("a.zip").await });
    place.fno.until_in_progress(1).await;
    while place.fno.faults_left() > 0 {
        tokio::task::yield_now().await;
    }

    while !held.is_finished() {
        place.fno.release();
        tokio::task::yield_now().await;
    }

    assert!(held.await.unwrap().contains("a.zip"));
    assert_eq!(place.fno.in_progress(), 0);
}

#[tokio::test]
async fn a_hidden_limit_counts_calls_in_a_window() {
    let place = place(|_| ()).await;
    place.fno.limit(Some(RateLimit {
        requests_max: 2,
        window_ms: 1_000,
        concurrent_max: 10,
        retry_after: RetryAfter::Seconds(1),
    }));
    let url = place.client.write_url("a.zip").await;
    place.client.write_url("b.zip").await;

    let body = json!({"uniqueFileName": "c.zip"});
    let reply = place.client.action("GetAzureWriteUrl", body).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("1"))
    );
    let upload = send("PUT", &url, &[("x-ms-blob-type", "BlockBlob")], b"x").await;
    assert_eq!(upload.unwrap().status, 201, "storage has no part in it");

    place.clock.advance(Duration::from_secs(1));
    place.client.write_url("d.zip").await;
}

#[tokio::test]
async fn a_hidden_limit_counts_calls_at_once() {
    let place = place(|_| ()).await;
    place.fno.limit(Some(RateLimit {
        requests_max: 100,
        window_ms: 1_000,
        concurrent_max: 1,
        retry_after: RetryAfter::Absent,
    }));
    place.fno.inject(Some(Route::WriteUrl), Fault::Stalled);
    let client = place.client.clone();
    let held = tokio::spawn(async move { client.write_url("a.zip").await });
    place.fno.until_in_progress(1).await;

    assert_eq!(place.client.status("E-1").await.status, 429);

    while !held.is_finished() {
        place.fno.release();
        tokio::task::yield_now().await;
    }
    assert_eq!(place.client.status("E-1").await.status, 400);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let place = place(|options| options.body_bytes_max = 1_000).await;
    let url = place.client.write_url("a.zip").await;

    let reply = send("PUT", &url, &[("x-ms-blob-type", "BlockBlob")], &[0; 2_000]).await;

    assert_eq!(reply.unwrap().status, 413);
}

#[tokio::test]
async fn anything_sent_is_answered_and_nothing_panics() {
    let place = place(|_| ()).await;
    let bodies = ["", "[]", "{", "{\"executionId\":1}", "null", "\u{0}"];
    for action in [
        "GetAzureWriteUrl",
        "ImportFromPackage",
        "GetExecutionSummaryStatus",
        "GetImportTargetErrorKeysFileUrl",
        "NoSuchAction",
    ] {
        let url = format!(
            "{}/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{action}",
            place.server.base_url()
        );
        let bearer = format!("Bearer {}", place.client.token);
        for body in bodies {
            let headers = [("authorization", bearer.as_str())];
            let reply = send("POST", &url, &headers, body.as_bytes()).await.unwrap();
            assert!(matches!(reply.status, 400 | 404), "{action} {body}");
        }
    }
}
