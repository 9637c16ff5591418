//! The host that a file of settings describes: any number of processes share its services.

mod azure;
mod events;
mod packages;
mod state;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_core::dixf::Layout;
use omnisync_core::flow::{IngestPolicy, Worker};
use omnisync_core::id::WorkerId;
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{Clock, EventSource, IdSource, StateStore};
use serde::Deserialize;

use crate::erp::{self, FinOpsSettings};
use crate::error::HostError;
use crate::host::{Host, Ports, Rules, field_map};
use crate::settings::{self, Credentials};
use azure::Azure;
use events::EventsSettings;
use packages::PackagesSettings;
use state::StateSettings;

/// What the file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostSettings {
    /// This process among the others.
    #[serde(default)]
    pub(crate) worker: WorkerSettings,
    /// Who asks the services of Azure that have no key of their own.
    credentials: Option<Credentials>,
    /// Where events come from. Without it, they come by webhook alone.
    events: Option<EventsSettings>,
    /// Where orders and batches are kept.
    state: StateSettings,
    /// Where packages wait.
    packages: PackagesSettings,
    /// What takes the packages.
    erp: FinOpsSettings,
    /// How events are taken in.
    #[serde(default)]
    ingest: IngestPolicy,
    /// When batches are made, and of what size.
    #[serde(default)]
    batch: BatchPolicy,
}

/// This process among the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WorkerSettings {
    /// What its name begins with in the trails of orders.
    name: String,
    /// `run` ends when no event came for this long and nothing is left to do. It has to be longer
    /// than the locks of the queue: events that a killed process held come when their locks end.
    pub(crate) quiet_seconds: u32,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: "order-pipeline".to_owned(),
            quiet_seconds: 90,
        }
    }
}

/// A host, and where its events come from.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) host: Host,
    pub(crate) events: Option<Arc<dyn EventSource>>,
    pub(crate) worker: WorkerSettings,
}

/// What every service is opened with.
#[derive(Debug)]
struct Surroundings {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    credentials: Option<Credentials>,
    azure: OnceLock<Azure>,
}

impl Surroundings {
    fn new(credentials: Option<Credentials>) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            credentials,
            azure: OnceLock::new(),
        }
    }

    /// What the services of Azure share: one cache of tokens, one pool of connections.
    fn azure(&self) -> Result<&Azure, HostError> {
        if let Some(azure) = self.azure.get() {
            return Ok(azure);
        }
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        let azure = Azure::open(self.credentials.as_ref(), clock, ids)?;
        Ok(self.azure.get_or_init(|| azure))
    }
}

impl HostSettings {
    pub(crate) fn read(path: &Path) -> Result<Self, HostError> {
        settings::read(path)
    }

    /// Creates what has to be there before the first event.
    pub(crate) async fn provision(self) -> Result<(), HostError> {
        let around = Surroundings::new(self.credentials);
        self.state.provision(&around).await?;
        self.packages.provision(&around).await
    }

    /// Composes the host. Its worker has a name that no other process has.
    pub(crate) fn open(self) -> Result<Configured, HostError> {
        let around = Surroundings::new(self.credentials);
        let name = format!("{}-{}", self.worker.name, around.ids.unique().simple());
        let worker = Worker::new(
            WorkerId::new(name)?,
            Arc::clone(&around.clock),
            Arc::clone(&around.ids),
        );
        let store = self.state.open(&around)?;
        let rules = Rules {
            ingest: self.ingest,
            batch: self.batch,
            deliver: self.erp.deliver,
            map: field_map(Layout::Dmf),
            project: self.erp.project.clone(),
        };
        let ports = Ports {
            stage: self.packages.open(&around)?,
            erp: erp::open_environment(self.erp, &store, &worker)?,
            store,
            worker,
        };
        let events = self.events.map(|events| events.open(&around)).transpose()?;
        Ok(Configured {
            host: Host::compose(ports, rules)?,
            events,
            worker: self.worker,
        })
    }

    /// Opens the state alone, for a look at it.
    pub(crate) fn open_state(self) -> Result<Arc<dyn StateStore>, HostError> {
        self.state.open(&Surroundings::new(self.credentials))
    }
}
