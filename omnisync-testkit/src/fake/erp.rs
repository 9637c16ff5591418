//! An ERP that imports packages into tables of its own, by the rules of Finance & Operations.

mod disk;
mod execution;
mod importing;
mod tables;

pub use tables::{ErpTables, HeaderRow, LineRow};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{ExecutionId, OrderId, Sha256};
use omnisync_core::port::{
    ErpCapability, ErpImporter, FailureClass, ImportStatus, RecordResult, RepeatedExecution,
    ResultsPage, Submission, SubmitReceipt,
};

use disk::Disk;
use execution::{Ended, Execution, Stage};

/// Records on one page of results.
const RESULTS_PAGE_RECORDS: usize = 5_000;

/// How a [`FakeErp`] behaves.
#[derive(Debug, Clone)]
pub struct FakeErpOptions {
    /// What a repeated execution id does. Default: refused.
    pub repeated_execution: RepeatedExecution,
    /// How often the status of an import is asked for before it ends; `None` when it ends only
    /// by [`FakeErp::finish`]. Default 1.
    pub polls_to_end: Option<u32>,
    /// Share of orders that the ERP refuses, `0.0..=1.0`, chosen by a hash of the order number:
    /// the same orders every time. Default 0.
    pub refused_share: f64,
    /// Imports of one project that may run at once. Default 1, as in Finance & Operations.
    pub parallel_per_project: u32,
}

impl Default for FakeErpOptions {
    fn default() -> Self {
        Self {
            repeated_execution: RepeatedExecution::Rejected,
            polls_to_end: Some(1),
            refused_share: 0.0,
            parallel_per_project: 1,
        }
    }
}

/// Why the ERP refuses an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFailure {
    /// The ERP's code.
    pub code: Option<String>,
    /// The ERP's message.
    pub message: String,
    /// Whose fault it is.
    pub class: FailureClass,
    /// Fails the lines only: the header gets in, which makes a half order.
    pub lines_only: bool,
}

impl OrderFailure {
    /// A failure that repeating cannot help.
    pub fn data(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            class: FailureClass::Data,
            lines_only: false,
        }
    }

    /// A failure that may pass.
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Transient,
            ..Self::data(message)
        }
    }

    /// The same, of the lines only.
    #[must_use]
    pub fn of_lines(mut self) -> Self {
        self.lines_only = true;
        self
    }
}

/// What the next call of an operation does instead of working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErpFault {
    /// Nothing happens, and the call fails.
    Unavailable,
    /// It happens, and the answer is lost.
    LostAnswer,
    /// Nothing happens; the ERP asks for a pause.
    Throttled(Duration),
}

/// An ERP with the manners of Finance & Operations: it opens the package with the verifier,
/// imports headers before lines into tables of its own, checks required fields and keys, runs
/// one import of a project at a time, and tells the fate of every record. On demand it fails
/// orders, is slow, loses answers or whole imports, and says words that nobody knows.
///
/// Clones are handles to the same ERP. One that is [opened in a folder](FakeErp::open) keeps
/// what it took and what it imported, and goes on after its process was killed.
#[derive(Clone)]
pub struct FakeErp {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    options: FakeErpOptions,
    executions: BTreeMap<ExecutionId, Execution>,
    tables: ErpTables,
    failures: BTreeMap<OrderId, VecDeque<OrderFailure>>,
    silent: BTreeSet<OrderId>,
    words: BTreeMap<ExecutionId, String>,
    submit_faults: VecDeque<ErpFault>,
    status_faults: VecDeque<ErpFault>,
    results_faults: VecDeque<ErpFault>,
    disk: Option<Disk>,
    submissions: u64,
}

impl fmt::Debug for FakeErp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("FakeErp")
            .field("options", &inner.options)
            .field("executions", &inner.executions.len())
            .finish_non_exhaustive()
    }
}

impl Default for FakeErp {
    fn default() -> Self {
        Self::new(FakeErpOptions::default())
    }
}

impl FakeErp {
    /// An empty ERP in memory.
    pub fn new(options: FakeErpOptions) -> Self {
        Self::build(options, None)
    }

    /// An ERP that keeps its state in `folder`, which is made if need be.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written.
    pub fn open(folder: impl Into<PathBuf>, options: FakeErpOptions) -> Result<Self, PortError> {
        let (disk, executions) = Disk::open(folder.into())?;
        let erp = Self::build(options, Some(disk));
        {
            let mut inner = erp.lock();
            for (id, execution) in executions {
                if let Stage::Ended(ended) = &execution.stage {
                    let records = match &ended.records {
                        Some(records) => records.clone(),
                        None => inner.read_records(id)?,
                    };
                    inner.tables.apply(id, &records);
                }
                inner.executions.insert(id, execution);
            }
        }
        Ok(erp)
    }

