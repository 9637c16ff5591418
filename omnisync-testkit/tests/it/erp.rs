//! A minimal ERP that can be broken, to try the suite. A package is `PKG`, then one line per order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{ExecutionId, ProjectName, Sha256};
use omnisync_core::port::{
    EntityTotal, ErpCapability, ErpImporter, FailureClass, ImportStatus, RecordKey, RecordOutcome,
    RecordResult, RepeatedExecution, Reporting, ResultsPage, Submission, SubmitReceipt,
};
use omnisync_testkit::contract::{ErpImporterFixture, ErpPackage, ErpRow};

/// How many results a page holds.
const PAGE_RECORDS: usize = 7;

/// What is wrong with the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErpBug {
    None,
    ForgetsOnRestart,
    UnknownIsQueued,
    ImportsAgain,
    UnknownWordMeansSucceeded,
    LosesLastPage,
    RefusedIsImported,
    TakesParallelImports,
    IgnoresTheHash,
    GivesEarlyResults,
    CountsRefusedAsImported,
    NamesOneRefusedOnly,
}

#[derive(Debug, Clone)]
pub(crate) struct Erp {
    capability: ErpCapability,
    bug: ErpBug,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    imports: BTreeMap<ExecutionId, Import>,
    imported: BTreeMap<RecordKey, u32>,
    restarted: bool,
}

#[derive(Debug, Clone)]
struct Import {
    rows: Vec<(RecordKey, bool)>,
    status: ImportStatus,
}

impl Erp {
    pub(crate) fn new(bug: ErpBug) -> Self {
        Self {
            capability: ErpCapability::new(RepeatedExecution::Rejected),
            bug,
            inner: Arc::default(),
        }
    }

    pub(crate) fn without_record_results(mut self) -> Self {
        self.capability.reporting = Reporting::Nothing;
        self
    }

    /// Names refused records only, and counts the others.
    pub(crate) fn counting(mut self) -> Self {
        self.capability.reporting = Reporting::Refused;
        self
    }

    fn counted(
        &self,
        rows: &[(RecordKey, bool)],
        result: impl Fn(&(RecordKey, bool)) -> RecordResult,
    ) -> ResultsPage {
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        for (key, refused) in rows {
            if !refused || self.bug == ErpBug::CountsRefusedAsImported {
                *totals.entry(key.entity.clone()).or_default() += 1;
            }
        }
        let named = if self.bug == ErpBug::NamesOneRefusedOnly {
            1
        } else {
            usize::MAX
        };
        let refused = rows.iter().filter(|(_, refused)| *refused).take(named);
        let total = |(entity, imported)| EntityTotal { entity, imported };
        ResultsPage {
            totals: Some(totals.into_iter().map(total).collect()),
            ..ResultsPage::of(refused.map(result).collect(), None)
        }
    }

    fn admit(&self, execution: ExecutionId) -> Result<(), PortError> {
        let inner = self.inner.lock().unwrap();
        if inner.imports.contains_key(&execution) && self.bug != ErpBug::ImportsAgain {
            return Err(refusal(ErrorKind::AlreadyExists));
        }
        let mut imports = inner.imports.values();
        let busy = imports.any(|import| !import.status.has_ended());
        if busy && self.bug != ErpBug::TakesParallelImports {
            return Err(refusal(ErrorKind::Conflict));
        }
        Ok(())
    }
}

fn refusal(kind: ErrorKind) -> PortError {
    PortError::new(kind, "erp_importer")
}

fn keys(order: &str) -> [RecordKey; 2] {
    let key = |entity: &str, columns: &[(&str, &str)]| RecordKey {
        entity: entity.to_owned(),
        columns: columns
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    };
    let number = ("SALESORDERNUMBER", order);
    [
        key("Sales order headers V2", &[number]),
        key("Sales order lines V2", &[number, ("LINENUMBER", "1")]),
    ]
}

