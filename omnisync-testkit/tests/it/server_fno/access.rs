//! Tokens: how they are had, and what happens without one.

use std::time::Duration;

use omnisync_testkit::server::fno::Access;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Reply, send};
use super::{Place, place};

async fn ask(place: &Place, tenant: &str, form: &[(&str, &str)]) -> Reply {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", place.server.base_url());
    let body: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace(':', "%3A").replace('/', "%2F")))
        .collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    send("POST", &url, &headers, body.join("&").as_bytes())
        .await
        .unwrap()
}

/// The form of the application that may call.
fn form<'f>(access: &'f Access, scope: &'f str) -> [(&'static str, &'f str); 4] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", &access.client_id),
        ("client_secret", &access.client_secret),
        ("scope", scope),
    ]
}

async fn token(place: &Place) -> String {
    let access = Access::default();
    let scope = format!("{}/.default", place.server.base_url());
    let reply = ask(place, &access.tenant, &form(&access, &scope)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 3_599);
    json["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_opens_the_door_until_it_ends_or_is_revoked() {
    let place = place(|_| ()).await;
    let mut client = place.client.clone();
    let body = json!({"uniqueFileName": "a.zip"});
    client.token = token(&place).await;
    client
        .action("GetAzureWriteUrl", body.clone())
        .await
        .value();

    place.clock.advance(Duration::from_secs(3_599));
    let reply = client.action("GetAzureWriteUrl", body.clone()).await;
    assert_eq!(reply.status, 401);
    assert!(
        reply
            .header("www-authenticate")
            .unwrap()
            .starts_with("Bearer ")
    );

    client.token = token(&place).await;
    client
        .action("GetAzureWriteUrl", body.clone())
        .await
        .value();
    place.fno.revoke_tokens();
    assert_eq!(client.action("GetAzureWriteUrl", body).await.status, 401);
}

#[tokio::test]
async fn without_a_token_every_door_is_closed() {
    let place = place(|_| ()).await;
    for target in [
        "/data/DataManagementExecutionJobDetails",
        "/data/anything",
        "/api/connector/jobstatus/x?jobId=1",
    ] {
        let url = format!("{}{target}", place.server.base_url());
        for headers in [vec![], vec![("authorization", "Basic abc")]] {
            let reply = send("GET", &url, &headers, b"").await.unwrap();
            assert_eq!(reply.status, 401, "{target}");
            assert!(reply.header("www-authenticate").is_some());
        }
    }
}

#[tokio::test]
async fn a_wrong_question_for_a_token_is_refused_as_entra_does() {
    let place = place(|_| ()).await;
    let access = Access::default();
    let scope = format!("{}/.default", place.server.base_url());
    let good = form(&access, &scope);
    let with = |name: &str, value: &'static str| {
        good.map(|(found, old)| (found, if found == name { value } else { old }))
    };
    let tenant = access.tenant.as_str();
    let cases = [
        ("nobody", good, 400, "invalid_request", 90_002),
        (
            tenant,
            with("client_secret", "no"),
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            tenant,
            with("client_id", "no"),
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            tenant,
            with("scope", "https://x/.default"),
            400,
            "invalid_scope",
            70_011,
        ),
        (
            tenant,
            with("grant_type", "password"),
            400,
            "unsupported_grant_type",
            70_003,
        ),
    ];
    for (tenant, form, status, error, code) in cases {
        let reply = ask(&place, tenant, &form).await;

        assert_eq!(reply.status, status, "{error}");
        let json = reply.json();
        assert_eq!(json["error"], error);
        assert_eq!(json["error_codes"], json!([code]));
        let text = json["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
        for name in ["timestamp", "trace_id", "correlation_id"] {
            assert!(json[name].is_string());
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_until_the_server_stops() {
    let place = place(|_| ()).await;
    let host = place.server.base_url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /data/x HTTP/1.1\r\nhost: {host}\r\n\r\n");
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 1_024];
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 401"));
    }

    place.server.stop().await;

    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(place.fno.requests().len(), 2);
}

#[tokio::test]
async fn secrets_do_not_show() {
    let place = place(|_| ()).await;
    let issued = token(&place).await;
    place.client.write_url("a.zip").await;

    let shown = format!(
        "{:?} {:?} {:?}",
        place.server,
        place.fno,
        place.fno.requests()
    );

    for secret in [&issued, super::TOKEN, "loopback-secret", "sig="] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
