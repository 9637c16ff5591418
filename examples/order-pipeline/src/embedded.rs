//! The host in a work folder: everything it needs is in this process.

use std::sync::Arc;

use omnisync_adapters_local::{FolderConfig, SqliteConfig, SystemClock, SystemIds};
use omnisync_core::dixf::Layout;
use omnisync_core::flow::{DeliverPolicy, IngestPolicy, Worker};
use omnisync_core::id::WorkerId;
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::StateStore;

use crate::erp::ErpChoice;
use crate::error::HostError;
use crate::host::{Host, Ports, Rules};
use crate::workspace::Workspace;

/// What the commands set.
#[derive(Debug)]
pub(crate) struct EmbeddedConfig {
    pub(crate) layout: Layout,
    pub(crate) ingest: IngestPolicy,
    pub(crate) batch: BatchPolicy,
    pub(crate) deliver: DeliverPolicy,
    pub(crate) erp: ErpChoice,
}

/// Composes the host. The folder has to be occupied: the worker's name is always the same, so that
/// what a killed process left is taken over at once.
pub(crate) fn open(workspace: &Workspace, config: EmbeddedConfig) -> Result<Host, HostError> {
    let store: Arc<dyn StateStore> = Arc::new(SqliteConfig::new(workspace.state()).open()?);
    let worker = Worker::new(
        WorkerId::new("order-pipeline")?,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
    );
    let rules = Rules {
        ingest: config.ingest,
        batch: config.batch,
        deliver: config.erp.policy(config.deliver),
        map: config.erp.map(config.layout),
        project: config.erp.project().to_owned(),
    };
    let ports = Ports {
        stage: Arc::new(FolderConfig::new(workspace.packages()).open()?),
        erp: config.erp.open(workspace, &store, &worker)?,
        store,
        worker,
    };
    Host::compose(ports, rules)
}
