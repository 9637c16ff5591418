use std::sync::Arc;

use omnisync_adapters_local::{FolderConfig, SqliteConfig, SystemClock, SystemIds};
use omnisync_core::dixf::Layout;
use omnisync_core::flow::{
    BatchFlow, Deliver, DeliverPolicy, Ingest, IngestPolicy, PackageSpec, Retention, Sweep, Worker,
};
use omnisync_core::id::{ProjectName, WorkerId};
use omnisync_core::order::TotalMode;
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{BlobStage, Clock, StateStore};

use crate::erp::ErpChoice;
use crate::error::HostError;
use crate::workspace::Workspace;

/// The flows of the order pipeline over the embedded adapters.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) stage: Arc<dyn BlobStage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ingest: Ingest,
    pub(crate) batch: BatchFlow,
    pub(crate) deliver: Deliver,
    pub(crate) sweep: Sweep,
    pub(crate) retention: Retention,
}

/// What the commands set.
#[derive(Debug)]
pub(crate) struct HostConfig {
    pub(crate) layout: Layout,
    pub(crate) ingest: IngestPolicy,
    pub(crate) batch: BatchPolicy,
    pub(crate) deliver: DeliverPolicy,
    pub(crate) erp: ErpChoice,
}

impl Host {
    /// Composes the flows. The folder has to be occupied: the worker's name is always the same,
    /// so that what a killed process left is taken over at once.
    pub(crate) fn open(workspace: &Workspace, config: HostConfig) -> Result<Self, HostError> {
        let store: Arc<dyn StateStore> = Arc::new(SqliteConfig::new(workspace.state()).open()?);
        let stage: Arc<dyn BlobStage> = Arc::new(FolderConfig::new(workspace.packages()).open()?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let worker = Worker::new(
            WorkerId::new("order-pipeline")?,
            Arc::clone(&clock),
            Arc::new(SystemIds),
        );
        let map = config
            .erp
            .map(config.layout)
            .compile()
            .map_err(|error| HostError::Config(error.to_string()))?;
        let spec = PackageSpec::new(map, ProjectName::new(config.erp.project())?)
            .with_exported_by("order-pipeline");
        let deliver = config.erp.policy(config.deliver);
        let erp = config.erp.open(workspace, &store, &worker)?;
        Ok(Self {
            ingest: Ingest::new(Arc::clone(&store), worker.clone(), config.ingest),
            batch: BatchFlow::new(
                Arc::clone(&store),
                Arc::clone(&stage),
                worker.clone(),
                config.batch,
                spec.clone(),
            ),
            deliver: Deliver::new(
                Arc::clone(&store),
                Arc::clone(&stage),
                erp,
                worker.clone(),
                deliver,
                spec,
            ),
            sweep: Sweep::new(Arc::clone(&store), worker.clone()),
            retention: Retention::new(Arc::clone(&store), Arc::clone(&stage), worker),
            store,
            stage,
            clock,
        })
    }
}

/// The default rules, with `totals` for orders whose total is not the sum of their lines.
pub(crate) fn ingest_policy(totals: TotalMode) -> IngestPolicy {
    let mut policy = IngestPolicy::default();
    policy.order.total.mode = totals;
    policy
}
