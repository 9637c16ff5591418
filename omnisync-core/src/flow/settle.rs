//! Reads an import's results as a fate for each order: pure.

use std::collections::BTreeMap;

use crate::id::{ExecutionId, OrderId};
use crate::order::{Evidence, Rejection};
use crate::port::{FailureClass, RecordKey, RecordOutcome, RecordResult};

/// What the ERP's results say about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderVerdict {
    /// Header and every line are in the ERP.
    Imported(Evidence),
    /// Some record failed, and repeating cannot help.
    Rejected(Rejection),
    /// Some record failed, and every failure may pass when the order is sent again.
    Transient(Rejection),
    /// Records are missing from the results: nobody knows.
    Unresolved,
}

/// A result that belongs to no order of the batch. Reported, never guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedRecord {
    /// The record as the ERP named it.
    pub key: RecordKey,
}

/// Which records an order put into its package, by the keys that the ERP reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedRecords {
    /// The order.
    pub order: OrderId,
    /// Entity label and key columns of the header.
    pub header: RecordKey,
    /// Entity label and key columns of each line.
    pub lines: Vec<RecordKey>,
}

/// Fates so far of one order's records.
#[derive(Default)]
struct Tally {
    header: Option<String>,
    lines_imported: u32,
    failures: Vec<Failure>,
}

struct Failure {
    entity: String,
    code: Option<String>,
    message: String,
    class: FailureClass,
}

/// Gives every expected order its verdict, and the records that belong to none.
///
/// A record counts once however often the ERP names it; a failure outweighs a success for the
/// same record.
pub fn verdicts(
    execution: ExecutionId,
    expected: &[ExpectedRecords],
    results: impl IntoIterator<Item = RecordResult>,
) -> (BTreeMap<OrderId, OrderVerdict>, Vec<UnmatchedRecord>) {
    let mut owners: BTreeMap<&RecordKey, usize> = BTreeMap::new();
    for (index, order) in expected.iter().enumerate() {
        owners.insert(&order.header, index);
        owners.extend(order.lines.iter().map(|line| (line, index)));
    }
    let mut fates: BTreeMap<RecordKey, RecordOutcome> = BTreeMap::new();
    let mut unmatched = Vec::new();
    for result in results {
        if !owners.contains_key(&result.key) {
            unmatched.push(UnmatchedRecord { key: result.key });
            continue;
        }
        let fate = fates
            .entry(result.key)
            .or_insert_with(|| result.outcome.clone());
        if matches!(result.outcome, RecordOutcome::Failed { .. }) {
            *fate = result.outcome;
        }
    }
    let verdicts = expected
        .iter()
        .map(|order| (order.order.clone(), verdict(execution, order, &fates)))
        .collect();
    (verdicts, unmatched)
}

fn verdict(
    execution: ExecutionId,
    order: &ExpectedRecords,
    fates: &BTreeMap<RecordKey, RecordOutcome>,
) -> OrderVerdict {
    let mut tally = Tally::default();
    let mut missing = 0_usize;
    for (key, is_header) in
        std::iter::once((&order.header, true)).chain(order.lines.iter().map(|line| (line, false)))
    {
        match fates.get(key) {
            Some(RecordOutcome::Imported { evidence }) if is_header => {
                tally.header = Some(evidence.clone());
            }
            Some(RecordOutcome::Imported { .. }) => tally.lines_imported += 1,
            Some(RecordOutcome::Failed {
                code,
                message,
                class,
            }) => tally.failures.push(Failure {
                entity: key.entity.clone(),
                code: code.clone(),
                message: message.clone(),
                class: *class,
            }),
            None => missing += 1,
        }
    }
    if missing > 0 {
        return OrderVerdict::Unresolved;
    }
    let passes = |failure: &Failure| {
        matches!(
            failure.class,
            FailureClass::Transient | FailureClass::Contention
        )
    };
    let all_pass = tally.failures.iter().all(passes);
    // The failure that cannot pass explains a refusal best.
    let worst = tally
        .failures
        .iter()
        .position(|failure| !passes(failure))
        .unwrap_or(0);
    let failed = u32::try_from(tally.failures.len()).unwrap_or(u32::MAX);
    let imported = tally.lines_imported + u32::from(tally.header.is_some());
    if let Some(failure) = tally.failures.into_iter().nth(worst) {
        let rejection = Rejection {
            execution,
            code: failure.code,
            message: failure.message,
            entity: failure.entity,
            class: failure.class.into(),
            records_imported: imported,
            records_failed: failed,
        };
        return if all_pass {
            OrderVerdict::Transient(rejection)
        } else {
            OrderVerdict::Rejected(rejection)
        };
    }
    tally.header.map_or(OrderVerdict::Unresolved, |record| {
        OrderVerdict::Imported(Evidence {
            execution,
            record,
            lines: tally.lines_imported,
        })
    })
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
