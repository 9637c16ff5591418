//! Settings that are wrong: an error that names the step and what to do.

use omnisync_adapters_dataverse::finops::{FinOpsConfig, FinOpsMode};
use omnisync_core::ErrorKind;
use omnisync_core::PortError;
use omnisync_core::port::{ErpImporter as _, RepeatedExecution};
use omnisync_http::{EntraConfig, Secret};
use omnisync_testkit::server::fno::FnoOptions;

use super::support::{ACTIVITY, COMPANY, Environment, execution, order_with, pack, packed, submit};

async fn submitting(environment: &Environment, config: FinOpsConfig) -> PortError {
    let importer = environment.importer_of(config);
    let package = packed(&["A"]);
    submit(&importer, 1, &package).await.unwrap_err()
}

/// Asserts kind, step and advice of an error that leaves no doubt about the effect.
fn check(error: &PortError, kind: ErrorKind, operation: &str, advice: &str) {
    let report = error.report();
    assert_eq!(error.kind(), kind, "{report}");
    assert_eq!(error.operation(), operation, "{report}");
    assert!(report.contains(advice), "{report}");
    assert!(!error.is_ambiguous(), "{report}");
    assert!(!error.is_transient(), "{report}");
}

#[tokio::test]
async fn a_wrong_application_tenant_or_secret_is_denied() {
    let environment = Environment::plain().await;
    let right = environment.credentials();
    let mut access = None;
    environment
        .fno()
        .reconfigure(|options| access = Some(options.access.clone()));
    let access = access.unwrap();
    let base = environment.server.base_url();
    let wrong = [
        (
            EntraConfig::new(
                &*access.tenant,
                &*access.client_id,
                Secret::new("canary-secret"),
            ),
            "7000215",
        ),
        (
            EntraConfig::new(
                "11111111-2222-3333-4444-555555555555",
                &*access.client_id,
                Secret::new(&*access.client_secret),
            ),
            "90002",
        ),
    ];
    for (credentials, number) in wrong {
        let importer =
            environment.importer_by(environment.config(), credentials.with_authority(base));
        let error = importer.status(execution(1)).await.unwrap_err();
        check(&error, ErrorKind::Denied, "finops.status", number);
        assert!(!error.report().contains("canary-secret"));
    }
    let importer = environment.importer_by(environment.config(), right);
    importer.status(execution(1)).await.unwrap();
}

#[tokio::test]
async fn a_token_for_another_scope_is_denied() {
    let environment = Environment::plain().await;
    let mut config = environment.config();
    // The same environment by another name: its tokens are for the other one.
    config.base_url = environment
        .server
        .base_url()
        .replace("127.0.0.1", "localhost");
    let importer = environment.importer_of(config);
    let error = importer.status(execution(1)).await.unwrap_err();
    let kinds = [
        ErrorKind::Denied,
        ErrorKind::Misconfigured,
        ErrorKind::Invalid,
    ];
    assert!(kinds.contains(&error.kind()), "{}", error.report());
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_company_that_does_not_exist_is_a_setting() {
    let environment = Environment::plain().await;
    let config = environment.config().with_legal_entity("XXXX");
    let error = submitting(&environment, config).await;
    check(
        &error,
        ErrorKind::Misconfigured,
        "finops.import",
        "set legal_entity",
    );
    let mut config = environment.config();
    config.legal_entity = None;
    let error = submitting(&environment, config).await;
    check(
        &error,
        ErrorKind::Misconfigured,
        "finops.import",
        "no company is named",
    );
}

#[tokio::test]
async fn an_entity_that_does_not_exist_is_a_setting() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = pack(&[order_with("A", 1)], |map| {
        map.with_headers(|mut headers| {
            headers.entity_name = "Auftragskopf V2".to_owned();
            headers
        })
    });
    let error = submit(&importer, 1, &package).await.unwrap_err();
    check(
        &error,
        ErrorKind::Misconfigured,
        "finops.import",
        "language of the environment",
    );
}

