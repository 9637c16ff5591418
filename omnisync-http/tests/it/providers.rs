//! Tokens over the wire: requests, answers, refusals and settings.

use std::io::Write as _;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::executor::block_on;
use omnisync_core::port::Clock as _;
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{
    AccessToken, Client, EntraClientCredentials, EntraConfig, ManagedIdentity,
    ManagedIdentityConfig, Response, Scope, Secret, TokenProvider, TransportErrorKind,
    WorkloadIdentity, WorkloadIdentityConfig,
};
use omnisync_testkit::clock::ManualClock;
use url::form_urlencoded;

use crate::support::{Script, Seen, answer, answer_with, client, seconds};

const GRANTED: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t0ken"}"#;

fn scope() -> Scope {
    Scope::of_resource("https://storage.azure.com").unwrap()
}

type Step = Result<Response, TransportErrorKind>;

/// Asks a provider made of a client over a script.
fn asked<P: TokenProvider>(
    steps: impl IntoIterator<Item = Step>,
    provider: impl FnOnce(Client) -> Result<P, PortError>,
) -> (Result<AccessToken, PortError>, Arc<Script>, ManualClock) {
    let (client, script, clock) = client(steps);
    let provider = provider(client).unwrap();
    (block_on(provider.token(&scope())), script, clock)
}

fn entra(client: Client) -> Result<EntraClientCredentials, PortError> {
    let config = EntraConfig::new("acme.onmicrosoft.com", "1111-22", "p&ss=w rd+");
    EntraClientCredentials::new(config, client)
}

fn form(seen: &Seen) -> Vec<(String, String)> {
    form_urlencoded::parse(seen.request.body())
        .into_owned()
        .collect()
}

fn query(seen: &Seen) -> Vec<(String, String)> {
    let query = seen.request.uri().query().unwrap();
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| pair(name, value))
        .collect()
}

