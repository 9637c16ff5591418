//! Manners of the fake CRM that its contract does not demand.

mod events;

use std::time::Duration;

use omnisync_core::ErrorKind;
use omnisync_core::PortError;
use omnisync_core::crm::{ChangeKind, FieldName, ForeignId, Native, VersionToken};
use omnisync_core::port::{
    Creation, CrmCapability, CrmRecord, CrmSink, Precondition, RecordUpdate, Removal, Sight,
    WriteReceipt,
};
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::crm::{ChangeCause, FakeCrm, Removing, Standing};

use crate::crm::{ACCOUNT, Crm, field, fields, number, options, text};

const SECOND: Duration = Duration::from_secs(1);

fn record(id: &ForeignId) -> CrmRecord {
    CrmRecord {
        object: ACCOUNT.to_owned(),
        id: id.clone(),
    }
}

fn create(crm: &FakeCrm, key: &str, values: &[(&str, Native)]) -> Result<ForeignId, PortError> {
    let creation = Creation {
        object: ACCOUNT.to_owned(),
        key: key.to_owned(),
        natural_key: vec![field("Number")],
        fields: fields(values),
    };
    block_on(crm.create(creation)).map(|receipt| receipt.id)
}

fn update(
    crm: &FakeCrm,
    id: &ForeignId,
    values: &[(&str, Native)],
    expect: Option<VersionToken>,
) -> Result<WriteReceipt, PortError> {
    block_on(crm.update(RecordUpdate {
        record: record(id),
        fields: fields(values),
        expect,
    }))
}

fn read(crm: &FakeCrm, id: &ForeignId, field: &FieldName) -> Sight {
    block_on(crm.read(&record(id), std::slice::from_ref(field))).unwrap()
}

fn value(crm: &FakeCrm, id: &ForeignId, name: &str) -> Native {
    match read(crm, id, &field(name)) {
        Sight::Present(snapshot) => snapshot.fields.get(name).unwrap().clone(),
        other => panic!("{other:?}"),
    }
}

fn one() -> (Crm, FakeCrm, ForeignId) {
    let crm = Crm::new(options());
    let fake = crm.fake.clone();
    let id = create(
        &fake,
        "one",
        &[("Number", text("1")), ("City", text("Basel"))],
    )
    .unwrap();
    (crm, fake, id)
}

#[test]
fn triggers_defaults_and_normalisers_work_in_the_transaction_of_the_write() {
    let (_, crm, id) = one();
    let before = crm.versions(&id).len();
    let values = [
        ("City", text("Bern")),
        ("Code", text(" ab ")),
        ("Revenue", number("1.005")),
    ];
    let receipt = update(&crm, &id, &values, None).unwrap();
    assert_eq!(crm.versions(&id).len(), before + 1);
    let row = crm.snapshot(&id).unwrap();
    assert_eq!(receipt.version, Some(row.state.version));
    for (name, want) in [
        ("Label", text("1 Bern")),
        ("Moves", number("2")),
        ("Code", text("AB")),
        ("Revenue", number("1.01")),
        ("Rating", text("Cold")),
    ] {
        assert!(value(&crm, &id, name) == want, "{name}");
    }
}

#[test]
fn the_log_tells_what_was_asked_and_what_became_of_it() {
    let (_, crm, id) = one();
    let version = crm
        .edit(
            &id,
            fields(&[("Code", text(" x ")), ("River", text("Rhein"))]),
            "ann",
        )
        .unwrap();
    update(&crm, &id, &[("City", text("Bern"))], None).unwrap();
    let log = crm.changes_log(0);
    let [created, edited, updated] = log.as_slice() else {
        panic!("{log:?}");
    };
    assert_eq!(
        created.cause,
        ChangeCause::Create {
            key: "one".to_owned()
        }
    );
    assert_eq!((edited.number, edited.user.as_str()), (2, "ann"));
    assert_eq!(
        (&edited.cause, &edited.version),
        (&ChangeCause::Person, &version)
    );
    let code = edited.of("Code").unwrap();
    assert!(code.asked == Some(text(" x ")) && code.from == Native::Null && code.to == text("X"));
    assert!(updated.cause.is_ours());
    let label = updated.of("Label").unwrap();
    assert!(label.asked.is_none() && label.to == text("1 Bern"));
    assert!(updated.of("Code").is_none());
}

#[test]
fn a_closed_field_is_silently_ignored_but_for_people() {
    let (_, crm, id) = one();
    update(
        &crm,
        &id,
        &[("Owner", text("bob")), ("River", text("Aare"))],
        None,
    )
    .unwrap();
    assert!(value(&crm, &id, "Owner") == Native::Null);
    assert!(value(&crm, &id, "River") == text("Aare"));
    crm.edit(&id, fields(&[("Owner", text("bob"))]), "ann")
        .unwrap();
    assert!(value(&crm, &id, "Owner") == text("bob"));
}

