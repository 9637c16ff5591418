use omnisync_testkit::contract::erp_importer::clauses;

use super::caught;
use crate::erp::{Erp, ErpBug};

#[track_caller]
fn check(bug: ErpBug, want: &str) {
    caught(clauses(), || Erp::new(bug), want);
}

#[test]
fn a_sound_erp_passes() {
    check(ErpBug::None, "");
}

#[test]
fn a_submission_forgotten_on_restart_is_caught() {
    check(ErpBug::ForgetsOnRestart, "c01");
}

#[test]
fn an_unknown_execution_that_seems_queued_is_caught() {
    check(ErpBug::UnknownIsQueued, "c02 c07");
}

#[test]
fn a_second_import_of_one_execution_is_caught() {
    check(ErpBug::ImportsAgain, "c03");
}

#[test]
fn an_unknown_word_read_as_success_is_caught() {
    check(ErpBug::UnknownWordMeansSucceeded, "c04");
}

#[test]
fn a_lost_page_of_results_is_caught() {
    check(ErpBug::LosesLastPage, "c05");
}

#[test]
fn a_refused_record_reported_as_imported_is_caught() {
    check(ErpBug::RefusedIsImported, "c05 c06");
}

#[test]
fn a_parallel_import_is_caught() {
    check(ErpBug::TakesParallelImports, "c07");
}

#[test]
fn an_ignored_hash_is_caught() {
    check(ErpBug::IgnoresTheHash, "c08");
}

#[test]
fn results_before_the_end_are_caught() {
    check(ErpBug::GivesEarlyResults, "c09");
}

#[test]
fn refused_records_that_are_counted_as_imported_are_caught() {
    let erp = || Erp::new(ErpBug::CountsRefusedAsImported).counting();
    caught(clauses(), erp, "c05");
}

#[test]
fn refused_records_that_are_kept_back_are_caught() {
    let erp = || Erp::new(ErpBug::NamesOneRefusedOnly).counting();
    caught(clauses(), erp, "c05");
}