    fn build(options: FakeErpOptions, disk: Option<Disk>) -> Self {
        let inner = Inner {
            options,
            executions: BTreeMap::new(),
            tables: ErpTables::default(),
            failures: BTreeMap::new(),
            silent: BTreeSet::new(),
            words: BTreeMap::new(),
            submit_faults: VecDeque::new(),
            status_faults: VecDeque::new(),
            results_faults: VecDeque::new(),
            disk,
            submissions: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next import of `order` fails; several calls fail several imports.
    pub fn fail_order(&self, order: &OrderId, failure: OrderFailure) {
        self.lock()
            .failures
            .entry(order.clone())
            .or_default()
            .push_back(failure);
    }

    /// Results keep silent about `order`.
    pub fn keep_silent_about(&self, order: &OrderId) {
        self.lock().silent.insert(order.clone());
    }

    /// The status of an import is this word from now on.
    pub fn say(&self, execution: ExecutionId, word: impl Into<String>) {
        self.lock().words.insert(execution, word.into());
    }

    /// The status of an import is the truth again.
    pub fn stop_saying(&self, execution: ExecutionId) {
        self.lock().words.remove(&execution);
    }

    /// The ERP loses every trace of an import, but not what it imported.
    pub fn lose(&self, execution: ExecutionId) {
        self.lock().executions.remove(&execution);
    }

    /// The next call of `submit` goes wrong.
    pub fn fail_submit(&self, fault: ErpFault) {
        self.lock().submit_faults.push_back(fault);
    }

    /// The next call of `status` goes wrong.
    pub fn fail_status(&self, fault: ErpFault) {
        self.lock().status_faults.push_back(fault);
    }

    /// The next call of `results` goes wrong.
    pub fn fail_results(&self, fault: ErpFault) {
        self.lock().results_faults.push_back(fault);
    }

    /// Runs an import to its end.
    ///
    /// # Errors
    /// When its outcome cannot be kept.
    pub fn finish(&self, execution: ExecutionId) -> Result<(), PortError> {
        self.lock().finish(execution)
    }

    /// Ends an import that has not run, as an operator would.
    pub fn cancel(&self, execution: ExecutionId) {
        let mut inner = self.lock();
        if let Some(found) = inner.executions.get_mut(&execution)
            && !matches!(found.stage, Stage::Ended(_))
        {
            found.stage = Stage::Ended(Ended {
                status: ImportStatus::Canceled,
                records: Some(Arc::from([])),
            });
        }
    }

    /// The tables as they are now.
    pub fn tables(&self) -> ErpTables {
        self.lock().tables.clone()
    }

    /// How often a package was taken.
    pub fn submissions(&self) -> u64 {
        self.lock().submissions
    }
}

#[async_trait]
impl ErpImporter for FakeErp {
    fn capability(&self) -> ErpCapability {
        let options = &self.lock().options;
        let mut capability = ErpCapability::new(options.repeated_execution);
        capability.parallel_per_project = options.parallel_per_project;
        capability
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let execution = submission.execution;
        let mut content = Vec::new();
        let mut chunks = submission.content;
        while let Some(chunk) = chunks.try_next().await? {
            content.extend_from_slice(&chunk);
        }
        if Sha256::of(&content) != submission.sha256 {
            return Err(PortError::new(ErrorKind::Corrupt, "erp.submit")
                .with_detail("the package is not the one that was announced"));
        }
        let mut inner = self.lock();
        let fault = inner.submit_faults.pop_front();
        fail_before(fault, "erp.submit")?;
        let done = inner.take(execution, submission.project.as_str(), content.into())?;
        fail_after(fault, "erp.submit")?;
        Ok(done)
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        let mut inner = self.lock();
        let fault = inner.status_faults.pop_front();
        fail_before(fault, "erp.status")?;
        fail_after(fault, "erp.status")?;
        inner.status(execution)
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let mut inner = self.lock();
        let fault = inner.results_faults.pop_front();
        fail_before(fault, "erp.results")?;
        fail_after(fault, "erp.results")?;
        inner.results(execution, continuation.as_deref())
    }
}

impl Inner {
    fn take(
        &mut self,
        id: ExecutionId,
        project: &str,
        content: Bytes,
    ) -> Result<SubmitReceipt, PortError> {
        let receipt = |evidence: &str| {
            Ok(SubmitReceipt {
                execution: id,
                evidence: evidence.to_owned(),
            })
        };
        if self.executions.contains_key(&id) {
            match self.options.repeated_execution {
                RepeatedExecution::Rejected => {
                    return Err(PortError::new(ErrorKind::AlreadyExists, "erp.submit")
                        .with_detail(format!("import {id} exists")));
                }
                RepeatedExecution::ReturnsExisting => return receipt("existing"),
                RepeatedExecution::RunsAgain => {}
            }
        }
        let running = self
            .executions
            .iter()
            .filter(|(other, _)| **other != id)
            .filter(|(_, other)| other.project == project && !other.has_ended())
            .count();
        let most = usize::try_from(self.options.parallel_per_project).unwrap_or(usize::MAX);
        if running >= most {
            return Err(PortError::new(ErrorKind::Conflict, "erp.submit")
                .with_detail("another import of this project is running (DMF1996)"));
        }
        let execution = Execution::queued(project.to_owned(), content);
        if let Some(disk) = &self.disk {
            disk.store_taken(id, &execution)?;
        }
        self.executions.insert(id, execution);
        self.submissions += 1;
        receipt("queued")
    }

    fn status(&mut self, id: ExecutionId) -> Result<ImportStatus, PortError> {
        let polls_to_end = self.options.polls_to_end;
        let Some(execution) = self.executions.get_mut(&id) else {
            return Ok(ImportStatus::NotSubmitted);
        };
        let ends_now = match &mut execution.stage {
            Stage::Queued { polls, .. } => {
                let ends = polls_to_end.is_some_and(|most| *polls >= most);
                *polls = polls.saturating_add(1);
                ends
            }
            Stage::Ended(_) => false,
        };
        if ends_now {
            self.finish(id)?;
        }
        if let Some(word) = self.words.get(&id) {
            return Ok(parse_word(word));
        }
        Ok(self
            .executions
            .get(&id)
            .map_or(ImportStatus::NotSubmitted, Execution::status))
    }

    fn results(
        &mut self,
        id: ExecutionId,
        continuation: Option<&str>,
    ) -> Result<ResultsPage, PortError> {
        let error = |kind, detail: &str| {
            PortError::new(kind, "erp.results").with_detail(format!("import {id} {detail}"))
        };
        let start: usize = match continuation {
            None => 0,
            Some(text) => text
                .parse()
                .map_err(|_| error(ErrorKind::Invalid, "has no such page of results"))?,
        };
        let records = match self.executions.get(&id).map(|execution| &execution.stage) {
            None => return Err(error(ErrorKind::NotFound, "is not known")),
            Some(Stage::Queued { .. }) => {
                return Err(error(ErrorKind::Conflict, "has not ended"));
            }
            Some(Stage::Ended(Ended {
                records: Some(records),
                ..
            })) => Arc::clone(records),
            Some(Stage::Ended(Ended { records: None, .. })) => self.read_records(id)?,
        };
        let page: Vec<RecordResult> = records
            .iter()
            .skip(start)
            .take(RESULTS_PAGE_RECORDS)
            .filter(|record| !self.silent.iter().any(|order| record.is_of(order)))
            .map(execution::ImportedRecord::to_result)
            .collect();
        let next = start.saturating_add(RESULTS_PAGE_RECORDS);
        let continuation = (next < records.len()).then(|| next.to_string());
        Ok(ResultsPage {
            records: page,
            continuation,
        })
    }

    fn read_records(&self, id: ExecutionId) -> Result<Arc<[execution::ImportedRecord]>, PortError> {
        match &self.disk {
            Some(disk) => disk.load_records(id),
            None => Ok(Arc::from([])),
        }
    }

    fn finish(&mut self, id: ExecutionId) -> Result<(), PortError> {
        let Some(Execution {
            stage: Stage::Queued { content, .. },
            ..
        }) = self.executions.get(&id)
        else {
            return Ok(());
        };
        let content = content.clone();
        let refused_share = self.options.refused_share;
        let failures = &mut self.failures;
        let mut judge = |order: &str| {
            let planned = OrderId::new(order)
                .ok()
                .and_then(|order| failures.get_mut(&order).and_then(VecDeque::pop_front));
            planned.or_else(|| importing::refused_by_share(order, refused_share))
        };
        let (status, records) = importing::import(content, &self.tables, &mut judge);
        let records: Arc<[_]> = records.into();
        let mut ended = Ended {
            status,
            records: Some(Arc::clone(&records)),
        };
        if let Some(disk) = &self.disk {
            disk.store_ended(id, &ended)?;
            // What is on the disk need not be in memory: a long run has many imports.
            ended.records = None;
        }
        self.tables.apply(id, &records);
        if let Some(execution) = self.executions.get_mut(&id) {
            execution.stage = Stage::Ended(ended);
        }
        Ok(())
    }
}

fn parse_word(word: &str) -> ImportStatus {
    match word {
        "NotRun" | "Queued" => ImportStatus::Queued,
        "Executing" => ImportStatus::Executing,
        "Succeeded" => ImportStatus::Succeeded,
        "PartiallySucceeded" => ImportStatus::PartiallySucceeded,
        "Failed" => ImportStatus::Failed,
        "Canceled" => ImportStatus::Canceled,
        other => ImportStatus::Unknown(other.to_owned()),
    }
}

fn fail_before(fault: Option<ErpFault>, operation: &'static str) -> Result<(), PortError> {
    match fault {
        Some(ErpFault::Unavailable) => Err(PortError::new(ErrorKind::Unavailable, operation)),
        Some(ErpFault::Throttled(delay)) => {
            Err(PortError::new(ErrorKind::Throttled, operation).with_retry_after(delay))
        }
        Some(ErpFault::LostAnswer) | None => Ok(()),
    }
}

fn fail_after(fault: Option<ErpFault>, operation: &'static str) -> Result<(), PortError> {
    match fault {
        Some(ErpFault::LostAnswer) => Err(PortError::new(ErrorKind::TimedOut, operation)),
        _ => Ok(()),
    }
}
