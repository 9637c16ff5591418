use chrono::{DateTime, Duration, Utc};
use serde_json::value::RawValue;

use super::*;
use crate::id::{BatchId, Sha256, WorkerId};
use crate::order::{BatchProgress, Evidence, Rejection, RejectionClass, Revision};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_773_475_200, 0).unwrap()
}

fn change() -> Change {
    Change {
        at: now(),
        actor: WorkerId::new("w").unwrap(),
        cause: Cause::Operator {
            name: "test".to_owned(),
        },
        retention: Duration::days(90),
    }
}

fn id() -> OrderId {
    OrderId::new("A").unwrap()
}

/// Revision `number` of the order with content `text`, brought by event `event`.
fn content(number: u64, text: &str, event: &str) -> RevisionContent {
    RevisionContent {
        revision: Revision::new(Some(number), None),
        content_hash: Sha256::of(text.as_bytes()),
        cancels: text == "cancel",
        oms_event: RawValue::from_string(format!("\"{text}\"")).unwrap(),
        ingested_at: now(),
        waiting_since: now(),
        cause: Cause::Event {
            source: "s".to_owned(),
            id: event.to_owned(),
            traceparent: None,
        },
    }
}

/// What becomes of the events, one after the other, and the record in the end.
fn run(events: &[(u64, &str, &str)]) -> (Vec<Verdict>, OrderRecord) {
    let mut record = None;
    let verdicts = events
        .iter()
        .map(|(number, text, event)| {
            let intake = decide(
                &id(),
                record.clone(),
                content(*number, text, event),
                &change(),
            );
            record = intake.write.or_else(|| record.take());
            intake.verdict
        })
        .collect();
    (verdicts, record.unwrap())
}

fn claimed(mut record: OrderRecord) -> OrderRecord {
    let batch = BatchId::from_hash([1; 16]);
    record
        .apply(Command::Claim { batch, epoch: 0 }, &change())
        .unwrap();
    record
}

fn progress() -> BatchProgress {
    BatchProgress {
        batch: BatchId::from_hash([1; 16]),
        package: None,
        staged_at: Some(now()),
        submitted_at: Some(now()),
    }
}

fn imported(mut record: OrderRecord) -> OrderRecord {
    let progress = progress();
    let batch = progress.batch;
    let evidence = Evidence {
        execution: batch.into(),
        record: "A".to_owned(),
        lines: 1,
    };
    record
        .settle(Command::Import { evidence }, &progress, &change())
        .unwrap();
    record
}

#[test]
fn the_same_content_is_a_duplicate_whatever_event_brings_it() {
    let (verdicts, record) = run(&[(1, "a", "e1"), (1, "a", "e1"), (1, "a", "e2")]);
    assert_eq!(
        verdicts,
        [Verdict::Accepted, Verdict::Duplicate, Verdict::Duplicate]
    );
    assert_eq!(record.trail.entries().len(), 1);
}

#[test]
fn a_newer_revision_replaces_one_that_waits() {
    let (verdicts, record) = run(&[(1, "a", "e1"), (2, "b", "e2")]);
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Replaced]);
    assert_eq!(record.state, OrderState::Pending);
    assert_eq!(record.oms_event.get(), "\"b\"");
    let path: Vec<_> = record
        .trail
        .entries()
        .iter()
        .map(|entry| entry.to)
        .collect();
    assert_eq!(
        path,
        [
            StateName::Pending,
            StateName::Superseded,
            StateName::Pending
        ]
    );
}

#[test]
fn an_older_revision_is_noted_once_and_ignored() {
    let (verdicts, record) = run(&[(2, "b", "e2"), (1, "a", "e1"), (1, "a", "e1")]);
    assert_eq!(
        verdicts,
        [Verdict::Accepted, Verdict::Outdated, Verdict::Duplicate]
    );
    assert_eq!(record.oms_event.get(), "\"b\"");
    assert_eq!(record.trail.entries().len(), 2);
}

#[test]
fn a_late_middle_revision_cannot_undo_a_return_to_earlier_content() {
    let (verdicts, record) = run(&[(1, "a", "e1"), (3, "a", "e3"), (2, "b", "e2")]);
    assert_eq!(
        verdicts,
        [Verdict::Accepted, Verdict::Duplicate, Verdict::Outdated]
    );
    assert_eq!(record.oms_event.get(), "\"a\"");
}

#[test]
fn every_arrival_order_ends_with_the_newest_revision() {
    let events = [(1, "a", "e1"), (2, "b", "e2"), (3, "c", "e3")];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let (_, record) = run(&order.map(|n| events[n]));
        assert_eq!(record.oms_event.get(), "\"c\"", "{order:?}");
        assert_eq!(record.state, OrderState::Pending);
    }
}

#[test]
fn the_same_revision_with_other_content_waits_for_a_person() {
    let (verdicts, record) = run(&[(1, "a", "e1"), (1, "b", "e2"), (1, "b", "e2")]);
    let conflict = Verdict::RevisionConflict;
    assert_eq!(verdicts, [Verdict::Accepted, conflict, conflict]);
    assert_eq!(record.state.name(), StateName::Quarantined);
    assert_eq!(record.oms_event.get(), "\"a\"");
    assert_eq!(record.trail.entries().len(), 2);
}

#[test]
fn a_newer_revision_ends_a_quarantine() {
    let (verdicts, record) = run(&[(1, "a", "e1"), (1, "b", "e2"), (2, "c", "e3")]);
    assert_eq!(verdicts.last(), Some(&Verdict::Replaced));
    assert_eq!(record.state, OrderState::Pending);
    assert_eq!(record.expires_at, None);
}

