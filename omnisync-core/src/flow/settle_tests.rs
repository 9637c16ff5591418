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
    let verdicts: Vec<_> = verdicts.into_values().collect();
    assert_eq!(words(&verdicts), ["imported", "rejected", "unresolved"]);
}

/// What an ERP says that names refused records only, of a package with two orders of two lines.
fn weighed(
    refused: Vec<RecordResult>,
    totals: Option<&[(&str, u64)]>,
    problems: Vec<ImportProblem>,
) -> (Vec<OrderVerdict>, usize) {
    weighed_in(refused, totals, problems, Reading::default())
}

fn weighed_in(
    refused: Vec<RecordResult>,
    totals: Option<&[(&str, u64)]>,
    problems: Vec<ImportProblem>,
    reading: Reading,
) -> (Vec<OrderVerdict>, usize) {
    let orders = [expected("A", 2), expected("B", 2)];
    let mut fates = Fates::default();
    fates.add(ResultsPage {
        records: refused,
        totals: totals.map(|totals| {
            let total = |(entity, imported): &(&str, u64)| EntityTotal {
                entity: (*entity).to_owned(),
                imported: *imported,
            };
            totals.iter().map(total).collect()
        }),
        problems,
        continuation: None,
    });
    for order in &orders {
        fates.claim(order);
    }
    fates.weigh("headers", 2, reading);
    fates.weigh("lines", 4, reading);
    let verdicts = orders.map(|order| fates.verdict(execution(), &order));
    (verdicts.to_vec(), fates.into_unmatched().len())
}

fn words(verdicts: &[OrderVerdict]) -> Vec<&'static str> {
    let word = |verdict: &OrderVerdict| match verdict {
        OrderVerdict::Imported(_) => "imported",
        OrderVerdict::Rejected(_) => "rejected",
        OrderVerdict::Transient(_) => "transient",
        OrderVerdict::Unresolved => "unresolved",
    };
    verdicts.iter().map(word).collect()
}

#[test]
fn records_that_are_not_named_were_imported_where_the_numbers_add_up() {
    let all = Some([("headers", 2), ("lines", 4)].as_slice());
    let (verdicts, _) = weighed(vec![], all, vec![]);
    assert_eq!(words(&verdicts), ["imported", "imported"]);
    let OrderVerdict::Imported(evidence) = &verdicts[0] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(
        (evidence.lines, &*evidence.record),
        (2, "2 of 2 records of headers")
    );

    let partly = Some([("headers", 2), ("lines", 3)].as_slice());
    let refused = vec![failed(line("B", 2), FailureClass::Data)];
    let (verdicts, _) = weighed(refused, partly, vec![]);
    assert_eq!(words(&verdicts), ["imported", "rejected"]);
}

#[test]
fn nobody_knows_what_became_of_unnamed_records_where_the_numbers_do_not_add_up() {
    let unknown = ["unresolved", "unresolved"];
    let uncounted: Option<&[_]> = None;
    for totals in [
        uncounted,
        Some(&[("headers", 2), ("lines", 3)]),
        Some(&[("headers", 1), ("lines", 4)]),
        Some(&[("headers", 2), ("lines", 5)]),
        Some(&[("Kopfzeilen", 2), ("Zeilen", 4)]),
    ] {
        let (verdicts, _) = weighed(vec![], totals, vec![]);
        assert_eq!(words(&verdicts), unknown, "{totals:?}");
    }
    // The ERP names a refused record in its own way: it may be any of the lines.
    let partly = Some([("headers", 2), ("lines", 3)].as_slice());
    let foreign = vec![failed(line("b", 2), FailureClass::Data)];
    let (verdicts, unmatched) = weighed(foreign, partly, vec![]);
    assert_eq!((words(&verdicts), unmatched), (unknown.to_vec(), 1));
}

#[test]
fn an_import_that_took_nothing_refuses_all_and_says_why() {
    let nothing = Some([].as_slice());
    // Early, and after an import that did not fail, the count may just be late.
    let (verdicts, _) = weighed(vec![], nothing, vec![]);
    assert_eq!(words(&verdicts), ["unresolved", "unresolved"]);
    let last = Reading {
        is_last: true,
        has_failed: false,
    };
    let (verdicts, _) = weighed_in(vec![], nothing, vec![], last);
    let OrderVerdict::Rejected(rejection) = &verdicts[0] else {
        panic!("{verdicts:?}")
    };
    assert!(
        rejection.message.contains("none of 2 records"),
        "{rejection:?}"
    );

    let problem = |class| ImportProblem {
        code: Some("DMF1996".to_owned()),
        message: "deadlock".to_owned(),
        class,
    };
    let (verdicts, _) = weighed(vec![], nothing, vec![problem(FailureClass::Contention)]);
    assert_eq!(words(&verdicts), ["transient", "transient"]);
    let worse = vec![
        problem(FailureClass::Contention),
        problem(FailureClass::Data),
    ];
    let (verdicts, _) = weighed(vec![], nothing, worse);
    assert_eq!(words(&verdicts), ["rejected", "rejected"]);
}
