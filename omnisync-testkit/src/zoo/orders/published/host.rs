use std::sync::Arc;

use omnisync_core::error::PortError;
use omnisync_core::id::ProjectName;
use omnisync_core::package::PackageFormat;
use omnisync_core::port::{BlobStage, Clock, ErpImporter, EventSource, IdSource, StateStore};

use super::delivery::{Delivered, Delivery};
use super::ingestion::{Ingested, Ingestion};
use super::lifecycle::{Expired, Lifecycle};
use super::options::PublishedOptions;
use super::timer::Timers;
use super::transformation::{Transformation, Transformed};

/// What the pipeline runs on.
#[derive(Debug, Clone)]
pub struct PublishedPorts {
    /// The subscription.
    pub source: Arc<dyn EventSource>,
    /// The documents.
    pub store: Arc<dyn StateStore>,
    /// The packages.
    pub stage: Arc<dyn BlobStage>,
    /// The ERP.
    pub erp: Arc<dyn ErpImporter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn IdSource>,
}

/// One deployment of the published pipeline.
///
/// ```
/// use std::sync::Arc;
/// use omnisync_core::dixf::{DixfFormat, FieldMap, WriteOptions};
/// use omnisync_core::id::ProjectName;
/// use omnisync_testkit::clock::ManualClock;
/// use omnisync_testkit::fake::{
///     FakeErp, MemoryBlobStage, MemoryStateStore, Message, QueueOptions, QueueSource,
/// };
/// use omnisync_testkit::generate::OrderGenerator;
/// use omnisync_testkit::ids::SeqIds;
/// use omnisync_testkit::zoo::orders::published::{PublishedHost, PublishedOptions, PublishedPorts};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = ManualClock::default().auto();
/// let queue = QueueSource::new(Arc::new(clock.clone()), QueueOptions::default());
/// let erp = FakeErp::default();
/// let ports = PublishedPorts {
///     source: Arc::new(queue.clone()),
///     store: Arc::new(MemoryStateStore::default()),
///     stage: Arc::new(MemoryBlobStage::default()),
///     erp: Arc::new(erp.clone()),
///     clock: Arc::new(clock.clone()),
///     ids: Arc::new(SeqIds::new(1)),
/// };
/// let format = DixfFormat::new(FieldMap::dmf().compile()?, WriteOptions::default());
/// let project = ProjectName::new("Sales orders")?;
/// let options = PublishedOptions::default();
/// let host = PublishedHost::new(ports, Arc::new(format), project, &options);
///
/// queue.publish(Message::new(OrderGenerator::new(7).next().unwrap().bytes));
/// clock.advance(options.transform_every + options.deliver_after);
/// futures::executor::block_on(host.tick())?;
/// assert_eq!(erp.tables().orders(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PublishedHost {
    source: Arc<dyn EventSource>,
    clock: Arc<dyn Clock>,
    ingestion: Ingestion,
    transformation: Transformation,
    delivery: Delivery,
    lifecycle: Lifecycle,
    timers: Timers,
    round_messages_max: usize,
}

/// What the four parts did in one round.
#[derive(Debug)]
pub struct Round {
    /// Messages, in the order in which they were received.
    pub ingested: Vec<Ingested>,
    /// Receiving failed, which ended the ingestion of this round.
    pub receive_error: Option<PortError>,
    /// The transformation, when its timer was due.
    pub transformed: Option<Result<Transformed, PortError>>,
    /// The delivery, when its timer was due.
    pub delivered: Option<Delivered>,
    /// What was deleted by age.
    pub expired: Result<Expired, PortError>,
}

