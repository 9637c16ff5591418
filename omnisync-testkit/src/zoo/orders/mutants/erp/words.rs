//! Mutants that believe a word of the ERP, and do not look at what it says about each order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use omnisync_core::error::PortError;
use omnisync_core::id::ExecutionId;
use omnisync_core::port::{
    BlobStage, BlobStageExt as _, ErpImporter, ImportStatus, RecordKey, RecordOutcome,
    RecordResult, ResultsPage,
};

use super::super::{on_erp, scenes};
use crate::fake::PlainFormat;
use crate::sim::orders::Ports;
use crate::zoo::Specimen;
use crate::zoo::mutated::ErpHabit;

/// Questions about an import that may be answered with anything but its end.
const QUESTIONS_MAX: u32 = 2;
/// Packages that are looked at, and bytes of each.
const PACKAGES_MAX: usize = 64;
const PACKAGE_BYTES_MAX: usize = 1 << 20;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "unknown-word-counts-as-success",
            "a status that nobody knows is taken for success",
            &["I-O5"],
            [scenes::refused(), scenes::pair()],
            on_erp(|ports| {
                Believing::when(ports, |status, _| {
                    matches!(status, ImportStatus::Unknown(_))
                })
            }),
        ),
        Specimen::new(
            "partial-success-counts-as-success",
            "an import that took a part is taken for one that took all",
            &["I-O5"],
            [scenes::refusals()],
            on_erp(|ports| {
                Believing::when(ports, |status, _| {
                    *status == ImportStatus::PartiallySucceeded
                })
            }),
        ),
        Specimen::new(
            "failure-counts-as-success",
            "an import is taken for a success because it ended",
            &["I-O5"],
            [scenes::refused()],
            on_erp(|ports| Believing::when(ports, |status, _| *status == ImportStatus::Failed)),
        ),
        Specimen::new(
            "patience-counts-as-success",
            "an import that was asked about often enough is taken for a success",
            &["I-O5"],
            [scenes::runs_again()],
            on_erp(|ports| {
                Believing::when(ports, |status, questions| {
                    let runs = matches!(status, ImportStatus::Queued | ImportStatus::Executing);
                    runs && questions >= QUESTIONS_MAX
                })
            }),
        ),
    ]
}

/// Takes an import for a success of everything in its package, by its status alone.
#[derive(Debug)]
struct Believing {
    /// A status, and how often it was asked for.
    believes: fn(&ImportStatus, u32) -> bool,
    stage: Arc<dyn BlobStage>,
    questions: Mutex<BTreeMap<ExecutionId, u32>>,
    believed: Mutex<BTreeSet<ExecutionId>>,
}

impl Believing {
    fn when(ports: &Ports, believes: fn(&ImportStatus, u32) -> bool) -> Self {
        Self {
            believes,
            stage: Arc::clone(&ports.stage),
            questions: Mutex::default(),
            believed: Mutex::default(),
        }
    }

    fn ask(&self, execution: ExecutionId) -> u32 {
        let mut questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let asked = questions.entry(execution).or_default();
        *asked += 1;
        *asked
    }

    /// Every record of the package of an import, as if the ERP had it.
    async fn packed(&self, execution: ExecutionId) -> Result<Vec<RecordResult>, PortError> {
        let batch = format!("B\t{execution}\n");
        for name in self.stage.list("", None, PACKAGES_MAX).await? {
            let content = self.stage.get_bytes(&name, PACKAGE_BYTES_MAX).await?;
            let text = String::from_utf8_lossy(&content);
            if text.contains(&batch) {
                return Ok(text.lines().filter_map(taken).collect());
            }
        }
        Ok(Vec::new())
    }
}

/// The record of a line of a package.
fn taken(line: &str) -> Option<RecordResult> {
    let mut fields = line.split('\t');
    let (entity, column) = match fields.next()? {
        "H" => (PlainFormat::HEADERS, PlainFormat::HEADER_KEY),
        "L" => (PlainFormat::LINES, PlainFormat::LINE_KEY),
        _ => return None,
    };
    let key = RecordKey {
        entity: entity.to_owned(),
        columns: vec![(column.to_owned(), fields.next()?.to_owned())],
    };
    let evidence = "by its status".to_owned();
    let outcome = RecordOutcome::Imported { evidence };
    Some(RecordResult { key, outcome })
}

#[async_trait]
impl ErpHabit for Believing {
    async fn status(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
    ) -> Result<ImportStatus, PortError> {
        let status = erp.status(execution).await?;
        if !(self.believes)(&status, self.ask(execution)) {
            return Ok(status);
        }
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        believed.insert(execution);
        Ok(ImportStatus::Succeeded)
    }

    async fn results(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let is_believed = {
            let believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
            believed.contains(&execution)
        };
        if !is_believed {
            return erp.results(execution, continuation).await;
        }
        Ok(ResultsPage::of(self.packed(execution).await?, None))
    }
}
