//! Ports with a habit of their own.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use omnisync_core::error::PortError;
use omnisync_core::id::{BlobName, ExecutionId};
use omnisync_core::port::{
    BlobRead, BlobReceipt, BlobStage, BlobStageCapability, ByteStream, Delivery, Disposition,
    Document, DocumentKey, ErpCapability, ErpImporter, EventSource, EventSourceCapability,
    ImportStatus, Page, Query, Received, ResultsPage, Settled, StateStore, StateStoreCapability,
    Submission, SubmitReceipt, Write, WriteResult,
};

/// A port, and a habit that comes between it and its users. What the habit does not mention goes
/// through as it is.
#[derive(Debug)]
pub(super) struct Mutated<P: ?Sized, H> {
    port: Arc<P>,
    habit: H,
}

impl<P: ?Sized, H> Mutated<P, H> {
    pub(super) fn new(port: Arc<P>, habit: H) -> Self {
        Self { port, habit }
    }

    pub(super) fn port(&self) -> &P {
        &self.port
    }

    pub(super) const fn habit(&self) -> &H {
        &self.habit
    }
}

/// What is done differently with a store.
#[async_trait]
pub(super) trait StoreHabit: Debug + Send + Sync + 'static {
    async fn get(
        &self,
        store: &dyn StateStore,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, PortError> {
        store.get(keys).await
    }

    async fn write(
        &self,
        store: &dyn StateStore,
        writes: Vec<Write>,
    ) -> Result<Vec<WriteResult>, PortError> {
        store.write(writes).await
    }

    async fn query(&self, store: &dyn StateStore, query: Query) -> Result<Page, PortError> {
        store.query(query).await
    }
}

#[async_trait]
impl<H: StoreHabit> StateStore for Mutated<dyn StateStore, H> {
    fn capability(&self) -> StateStoreCapability {
        self.port.capability()
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        self.habit.get(&*self.port, keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        self.habit.write(&*self.port, writes).await
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        self.habit.query(&*self.port, query).await
    }
}

/// What is done differently with a source.
#[async_trait]
pub(super) trait SourceHabit: Debug + Send + Sync + 'static {
    async fn receive(
        &self,
        source: &dyn EventSource,
        max: usize,
        wait: Duration,
    ) -> Result<Received, PortError> {
        source.receive(max, wait).await
    }

    async fn settle(
        &self,
        source: &dyn EventSource,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        source.settle(delivery, disposition).await
    }
}

#[async_trait]
impl<H: SourceHabit> EventSource for Mutated<dyn EventSource, H> {
    fn capability(&self) -> EventSourceCapability {
        self.port.capability()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        self.habit.receive(&*self.port, max, wait).await
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        self.habit.settle(&*self.port, delivery, disposition).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        self.port.extend(delivery).await
    }
}

/// What is done differently with a stage.
#[async_trait]
pub(super) trait StageHabit: Debug + Send + Sync + 'static {
    async fn put(
        &self,
        stage: &dyn BlobStage,
        name: &BlobName,
        content: ByteStream,
    ) -> Result<BlobReceipt, PortError>;
}

#[async_trait]
impl<H: StageHabit> BlobStage for Mutated<dyn BlobStage, H> {
    fn capability(&self) -> BlobStageCapability {
        self.port.capability()
    }

    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        self.habit.put(&*self.port, name, content).await
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        self.port.get(name).await
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        self.port.head(name).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        self.port.list(prefix, after, max).await
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        self.port.delete(name).await
    }
}

/// What is done differently with an ERP.
#[async_trait]
pub(super) trait ErpHabit: Debug + Send + Sync + 'static {
    fn capability(&self, erp: &dyn ErpImporter) -> ErpCapability {
        erp.capability()
    }

    async fn submit(
        &self,
        erp: &dyn ErpImporter,
        submission: Submission,
    ) -> Result<SubmitReceipt, PortError> {
        erp.submit(submission).await
    }

    async fn status(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
    ) -> Result<ImportStatus, PortError> {
        erp.status(execution).await
    }

    async fn results(
        &self,
        erp: &dyn ErpImporter,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        erp.results(execution, continuation).await
    }
}

#[async_trait]
impl<H: ErpHabit> ErpImporter for Mutated<dyn ErpImporter, H> {
    fn capability(&self) -> ErpCapability {
        self.habit.capability(&*self.port)
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        self.habit.submit(&*self.port, submission).await
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        self.habit.status(&*self.port, execution).await
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        self.habit
            .results(&*self.port, execution, continuation)
            .await
    }
}
