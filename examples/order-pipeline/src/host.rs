use std::sync::Arc;

use omnisync_adapters_local::{FolderConfig, SqliteConfig, SystemClock, SystemIds};
use omnisync_core::dixf::{FieldMap, Layout};
use omnisync_core::flow::{
    BatchFlow, Deliver, DeliverPolicy, Ingest, IngestPolicy, PackageSpec, Retention, Sweep, Worker,
};
use omnisync_core::id::{ProjectName, WorkerId};
use omnisync_core::order::TotalMode;
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{BlobStage, Clock, StateStore};
use omnisync_testkit::fake::{FakeErp, FakeErpOptions};

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
    pub(crate) fail_rate: f64,
}

impl Host {
    /// Composes the flows. The folder has to be occupied: the worker's name is always the same,
    /// so that what a killed process left is taken over at once.
    pub(crate) fn open(workspace: &Workspace, config: HostConfig) -> Result<Self, HostError> {
        let store: Arc<dyn StateStore> = Arc::new(SqliteConfig::new(workspace.state()).open()?);
        let stage: Arc<dyn BlobStage> = Arc::new(FolderConfig::new(workspace.packages()).open()?);
        let erp = FakeErp::open(
            workspace.erp(),
            FakeErpOptions {
                refused_share: config.fail_rate,
                ..FakeErpOptions::default()
            },
        )?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let worker = Worker::new(
            WorkerId::new("order-pipeline")?,
            Arc::clone(&clock),
            Arc::new(SystemIds),
        );
        let map = match config.layout {
            Layout::Seed => FieldMap::seed(),
            _ => FieldMap::dmf(),
        };
        let map = map
            .compile()
            .map_err(|error| HostError::Config(error.to_string()))?;
        let spec = PackageSpec::new(map, ProjectName::new("Sales orders")?)
            .with_exported_by("order-pipeline");
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
                Arc::new(erp),
                worker.clone(),
                config.deliver,
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