#[tokio::test]
async fn a_project_of_another_definition_needs_permission_to_be_replaced() {
    let environment = Environment::start(|options| options.polls_to_end = Some(0)).await;
    let importer = environment.importer();
    let first = packed(&["A"]);
    submit(&importer, 1, &first).await.unwrap();
    let mut config = environment.config();
    config.overwrite = false;
    let importer = environment.importer_of(config);
    let other = pack(&[order_with("B", 1)], |map| {
        map.with_headers(|headers| headers.without_column("DELIVERYADDRESSNAME"))
    });
    let error = submit(&importer, 2, &other).await.unwrap_err();
    check(
        &error,
        ErrorKind::Misconfigured,
        "finops.import",
        "overwrite",
    );
}

#[tokio::test]
async fn a_project_at_work_is_in_conflict_and_nothing_was_submitted() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    for (number, ok) in [(1, true), (2, false)] {
        let package = packed(&["A"]);
        let submitted = submit(&importer, number, &package).await;
        match submitted {
            Ok(_) => assert!(ok),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.report());
                assert!(!error.is_ambiguous() && !ok);
            }
        }
    }
}

#[tokio::test]
async fn a_package_never_goes_to_a_host_that_is_not_allowed() {
    for host in [
        "https://evil.example.com",
        "https://acme.blob.core.windows.net.evil.com",
        "https://10.0.0.1",
        "http://acme.blob.core.windows.net",
    ] {
        let environment =
            Environment::start(|options| options.blob_host = Some(host.to_owned())).await;
        let error = submitting(&environment, environment.config()).await;
        check(&error, ErrorKind::Denied, "finops.upload", "blob_hosts");
        assert_eq!(environment.fno().submissions(), 0);
    }
}

fn recurring(environment: &Environment, activity_id: &str) -> FinOpsConfig {
    let activity_id = activity_id.to_owned();
    environment
        .config()
        .with_mode(FinOpsMode::Recurring { activity_id })
}

#[tokio::test]
async fn a_data_job_that_does_not_exist_is_a_setting() {
    let environment = Environment::plain().await;
    let config = recurring(&environment, "00000000-0000-0000-0000-000000000000");
    let error = submitting(&environment, config).await;
    check(
        &error,
        ErrorKind::Misconfigured,
        "finops.enqueue",
        "activity_id",
    );
}

#[tokio::test]
async fn there_are_no_data_jobs_on_premises() {
    let environment =
        Environment::start(|options: &mut FnoOptions| options.on_premises = true).await;
    let error = submitting(&environment, recurring(&environment, ACTIVITY)).await;
    check(
        &error,
        ErrorKind::Misconfigured,
        "finops.enqueue",
        "on premises",
    );
}

type Change = fn(&mut FinOpsConfig);

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let cases: [(Change, &str); 6] = [
        (|config| config.base_url = "ftp://x".to_owned(), "base_url"),
        (
            |config| config.visible_after_seconds = 1,
            "visible_after_seconds",
        ),
        (|config| config.entities.clear(), "entities"),
        (|config| config.entities[0].key.clear(), "key columns"),
        (
            |config| config.blob_hosts = vec!["*.com".to_owned()],
            "blob_hosts",
        ),
        (
            |config| {
                config.mode = FinOpsMode::Recurring {
                    activity_id: "../../data".to_owned(),
                }
            },
            "activity_id",
        ),
    ];
    for (change, named) in cases {
        let mut config =
            FinOpsConfig::new("https://acme.operations.dynamics.com").with_legal_entity(COMPANY);
        change(&mut config);
        let error = super::support::built(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.report().contains(named), "{}", error.report());
    }
}

#[test]
fn settings_are_read_from_text_and_unknown_ones_refused() {
    let text = r#"{"base_url":"https://acme.operations.dynamics.com","legal_entity":"USMF",
        "mode":{"recurring":{"activity_id":"6a1c9f3e-0d8e-4c2f-9b57-2f1f7d3b8a10"}},
        "repeated_execution":"rejected"}"#;
    let config: FinOpsConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.repeated_execution, RepeatedExecution::Rejected);
    assert_eq!(
        config.scope().unwrap().as_str(),
        "https://acme.operations.dynamics.com/.default"
    );
    assert_eq!(config.entities[1].key, ["INVENTORYLOTID"]);
    let unknown = r#"{"base_url":"https://a.b.com","legalEntity":"USMF"}"#;
    assert!(serde_json::from_str::<FinOpsConfig>(unknown).is_err());
}