impl Round {
    /// The first error that a part ended with.
    ///
    /// # Errors
    /// That error. A message that was given back or set aside is none: the function that did so
    /// ended well.
    pub fn into_result(self) -> Result<(), PortError> {
        let failed = self
            .ingested
            .into_iter()
            .find_map(|ingested| match ingested {
                Ingested::Failed { error, .. } => Some(error),
                _ => None,
            });
        let transformed = self.transformed.and_then(Result::err);
        let delivered = self.delivered.and_then(Delivered::into_error);
        let first = failed
            .or(self.receive_error)
            .or(transformed)
            .or(delivered)
            .or_else(|| self.expired.err());
        first.map_or(Ok(()), Err)
    }
}

impl PublishedHost {
    /// A deployment that sends packages of `format` to `project`.
    pub fn new(
        ports: PublishedPorts,
        format: Arc<dyn PackageFormat>,
        project: ProjectName,
        options: &PublishedOptions,
    ) -> Self {
        let PublishedPorts {
            source,
            store,
            stage,
            erp,
            clock,
            ids,
        } = ports;
        Self {
            ingestion: Ingestion::new(Arc::clone(&store), Arc::clone(&clock), options),
            transformation: Transformation::new(
                Arc::clone(&store),
                Arc::clone(&stage),
                Arc::clone(&clock),
                Arc::clone(&ids),
                format,
                project.clone(),
                options,
            ),
            delivery: Delivery::new(
                Arc::clone(&stage),
                erp,
                Arc::clone(&clock),
                ids,
                project,
                options,
            ),
            lifecycle: Lifecycle::new(store, stage, Arc::clone(&clock), options),
            timers: Timers::new(options, clock.now()),
            round_messages_max: options.round_messages_max,
            source,
            clock,
        }
    }

    /// The same, with the timers of a host that ran before.
    #[must_use]
    pub fn with_timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// The timers, for the host that comes after this one.
    pub fn timers(&self) -> Timers {
        self.timers.clone()
    }

    /// The function that ingests.
    pub fn ingestion(&self) -> &Ingestion {
        &self.ingestion
    }

    /// The function that packs.
    pub fn transformation(&self) -> &Transformation {
        &self.transformation
    }

    /// The workflow that delivers.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The rules that delete.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// One round of all parts, each when its timer is due.
    ///
    /// # Errors
    /// The first error that a part ended with. The parts do not know of each other, so the
    /// others have run.
    pub async fn tick(&self) -> Result<(), PortError> {
        self.round().await.into_result()
    }

    /// The same, with what each part did.
    pub async fn round(&self) -> Round {
        let (ingested, receive_error) = self.ingest().await;
        let transformed = match self.timers.transform.due(self.clock.now()) {
            // The firing counts as served at the end: a process that dies in between starts with
            // a timer that is past due.
            Some(firing) => {
                let transformed = self.transformation.run_once().await;
                self.timers.transform.served(firing);
                Some(transformed)
            }
            None => None,
        };
        let delivered = match self.timers.deliver.due(self.clock.now()) {
            // A recurrence is never made up for.
            Some(firing) => {
                self.timers.deliver.served(firing);
                Some(self.delivery.run_once().await)
            }
            None => None,
        };
        Round {
            ingested,
            receive_error,
            transformed,
            delivered,
            expired: self.expire().await,
        }
    }

    /// Ingests until nothing is left.
    async fn ingest(&self) -> (Vec<Ingested>, Option<PortError>) {
        let mut ingested = Vec::new();
        while ingested.len() < self.round_messages_max {
            match self.ingestion.run_once(&*self.source).await {
                Ok(Ingested::Idle) => break,
                Ok(outcome) => ingested.push(outcome),
                Err(error) => return (ingested, Some(error)),
            }
        }
        (ingested, None)
    }

    /// Documents go as soon as their time is up; the rule for packages has a timer.
    async fn expire(&self) -> Result<Expired, PortError> {
        let orders = self.lifecycle.expire_documents().await?;
        let packages = match self.timers.lifecycle.due(self.clock.now()) {
            Some(firing) => {
                self.timers.lifecycle.served(firing);
                self.lifecycle.expire_packages().await?
            }
            None => Vec::new(),
        };
        Ok(Expired { orders, packages })
    }
}
