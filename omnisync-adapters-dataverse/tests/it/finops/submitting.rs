//! The way of a package into the environment.

use omnisync_core::ErrorKind;
use omnisync_core::port::{ErpImporter as _, ImportStatus};
use omnisync_testkit::server::fno::{Fault, Route};

use super::support::{Environment, execution, packed, submission, submit};

fn actions(environment: &Environment) -> Vec<String> {
    let requests = environment.fno().requests();
    let last = |path: &str| {
        path.rsplit(['.', '/'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let paths = requests
        .iter()
        .filter(|request| !request.path.contains("oauth2"));
    paths
        .map(|request| {
            if request.path.starts_with("/blob/") {
                "blob".to_owned()
            } else {
                last(&request.path)
            }
        })
        .collect()
}

#[tokio::test]
async fn a_package_is_written_to_storage_without_a_token_and_imported_under_our_id() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = packed(&["A", "B"]);
    let receipt = submit(&importer, 1, &package).await.unwrap();
    assert_eq!(receipt.execution, execution(1));
    let wanted = ["GetAzureWriteUrl", "blob", "ImportFromPackageAsync"];
    assert_eq!(actions(&environment), wanted);
    let executions = environment.fno().executions();
    assert_eq!(executions[0].id, execution(1).to_string());
    assert_eq!(executions[0].company, "USMF");
    assert_eq!(environment.fno().violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_blocking_action_is_waited_for() {
    let environment = Environment::start(|options| {
        options.blocking = true;
        options.polls_to_end = Some(0);
    })
    .await;
    let mut config = environment.config();
    config.asynchronous = false;
    let importer = environment.importer_of(config);
    let package = packed(&["A"]);
    submit(&importer, 1, &package).await.unwrap();
    assert_eq!(actions(&environment)[2], "ImportFromPackage");
    let status = importer.status(execution(1)).await.unwrap();
    assert_eq!(status, ImportStatus::Succeeded);
}

#[tokio::test]
async fn an_import_whose_answer_is_lost_is_known_under_our_id() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = packed(&["A"]);
    for (number, fault) in (1..).zip([Fault::CutAfter, Fault::CutWithin, Fault::Truncated]) {
        environment.fno().inject(Some(Route::Import), fault.clone());
        let error = submit(&importer, number, &package).await.unwrap_err();
        assert!(error.is_ambiguous(), "{fault:?}: {}", error.report());
        assert_eq!(error.operation(), "finops.import", "{fault:?}");
        let status = importer.status(execution(number)).await.unwrap();
        assert_eq!(status, ImportStatus::Queued, "{fault:?}");
        environment.fno().finish(&execution(number).to_string());
    }
    assert_eq!(environment.fno().submissions(), 3);
}

#[tokio::test]
async fn what_fails_before_the_import_leaves_no_doubt() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = packed(&["A"]);
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Unavailable,
        Fault::ErrorPage,
    ];
    for route in [Route::WriteUrl, Route::Upload] {
        for fault in &faults {
            for _ in 0..3 {
                environment.fno().inject(Some(route), fault.clone());
            }
            let error = submit(&importer, 1, &package).await.unwrap_err();
            assert!(
                !error.is_ambiguous(),
                "{route:?} {fault:?}: {}",
                error.report()
            );
            assert!(
                error.is_transient(),
                "{route:?} {fault:?}: {}",
                error.report()
            );
        }
    }
    assert_eq!(environment.fno().submissions(), 0);
}

#[tokio::test]
async fn a_hitch_on_the_way_is_tried_again_within_the_call() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = packed(&["A"]);
    environment
        .fno()
        .inject(Some(Route::WriteUrl), Fault::Unavailable);
    environment
        .fno()
        .inject(Some(Route::Upload), Fault::CutBefore);
    submit(&importer, 1, &package).await.unwrap();
    environment
        .fno()
        .inject(Some(Route::Status), Fault::CutAfter);
    let status = importer.status(execution(1)).await.unwrap();
    assert!(matches!(
        status,
        ImportStatus::Queued | ImportStatus::Executing
    ));
}

#[tokio::test]
async fn nothing_is_sent_of_a_package_that_is_too_large_or_not_the_announced_one() {
    let environment = Environment::plain().await;
    let mut config = environment.config();
    config.package_bytes_max = 100;
    let importer = environment.importer_of(config);
    let package = packed(&["A"]);
    let error = submit(&importer, 1, &package).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let mut lying = submission(execution(1), &package.content);
    lying.bytes = 99;
    let error = importer.submit(lying).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(actions(&environment), Vec::<String>::new());
}

#[tokio::test]
async fn a_signed_url_that_ran_out_is_asked_for_again_with_the_next_submission() {
    let environment = Environment::start(|options| options.sas_minutes = 0).await;
    let importer = environment.importer();
    let package = packed(&["A"]);
    let error = submit(&importer, 1, &package).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.is_ambiguous());
    environment
        .fno()
        .reconfigure(|options| options.sas_minutes = 35);
    submit(&importer, 1, &package).await.unwrap();
}
