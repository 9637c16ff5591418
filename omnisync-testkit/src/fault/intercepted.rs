use std::fmt;
use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

use super::{Call, Effect, Interceptor, Verdict};

/// Wraps ports so that one [`Interceptor`] sees all their calls in one numbering.
///
/// ```
/// use std::sync::Arc;
/// use omnisync_core::port::StateStore;
/// use omnisync_testkit::fake::MemoryStateStore;
/// use omnisync_testkit::fault::Seam;
/// use omnisync_testkit::journal::Journal;
///
/// let journal = Arc::new(Journal::new());
/// let seam = Seam::new(journal.clone());
/// let store: Arc<dyn StateStore> = Arc::new(seam.wrap(MemoryStateStore::default()));
/// futures::executor::block_on(store.get(&[])).unwrap();
/// assert_eq!(journal.operations(), ["state_store.get"]);
/// ```
#[derive(Debug, Clone)]
pub struct Seam {
    interceptor: Arc<dyn Interceptor>,
    calls: Arc<AtomicU64>,
}

impl Seam {
    /// A seam whose calls `interceptor` decides about.
    pub fn new(interceptor: Arc<dyn Interceptor>) -> Self {
        Self {
            interceptor,
            calls: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Puts a port behind the seam. The result implements whatever ports `inner` implements.
    pub fn wrap<P>(&self, inner: P) -> Intercepted<P> {
        Intercepted {
            inner,
            seam: self.clone(),
        }
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn around<T>(
        &self,
        operation: &'static str,
        subject: String,
        effect: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let call = Call {
            number,
            operation,
            subject,
        };
        enforce(self.interceptor.before(&call).await).await?;
        let result = effect.await;
        let ended = match &result {
            Ok(_) => Effect::Done,
            Err(error) => Effect::Refused(error.kind()),
        };
        enforce(self.interceptor.after(&call, ended).await).await?;
        result
    }
}

async fn enforce(verdict: Verdict) -> Result<(), PortError> {
    match verdict {
        Verdict::Proceed => Ok(()),
        Verdict::Fail(error) => Err(error),
        Verdict::Crash => pending().await,
    }
}

/// A port behind a [`Seam`].
#[derive(Debug)]
pub struct Intercepted<P> {
    inner: P,
    seam: Seam,
}

impl<P> Intercepted<P> {
    /// The port itself, without the seam.
    pub fn inner(&self) -> &P {
        &self.inner
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: StateStore> StateStore for Intercepted<P> {
    fn capability(&self) -> StateStoreCapability {
        self.inner.capability()
    }

    async fn get(&self, keys: &[DocumentKey]) -> Result<Vec<Option<Document>>, PortError> {
        let subject = several(keys.first(), keys.len());
        self.seam
            .around("state_store.get", subject, self.inner.get(keys))
            .await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, PortError> {
        let subject = several(writes.first().map(|write| &write.key), writes.len());
        self.seam
            .around("state_store.write", subject, self.inner.write(writes))
            .await
    }

    async fn query(&self, query: Query) -> Result<Page, PortError> {
        let subject = query.collection.to_string();
        self.seam
            .around("state_store.query", subject, self.inner.query(query))
            .await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: BlobStage> BlobStage for Intercepted<P> {
    fn capability(&self) -> BlobStageCapability {
        self.inner.capability()
    }

    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        let effect = self.inner.put(name, content);
        self.seam
            .around("blob_stage.put", name.to_string(), effect)
            .await
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        self.seam
            .around("blob_stage.get", name.to_string(), self.inner.get(name))
            .await
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        self.seam
            .around("blob_stage.head", name.to_string(), self.inner.head(name))
            .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        let effect = self.inner.list(prefix, after, max);
        self.seam
            .around("blob_stage.list", prefix.to_owned(), effect)
            .await
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        self.seam
            .around(
                "blob_stage.delete",
                name.to_string(),
                self.inner.delete(name),
            )
            .await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: EventSource> EventSource for Intercepted<P> {
    fn capability(&self) -> EventSourceCapability {
        self.inner.capability()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Received, PortError> {
        let effect = self.inner.receive(max, wait);
        self.seam
            .around("event_source.receive", format!("up to {max}"), effect)
            .await
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Settled, PortError> {
        let subject = format!("{} {}", delivery.cursor, word(&disposition));
        let effect = self.inner.settle(delivery, disposition);
        self.seam
            .around("event_source.settle", subject, effect)
            .await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<DateTime<Utc>, PortError> {
        let effect = self.inner.extend(delivery);
        self.seam
            .around("event_source.extend", delivery.cursor.clone(), effect)
            .await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: ErpImporter> ErpImporter for Intercepted<P> {
    fn capability(&self) -> ErpCapability {
        self.inner.capability()
    }

    async fn submit(&self, submission: Submission) -> Result<SubmitReceipt, PortError> {
        let subject = submission.execution.to_string();
        self.seam
            .around(
                "erp_importer.submit",
                subject,
                self.inner.submit(submission),
            )
            .await
    }

    async fn status(&self, execution: ExecutionId) -> Result<ImportStatus, PortError> {
        let effect = self.inner.status(execution);
        self.seam
            .around("erp_importer.status", execution.to_string(), effect)
            .await
    }

    async fn results(
        &self,
        execution: ExecutionId,
        continuation: Option<String>,
    ) -> Result<ResultsPage, PortError> {
        let effect = self.inner.results(execution, continuation);
        self.seam
            .around("erp_importer.results", execution.to_string(), effect)
            .await
    }
}

fn several(first: Option<&impl fmt::Display>, count: usize) -> String {
    match first {
        None => "nothing".to_owned(),
        Some(first) if count == 1 => first.to_string(),
        Some(first) => format!("{first} and {} more", count - 1),
    }
}

const fn word(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Complete => "complete",
        Disposition::RetryAfter(_) => "retry",
        Disposition::DeadLetter { .. } => "dead letter",
    }
}
