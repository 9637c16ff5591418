use std::path::{Path, PathBuf};
use std::sync::Arc;

use omnisync_core::PortError;
use omnisync_core::dixf::{FieldMap, Layout};
use omnisync_core::flow::{
    BatchFlow, Deliver, DeliverPolicy, Ingest, IngestPolicy, PackageSpec, Retention, Sweep, Worker,
};
use omnisync_core::id::ProjectName;
use omnisync_core::order::{ORDERS, StateName, TotalMode};
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{BlobStage, Clock, ErpImporter, Query, StateStore, StateStoreExt as _};

use crate::error::HostError;

/// The flows of the order pipeline over whatever ports they are given.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) stage: Arc<dyn BlobStage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) batch: BatchFlow,
    pub(crate) deliver: Deliver,
    pub(crate) sweep: Sweep,
    pub(crate) retention: Retention,
}

/// What the flows work on, and who works.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) stage: Arc<dyn BlobStage>,
    pub(crate) erp: Arc<dyn ErpImporter>,
    pub(crate) worker: Worker,
}

/// What the flows go by.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) ingest: IngestPolicy,
    pub(crate) batch: BatchPolicy,
    pub(crate) deliver: DeliverPolicy,
    /// How orders become rows.
    pub(crate) map: FieldMap,
    /// The data project.
    pub(crate) project: String,
}

impl Host {
    pub(crate) fn compose(ports: Ports, rules: Rules) -> Result<Self, HostError> {
        let Ports {
            store,
            stage,
            erp,
            worker,
        } = ports;
        let map = rules
            .map
            .compile()
            .map_err(|error| HostError::Config(error.to_string()))?;
        let spec = PackageSpec::new(map, ProjectName::new(rules.project)?)
            .with_exported_by("order-pipeline");
        let (batch, deliver) = (rules.batch, rules.deliver);
        Ok(Self {
            ingest: Arc::new(Ingest::new(
                Arc::clone(&store),
                worker.clone(),
                rules.ingest,
            )),
            batch: BatchFlow::new(
                Arc::clone(&store),
                Arc::clone(&stage),
                worker.clone(),
                batch,
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
            clock: Arc::clone(&worker.clock),
            retention: Retention::new(Arc::clone(&store), Arc::clone(&stage), worker),
            store,
            stage,
        })
    }

    /// The number of orders that are neither settled nor set aside.
    pub(crate) async fn pending(&self) -> Result<usize, PortError> {
        let mut pending = 0;
        for state in [StateName::Pending, StateName::Claimed] {
            let query = Query::all(ORDERS).in_state(state.as_str()).without_bodies();
            pending += self.store.query_all(query, usize::MAX).await?.len();
        }
        Ok(pending)
    }

    /// Every package of the stage, as files of `folder`.
    pub(crate) async fn package_files(&self, folder: &Path) -> Result<Vec<PathBuf>, PortError> {
        let mut files = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .stage
                .list(PACKAGE_PREFIX, after.as_ref(), LIST_PACKAGES)
                .await?;
            files.extend(page.iter().map(|name| folder.join(name.as_str())));
            after = page.last().cloned();
            if page.len() < LIST_PACKAGES {
                return Ok(files);
            }
        }
    }
}

/// What the names of packages begin with.
const PACKAGE_PREFIX: &str = "oms_";
/// Packages that are listed at once.
const LIST_PACKAGES: usize = 1_000;

/// How orders become rows, by the layout of the packages.
pub(crate) fn field_map(layout: Layout) -> FieldMap {
    match layout {
        Layout::Seed => FieldMap::seed(),
        _ => FieldMap::dmf(),
    }
}

/// The default rules, with `totals` for orders whose total is not the sum of their lines.
pub(crate) fn ingest_policy(totals: TotalMode) -> IngestPolicy {
    let mut policy = IngestPolicy::default();
    policy.order.total.mode = totals;
    policy
}
