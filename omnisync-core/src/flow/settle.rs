//! Reads an import's results as a fate for each order: pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::id::{ExecutionId, OrderId};
use crate::order::{Evidence, Rejection};
use crate::port::{
    EntityTotal, FailureClass, ImportProblem, RecordKey, RecordOutcome, RecordResult, ResultsPage,
};

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

#[derive(Debug, Clone)]
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
///
/// An ERP that names refused records only is [weighed](Self::weigh): where what it imported and
/// what it refused by name are together all that the package held of an entity, the records that
/// it does not name are those that it imported. Where the numbers do not add up, nobody knows.
#[derive(Debug, Default)]
pub struct Fates {
    by_record: HashMap<RecordKey, Fate>,
    totals: Option<HashMap<String, u64>>,
    problems: Vec<ImportProblem>,
    silences: HashMap<String, Silence>,
}

/// Which reading of an import's results it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// They are not read again.
    pub is_last: bool,
    /// The import ended by failing, or was cancelled.
    pub has_failed: bool,
}

/// What it means that the results do not name a record of an entity.
#[derive(Debug, Clone)]
enum Silence {
    Imported { evidence: String },
    Failed(Failure),
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

    /// Adds a page of results.
    pub fn add(&mut self, page: ResultsPage) {
        self.extend(page.records);
        self.problems.extend(page.problems);
        if let Some(totals) = page.totals {
            let known = self.totals.get_or_insert_default();
            for EntityTotal { entity, imported } in totals {
                let total = known.entry(entity).or_default();
                *total = total.saturating_add(imported);
            }
        }
    }

    /// True when some record was refused by name.
    pub fn has_refused(&self) -> bool {
        let mut fates = self.by_record.values();
        fates.any(|fate| matches!(fate.outcome, RecordOutcome::Failed { .. }))
    }

    /// Notes that the package holds the records of `order`.
    pub fn claim(&mut self, order: &ExpectedRecords) {
        for key in std::iter::once(&order.header).chain(&order.lines) {
            if let Some(fate) = self.by_record.get_mut(key) {
                fate.is_claimed = true;
            }
        }
    }

    /// Decides what became of the records of `entity` that are not named, of which the package
    /// holds `packed`. Every order that has a refused record must have been
    /// [claimed](Self::claim): a refusal under a key that nobody knows leaves the numbers open.
    /// False while nobody knows.
    pub fn weigh(&mut self, entity: &str, packed: u64, reading: Reading) -> bool {
        let Some(totals) = &self.totals else {
            return false;
        };
        // Nothing at all is believed of an import that failed, or at last.
        let may_be_none = reading.has_failed || reading.is_last || !self.problems.is_empty();
        let imported = match totals.get(entity) {
            Some(imported) => *imported,
            None if totals.is_empty() && may_be_none => 0,
            // It counts under names that are not ours, or not yet.
            None => return false,
        };
        let refused = self
            .by_record
            .iter()
            .filter(|(key, fate)| key.entity == entity && fate.is_refused())
            .count();
        let refused = u64::try_from(refused).unwrap_or(u64::MAX);
        let silence = if imported.saturating_add(refused) == packed && imported > 0 {
            let evidence = format!("{imported} of {packed} records of {entity}");
            Silence::Imported { evidence }
        } else if refused == packed {
            // Nobody is silent.
            return true;
        } else if imported == 0 && may_be_none {
            Silence::Failed(self.whole_failure(entity, packed))
        } else {
            return false;
        };
        self.silences.insert(entity.to_owned(), silence);
        true
    }

    /// Why nothing of an entity was imported.
    fn whole_failure(&self, entity: &str, packed: u64) -> Failure {
        // The problem that cannot pass explains best.
        let problem = self.problems.iter().max_by_key(|problem| problem.class);
        let entity = entity.to_owned();
        match problem {
            Some(problem) => Failure {
                entity,
                code: problem.code.clone(),
                message: problem.message.clone(),
                class: problem.class,
            },
            None => Failure {
                code: None,
                message: format!(
                    "the ERP imported none of {packed} records and named no reason: compare the \
                     data project's entities, field maps and source format with the package"
                ),
                class: FailureClass::Packaging,
                entity,
            },
        }
    }

    /// What the results say about an order.
    pub fn verdict(&mut self, execution: ExecutionId, order: &ExpectedRecords) -> OrderVerdict {
        self.claim(order);
        self.judge(execution, order)
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

impl Fate {
    fn is_refused(&self) -> bool {
        self.is_claimed && matches!(self.outcome, RecordOutcome::Failed { .. })
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

impl Fates {
    fn judge(&self, execution: ExecutionId, order: &ExpectedRecords) -> OrderVerdict {
        let mut tally = Tally::default();
        let header = std::iter::once((&order.header, true));
        for (key, is_header) in header.chain(order.lines.iter().map(|line| (line, false))) {
            match self.fate_of(key) {
                None => return OrderVerdict::Unresolved,
                Some(Ok(evidence)) if is_header => tally.header = Some(evidence.to_owned()),
                Some(Ok(_)) => tally.lines_imported += 1,
                Some(Err(failure)) => tally.failures.push(failure),
            }
        }
        tally.verdict(execution)
    }

    /// Evidence or failure of a record; `None` while nobody knows.
    fn fate_of(&self, key: &RecordKey) -> Option<Result<&str, Failure>> {
        match self.by_record.get(key).map(|fate| &fate.outcome) {
            Some(RecordOutcome::Imported { evidence }) => Some(Ok(evidence)),
            Some(RecordOutcome::Failed {
                code,
                message,
                class,
            }) => Some(Err(Failure {
                entity: key.entity.clone(),
                code: code.clone(),
                message: message.clone(),
                class: *class,
            })),
            None => match self.silences.get(&key.entity)? {
                Silence::Imported { evidence } => Some(Ok(evidence)),
                Silence::Failed(failure) => Some(Err(failure.clone())),
            },
        }
    }
}

impl Tally {
    fn verdict(self, execution: ExecutionId) -> OrderVerdict {
        let tally = self;
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
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