#[test]
fn client_credentials_are_a_form() {
    let (token, script, clock) = asked([answer_with(200, &[], GRANTED)], entra);
    let token = token.unwrap();
    assert_eq!(token.secret().expose(), "t0ken");
    assert_eq!(token.expires_at(), clock.now() + TimeDelta::seconds(3_599));
    let seen = &script.take()[0];
    assert_eq!(seen.request.method(), "POST");
    assert_eq!(
        seen.request.uri(),
        "https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/token"
    );
    assert_eq!(
        seen.request.headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(!seen.request.headers().contains_key("authorization"));
    let expected = [
        pair("grant_type", "client_credentials"),
        pair("client_id", "1111-22"),
        pair("client_secret", "p&ss=w rd+"),
        pair("scope", "https://storage.azure.com/.default"),
    ];
    assert_eq!(form(seen), expected);
}

#[test]
fn an_authority_that_fails_for_the_moment_is_asked_again() {
    let steps = [
        Err(TransportErrorKind::TimedOut),
        answer(503),
        answer_with(200, &[], GRANTED),
    ];
    let (token, script, clock) = asked(steps, entra);
    assert_eq!(script.take().len(), 3);
    // The life of the token counts from the first request: never too long.
    let expected = clock.now() + TimeDelta::seconds(3_599 - 3);
    assert_eq!(token.unwrap().expires_at(), expected);
}

#[test]
fn a_refusal_says_what_to_do_and_quotes_nothing() {
    for (code, advice) in [
        (90_002, "no such tenant"),
        (700_016, "the application is unknown"),
        (7_000_215, "wrong client secret"),
        (7_000_222, "the client secret has expired"),
        (70_011, "wrong scope"),
        (500_011, "wrong scope"),
        (99_999, "look the code up"),
    ] {
        let text = format!("AADSTS{code}: canary 'p&ss=w rd+' is wrong");
        for codes in [format!("\"error_codes\":[{code}],"), String::new()] {
            let body = format!(r#"{{"error":"invalid_x",{codes}"error_description":"{text}"}}"#);
            let (token, script, _) = asked([answer_with(401, &[], &body)], entra);
            let error = token.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied);
            let report = format!("{} {error:?}", error.report());
            assert!(report.contains(&format!("AADSTS{code}")), "{report}");
            assert!(report.contains(advice), "{report}");
            assert!(!report.contains("canary"), "{report}");
            assert_eq!(script.take().len(), 1);
        }
    }
    let unknown = answer_with(400, &[], r#"{"error":"invalid_client"}"#);
    let (token, ..) = asked([unknown], entra);
    assert!(
        token
            .unwrap_err()
            .to_string()
            .contains("invalid_client; wrong client id")
    );
    for status in [400, 404, 409] {
        let (token, ..) = asked([answer_with(status, &[], "<html>canary</html>")], entra);
        let error = token.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(!error.report().contains("canary"));
    }
}

#[test]
fn a_pause_that_the_authority_asks_for_reaches_the_caller() {
    let (token, ..) = asked([answer_with(429, &[("retry-after", "120")], "")], entra);
    let error = token.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.retry_after(), Some(seconds(120)));
}

#[test]
fn an_answer_without_a_token_is_no_token() {
    for body in [
        "",
        "{}",
        "[]",
        "canary",
        r#"{"access_token":"","expires_in":1}"#,
        r#"{"access_token":"t0ken"}"#,
        r#"{"access_token":"t0ken","expires_in":"soon"}"#,
        r#"{"access_token":["t0ken"],"expires_in":1}"#,
    ] {
        let (token, ..) = asked([answer_with(200, &[], body)], entra);
        let error = token.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{body}");
        let report = format!("{} {error:?}", error.report());
        assert!(!report.contains("t0ken") && !report.contains("canary"));
    }
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    let good = || EntraConfig::new("tenant", "id", "secret");
    for config in [
        EntraConfig::new("", "id", "secret"),
        EntraConfig::new("a/../b", "id", "secret"),
        EntraConfig::new("tenant", "", "secret"),
        EntraConfig::new("tenant", "id", ""),
        good().with_authority("http://login.microsoftonline.com"),
        good().with_authority("login.microsoftonline.com"),
        good().with_authority("https://login.microsoftonline.com?x=1"),
    ] {
        let error = EntraClientCredentials::new(config, client([]).0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let local = good().with_authority("http://127.0.0.1:8080/");
    assert!(EntraClientCredentials::new(local, client([]).0).is_ok());
}

#[test]
fn the_environment_names_an_application() {
    let variables = environment(&[
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "id"),
        ("AZURE_CLIENT_SECRET", "secret"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"),
        ("PATH", "/bin"),
    ]);
    let config = EntraConfig::from_env(variables.clone()).unwrap();
    assert_eq!(config.authority, "https://login.microsoftonline.us/");
    assert_eq!(config.client_secret.expose(), "secret");
    for missing in 0..3 {
        let mut variables = variables.clone();
        let (name, _) = variables.remove(missing);
        let error = EntraConfig::from_env(variables).unwrap_err();
        assert!(error.detail().unwrap().contains(&name), "{error}");
    }
}

#[test]
fn an_app_asks_its_own_endpoint() {
    let config = ManagedIdentityConfig::from_env(environment(&[
        ("IDENTITY_ENDPOINT", "http://169.254.130.2:8081/msi/token"),
        ("IDENTITY_HEADER", "c4nary"),
        ("AZURE_CLIENT_ID", "user assigned"),
    ]));
    // A moment of the other side's clock, which is a day ahead.
    let body = r#"{"access_token":"t0ken","expires_on":"1767315600","resource":"r"}"#;
    let headers = [("date", "Fri, 02 Jan 2026 00:00:00 GMT")];
    let (token, script, clock) = asked([answer_with(200, &headers, body)], |client| {
        ManagedIdentity::new(config, client)
    });
    assert_eq!(
        token.unwrap().expires_at(),
        clock.now() + TimeDelta::hours(1)
    );
    let seen = &script.take()[0];
    assert_eq!(seen.request.uri().host(), Some("169.254.130.2"));
    assert_eq!(seen.request.uri().path(), "/msi/token");
    assert_eq!(seen.request.headers()["x-identity-header"], "c4nary");
    assert!(seen.request.headers()["x-identity-header"].is_sensitive());
    let expected = [
        pair("api-version", "2019-08-01"),
        pair("resource", "https://storage.azure.com"),
        pair("client_id", "user assigned"),
    ];
    assert_eq!(query(seen), expected);
}

fn machine(client: Client) -> Result<ManagedIdentity, PortError> {
    ManagedIdentity::new(ManagedIdentityConfig::default(), client)
}

#[test]
fn a_machine_asks_the_metadata_service_until_it_is_there() {
    let body = r#"{"access_token":"t0ken","expires_in":"86399","expires_on":"1"}"#;
    let steps = [
        answer(404),
        answer(410),
        answer(500),
        answer_with(200, &[], body),
    ];
    let (token, script, _) = asked(steps, machine);
    assert_eq!(token.unwrap().secret().expose(), "t0ken");
    let seen = script.take();
    assert_eq!(seen.len(), 4);
    assert_eq!(
        seen[0].request.uri(),
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fstorage.azure.com"
    );
    assert_eq!(seen[0].request.headers()["metadata"], "true");
}

#[test]
fn a_machine_without_an_identity_says_so() {
    let (token, script, _) = asked([answer(400)], machine);
    let error = token.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("assign a managed identity"));
    assert_eq!(script.take().len(), 1);
}

#[test]
fn half_an_identity_endpoint_is_refused() {
    for (name, value) in [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi"),
        ("IDENTITY_HEADER", "x"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://example.com"),
    ] {
        let config = ManagedIdentityConfig::from_env(environment(&[(name, value)]));
        let error = ManagedIdentity::new(config, client([]).0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
    }
}

#[test]
fn a_federated_token_is_read_for_every_request() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "first").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let config = WorkloadIdentityConfig::from_env(environment(&[
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "id"),
        ("AZURE_FEDERATED_TOKEN_FILE", &path),
    ]))
    .unwrap();
    let granted = || answer_with(200, &[], GRANTED);
    let (client, script, _) = client([granted(), granted()]);
    let provider = WorkloadIdentity::new(config, client).unwrap();
    block_on(provider.token(&scope())).unwrap();
    std::fs::write(&path, "second").unwrap();
    block_on(provider.token(&scope())).unwrap();
    for (seen, assertion) in script.take().iter().zip(["first", "second"]) {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let expected = [
            pair("grant_type", "client_credentials"),
            pair("client_id", "id"),
            pair("client_assertion_type", kind),
            pair("client_assertion", assertion),
            pair("scope", "https://storage.azure.com/.default"),
        ];
        assert_eq!(form(seen), expected);
    }
    drop(file);
    let error = block_on(provider.token(&scope())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("AZURE_FEDERATED_TOKEN_FILE"));
}

#[test]
fn a_scope_names_its_resource() {
    assert_eq!(scope().as_str(), "https://storage.azure.com/.default");
    assert_eq!(scope().resource(), "https://storage.azure.com");
    assert_eq!(Scope::new("api").unwrap().resource(), "api");
    for wrong in ["", " ", "ä", "a\nb"] {
        assert!(Scope::new(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(..)");
}