#[test]
fn a_cancellation_that_comes_first_stops_the_older_creation() {
    let (verdicts, record) = run(&[(2, "cancel", "e2"), (1, "a", "e1")]);
    assert_eq!(verdicts, [Verdict::Cancelled, Verdict::Outdated]);
    assert_eq!(record.state, OrderState::Cancelled);
}

#[test]
fn a_revision_for_an_order_in_a_batch_waits_its_turn() {
    let (_, record) = run(&[(1, "a", "e1")]);
    let intake = decide(
        &id(),
        Some(claimed(record)),
        content(2, "b", "e2"),
        &change(),
    );
    assert_eq!(intake.verdict, Verdict::Queued);
    let record = intake.write.unwrap();
    assert_eq!(record.oms_event.get(), "\"a\"");

    let again = decide(
        &id(),
        Some(record.clone()),
        content(1, "a", "e1"),
        &change(),
    );
    assert_eq!(again.verdict, Verdict::Duplicate);

    let newer = decide(&id(), Some(record), content(3, "c", "e3"), &change())
        .write
        .unwrap();
    let record = imported(newer);
    assert_eq!(record.state, OrderState::Pending);
    assert_eq!(record.oms_event.get(), "\"c\"");
    assert!(
        record
            .trail
            .entries()
            .iter()
            .any(|entry| entry.to == StateName::Imported)
    );
}

#[test]
fn a_newer_revision_of_an_imported_order_is_sent_too() {
    let (_, record) = run(&[(1, "a", "e1")]);
    let record = imported(claimed(record));
    assert_eq!(
        record.processing_status,
        crate::order::ProcessingStatus::Processed
    );
    assert_eq!(record.ttl, Some(90 * 24 * 60 * 60));
    let record = decide(&id(), Some(record), content(2, "b", "e2"), &change())
        .write
        .unwrap();
    assert_eq!(record.state, OrderState::Pending);
    assert_eq!(record.ttl, None);
    assert!(record.claim_generation > 0);
}

#[test]
fn a_cancellation_after_the_import_waits_for_a_person() {
    let (_, record) = run(&[(1, "a", "e1")]);
    let queued = decide(
        &id(),
        Some(claimed(record)),
        content(2, "cancel", "e2"),
        &change(),
    );
    assert_eq!(queued.verdict, Verdict::Cancelled);
    let record = imported(queued.write.unwrap());
    let reason = QuarantineReason::CancelledAfterImport;
    assert_eq!(record.state, OrderState::Quarantined { reason });
}

#[test]
fn a_cancellation_of_an_order_that_was_imported_in_an_older_revision_waits_for_a_person() {
    let (_, record) = run(&[(1, "a", "e1")]);
    let record = imported(claimed(record));
    let then = |record, content| {
        decide(&id(), Some(record), content, &change())
            .write
            .unwrap()
    };
    let record = then(record, content(2, "b", "e2"));
    assert_eq!(record.state, OrderState::Pending);
    let record = then(record, content(3, "cancel", "e3"));
    let reason = QuarantineReason::CancelledAfterImport;
    assert_eq!(record.state, OrderState::Quarantined { reason });
}

#[test]
fn a_cancellation_is_carried_out_only_where_the_erp_certainly_took_nothing() {
    let cancelled_after = |end: Command| {
        let (_, record) = run(&[(1, "a", "e1")]);
        let mut record = claimed(record);
        let progress = progress();
        record.settle(end, &progress, &change()).unwrap();
        let cancel = content(2, "cancel", "e2");
        let intake = decide(&id(), Some(record), cancel, &change());
        intake.write.unwrap().state.name()
    };
    let execution = progress().batch.into();
    let rejected = |records_imported| Command::Reject {
        reason: Rejection {
            execution,
            code: None,
            message: "no such item".to_owned(),
            entity: "lines".to_owned(),
            class: RejectionClass::Data,
            records_imported,
            records_failed: 1,
        },
    };
    let unknown = Command::Quarantine {
        reason: QuarantineReason::OutcomeUnknown { execution },
    };
    assert_eq!(cancelled_after(rejected(0)), StateName::Cancelled);
    assert_eq!(cancelled_after(rejected(1)), StateName::Quarantined);
    assert_eq!(cancelled_after(unknown), StateName::Quarantined);
    let retry = Command::Retry { execution };
    assert_eq!(cancelled_after(retry), StateName::Quarantined);
}

#[test]
fn a_record_survives_its_stored_form_with_the_names_that_dashboards_read() {
    let (_, record) = run(&[(1, "a", "e1")]);
    let text = serde_json::to_string(&imported(claimed(record))).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in [
        "id",
        "orderId",
        "processingStatus",
        "omsEvent",
        "ingestedAt",
        "pickedUpAt",
        "processedAt",
        "batchId",
        "blobReference",
        "retryCount",
        "ttl",
    ] {
        assert!(stored.get(name).is_some(), "{name}");
    }
    assert_eq!(stored["processingStatus"], "Processed");
    let back: OrderRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn replaying_the_trail_gives_the_state() {
    let (_, record) = run(&[
        (1, "a", "e1"),
        (2, "b", "e2"),
        (1, "a", "e0"),
        (3, "c", "e3"),
    ]);
    let record = imported(claimed(record));
    let mut state = None;
    for entry in record.trail.entries() {
        assert_eq!(entry.from, state, "{entry:?}");
        state = Some(entry.to);
    }
    assert_eq!(state, Some(record.state.name()));
}
