//! An ERP that imports packages into tables of its own, by the rules of Finance & Operations.

mod disk;
mod engine;
mod execution;
mod importing;
mod log;
mod options;
mod tables;

pub use log::ImportedOrder;
pub use options::{ErpFault, FakeErpOptions, Late, OrderFailure};
pub use tables::{ErpTables, HeaderRow, LineRow};

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{ExecutionId, OrderId, Sha256};
use omnisync_core::port::{
    ErpCapability, ErpImporter, ImportStatus, ResultsPage, Submission, SubmitReceipt,
};

use disk::Disk;
use engine::Inner;
use execution::{Execution, Outcome};

/// An ERP with the manners of Finance & Operations: it opens the package with the verifier,
/// imports headers before lines into the [tables](ErpTables) of its one company, checks required
/// fields and keys, runs one import of a project at a time, and tells the fate of every record.
/// On demand it fails orders, is slow, loses answers or whole imports, and says words that nobody
/// knows. It takes packages of a [`PlainFormat`](super::PlainFormat) by the same rules, but there
/// no field is required.
///
/// Records stand for themselves: an order whose header was taken and whose lines were refused is
/// a half order. A record that comes again overwrites its row, and the row counts it.
///
/// Clones are handles to the same ERP. One that is [opened in a folder](FakeErp::open) keeps
/// what it took and what it imported, and goes on after its process was killed; what a test asks
/// of it (failures, faults, words, silence) ends with the process. A folder belongs to one open
/// ERP at a time.
#[derive(Clone)]
pub struct FakeErp {
    inner: Arc<Mutex<Inner>>,
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
        Self {
            inner: Arc::new(Mutex::new(Inner::new(options))),
        }
    }

    /// An ERP that keeps its state in `folder`, which is made if need be.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written, or holds an outcome that cannot be read.
    pub fn open(folder: impl Into<PathBuf>, options: FakeErpOptions) -> Result<Self, PortError> {
        let disk = Disk::open(folder.into())?;
        let erp = Self::new(options);
        {
            let mut inner = erp.lock();
            inner.recall(&disk)?;
            inner.disk = Some(disk);
        }
        Ok(erp)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next import of `order` fails; several calls fail several imports.
    pub fn fail_order(&self, order: &OrderId, failure: OrderFailure) {
        self.lock()
            .failures
            .entry(order.as_str().to_owned())
            .or_default()
            .push_back(failure);
    }

    /// Results keep silent about `order`.
    pub fn keep_silent_about(&self, order: &OrderId) {
        self.lock().silent.insert(order.as_str().to_owned());
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
    ///
    /// # Errors
    /// When its traces cannot be removed from the folder.
    pub fn lose(&self, execution: ExecutionId) -> Result<(), PortError> {
        let mut inner = self.lock();
        if let Some(disk) = &inner.disk {
            disk.forget(execution)?;
        }
        inner.executions.remove(&execution);
        inner.lost.insert(execution);
        Ok(())
    }

    /// Whether this process ever [lost](Self::lose) an import.
    pub fn was_lost(&self, execution: ExecutionId) -> bool {
        self.lock().lost.contains(&execution)
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

    /// Runs an import to its end. An import that has ended, or is not known, stays as it is.
    ///
    /// # Errors
    /// When its outcome cannot be kept.
    pub fn finish(&self, execution: ExecutionId) -> Result<(), PortError> {
        self.lock().finish(execution)
    }

    /// Runs every import to its end, as time does, whether or not anybody asks.
    ///
    /// # Errors
    /// When an outcome cannot be kept.
    pub fn finish_all(&self) -> Result<(), PortError> {
        let mut inner = self.lock();
        let known: Vec<ExecutionId> = inner.executions.keys().copied().collect();
        known.into_iter().try_for_each(|id| inner.finish(id))
    }

    /// Ends an import that has not run, as an operator would. An import that has ended, or is
    /// not known, stays as it is.
    ///
    /// # Errors
    /// When its outcome cannot be kept.
    pub fn cancel(&self, execution: ExecutionId) -> Result<(), PortError> {
        let mut inner = self.lock();
        match inner.executions.get(&execution) {
            Some(found) if !found.has_ended() => {
                inner.end(execution, Outcome::empty(&ImportStatus::Canceled))
            }
            _ => Ok(()),
        }
    }

    /// Whether an import has ended; `None` when it is not known.
    pub fn has_ended(&self, execution: ExecutionId) -> Option<bool> {
        let inner = self.lock();
        inner.executions.get(&execution).map(Execution::has_ended)
    }

    /// A copy of the tables as they are now.
    pub fn tables(&self) -> ErpTables {
        self.lock().tables.clone()
    }

    /// What the imports did with each order, in the order in which they ended, without the
    /// first `skipped` entries: a reader that remembers how many it has seen gets the new ones.
    pub fn imports_since(&self, skipped: usize) -> Vec<ImportedOrder> {
        let inner = self.lock();
        inner.log.get(skipped..).unwrap_or_default().to_vec()
    }

    /// How often a package was taken since this ERP was made or opened.
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
        capability.reporting = options.reporting;
        if let Some(late) = &options.late {
            capability.visible_after_seconds = late.visible_after_seconds;
        }
        capability
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let execution = submission.execution;
        let mut content = Vec::new();
        let mut chunks = submission.content;
        while let Some(chunk) = chunks.try_next().await? {
            content.extend_from_slice(&chunk);
        }
        let announced = u64::try_from(content.len()) == Ok(submission.bytes)
            && Sha256::of(&content) == submission.sha256;
        if !announced {
            return Err(PortError::new(ErrorKind::Corrupt, "erp.submit")
                .with_detail("the package is not the one that was announced"));
        }
        let mut inner = self.lock();
        let fault = inner.submit_faults.pop_front();
        fail_before(fault, "erp.submit")?;
        let done = inner.take(execution, &submission.project, content.into())?;
        fail_after(fault, "erp.submit")?;
        Ok(done)
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        let mut inner = self.lock();
        let fault = inner.status_faults.pop_front();
        fail_before(fault, "erp.status")?;
        let status = inner.status(execution)?;
        fail_after(fault, "erp.status")?;
        Ok(status)
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let mut inner = self.lock();
        let fault = inner.results_faults.pop_front();
        fail_before(fault, "erp.results")?;
        let page = inner.results(execution, continuation.as_deref())?;
        fail_after(fault, "erp.results")?;
        Ok(page)
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