#[async_trait]
impl ErpImporter for Erp {
    fn capability(&self) -> ErpCapability {
        self.capability
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let execution = submission.execution;
        let receipt = SubmitReceipt {
            execution,
            evidence: format!("job {execution}"),
        };
        self.admit(execution)?;
        let content: Vec<Bytes> = submission.content.try_collect().await?;
        let content = content.concat();
        let sound = Sha256::of(&content) == submission.sha256;
        if !sound && self.bug != ErpBug::IgnoresTheHash {
            return Err(refusal(ErrorKind::Corrupt));
        }
        let text = String::from_utf8(content).unwrap_or_default();
        let Some(lines) = text.strip_prefix("PKG\n") else {
            return Err(refusal(ErrorKind::Invalid));
        };
        let rows = lines
            .lines()
            .filter_map(|line| line.split_once(' '))
            .flat_map(|(fate, order)| keys(order).map(|key| (key, fate == "refuse")));
        let import = Import {
            rows: rows.collect(),
            status: ImportStatus::Queued,
        };
        self.inner.lock().unwrap().imports.insert(execution, import);
        Ok(receipt)
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        let inner = self.inner.lock().unwrap();
        if self.bug == ErpBug::ForgetsOnRestart && inner.restarted {
            return Ok(ImportStatus::NotSubmitted);
        }
        Ok(
            match inner.imports.get(&execution).map(|import| &import.status) {
                None if self.bug == ErpBug::UnknownIsQueued => ImportStatus::Queued,
                None => ImportStatus::NotSubmitted,
                Some(ImportStatus::Unknown(_)) if self.bug == ErpBug::UnknownWordMeansSucceeded => {
                    ImportStatus::Succeeded
                }
                Some(status) => status.clone(),
            },
        )
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        if self.capability.reporting == Reporting::Nothing {
            return Err(refusal(ErrorKind::Unsupported));
        }
        let inner = self.inner.lock().unwrap();
        let import = inner
            .imports
            .get(&execution)
            .ok_or_else(|| refusal(ErrorKind::NotFound))?;
        if !import.status.has_ended() && self.bug != ErpBug::GivesEarlyResults {
            return Err(refusal(ErrorKind::Conflict));
        }
        let start: usize = continuation.map_or(0, |text| text.parse().unwrap());
        let result = |(key, refused): &(RecordKey, bool)| RecordResult {
            key: key.clone(),
            outcome: if *refused && self.bug != ErpBug::RefusedIsImported {
                RecordOutcome::Failed {
                    code: None,
                    message: "customer does not exist".to_owned(),
                    class: FailureClass::Data,
                }
            } else {
                RecordOutcome::Imported {
                    evidence: format!("RecId of {key:?}"),
                }
            },
        };
        if self.capability.reporting == Reporting::Refused {
            return Ok(self.counted(&import.rows, result));
        }
        let records = import
            .rows
            .iter()
            .skip(start)
            .take(PAGE_RECORDS)
            .map(result)
            .collect();
        let next = start + PAGE_RECORDS;
        let last = if self.bug == ErpBug::LosesLastPage {
            next + PAGE_RECORDS
        } else {
            next
        };
        let continuation = (last < import.rows.len()).then(|| next.to_string());
        Ok(ResultsPage::of(records, continuation))
    }
}

#[async_trait]
impl ErpImporterFixture for Erp {
    async fn importer(&self) -> Arc<dyn ErpImporter> {
        Arc::new(self.clone())
    }

    async fn restart(&self) -> Arc<dyn ErpImporter> {
        self.inner.lock().unwrap().restarted = true;
        Arc::new(self.clone())
    }

    fn project(&self) -> ProjectName {
        ProjectName::new("Sales orders").unwrap()
    }

    async fn package(&self, rows: &[ErpRow]) -> ErpPackage {
        let mut content = "PKG\n".to_owned();
        let mut records = Vec::new();
        for ErpRow { order, refused } in rows {
            let fate = if *refused { "refuse" } else { "take" };
            content.extend([fate, " ", order.as_str(), "\n"]);
            records.extend(keys(order.as_str()).map(|key| (key, *refused)));
        }
        ErpPackage {
            content: content.into(),
            records,
        }
    }

    async fn finish(&self, execution: ExecutionId) {
        let mut inner = self.inner.lock().unwrap();
        let Inner {
            imports, imported, ..
        } = &mut *inner;
        let import = imports.get_mut(&execution).unwrap();
        let taken: Vec<_> = import.rows.iter().filter(|(_, refused)| !refused).collect();
        import.status = match taken.len() {
            0 => ImportStatus::Failed,
            taken if taken == import.rows.len() => ImportStatus::Succeeded,
            _ => ImportStatus::PartiallySucceeded,
        };
        for (key, _) in taken {
            *imported.entry(key.clone()).or_default() += 1;
        }
    }

    async fn say(&self, execution: ExecutionId, word: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.imports.get_mut(&execution).unwrap().status = ImportStatus::Unknown(word.to_owned());
    }

    async fn imported(&self) -> Vec<(RecordKey, u32)> {
        self.inner
            .lock()
            .unwrap()
            .imported
            .clone()
            .into_iter()
            .collect()
    }
}
