//! What must never be shown: tokens, secrets, signatures, and what the environment says.

use omnisync_core::port::ErpImporter as _;
use omnisync_testkit::server::fno::{Fault, Route};

use super::support::{Environment, execution, packed, refusing, submit, told};

#[tokio::test]
async fn errors_and_debug_output_show_no_secret_signature_or_payload() {
    let environment = Environment::plain().await;
    environment.fno().set_rule(refusing(["B".to_owned()]));
    let importer = environment.importer();
    let package = packed(&["A", "B"]);
    let mut shown = format!("{importer:?} {:?}", environment.credentials());
    let routes = [
        Route::WriteUrl,
        Route::Upload,
        Route::Import,
        Route::Status,
        Route::Errors,
        Route::Download,
    ];
    for route in routes {
        for fault in [
            Fault::ErrorPage,
            Fault::Redirect,
            Fault::CutBefore,
            Fault::Truncated,
        ] {
            for _ in 0..3 {
                environment.fno().inject(Some(route), fault.clone());
            }
            let sent = submit(&importer, 1, &package).await;
            environment.fno().finish(&execution(1).to_string());
            let read = importer.results(execution(1), None).await;
            for error in [sent.err(), read.err()].into_iter().flatten() {
                shown.extend([told(&error), format!("{error:?}")]);
            }
            while environment.fno().faults_left() > 0 {
                drop(submit(&importer, 1, &package).await);
                environment.fno().finish(&execution(1).to_string());
                drop(importer.results(execution(1), None).await);
            }
        }
    }
    assert!(shown.len() > 1_000);
    for secret in [
        "loopback-secret",
        "Bearer ",
        "sig=",
        "se=20",
        "<html",
        "on hold",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
