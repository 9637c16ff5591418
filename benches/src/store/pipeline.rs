//! The shipped flows over a store, as a host composes them.

use std::path::Path;
use std::sync::Arc;

use omnisync_adapters_local::{FolderConfig, SystemClock, SystemIds};
use omnisync_core::dixf::FieldMap;
use omnisync_core::event::CloudEvent;
use omnisync_core::flow::{
    BatchFlow, BatchStep, Deliver, DeliverPolicy, Delivered, Fate, Ingest, IngestPolicy,
    PackageSpec, Sweep, Worker,
};
use omnisync_core::id::{ProjectName, WorkerId};
use omnisync_core::order::{ORDERS, StateName};
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{BlobStage, Clock, ErpImporter, Query, StateStore, StateStoreExt as _};

use super::input::Entry;
use crate::error::Error;

const WHO: &str = "omnisync";
/// Events that are taken in with one write.
pub(crate) const ACCEPT_EVENTS: usize = 1_000;
/// Time between two questions for an import's status: the ERP is in this process.
const POLL_MS: u32 = 1;

#[derive(Debug)]
pub(crate) struct Pipeline {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    ingest: Ingest,
    pub(crate) batch: BatchFlow,
    deliver: Deliver,
    sweep: Sweep,
}

impl Pipeline {
    /// Packages go to `folder`; a batch takes up to `orders_max` orders.
    pub(crate) fn over(
        store: Arc<dyn StateStore>,
        folder: &Path,
        erp: Arc<dyn ErpImporter>,
        orders_max: usize,
    ) -> Result<Self, Error> {
        let failed = Error::store(WHO);
        let stage = FolderConfig::new(folder).open().map_err(failed)?;
        let stage: Arc<dyn BlobStage> = Arc::new(stage);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // The name of the one before: what that left is taken over at once.
        let id = WorkerId::new("xbench").map_err(Error::store(WHO))?;
        let worker = Worker::new(id, Arc::clone(&clock), Arc::new(SystemIds));
        let map = FieldMap::dmf().compile().map_err(Error::store(WHO))?;
        let project = ProjectName::new("Sales orders").map_err(Error::store(WHO))?;
        let spec = PackageSpec::new(map, project);
        let batches = BatchPolicy {
            orders_max,
            ..BatchPolicy::default()
        };
        let deliveries = DeliverPolicy {
            poll_ms: POLL_MS,
            ..DeliverPolicy::default()
        };
        Ok(Self {
            ingest: Ingest::new(Arc::clone(&store), worker.clone(), IngestPolicy::default()),
            batch: BatchFlow::new(
                Arc::clone(&store),
                Arc::clone(&stage),
                worker.clone(),
                batches,
                spec.clone(),
            ),
            deliver: Deliver::new(
                Arc::clone(&store),
                stage,
                erp,
                worker.clone(),
                deliveries,
                spec,
            ),
            sweep: Sweep::new(Arc::clone(&store), worker),
            store,
            clock,
        })
    }

    /// Takes orders in; whatever is not acknowledged is an error.
    pub(crate) async fn accept(&self, entries: &[Entry]) -> Result<(), Error> {
        for entries in entries.chunks(ACCEPT_EVENTS) {
            let events = entries
                .iter()
                .map(|entry| CloudEvent::from_json(entry.bytes()))
                .collect();
            for intaken in self.ingest.accept(events).await {
                match intaken.fate {
                    Fate::Stored(_) => {}
                    Fate::Failed(error) => return Err(Error::store(WHO)(error)),
                    Fate::Refused(refusal) => return Err(Error::Mismatch(refusal.to_string())),
                }
            }
        }
        Ok(())
    }

    /// Gives back the claims that no batch lists.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        while !self
            .sweep
            .run_once()
            .await
            .map_err(Error::store(WHO))?
            .complete
        {}
        Ok(())
    }

    /// Batches and delivers until nothing is left to do.
    pub(crate) async fn drain(&self) -> Result<(), Error> {
        self.sweep().await?;
        loop {
            while self.batch().await? != BatchStep::Idle {}
            if !self.deliver_all().await? {
                return Ok(());
            }
        }
    }

    async fn batch(&self) -> Result<BatchStep, Error> {
        let outcome = self.batch.run_now().await.map_err(Error::store(WHO))?;
        Ok(outcome.step)
    }

    /// Whether a batch came to its end, after which orders may wait again.
    async fn deliver_all(&self) -> Result<bool, Error> {
        let mut delivered = false;
        loop {
            let outcome = self.deliver.run_once().await.map_err(Error::store(WHO))?;
            match outcome.step {
                Delivered::Idle { until: None } => return Ok(delivered),
                Delivered::Idle { until: Some(until) } => self.clock.sleep_until(until).await,
                Delivered::Restaged => return Ok(true),
                Delivered::Done(_) => delivered = true,
                _ => {}
            }
        }
    }

    /// How many orders are in `state`.
    pub(crate) async fn count(&self, state: StateName) -> Result<usize, Error> {
        let query = Query::all(ORDERS).in_state(state.as_str()).without_bodies();
        let found = self.store.query_all(query, usize::MAX).await;
        Ok(found.map_err(Error::store(WHO))?.len())
    }
}
