//! Reads an import's results as a fate for each order: pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

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

/// Results of an import by record.
///
/// A record counts once however often the ERP names it, and a failure outweighs a success of the
/// same record.
#[derive(Debug, Default)]
pub struct Fates {
    by_record: HashMap<RecordKey, Fate>,
}

#[derive(Debug)]
struct Fate {
    outcome: RecordOutcome,
    is_claimed: bool,
}

impl Fates {
    /// Sorts `results` by record.
    pub fn of(results: impl IntoIterator<Item = RecordResult>) -> Self {
        let mut fates = Self::default();
        fates.extend(results);
        fates
    }

    /// What the results say about an order.
    pub fn verdict(&mut self, execution: ExecutionId, order: &ExpectedRecords) -> OrderVerdict {
        for key in std::iter::once(&order.header).chain(&order.lines) {
            if let Some(fate) = self.by_record.get_mut(key) {
                fate.is_claimed = true;
            }
        }
        verdict(execution, order, &self.by_record)
    }

    /// Records that no order asked for, sorted.
    pub fn into_unmatched(self) -> Vec<UnmatchedRecord> {
        let mut unmatched: Vec<_> = self
            .by_record
            .into_iter()
            .filter(|(_, fate)| !fate.is_claimed)
            .map(|(key, _)| UnmatchedRecord { key })
            .collect();
        unmatched.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        unmatched
    }
}

impl Extend<RecordResult> for Fates {
    fn extend<I: IntoIterator<Item = RecordResult>>(&mut self, results: I) {
        for RecordResult { key, outcome } in results {
            match self.by_record.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(Fate {
                        outcome,
                        is_claimed: false,
                    });
                }
                Entry::Occupied(mut entry) => {
                    if matches!(outcome, RecordOutcome::Failed { .. }) {
                        entry.get_mut().outcome = outcome;
                    }
                }
            }
        }
    }
}

fn verdict(
    execution: ExecutionId,
    order: &ExpectedRecords,
    fates: &HashMap<RecordKey, Fate>,
) -> OrderVerdict {
    let mut tally = Tally::default();
    let mut missing = 0_usize;
    for (key, is_header) in
        std::iter::once((&order.header, true)).chain(order.lines.iter().map(|line| (line, false)))
    {
        match fates.get(key).map(|fate| &fate.outcome) {
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