#[test]
fn an_automation_makes_a_change_of_its_own_when_its_time_has_come() {
    let (fixture, crm, id) = one();
    assert!(value(&crm, &id, "Latitude") == Native::Null);
    fixture.clock.advance(SECOND);
    assert!(value(&crm, &id, "Latitude") != Native::Null);
    let log = crm.changes_log(1);
    assert_eq!(log.len(), 1);
    assert_eq!(
        (&log[0].cause, log[0].user.as_str()),
        (&ChangeCause::Automation, "geocoder")
    );
    crm.edit(&id, fields(&[("City", text("Bern"))]), "ann")
        .unwrap();
    assert_eq!((crm.run_automations(), crm.run_automations()), (1, 0));
}

#[test]
fn values_of_another_kind_and_empty_required_ones_are_refused() {
    let (_, crm, id) = one();
    for values in [
        [("City", number("1"))],
        [("Revenue", text("1"))],
        [("Number", text(""))],
        [("Nobody", text("1"))],
    ] {
        let refused = update(&crm, &id, &values, None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let refused = crm.edit(&id, fields(&values), "ann").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
    assert_eq!(crm.versions(&id).len(), 1);
}

#[test]
fn a_locked_record_refuses_so_many_writes() {
    let (_, crm, id) = one();
    assert!(crm.lock(&id, 2));
    for _ in 0..2 {
        let refused = update(&crm, &id, &[("City", text("Bern"))], None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(!refused.is_ambiguous());
    }
    assert!(value(&crm, &id, "City") == text("Basel"));
    update(&crm, &id, &[("City", text("Bern"))], None).unwrap();
    assert!(!crm.lock(&ForeignId::new("crm-9").unwrap(), 1));
}

#[test]
fn throttled_calls_do_nothing() {
    let (_, crm, id) = one();
    crm.throttle(1, SECOND);
    let refused = update(&crm, &id, &[("City", text("Bern"))], None).unwrap_err();
    assert_eq!(refused.retry_after(), Some(SECOND));
    assert!(value(&crm, &id, "City") == text("Basel"));
    assert_eq!(crm.operations(), 3);
}

#[test]
fn calls_behind_the_limit_of_the_day_do_nothing() {
    let (_, crm, id) = one();
    crm.refuse(1, ErrorKind::Exhausted);
    let refused = update(&crm, &id, &[("City", text("Bern"))], None).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted);
    assert_eq!(refused.retry_after(), None);
    assert!(value(&crm, &id, "City") == text("Basel"));
}

#[test]
fn stale_reads_answer_the_version_before_the_last() {
    let (_, crm, id) = one();
    assert!(!crm.read_stale(&id, 1), "there is no older version");
    update(&crm, &id, &[("City", text("Bern"))], None).unwrap();
    assert!(crm.read_stale(&id, 1));
    assert!(value(&crm, &id, "City") == text("Basel"));
    assert!(value(&crm, &id, "City") == text("Bern"));
}

#[test]
fn a_weak_condition_misses_a_change_within_one_unit_of_the_clock() {
    let crm = Crm::able(CrmCapability::strict().with_precondition(Precondition::Weak));
    let fake = &crm.fake;
    let id = create(fake, "one", &[("Number", text("1"))]).unwrap();
    let seen = fake.snapshot(&id).unwrap().state.version;
    fake.edit(&id, fields(&[("City", text("Basel"))]), "ann")
        .unwrap();
    update(fake, &id, &[("City", text("Bern"))], Some(seen.clone())).unwrap();
    crm.clock.advance(SECOND);
    fake.edit(&id, fields(&[("City", text("Chur"))]), "ann")
        .unwrap();
    let refused = update(fake, &id, &[("City", text("Bern"))], Some(seen)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

#[test]
fn deactivated_records_keep_their_key_and_deleted_ones_do_not() {
    for (removing, want) in [
        (Removing::Deactivates, Err(ErrorKind::AlreadyExists)),
        (Removing::Deletes, Ok(())),
    ] {
        let fake = Crm::new(options().removing_by(removing)).fake;
        let id = create(&fake, "one", &[("Number", text("1"))]).unwrap();
        fake.delete_by(&id, "ann").unwrap();
        let again = create(&fake, "two", &[("Number", text("1"))]);
        assert_eq!(again.map(drop).map_err(|error| error.kind()), want);
        let back = fake.undelete_by(&id, "ann").map_err(|error| error.kind());
        let want = if want.is_ok() {
            Err(ErrorKind::AlreadyExists)
        } else {
            Ok(())
        };
        assert_eq!(back, want);
    }
}

#[test]
fn removed_records_are_forgotten_after_a_time() {
    let crm = Crm::new(options().forgetting_after(60 * SECOND));
    let fake = &crm.fake;
    let id = create(fake, "one", &[("Number", text("1"))]).unwrap();
    let removal = Removal {
        record: record(&id),
        expect: None,
    };
    block_on(fake.remove(removal)).unwrap();
    crm.clock.advance(59 * SECOND);
    assert!(matches!(
        read(fake, &id, &field("City")),
        Sight::Gone { .. }
    ));
    crm.clock.advance(SECOND);
    assert_eq!(read(fake, &id, &field("City")), Sight::Missing);
    let back = block_on(fake.restore(&record(&id))).unwrap_err();
    assert_eq!(back.kind(), ErrorKind::NotFound);
    assert_eq!(
        fake.snapshot(&id).unwrap().state.standing,
        Standing::Inactive
    );
}

#[test]
fn the_winner_of_a_merge_takes_what_it_is_told_to() {
    let (_, crm, loser) = one();
    let winner = create(&crm, "two", &[("Number", text("2"))]).unwrap();
    crm.take_events(9);
    crm.merge_by(&loser, &winner, &[field("City"), field("Number")], "ann")
        .unwrap();
    let into = winner.clone();
    assert_eq!(read(&crm, &loser, &field("City")), Sight::Merged { into });
    assert!(value(&crm, &winner, "City") == text("Basel"));
    assert!(value(&crm, &winner, "Number") == text("1"));
    let kinds: Vec<_> = crm
        .take_events(9)
        .into_iter()
        .map(|event| event.hint.kind)
        .collect();
    assert_eq!(kinds, [ChangeKind::Delete, ChangeKind::Update]);
    let refused = crm.merge_by(&winner, &winner, &[], "ann").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn an_update_without_news_counts_as_a_change_unless_the_system_looks() {
    for (options, want) in [(options(), 2), (options().ignoring_equal_values(), 1)] {
        let fake = Crm::new(options).fake;
        let id = create(&fake, "one", &[("Number", text("1"))]).unwrap();
        update(&fake, &id, &[("Number", text("1"))], None).unwrap();
        assert_eq!(fake.versions(&id).len(), want);
        assert_eq!(fake.events_waiting(), want);
    }
}

#[test]
fn cursors_of_changes_grow_too_old_by_themselves() {
    let crm = Crm::new(options().keeping_changes_for(60 * SECOND));
    let changes = |cursor: Option<&str>| block_on(crm.fake.changes(ACCOUNT, cursor, 10));
    let cursor = changes(None).unwrap().cursor;
    create(&crm.fake, "one", &[("Number", text("1"))]).unwrap();
    crm.clock.advance(60 * SECOND);
    let page = changes(Some(&cursor)).unwrap();
    assert_eq!((page.records.len(), page.more), (1, false));
    crm.clock.advance(SECOND);
    let too_old = changes(Some(&cursor)).unwrap_err();
    assert_eq!(too_old.kind(), ErrorKind::NotFound);
    assert!(changes(Some(&page.cursor)).unwrap().records.is_empty());
    let foreign = changes(Some("somebody's")).unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Invalid);
}

#[test]
fn what_people_wrote_is_in_no_error_and_no_debug_output() {
    const CANARY: &str = "Canary-4711";
    let (_, crm, id) = one();
    crm.edit(&id, fields(&[("Number", text(CANARY))]), "ann")
        .unwrap();
    let mut said = vec![format!("{crm:?} {:?}", crm.changes_log(0))];
    let taken = create(&crm, "two", &[("Number", text(CANARY))]).unwrap_err();
    let refused = update(&crm, &id, &[("Revenue", text(CANARY))], None).unwrap_err();
    for error in [taken, refused] {
        said.push(format!("{} {error:?}", error.report()));
    }
    assert!(said.iter().all(|said| !said.contains(CANARY)));
}

#[test]
fn an_automation_that_waits_is_counted() {
    let (fixture, crm, _) = one();
    assert_eq!(crm.automations_waiting(), 1);
    fixture.clock.advance(SECOND);
    assert_eq!(crm.automations_waiting(), 0);
}

#[test]
fn automations_that_are_switched_off_change_nothing_any_more() {
    let (fixture, crm, id) = one();
    assert_eq!(crm.automations_waiting(), 1);
    crm.stop_automations();
    fixture.clock.advance(SECOND);
    crm.edit(&id, fields(&[("City", text("Bern"))]), "ann")
        .unwrap();
    fixture.clock.advance(SECOND);
    let log = crm.changes_log(0);
    assert!(log.iter().all(|one| one.cause != ChangeCause::Automation));
    assert_eq!((crm.automations_waiting(), crm.run_automations()), (0, 0));
}
