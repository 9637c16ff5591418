//! What an ERP knows, and what it does when it is called.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{ExecutionId, ProjectName, Sha256};
use omnisync_core::port::{ImportStatus, RepeatedExecution, Reporting, ResultsPage, SubmitReceipt};

use super::disk::Disk;
use super::execution::{Execution, Fate, Kept, Outcome, Stage, parse_word};
use super::importing;
use super::log::{ImportedOrder, orders_of};
use super::options::{ErpFault, FakeErpOptions, Late, OrderFailure};
use super::tables::ErpTables;

/// Records on one page of results.
const RESULTS_PAGE_RECORDS: usize = 5_000;

/// What the handles of a [`FakeErp`](super::FakeErp) share.
pub(super) struct Inner {
    pub(super) options: FakeErpOptions,
    pub(super) executions: BTreeMap<ExecutionId, Execution>,
    pub(super) tables: ErpTables,
    /// What the imports did with each order.
    pub(super) log: Vec<ImportedOrder>,
    pub(super) failures: HashMap<String, VecDeque<OrderFailure>>,
    pub(super) silent: HashSet<String>,
    pub(super) words: BTreeMap<ExecutionId, String>,
    pub(super) submit_faults: VecDeque<ErpFault>,
    pub(super) status_faults: VecDeque<ErpFault>,
    pub(super) results_faults: VecDeque<ErpFault>,
    pub(super) lost: BTreeSet<ExecutionId>,
    pub(super) disk: Option<Disk>,
    /// The outcome that was last written to disk or read from it, by its package: results are
    /// read page by page.
    last_used: Option<(u64, Arc<Outcome>)>,
    /// Packages that were ever taken.
    packages: u64,
    /// Imports that ever ended.
    ends: u64,
    pub(super) submissions: u64,
}

impl Inner {
    pub(super) fn new(options: FakeErpOptions) -> Self {
        Self {
            options,
            executions: BTreeMap::new(),
            tables: ErpTables::default(),
            log: Vec::new(),
            failures: HashMap::new(),
            silent: HashSet::new(),
            words: BTreeMap::new(),
            submit_faults: VecDeque::new(),
            status_faults: VecDeque::new(),
            results_faults: VecDeque::new(),
            lost: BTreeSet::new(),
            disk: None,
            last_used: None,
            packages: 0,
            ends: 0,
            submissions: 0,
        }
    }

    /// Takes up what an earlier process left in a folder.
    pub(super) fn recall(&mut self, disk: &Disk) -> Result<(), PortError> {
        let (packages, outcomes) = disk.list()?;
        let mut ended = HashMap::new();
        for file in outcomes {
            let outcome = disk.load_outcome(&file.path)?;
            self.tables.apply(file.execution, &outcome.records);
            self.log.extend(orders_of(file.execution, &outcome.records));
            self.packages = self.packages.max(file.package);
            self.ends = self.ends.max(file.end);
            let stage = Stage::Ended {
                status: parse_word(&outcome.status),
                kept: Kept::OnDisk(file.path),
            };
            ended.insert(file.package, stage);
        }
        for file in packages {
            self.packages = self.packages.max(file.package);
            let stage = match ended.remove(&file.package) {
                Some(stage) => stage,
                None => Stage::Queued {
                    content: disk.load_package(&file.path)?.into(),
                    polls: 0,
                },
            };
            let execution = Execution {
                project: file.project,
                package: file.package,
                known_from: None,
                stage,
            };
            self.executions.insert(file.execution, execution);
        }
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        id: ExecutionId,
        project: &ProjectName,
        content: Bytes,
    ) -> Result<SubmitReceipt, PortError> {
        let receipt = |evidence: &str| SubmitReceipt {
            execution: id,
            evidence: evidence.to_owned(),
        };
        if self.executions.contains_key(&id) {
            match self.options.repeated_execution {
                RepeatedExecution::Rejected => {
                    return Err(PortError::new(ErrorKind::AlreadyExists, "erp.submit")
                        .with_detail(format!("import {id} exists")));
                }
                RepeatedExecution::ReturnsExisting => return Ok(receipt("existing")),
                RepeatedExecution::RunsAgain => {}
            }
        }
        let project = Sha256::of(project.as_str().as_bytes());
        let running = self
            .executions
            .values()
            .filter(|other| other.project == project && !other.has_ended())
            .count();
        let most = usize::try_from(self.options.parallel_per_project).unwrap_or(usize::MAX);
        if running >= most {
            return Err(PortError::new(ErrorKind::Conflict, "erp.submit")
                .with_detail("another import of this project is running (DMF1996)"));
        }
        // What is to run again and still waits runs first, so that no run is lost.
        self.finish(id)?;
        let package = self.packages + 1;
        if let Some(disk) = &self.disk {
            disk.store_package(package, id, project, &content)?;
        }
        self.packages = package;
        self.submissions += 1;
        let execution = Execution {
            project,
            package,
            known_from: self.options.late.as_ref().map(Late::known_from),
            stage: Stage::Queued { content, polls: 0 },
        };
        self.executions.insert(id, execution);
        Ok(receipt("queued"))
    }

