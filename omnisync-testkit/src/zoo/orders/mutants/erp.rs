//! Mutants that treat their ERP differently.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::id::{BatchId, ExecutionId};
use omnisync_core::order::OrderState;
use omnisync_core::port::{
    ErpCapability, ErpImporter, IdSource, ImportStatus, RecordOutcome, ResultsPage, Submission,
    SubmitReceipt,
};

use super::{on_erp, over, scenes};
use crate::fake::PlainFormat;
use crate::sim::orders::{Host, Ports};
use crate::zoo::Specimen;
use crate::zoo::edits::Edits;
use crate::zoo::mutated::{ErpHabit, Mutated};

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = submitting();
    all.extend(results());
    all.extend(words::specimens());
    all
}

fn submitting() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "fresh-execution-id",
            "every attempt to submit a package names a new import",
            &["I-O1", "I-O2", "I-O6"],
            [scenes::pair()],
            fresh_ids(),
        ),
        Specimen::new(
            "submitted-unasked",
            "a package is submitted without asking whether the ERP has it",
            &["I-O2"],
            [scenes::runs_again()],
            on_erp(|_| Unasking::default()),
        ),
        Specimen::new(
            "unannounced",
            "a package is submitted again as soon as the ERP does not know it, and nobody notes \
             that it may be on its way",
            &["I-O2"],
            [scenes::late()],
            on_erp(|_| Unannouncing),
        ),
    ]
}

/// Takes the ERP for one that knows at once what it has.
#[derive(Debug)]
struct Unannouncing;

#[async_trait]
impl ErpHabit for Unannouncing {
    fn capability(&self, erp: &dyn ErpImporter) -> ErpCapability {
        let mut capability = erp.capability();
        capability.visible_after_seconds = 0;
        capability
    }
}

/// The import that each batch is called by now.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeMap<ExecutionId, ExecutionId>>);

impl Names {
    fn now(&self, execution: ExecutionId) -> ExecutionId {
        self.locked().get(&execution).copied().unwrap_or(execution)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, ExecutionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything but the promise holds: what an order says about its import is true.
fn fresh_ids() -> impl Host {
    over(|ports| {
        let names: Arc<Names> = Arc::default();
        let habit = FreshIds {
            names: Arc::clone(&names),
            ids: Arc::clone(&ports.ids),
        };
        let evidence = Edits::orders(move |order| {
            if let OrderState::Imported { evidence } = &mut order.state {
                evidence.execution = names.now(evidence.execution);
            }
        });
        Ports {
            erp: Arc::new(Mutated::new(ports.erp, habit)),
            store: Arc::new(Mutated::new(ports.store, evidence)),
            ..ports
        }
    })
}

/// Names every attempt anew. A worker that dies forgets what it named.
#[derive(Debug)]
struct FreshIds {
    names: Arc<Names>,
    ids: Arc<dyn IdSource>,
}

#[async_trait]
impl ErpHabit for FreshIds {
    async fn submit(
        &self,
        erp: &dyn ErpImporter,
        mut submission: Submission,
    ) -> Result<SubmitReceipt, PortError> {
        let fresh = BatchId::from_hash(self.ids.unique().into_bytes()).into();
        self.names.locked().insert(submission.execution, fresh);
        submission.execution = fresh;
        erp.submit(submission).await
    }

    async fn status(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
    ) -> Result<ImportStatus, PortError> {
        erp.status(self.names.now(execution)).await
    }

    async fn results(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        erp.results(self.names.now(execution), continuation).await
    }
}

/// Takes the ERP for one that does not have an import yet, until it has submitted that import.
#[derive(Debug, Default)]
struct Unasking {
    submitted: Mutex<BTreeSet<ExecutionId>>,
}

#[async_trait]
impl ErpHabit for Unasking {
    async fn submit(
        &self,
        erp: &dyn ErpImporter,
        submission: Submission,
    ) -> Result<SubmitReceipt, PortError> {
        let execution = submission.execution;
        let receipt = erp.submit(submission).await?;
        let mut submitted = self
            .submitted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        submitted.insert(execution);
        Ok(receipt)
    }

    async fn status(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
    ) -> Result<ImportStatus, PortError> {
        // What another worker submitted is asked about from the second time on.
        let is_first = {
            let mut submitted = self
                .submitted
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            submitted.insert(execution)
        };
        if is_first {
            return Ok(ImportStatus::NotSubmitted);
        }
        erp.status(execution).await
    }
}

fn results() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "first-record-only",
            "of the results of an import only the first record is read",
            &["I-O9"],
            [scenes::pair()],
            on_erp(|_| Reading(|page| page.records.truncate(1))),
        ),
        Specimen::new(
            "first-fate-for-all",
            "what became of the first record of an import is taken for the fate of all",
            &["I-O5", "I-O9", "I-O10"],
            [scenes::refusals()],
            on_erp(|_| {
                Reading(|page| {
                    if let Some((first, others)) = page.records.split_first_mut() {
                        for record in others {
                            record.outcome.clone_from(&first.outcome);
                        }
                    }
                })
            }),
        ),
        Specimen::new(
            "header-for-the-order",
            "an order counts as imported when its header is, whatever became of its lines",
            &["I-O5"],
            [scenes::halves()],
            on_erp(|_| {
                Reading(|page| {
                    for record in &mut page.records {
                        if record.key.entity == PlainFormat::LINES {
                            let evidence = String::new();
                            record.outcome = RecordOutcome::Imported { evidence };
                        }
                    }
                })
            }),
        ),
    ]
}

/// Reads results in its own way.
#[derive(Debug)]
struct Reading(fn(&mut ResultsPage));

#[async_trait]
impl ErpHabit for Reading {
    async fn results(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let mut page = erp.results(execution, continuation).await?;
        (self.0)(&mut page);
        Ok(page)
    }
}
