use std::collections::BTreeMap;
use std::sync::Arc;

use omnisync_core::error::PortError;
use omnisync_core::id::{BatchId, BlobName, ExecutionId, OrderId, Sha256};
use omnisync_core::port::{
    EntityTotal, ErpImporter, ImportStatus, RecordKey, RecordResult, Submission, SubmitReceipt,
    byte_stream,
};

use super::super::{Check, Violation};
use super::{ErpImporterFixture, ErpPackage, ErpRow};

/// An import with more pages of results than this does not end.
const PAGES_MAX: usize = 1_000;

/// An importer and a clause: what every clause works with.
pub(super) struct Desk<'a> {
    pub(super) fixture: &'a dyn ErpImporterFixture,
    pub(super) importer: Arc<dyn ErpImporter>,
    pub(super) check: Check,
}

impl<'a> Desk<'a> {
    pub(super) async fn open(fixture: &'a dyn ErpImporterFixture, clause: &'static str) -> Self {
        Self {
            fixture,
            importer: fixture.importer().await,
            check: Check::of(clause),
        }
    }

    /// Restarts both sides.
    pub(super) async fn restart(self) -> Self {
        let Self {
            fixture,
            importer,
            check,
        } = self;
        drop(importer);
        Self {
            fixture,
            importer: fixture.restart().await,
            check,
        }
    }

    /// A package with orders, `true` for those that the ERP refuses.
    pub(super) async fn package(&self, orders: &[(&str, bool)]) -> Result<ErpPackage, Violation> {
        let mut rows = Vec::new();
        for (order, refused) in orders {
            let order = OrderId::new(order)
                .map_err(|error| self.check.violation(format!("the suite's order: {error}")))?;
            rows.push(ErpRow {
                order,
                refused: *refused,
            });
        }
        Ok(self.fixture.package(&rows).await)
    }

    pub(super) fn submission(
        &self,
        execution: ExecutionId,
        package: &ErpPackage,
    ) -> Result<Submission, Violation> {
        let name = BlobName::new(format!("contract-{execution}.zip")).map_err(|error| {
            self.check
                .violation(format!("the suite's package name: {error}"))
        })?;
        Ok(Submission {
            execution,
            project: self.fixture.project(),
            legal_entity: None,
            package: name,
            bytes: u64::try_from(package.content.len()).unwrap_or(u64::MAX),
            sha256: Sha256::of(&package.content),
            content: byte_stream(package.content.clone()),
        })
    }

    pub(super) async fn submit(
        &self,
        execution: ExecutionId,
        package: &ErpPackage,
    ) -> Result<Result<SubmitReceipt, PortError>, Violation> {
        Ok(self
            .importer
            .submit(self.submission(execution, package)?)
            .await)
    }

    /// A submission that has to be taken.
    pub(super) async fn must_submit(
        &self,
        execution: ExecutionId,
        package: &ErpPackage,
    ) -> Result<SubmitReceipt, Violation> {
        let receipt = self.submit(execution, package).await?;
        let receipt = self.check.ok("submit", receipt)?;
        self.check.equal(
            "the execution of the receipt",
            &receipt.execution,
            &execution,
        )?;
        Ok(receipt)
    }

    pub(super) async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, Violation> {
        self.check
            .ok("status", self.importer.status(execution).await)
    }

    /// What the ERP counted as imported, without entities of which it took nothing.
    pub(super) async fn totals(
        &self,
        execution: ExecutionId,
    ) -> Result<BTreeMap<String, u64>, Violation> {
        let (_, totals) = self.pages(execution).await?;
        let totals = totals.into_iter();
        let totals = totals.map(|total| (total.entity, total.imported));
        Ok(totals.filter(|(_, imported)| *imported > 0).collect())
    }

    /// All pages of the results, sorted by key.
    pub(super) async fn results(
        &self,
        execution: ExecutionId,
    ) -> Result<Vec<RecordResult>, Violation> {
        let (mut all, _) = self.pages(execution).await?;
        all.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(all)
    }

    async fn pages(
        &self,
        execution: ExecutionId,
    ) -> Result<(Vec<RecordResult>, Vec<EntityTotal>), Violation> {
        let (mut all, mut totals) = (Vec::new(), Vec::new());
        let mut continuation = None;
        for _ in 0..PAGES_MAX {
            let page = self.importer.results(execution, continuation).await;
            let page = self.check.ok("results", page)?;
            all.extend(page.records);
            totals.extend(page.totals.into_iter().flatten());
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok((all, totals));
            }
        }
        Err(self.check.violation("the pages of the results do not end"))
    }

    /// What the ERP itself imported, sorted by key.
    pub(super) async fn imported(&self) -> Vec<(RecordKey, u32)> {
        let mut imported = self.fixture.imported().await;
        imported.sort();
        imported
    }
}

/// An execution of the suite.
pub(super) fn execution(number: u8) -> ExecutionId {
    BatchId::from_hash([number; 16]).into()
}

/// The records that the ERP takes, each imported `times` times, sorted by key.
pub(super) fn taken(package: &ErpPackage, times: u32) -> Vec<(RecordKey, u32)> {
    let taken = package.records.iter().filter(|(_, refused)| !refused);
    let mut taken: Vec<_> = taken.map(|(key, _)| (key.clone(), times)).collect();
    taken.sort();
    taken
}