    pub(super) fn status(&mut self, id: ExecutionId) -> Result<ImportStatus, PortError> {
        let polls_to_end = self.options.polls_to_end;
        let Some(execution) = self.executions.get_mut(&id) else {
            return Ok(ImportStatus::NotSubmitted);
        };
        if let Some(late) = &self.options.late
            && execution.known_from > Some(late.clock.now())
        {
            let word = late.says.as_deref();
            return Ok(word.map_or(ImportStatus::NotSubmitted, parse_word));
        }
        let ends_now = match &mut execution.stage {
            Stage::Queued { polls, .. } => {
                let ends = polls_to_end.is_some_and(|most| *polls >= most);
                *polls = polls.saturating_add(1);
                ends
            }
            Stage::Ended { .. } => false,
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

    pub(super) fn results(
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
        let (package, kept) = match self.executions.get(&id) {
            None => return Err(error(ErrorKind::NotFound, "is not known")),
            Some(Execution { package, stage, .. }) => match stage {
                Stage::Queued { .. } => return Err(error(ErrorKind::Conflict, "has not ended")),
                Stage::Ended { kept, .. } => (*package, kept.clone()),
            },
        };
        let outcome = self.outcome(package, kept)?;
        let records = outcome
            .records
            .iter()
            .skip(start)
            .take(RESULTS_PAGE_RECORDS);
        let names_all = self.options.reporting == Reporting::Every;
        let page = records
            .filter(|record| names_all || matches!(record.fate, Fate::Refused(_)))
            .filter(|record| self.silent.is_empty() || !self.silent.contains(&record.order))
            .map(|record| outcome.result(record))
            .collect();
        let next = start.saturating_add(RESULTS_PAGE_RECORDS);
        let continuation = (next < outcome.records.len()).then(|| next.to_string());
        let totals = (!names_all && start == 0).then(|| outcome.totals());
        Ok(ResultsPage {
            totals,
            ..ResultsPage::of(page, continuation)
        })
    }

    fn outcome(&mut self, package: u64, kept: Kept) -> Result<Arc<Outcome>, PortError> {
        let path = match kept {
            Kept::InMemory(outcome) => return Ok(outcome),
            Kept::OnDisk(path) => path,
        };
        if let Some((last, outcome)) = &self.last_used
            && *last == package
        {
            return Ok(Arc::clone(outcome));
        }
        let Some(disk) = &self.disk else {
            return Err(PortError::new(ErrorKind::Internal, "erp.results")
                .with_detail("an outcome is on a disk that the ERP does not have"));
        };
        let outcome = Arc::new(disk.load_outcome(&path)?);
        self.last_used = Some((package, Arc::clone(&outcome)));
        Ok(outcome)
    }

    pub(super) fn finish(&mut self, id: ExecutionId) -> Result<(), PortError> {
        let content = match self.executions.get(&id).map(|execution| &execution.stage) {
            Some(Stage::Queued { content, .. }) => content.clone(),
            _ => return Ok(()),
        };
        let refused_share = self.options.refused_share;
        let failures = &mut self.failures;
        let mut judge = |order: &str| {
            let planned = failures.get_mut(order).and_then(VecDeque::pop_front);
            planned.or_else(|| importing::refused_by_share(order, refused_share))
        };
        let outcome = importing::import(content, &self.tables, &mut judge);
        self.end(id, outcome)
    }

    /// Ends an import: on disk first, so that what is told survives.
    pub(super) fn end(&mut self, id: ExecutionId, outcome: Outcome) -> Result<(), PortError> {
        let Some(execution) = self.executions.get_mut(&id) else {
            return Ok(());
        };
        let end = self.ends + 1;
        let path = match &self.disk {
            Some(disk) => Some(disk.store_outcome(execution.package, id, end, &outcome)?),
            None => None,
        };
        self.ends = end;
        self.tables.apply(id, &outcome.records);
        self.log.extend(orders_of(id, &outcome.records));
        let status = parse_word(&outcome.status);
        let outcome = Arc::new(outcome);
        let kept = match path {
            Some(path) => {
                self.last_used = Some((execution.package, outcome));
                Kept::OnDisk(path)
            }
            None => Kept::InMemory(outcome),
        };
        execution.stage = Stage::Ended { status, kept };
        Ok(())
    }
}
