//! The storage account behind signed URLs.

use std::time::Duration;

use serde_json::json;

use super::client::{Reply, send, submission};
use super::packages::orders;
use super::place;

const BLOCK: (&str, &str) = ("x-ms-blob-type", "BlockBlob");

/// Code of a refusal in the body and in the header.
fn code(reply: &Reply) -> String {
    let text = reply.text();
    let code = text.split("<Code>").nth(1).unwrap();
    let code = code.split("</Code>").next().unwrap();
    assert_eq!(reply.header("x-ms-error-code"), Some(code));
    assert!(reply.header("x-ms-request-id").is_some());
    code.to_owned()
}

#[tokio::test]
async fn a_signed_url_names_its_window_of_35_minutes() {
    let place = place(|_| ()).await;

    let url = place.client.write_url("my file.zip").await;

    assert!(url.starts_with(&format!(
        "{}/blob/dmf/my%20file.zip?",
        place.server.base_url()
    )));
    for part in [
        "sv=2014-02-14",
        "st=2026-01-01T00%3A00%3A00.000Z",
        "se=2026-01-01T00%3A35%3A00.000Z",
        "sr=b",
        "sp=rw",
        "sig=",
    ] {
        assert!(url.contains(part), "{part} in {url}");
    }
}

#[tokio::test]
async fn a_blob_is_written_and_read_with_its_signature_alone() {
    let place = place(|_| ()).await;
    let url = place.client.upload("a.bin", b"bytes").await;

    let reply = send("GET", &url, &[], b"").await.unwrap();

    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"bytes"[..]));
    assert!(place.fno.violations().is_empty());
}

#[tokio::test]
async fn a_token_must_not_come_to_the_storage_account() {
    let place = place(|_| ()).await;
    let url = place.client.write_url("a.bin").await;
    let headers = [BLOCK, ("authorization", "Bearer a-fixed-token")];

    let reply = send("PUT", &url, &headers, b"bytes").await.unwrap();

    assert_eq!(reply.status, 400);
    assert_eq!(code(&reply), "InvalidAuthenticationInfo");
    assert_eq!(place.fno.violations().len(), 1);
    let read = send("GET", &url, &[], b"").await.unwrap();
    assert_eq!((read.status, code(&read).as_str()), (404, "BlobNotFound"));
}

#[tokio::test]
async fn a_blob_needs_its_type() {
    let place = place(|_| ()).await;
    let url = place.client.write_url("a.bin").await;

    let without = send("PUT", &url, &[], b"bytes").await.unwrap();
    assert_eq!(
        (without.status, code(&without).as_str()),
        (400, "MissingRequiredHeader")
    );
    let headers = [("x-ms-blob-type", "Blob")];
    let other = send("PUT", &url, &headers, b"bytes").await.unwrap();
    assert_eq!(
        (other.status, code(&other).as_str()),
        (400, "InvalidHeaderValue")
    );
}

#[tokio::test]
async fn a_signature_holds_for_its_blob_window_and_permission() {
    let place = place(|_| ()).await;
    let url = place.client.write_url("a.bin").await;
    let spoiled = [
        url.replace("a.bin", "b.bin"),
        url.replace("sig=", "sig=x"),
        url.replace("sp=rw", "sp=rwd"),
        url.replace("00%3A35", "09%3A35"),
        url.split("&sig").next().unwrap().to_owned(),
    ];
    for url in spoiled {
        let reply = send("PUT", &url, &[BLOCK], b"bytes").await.unwrap();
        assert_eq!(
            (reply.status, code(&reply).as_str()),
            (403, "AuthenticationFailed")
        );
        assert!(reply.text().contains("AuthenticationErrorDetail"));
    }
    place.clock.advance(Duration::from_secs(35 * 60));
    let late = send("PUT", &url, &[BLOCK], b"bytes").await.unwrap();
    assert_eq!(
        (late.status, code(&late).as_str()),
        (403, "AuthenticationFailed")
    );
    assert!(late.text().contains("specified time frame"));
}

#[tokio::test]
async fn the_service_fetches_only_from_its_own_storage_and_in_time() {
    let place = place(|_| ()).await;
    let unwritten = place.client.write_url("a.zip").await;
    let foreign = unwritten.replace("127.0.0.1", "127.0.0.2");
    let written = place.client.upload("b.zip", &orders()).await;
    for (url, expected) in [(foreign, "not one of"), (unwritten, "(404)")] {
        let reply = place
            .client
            .action("ImportFromPackage", submission("E-1", &url))
            .await;
        assert_eq!(reply.status, 400);
        assert!(reply.refusal().contains(expected), "{}", reply.refusal());
    }
    place.clock.advance(Duration::from_secs(35 * 60));
    let late = place
        .client
        .action("ImportFromPackage", submission("E-1", &written))
        .await;
    assert!(late.refusal().contains("(403)"));
}

#[tokio::test]
async fn a_foreign_host_is_handed_out_on_demand() {
    let foreign = "http://storage.attacker.example";
    let place = place(|options| options.blob_host = Some(foreign.to_owned())).await;

    let url = place.client.write_url("a.zip").await;

    assert!(url.starts_with(foreign));
    let body = json!({"uniqueFileName": "\u{7}"});
    assert_eq!(
        place.client.action("GetAzureWriteUrl", body).await.status,
        400
    );
}
