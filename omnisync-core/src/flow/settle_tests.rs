use std::collections::BTreeMap;

use super::*;
use crate::id::BatchId;

fn execution() -> ExecutionId {
    BatchId::from_hash([7; 16]).into()
}

fn key(entity: &str, column: &str, value: &str) -> RecordKey {
    RecordKey {
        entity: entity.to_owned(),
        columns: vec![(column.to_owned(), value.to_owned())],
    }
}

fn header(order: &str) -> RecordKey {
    key("headers", "SALESORDERNUMBER", order)
}

fn line(order: &str, n: u32) -> RecordKey {
    key("lines", "INVENTORYLOTID", &format!("{order}-{n}"))
}

fn expected(order: &str, lines: u32) -> ExpectedRecords {
    ExpectedRecords {
        order: OrderId::new(order).unwrap(),
        header: header(order),
        lines: (1..=lines).map(|n| line(order, n)).collect(),
    }
}

fn imported(key: RecordKey) -> RecordResult {
    RecordResult {
        key,
        outcome: RecordOutcome::Imported {
            evidence: "rec-1".to_owned(),
        },
    }
}

fn failed(key: RecordKey, class: FailureClass) -> RecordResult {
    let message = "no such item".to_owned();
    RecordResult {
        key,
        outcome: RecordOutcome::Failed {
            code: None,
            message,
            class,
        },
    }
}

fn verdicts(
    execution: ExecutionId,
    expected: &[ExpectedRecords],
    results: Vec<RecordResult>,
) -> (BTreeMap<OrderId, OrderVerdict>, Vec<UnmatchedRecord>) {
    let mut fates = Fates::of(results);
    let verdicts = expected
        .iter()
        .map(|order| (order.order.clone(), fates.verdict(execution, order)))
        .collect();
    (verdicts, fates.into_unmatched())
}

fn verdict_of(results: Vec<RecordResult>) -> OrderVerdict {
    let (verdicts, unmatched) = verdicts(execution(), &[expected("A", 2)], results);
    assert_eq!(unmatched, []);
    verdicts.into_values().next().unwrap()
}

#[test]
fn an_order_is_imported_only_when_header_and_every_line_are() {
    let verdict = verdict_of(vec![
        imported(line("A", 2)),
        imported(header("A")),
        imported(line("A", 1)),
    ]);
    let OrderVerdict::Imported(evidence) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!((evidence.lines, evidence.record.as_str()), (2, "rec-1"));
}

#[test]
fn a_header_without_its_lines_is_no_import() {
    assert_eq!(
        verdict_of(vec![imported(header("A"))]),
        OrderVerdict::Unresolved
    );
    assert_eq!(
        verdict_of(vec![imported(line("A", 1)), imported(line("A", 2))]),
        OrderVerdict::Unresolved
    );
}

#[test]
fn a_failed_line_refuses_the_order_and_says_how_much_the_erp_took() {
    let verdict = verdict_of(vec![
        imported(header("A")),
        imported(line("A", 1)),
        failed(line("A", 2), FailureClass::Data),
    ]);
    let OrderVerdict::Rejected(rejection) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        (rejection.records_imported, rejection.records_failed),
        (2, 1)
    );
    assert_eq!(rejection.entity, "lines");
}

#[test]
fn only_failures_that_can_pass_send_an_order_again() {
    let transient = |second| {
        verdict_of(vec![
            imported(header("A")),
            failed(line("A", 1), FailureClass::Contention),
            failed(line("A", 2), second),
        ])
    };
    assert!(matches!(
        transient(FailureClass::Transient),
        OrderVerdict::Transient(_)
    ));
    assert!(matches!(
        transient(FailureClass::Data),
        OrderVerdict::Rejected(_)
    ));
    assert!(matches!(
        transient(FailureClass::Unknown),
        OrderVerdict::Rejected(_)
    ));
}

#[test]
fn a_failure_outweighs_a_success_of_the_same_record() {
    let all = [header("A"), line("A", 1), line("A", 2)];
    for position in 0..4 {
        let mut results: Vec<_> = all.iter().cloned().map(imported).collect();
        results.insert(position, failed(line("A", 1), FailureClass::Data));
        assert!(
            matches!(verdict_of(results), OrderVerdict::Rejected(_)),
            "at {position}"
        );
    }
}

#[test]
fn records_of_nobody_are_reported_and_change_nothing() {
    let results = vec![
        imported(header("A")),
        imported(line("A", 1)),
        failed(header("B"), FailureClass::Data),
    ];
    let (verdicts, unmatched) = verdicts(execution(), &[expected("A", 1)], results);
    assert!(matches!(
        verdicts.values().next(),
        Some(OrderVerdict::Imported(_))
    ));
    assert_eq!(unmatched, [UnmatchedRecord { key: header("B") }]);
}

#[test]
fn a_partly_succeeded_import_splits_exactly() {
    let results = vec![
        imported(header("A")),
        imported(line("A", 1)),
        failed(header("B"), FailureClass::Data),
        failed(line("B", 1), FailureClass::Data),
    ];
    let orders = [expected("A", 1), expected("B", 1), expected("C", 1)];
    let (verdicts, _) = verdicts(execution(), &orders, results);
    let words: Vec<_> = verdicts
        .values()
        .map(|verdict| match verdict {
            OrderVerdict::Imported(_) => "imported",
            OrderVerdict::Rejected(_) => "rejected",
            OrderVerdict::Transient(_) => "transient",
            OrderVerdict::Unresolved => "unresolved",
        })
        .collect();
    assert_eq!(words, ["imported", "rejected", "unresolved"]);
}
