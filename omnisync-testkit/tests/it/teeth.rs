//! The suites have teeth: every clause catches a back end that breaks it.

mod blob_stage;
mod clocks;
mod crm_sink;
mod erp_importer;
mod event_source;
mod secret_source;
mod state_store;

use omnisync_testkit::contract::Clause;
use omnisync_testkit::crash;

/// Runs every clause against a fresh broken back end. The clauses that fail have to be exactly
/// `want`, such as `c02 c07`.
#[track_caller]
fn caught<F: Sync>(clauses: Vec<Clause<F>>, fixture: impl Fn() -> F, want: &str) {
    let mut failed = Vec::new();
    for clause in clauses {
        let fixture = fixture();
        let outcome = crash::run(clause.check(&fixture)).unwrap();
        if let Err(violation) = outcome {
            let number = clause.name().split('_').next().unwrap();
            assert!(
                violation.clause().ends_with(&format!(".{number}")),
                "{violation}"
            );
            failed.push(number);
        }
    }
    assert_eq!(failed.join(" "), want);
}
