//! What became of every record, from all that the environment tells.

use omnisync_core::ErrorKind;
use omnisync_core::port::{
    ErpImporter as _, FailureClass, ImportStatus, RecordOutcome, RecordResult, ResultsPage,
};
use omnisync_testkit::server::fno::{Fault, FileEncoding, FnoOptions, Route, RowError, RuleRow};

use super::support::{Environment, execution, order_with, pack, packed, refusing, submit};

/// Imports three orders, of which the rule of `environment` may refuse some.
async fn imported(environment: &Environment) -> ResultsPage {
    let importer = environment.importer();
    let package = packed(&["A", "B", "C"]);
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    importer.results(execution(1), None).await.unwrap()
}

fn failure(result: &RecordResult) -> (&str, Option<&str>, FailureClass) {
    match &result.outcome {
        RecordOutcome::Failed {
            code,
            message,
            class,
        } => (message, code.as_deref(), *class),
        RecordOutcome::Imported { .. } => panic!("{result:?}"),
    }
}

fn values(page: &ResultsPage) -> Vec<&str> {
    let mut values: Vec<&str> = page
        .records
        .iter()
        .flat_map(|result| &result.key.columns)
        .map(|(_, value)| value.as_str())
        .collect();
    values.sort_unstable();
    values
}

fn totals(page: &ResultsPage) -> Vec<u64> {
    let totals = page.totals.as_ref().unwrap().iter();
    totals.map(|total| total.imported).collect()
}

async fn refusing_b(change: impl FnOnce(&mut FnoOptions)) -> Environment {
    let environment = Environment::start(change).await;
    environment.fno().set_rule(refusing(["B".to_owned()]));
    environment
}

#[tokio::test]
async fn an_import_without_errors_is_told_by_its_count() {
    let environment = Environment::plain().await;
    let page = imported(&environment).await;
    assert_eq!(page.records, []);
    assert_eq!(totals(&page), [3, 6]);
    assert_eq!(page.problems, []);
}

#[tokio::test]
async fn refused_records_are_named_with_their_messages_whatever_the_form_of_the_files() {
    for encoding in [
        FileEncoding::Utf8,
        FileEncoding::Utf8Bom,
        FileEncoding::Utf16,
    ] {
        for header in [true, false] {
            let environment = refusing_b(|options| {
                options.error_file_encoding = encoding;
                options.keys_file_header = header;
            });
            let page = imported(&environment.await).await;
            assert_eq!(values(&page)[0], "B", "{encoding:?} {header}");
            assert_eq!(page.records.len(), 3, "{encoding:?} {header}");
            assert_eq!(totals(&page), [2, 4]);
            let (message, code, class) = failure(&page.records[0]);
            assert_eq!(message, "Customer of B is on hold.");
            assert_eq!((code, class), (None, FailureClass::Data));
        }
    }
}

#[tokio::test]
async fn codes_of_the_catalogue_are_understood() {
    let environment = Environment::plain().await;
    environment
        .fno()
        .set_rule(std::sync::Arc::new(|row: &RuleRow<'_>| {
            let header = row.entity == "Sales order headers V2";
            let refused = header && row.get("SALESORDERNUMBER") == "A";
            refused.then(|| RowError::with_code("DMF1996", "deadlock"))
        }));
    let page = imported(&environment).await;
    let header = page
        .records
        .iter()
        .find(|result| result.key.entity == "Sales order headers V2")
        .unwrap();
    let (_, code, class) = failure(header);
    assert_eq!((code, class), (Some("DMF1996"), FailureClass::Contention));
}

#[tokio::test]
async fn records_that_never_reached_staging_are_named_too() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    // A duplicate key within the file.
    let orders = [order_with("A", 1), order_with("B", 1)];
    let package = pack(&orders, |map| {
        map.with_lines(|lines| {
            lines.with_replaced(omnisync_core::dixf::Column::constant(
                "INVENTORYLOTID",
                "L-1",
            ))
        })
    });
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    let page = importer.results(execution(1), None).await.unwrap();
    assert_eq!(values(&page), ["L-1"]);
    let (_, code, class) = failure(&page.records[0]);
    assert_eq!((code, class), (Some("DMF1959"), FailureClass::Packaging));
}

#[tokio::test]
async fn a_package_that_imports_nothing_says_so() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let orders = [order_with("A", 1)];
    let package = pack(&orders, |map| {
        map.with_headers(|headers| headers.without_column("CURRENCYCODE"))
    });
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().cancel(&execution(1).to_string());
    let status = importer.status(execution(1)).await.unwrap();
    assert_eq!(status, ImportStatus::Canceled);
    let page = importer.results(execution(1), None).await.unwrap();
    assert!(totals(&page).iter().all(|imported| *imported == 0));
}

