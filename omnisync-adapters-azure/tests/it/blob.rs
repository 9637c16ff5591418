//! The blob stage over a transport that answers what each test wrote down.

mod config;
mod read;
mod support;
mod url;
mod write;

use std::fmt::Write as _;

use futures::executor::block_on;
use omnisync_adapters_azure::blob::{AzureBlobConfig, BlobCredential};
use omnisync_core::port::{BlobStage as _, byte_stream};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;

use crate::log::Log;
use support::{Answer, Bench, answer, name, refusal};

const CANARY: &str = "c4nary";

/// Runs one operation against one answer and checks the error.
#[track_caller]
fn check(step: &str, refused: Answer, kind: ErrorKind, says: &str) -> PortError {
    // A block is 4 bytes: these puts are one of one request, and one of several.
    let bench = Bench::new(match step {
        "commit" => vec![answer(404), answer(201), answer(201), refused],
        "stage_block" => vec![answer(404), refused],
        _ => vec![refused],
    });
    let stage = &bench.stage;
    let blob = name("a.zip");
    let error = block_on(async {
        match step {
            "put" => stage.put(&blob, byte_stream("abc")).await.unwrap_err(),
            "commit" | "stage_block" => stage.put(&blob, byte_stream("abcdef")).await.unwrap_err(),
            "get" => stage.get(&blob).await.unwrap_err(),
            "head" => stage.head(&blob).await.unwrap_err(),
            "list" => stage.list("", None, 9).await.unwrap_err(),
            "delete" => stage.delete(&blob).await.unwrap_err(),
            _ => stage.create_container().await.unwrap_err(),
        }
    });
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.operation(), format!("blob.{step}"), "{error}");
    assert!(error.to_string().contains(says), "{error}");
    error
}

const STEPS: [&str; 8] = [
    "put",
    "stage_block",
    "commit",
    "get",
    "head",
    "list",
    "delete",
    "create_container",
];

#[test]
fn every_step_says_what_is_wrong_with_the_account() {
    for step in STEPS {
        let denied = refusal(403, "AuthorizationPermissionMismatch");
        check(
            step,
            denied,
            ErrorKind::Denied,
            "Storage Blob Data Contributor",
        );
        let denied = refusal(403, "AuthenticationFailed");
        check(step, denied, ErrorKind::Denied, "the clock of this machine");
        check(step, answer(401), ErrorKind::Denied, "check the credential");
        let absent = refusal(404, "ContainerNotFound");
        check(step, absent, ErrorKind::Misconfigured, "create it");
        check(
            step,
            answer(301),
            ErrorKind::Misconfigured,
            "URL of the account",
        );
        let unknown = refusal(418, "SomethingNew");
        check(step, unknown, ErrorKind::Invalid, "answered 418");
    }
}

#[test]
fn a_busy_account_is_left_alone_as_long_as_it_asks() {
    for step in STEPS {
        let mut busy = refusal(503, "ServerBusy");
        busy.as_mut()
            .unwrap()
            .headers_mut()
            .insert("retry-after", http::HeaderValue::from_static("120"));
        let error = check(step, busy, ErrorKind::Throttled, "ServerBusy");
        assert_eq!(error.retry_after().unwrap().as_secs(), 120);
    }
}

#[test]
fn what_fails_in_passing_is_repeated_by_one_layer_alone() {
    let passing = [
        refusal(503, "ServerBusy"),
        answer(500),
        Err(support::CUT),
        answer(503),
    ];
    let bench = Bench::new(passing);
    let error = block_on(bench.stage.head(&name("a.zip"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("after 4 attempts"), "{error}");
    assert_eq!(bench.sent().len(), 4);
}

#[test]
fn for_onelake_there_is_no_container_to_create() {
    let id = "0d7b3a5c-6a52-4f4e-8f0e-1f6a2b3c4d5e";
    let bench = Bench::with([answer(201)], |_| {
        AzureBlobConfig::new("https://onelake.dfs.fabric.microsoft.com", id)
            .with_folder(format!("{id}/Files"))
    });
    assert!(!block_on(bench.stage.create_container()).unwrap());
    assert!(bench.sent().is_empty());
}

#[test]
fn what_keeps_a_blob_is_named() {
    let leased = refusal(412, "LeaseIdMissing");
    check("delete", leased, ErrorKind::Denied, "lease");
    let kept = refusal(409, "BlobImmutableDueToPolicy");
    check("delete", kept, ErrorKind::Denied, "policy");
}

#[test]
fn nothing_secret_is_shown() {
    let log = Log::begin();
    let mut shown = String::new();
    let body = format!("<Error><Code>X</Code><Message>{CANARY}</Message></Error>");
    let credentials = [
        BlobCredential::Sas(Secret::new(format!("?sv=1&sig={CANARY}"))),
        BlobCredential::AccountKey(Secret::new("YzRuYXJ5YzRuYXJ5")),
        BlobCredential::Bearer,
    ];
    for credential in credentials {
        for refused in [
            support::with_body(503, &body),
            support::with_body(403, &body),
            support::with_body(200, &body),
            Err(support::CUT),
        ] {
            let bench = Bench::with(vec![refused], |config| {
                config.with_credential(credential.clone())
            });
            write!(shown, "{:?} {:#?}", bench.stage, bench.config).unwrap();
            let error = block_on(bench.stage.list(CANARY, None, 1)).unwrap_err();
            write!(shown, "{error:?} {}", error.report()).unwrap();
            let sent = bench.sent();
            let uri = sent[0].uri().to_string();
            assert!(uri.contains(CANARY), "{uri}");
        }
    }
    let logged = log.end();
    assert!(logged.contains("request is repeated"), "{logged}");
    for text in [&shown, &logged] {
        for secret in [CANARY, "YzRuYXJ5", "SharedKey", "Bearer "] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
