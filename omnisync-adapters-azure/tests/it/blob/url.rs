use std::time::Duration;

use futures::executor::block_on;
use omnisync_adapters_azure::blob::{BlobCredential, SignedUrl};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::Secret;

use super::support::{Answer, Bench, header, name, with_body};

const HOUR: Duration = Duration::from_secs(3_600);

fn sign(bench: &Bench, valid_for: Duration) -> Result<SignedUrl, PortError> {
    block_on(bench.stage.read_url(&name("a.zip"), valid_for))
}

/// A key that the account lends until some hour of the first day.
fn lent(until: &str) -> Answer {
    let xml = format!(
        "<UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid>\
         <SignedStart>2025-12-31T23:55:00Z</SignedStart><SignedExpiry>{until}</SignedExpiry>\
         <SignedService>b</SignedService><SignedVersion>2023-11-03</SignedVersion>\
         <Value>c2VjcmV0IGtleQ==</Value></UserDelegationKey>"
    );
    with_body(200, &xml)
}

fn bearer(steps: impl IntoIterator<Item = Answer>) -> Bench {
    Bench::with(steps, |config| {
        config.with_credential(BlobCredential::Bearer)
    })
}

#[test]
fn a_key_signs_from_a_little_before_now_and_by_https_only() {
    let bench = Bench::new([]);
    let url = sign(&bench, HOUR).unwrap();
    // The signature was computed by another program from the documented text.
    assert_eq!(
        url.expose(),
        "https://acme.blob.core.windows.net/packages/in/a.zip?sv=2023-11-03&sr=b&sp=r\
         &st=2025-12-31T23%3A55%3A00Z&se=2026-01-01T01%3A00%3A00Z&spr=https\
         &sig=sY%2BPkh%2Bw9lN9QwAL95t9IqOJpigOD%2FgM9YMVmE0YHv0%3D"
    );
    assert_eq!(url.expires_at().to_rfc3339(), "2026-01-01T01:00:00+00:00");
    assert!(bench.sent().is_empty());
    let shown = format!("{url:?} {url:#?}");
    assert!(!shown.contains("sig") && !shown.contains("acme"), "{shown}");
}

#[test]
fn tokens_borrow_a_key_that_signs_many_urls() {
    let bench = bearer([lent("2026-01-01T12:00:00Z"), lent("2026-01-02T12:00:00Z")]);
    let url = sign(&bench, HOUR).unwrap();
    for part in [
        "skoid=oid",
        "sktid=tid",
        "sks=b",
        "skv=2023-11-03",
        "spr=https",
    ] {
        assert!(url.expose().contains(part), "{part}");
    }
    bench.clock.advance(HOUR * 11);
    sign(&bench, HOUR).unwrap();
    let [request] = &bench.sent()[..] else {
        panic!("one request");
    };
    let uri = "https://acme.blob.core.windows.net/?restype=service&comp=userdelegationkey";
    assert_eq!(request.uri(), uri);
    assert!(header(request, "authorization").starts_with("Bearer "));
    let body = std::str::from_utf8(request.body()).unwrap();
    assert!(
        body.contains("<Expiry>2026-01-01T11:55:00Z</Expiry>"),
        "{body}"
    );

    // A URL that would outlive the key.
    sign(&bench, HOUR * 2).unwrap();
    assert_eq!(bench.sent().len(), 2);
}

#[test]
fn a_key_that_is_lent_for_less_is_not_signed_with() {
    let bench = bearer([lent("2026-01-01T00:30:00Z")]);
    assert_eq!(sign(&bench, HOUR).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_role_that_lends_no_keys_is_denied() {
    let bench = bearer([super::support::refusal(
        403,
        "AuthorizationPermissionMismatch",
    )]);
    assert_eq!(sign(&bench, HOUR).unwrap_err().kind(), ErrorKind::Denied);
}

#[test]
fn a_lost_answer_does_not_hide_that_no_key_is_lent() {
    let denied = super::support::refusal(403, "AuthorizationPermissionMismatch");
    let bench = bearer([Err(super::support::CUT), denied]);
    let error = sign(&bench, HOUR).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}

#[test]
fn no_url_lives_for_nothing_or_longer_than_the_service_takes() {
    let bench = Bench::new([]);
    let week = HOUR * 24 * 7;
    for valid_for in [
        Duration::ZERO,
        Duration::from_millis(999),
        week,
        Duration::MAX,
    ] {
        let error = sign(&bench, valid_for).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    sign(&bench, HOUR * (24 * 7 - 1)).unwrap();
}

#[test]
fn a_signature_cannot_sign() {
    let bench = Bench::with([], |config| {
        config.with_credential(BlobCredential::Sas(Secret::new("sv=1&sig=2")))
    });
    assert!(!bench.stage.can_sign());
    let error = sign(&bench, HOUR).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
