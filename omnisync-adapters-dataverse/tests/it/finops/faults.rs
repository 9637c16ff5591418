//! A connection cut in every phase, pages of HTML, redirections, pauses and unknown words.

use std::time::Duration;

use omnisync_core::ErrorKind;
use omnisync_core::port::{ErpImporter as _, ImportStatus};
use omnisync_testkit::server::fno::{Fault, RetryAfter, Route};

use super::support::{Environment, execution, packed, refusing, submit};

const READS: [Route; 6] = [
    Route::Status,
    Route::JobDetails,
    Route::Errors,
    Route::GenerateKeys,
    Route::KeysUrl,
    Route::StagingUrl,
];

/// An environment with an ended import of which one order was refused.
async fn ended() -> Environment {
    let environment = Environment::plain().await;
    environment.fno().set_rule(refusing(["B".to_owned()]));
    let package = packed(&["A", "B"]);
    submit(&environment.importer(), 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    environment
}

#[tokio::test]
async fn every_question_survives_a_hitch_and_reports_an_outage() {
    let environment = ended().await;
    let importer = environment.importer();
    for route in READS {
        for fault in [
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::CutWithin,
            Fault::Unavailable,
            Fault::ErrorPage,
        ] {
            environment.fno().inject(Some(route), fault.clone());
            let page = importer.results(execution(1), None).await;
            assert_eq!(page.unwrap().records.len(), 3, "{route:?} {fault:?}");
            for _ in 0..3 {
                environment.fno().inject(Some(route), fault.clone());
            }
            let error = importer.results(execution(1), None).await.unwrap_err();
            assert!(
                error.is_transient(),
                "{route:?} {fault:?}: {}",
                error.report()
            );
            assert_eq!(environment.fno().faults_left(), 0, "{route:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_of_this_api_is_never_taken_for_one() {
    let environment = ended().await;
    let importer = environment.importer();
    for route in READS {
        environment.fno().inject(Some(route), Fault::Truncated);
        let error = importer.results(execution(1), None).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Corrupt,
            "{route:?}: {}",
            error.report()
        );
    }
}

#[tokio::test]
async fn a_redirection_is_an_error_and_never_followed() {
    let environment = ended().await;
    let importer = environment.importer();
    let package = packed(&["C"]);
    for route in READS {
        environment.fno().inject(Some(route), Fault::Redirect);
        let error = importer.results(execution(1), None).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Misconfigured,
            "{route:?}: {}",
            error.report()
        );
        assert!(!error.is_transient());
    }
    for route in [Route::WriteUrl, Route::Upload, Route::Import] {
        environment.fno().inject(Some(route), Fault::Redirect);
        let error = submit(&importer, 2, &package).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Misconfigured,
            "{route:?}: {}",
            error.report()
        );
        assert!(!error.is_ambiguous());
    }
    let signed_in = environment.fno().requests();
    let elsewhere = |path: &str| path.contains("signin") || path.contains("login");
    assert!(!signed_in.iter().any(|request| elsewhere(&request.path)));
}

#[tokio::test]
async fn a_long_pause_is_told_and_not_slept_through() {
    let environment = ended().await;
    let importer = environment.importer();
    for (asked, least) in [
        (RetryAfter::Seconds(120), 120),
        (RetryAfter::Date(300), 290),
    ] {
        let fault = Fault::Throttled(asked);
        environment.fno().inject(Some(Route::Status), fault);
        let error = importer.status(execution(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        assert!(error.retry_after().unwrap() >= Duration::from_secs(least));
    }
    // Without a time it is tried again at once, a few times.
    let fault = Fault::Throttled(RetryAfter::Absent);
    environment.fno().inject(Some(Route::Status), fault);
    importer.status(execution(1)).await.unwrap();
}

#[tokio::test]
async fn words_that_nobody_knows_are_no_end() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = packed(&["A"]);
    submit(&importer, 1, &package).await.unwrap();
    let id = execution(1).to_string();
    for word in ["Unknown", "PartiallySucceededMaybe", "succeeded"] {
        environment.fno().say(&id, word);
        let status = importer.status(execution(1)).await.unwrap();
        assert_eq!(status, ImportStatus::Unknown(word.to_owned()));
        let error = importer.results(execution(1), None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn an_import_that_is_being_unpacked_is_not_known_yet() {
    let environment = Environment::start(|options| options.unseen_polls = 2).await;
    let importer = environment.importer();
    let package = packed(&["A"]);
    submit(&importer, 1, &package).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(importer.status(execution(1)).await.unwrap());
    }
    let wanted = [
        ImportStatus::NotSubmitted,
        ImportStatus::NotSubmitted,
        ImportStatus::Queued,
    ];
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    let environment = ended().await;
    let importer = environment.importer();
    importer.status(execution(1)).await.unwrap();
    environment.fno().revoke_tokens();
    importer.status(execution(1)).await.unwrap();
    // An environment that refuses fresh tokens too, for its clock is ahead.
    environment
        .fno()
        .reconfigure(|options| options.access.token_seconds = 0);
    environment.fno().revoke_tokens();
    let error = importer.status(execution(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.report());
}