#[tokio::test]
async fn what_is_said_about_records_that_no_file_names_is_reported_as_it_is() {
    let environment = refusing_b(|_| ()).await;
    let mut config = environment.config();
    config.entities.truncate(1);
    let importer = environment.importer_of(config);
    let package = packed(&["A", "B"]);
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    let page = importer.results(execution(1), None).await.unwrap();
    let entities: Vec<&str> = page
        .records
        .iter()
        .map(|result| result.key.entity.as_str())
        .collect();
    assert_eq!(entities, ["Sales order headers V2", "", ""]);
    assert_eq!(page.records[1].key.columns[0].0, "RecordId");
}

#[tokio::test]
async fn an_error_file_that_ends_too_early_names_fewer_records_than_are_missing() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let ids: Vec<String> = (0..40).map(|n| format!("ORD-{n}")).collect();
    let mut orders: Vec<_> = ids.iter().map(|id| order_with(id, 1)).collect();
    orders.push(order_with("GOOD", 1));
    environment.fno().set_rule(refusing(ids));
    let package = pack(&orders, |map| map);
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    environment
        .fno()
        .inject(Some(Route::Download), Fault::Truncated);
    let page = importer.results(execution(1), None).await.unwrap();
    let of_headers = |result: &&RecordResult| {
        let value = &result.key.columns[0].1;
        result.key.entity == "Sales order headers V2"
            && package
                .keys
                .iter()
                .any(|keys| keys[0].columns[0].1 == *value)
    };
    let named = page.records.iter().filter(of_headers).count();
    assert!(named + 1 < 41, "{named}");
    let whole = importer.results(execution(1), None).await.unwrap();
    assert_eq!(whole.records.iter().filter(of_headers).count(), 40);
}

#[tokio::test]
async fn an_environment_that_cannot_make_error_files_is_asked_again_later() {
    let environment = refusing_b(|_| ()).await;
    let importer = environment.importer();
    let package = packed(&["A", "B"]);
    submit(&importer, 1, &package).await.unwrap();
    let id = execution(1).to_string();
    environment.fno().finish(&id);
    environment.fno().silence(&id);
    let error = importer.results(execution(1), None).await.unwrap_err();
    assert!(error.is_transient(), "{}", error.report());
}

#[tokio::test]
async fn error_files_that_cannot_be_believed_are_an_error_and_not_a_result() {
    let faults = [Fault::Oversized(2 << 20), Fault::CutWithin];
    for fault in faults {
        let environment = refusing_b(|_| ()).await;
        let mut config = environment.config();
        config.error_file_bytes_max = 1 << 20;
        let importer = environment.importer_of(config);
        let orders: Vec<_> = (0..40)
            .map(|n| order_with(&format!("O \"{n}\""), 1))
            .collect();
        let all = orders
            .iter()
            .map(|order| order.order_id.as_str().to_owned());
        environment.fno().set_rule(refusing(all));
        let package = pack(&orders, |map| map);
        submit(&importer, 1, &package).await.unwrap();
        environment.fno().finish(&execution(1).to_string());
        for _ in 0..3 {
            environment
                .fno()
                .inject(Some(Route::Download), fault.clone());
        }
        let result = importer.results(execution(1), None).await;
        let error = result.unwrap_err();
        assert_eq!(error.operation(), "finops.error_file", "{fault:?}");
        let kinds = [
            ErrorKind::Corrupt,
            ErrorKind::TimedOut,
            ErrorKind::Unavailable,
        ];
        assert!(
            kinds.contains(&error.kind()),
            "{fault:?}: {}",
            error.report()
        );
        // Later the file is whole.
        while environment.fno().faults_left() > 0 {
            drop(importer.results(execution(1), None).await);
        }
        let page = importer.results(execution(1), None).await.unwrap();
        assert_eq!(page.records.len(), 80, "{fault:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_never_ready_is_asked_for_later() {
    let environment = refusing_b(|_| ()).await;
    let mut config = environment.config();
    config.error_file_polls_max = 1;
    let importer = environment.importer_of(config);
    let package = packed(&["A", "B"]);
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    let error = importer.results(execution(1), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // The next reading finds it, entity by entity.
    importer.results(execution(1), None).await.unwrap_err();
    importer.results(execution(1), None).await.unwrap();
}

#[tokio::test]
async fn a_column_that_the_entity_does_not_have_is_a_fault_of_the_package() {
    let environment = Environment::plain().await;
    let importer = environment.importer();
    let package = pack(&[order_with("A", 1)], |map| {
        let column = omnisync_core::dixf::Column::constant("NOSUCHFIELD", "x");
        map.with_headers(|headers| headers.with_column(column))
    });
    submit(&importer, 1, &package).await.unwrap();
    environment.fno().finish(&execution(1).to_string());
    let status = importer.status(execution(1)).await.unwrap();
    assert_eq!(status, ImportStatus::Failed);
    let page = importer.results(execution(1), None).await.unwrap();
    assert!(totals(&page).iter().all(|imported| *imported == 0));
    let problem = &page.problems[0];
    assert_eq!(problem.class, FailureClass::Packaging);
    assert!(
        problem.message.contains("mapping is incorrect"),
        "{problem:?}"
    );
}
