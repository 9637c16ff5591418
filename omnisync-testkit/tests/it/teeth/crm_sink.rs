mod broken;

use std::sync::Arc;

use omnisync_core::port::{CrmCapability, Precondition};
use omnisync_testkit::contract::crm_sink::clauses;
use omnisync_testkit::fake::crm::Removing;

use self::broken::{Broken, Bug};
use super::caught;
use crate::crm::{Crm, options};

#[track_caller]
fn check(bug: Bug, want: &str) {
    check_with(CrmCapability::strict(), bug, want);
}

#[track_caller]
fn check_with(capability: CrmCapability, bug: Bug, want: &str) {
    let broken = || {
        let mut crm = Crm::able(capability);
        crm.wrap = Box::new(move |fake| Arc::new(Broken::new(fake, bug)));
        crm
    };
    caught(clauses(), broken, want);
}

#[test]
fn sound_systems_pass() {
    let strict = CrmCapability::strict;
    for capability in [
        strict(),
        strict().with_precondition(Precondition::Weak),
        strict().with_precondition(Precondition::None),
        strict().without_unique_keys().without_create_once(),
        strict().without_create_once().without_restore(),
    ] {
        caught(clauses(), || Crm::able(capability), "");
    }
    let deleting = || options().removing_by(Removing::Deletes);
    caught(clauses(), || Crm::new(deleting()), "");
    caught(clauses(), Crm::forgetting, "");
    let telling_less = || {
        options()
            .without_versions_in_receipts()
            .ignoring_equal_values()
    };
    caught(clauses(), || Crm::new(telling_less()), "");
}

#[test]
fn empty_fields_that_are_left_out_are_caught() {
    check(Bug::LeavesOutEmptyFields, "c01 c03");
}

#[test]
fn fields_that_nobody_asked_for_are_caught() {
    check(Bug::GivesEveryField, "c01");
}

#[test]
fn old_answers_are_caught() {
    check(Bug::AnswersOldReads, "c01 c02 c03 c04 c07 c09 c10");
}

#[test]
fn unknown_fields_that_read_as_nothing_are_caught() {
    check(Bug::TakesUnknownFields, "c01");
}

#[test]
fn a_version_that_comes_again_is_caught() {
    check(Bug::VersionsByContent, "c02");
}

#[test]
fn updates_of_whole_records_are_caught() {
    check(Bug::UpdatesWholeRecords, "c03");
}

#[test]
fn written_values_that_pass_for_read_ones_are_caught() {
    check(Bug::ReadsWhatWasWritten, "c03");
}

#[test]
fn ignored_versions_are_caught() {
    check(Bug::IgnoresVersions, "c04");
    check(Bug::IgnoresVersionsOfRemovals, "c04");
    let weak = CrmCapability::strict().with_precondition(Precondition::Weak);
    check_with(weak, Bug::IgnoresVersions, "c04");
}

#[test]
fn a_taken_key_that_is_overwritten_is_caught() {
    check(Bug::OverwritesTakenKeys, "c05");
}

#[test]
fn a_repeated_creation_that_creates_is_caught() {
    check(Bug::CreatesTwice, "c05 c06 c13");
    let no_keys = CrmCapability::strict().without_unique_keys();
    check_with(no_keys, Bug::CreatesTwice, "c06 c13");
}

#[test]
fn a_repeated_creation_that_overwrites_is_caught() {
    check(Bug::UpsertsAgain, "c06");
}

#[test]
fn a_repeated_creation_that_tells_the_newest_version_is_caught() {
    check(Bug::GivesTheNewestVersion, "c06");
}

#[test]
fn wrong_receipts_are_caught() {
    check(Bug::TellsAnOldVersion, "c07");
    check(Bug::TellsAnotherId, "c07");
}

#[test]
fn a_find_that_takes_more_than_it_should_is_caught() {
    check(Bug::FindsPrefixes, "c08");
    check(Bug::FindsRemoved, "c08");
    check(Bug::FindsAnyOfTheValues, "c08");
}

#[test]
fn removed_and_unknown_records_that_look_alike_are_caught() {
    check(Bug::GoneIsMissing, "c09");
    check(Bug::MissingIsGone, "c09");
    check(Bug::MergedIsGone, "c09");
}

#[test]
fn a_removal_that_brings_records_back_is_caught() {
    check(Bug::RemovalTogglesUse, "c09");
}

#[test]
fn a_restoration_of_another_kind_is_caught() {
    check(Bug::RestoresAnew, "c02 c10");
    check(Bug::DoesNotRestore, "c02 c10");
    let final_ = CrmCapability::strict().without_restore();
    check_with(final_, Bug::DoesNotRestore, "c10");
    check_with(final_, Bug::RefusesToTell, "c10");
}

#[test]
fn changes_that_are_not_told_are_caught() {
    check(Bug::ForgetsRemovals, "c11");
    check(Bug::StopsEarly, "c11");
    check(Bug::NeverStops, "c11");
    check(Bug::StartsOverOldCursors, "c11");
}

#[test]
fn refused_values_that_are_dropped_are_caught() {
    check(Bug::DropsRefusedValues, "c12");
}

#[test]
fn a_refusal_that_looks_like_a_conflict_is_caught() {
    check(Bug::RefusalIsConflict, "c12");
}

#[test]
fn a_record_that_does_not_tell_its_creation_is_caught() {
    check(Bug::ForgetsCreations, "c13");
    check(Bug::TellsCreationsByKey, "c13");
}
