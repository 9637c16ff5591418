//! Where packages go: the ERP in the work folder, or an environment of Finance & Operations.

mod connection;
mod finops;

pub(crate) use finops::FinOpsSettings;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::PortError;
use omnisync_core::dixf::{FieldMap, Layout};
use omnisync_core::flow::{DeliverPolicy, Guard, GuardedErp, Worker};
use omnisync_core::port::{ErpImporter, Notice, Notifier, StateStore};
use omnisync_testkit::fake::{FakeErp, FakeErpOptions};

use crate::error::HostError;
use crate::host::field_map;
use crate::settings;
use crate::workspace::Workspace;

/// Which ERP takes the packages.
#[derive(Debug)]
pub(crate) enum ErpChoice {
    /// The testkit's, in the work folder. It refuses this share of the orders.
    BuiltIn { fail_rate: f64 },
    /// An environment.
    FinOps(Box<FinOpsSettings>),
}

impl ErpChoice {
    /// What the arguments say.
    pub(crate) fn of(
        config: Option<&Path>,
        layout: Layout,
        fail_rate: f64,
    ) -> Result<Self, HostError> {
        let Some(path) = config else {
            return Ok(Self::BuiltIn { fail_rate });
        };
        if layout != Layout::Dmf {
            let what = "Finance & Operations imports layout dmf and no other: leave out --layout";
            return Err(HostError::Config(what.to_owned()));
        }
        Ok(Self::FinOps(Box::new(settings::read(path)?)))
    }

    /// How orders become rows.
    pub(crate) fn map(&self, layout: Layout) -> FieldMap {
        match self {
            Self::BuiltIn { .. } => field_map(layout),
            Self::FinOps(_) => field_map(Layout::Dmf),
        }
    }

    /// The data project.
    pub(crate) fn project(&self) -> &str {
        match self {
            Self::BuiltIn { .. } => "Sales orders",
            Self::FinOps(settings) => &settings.project,
        }
    }

    /// How patient deliveries are.
    pub(crate) fn policy(&self, policy: DeliverPolicy) -> DeliverPolicy {
        match self {
            Self::BuiltIn { .. } => policy,
            Self::FinOps(settings) => settings.deliver,
        }
    }

    /// Opens the ERP.
    pub(crate) fn open(
        self,
        workspace: &Workspace,
        store: &Arc<dyn StateStore>,
        worker: &Worker,
    ) -> Result<Arc<dyn ErpImporter>, HostError> {
        match self {
            Self::BuiltIn { fail_rate } => {
                let options = FakeErpOptions {
                    refused_share: fail_rate,
                    ..FakeErpOptions::default()
                };
                Ok(Arc::new(FakeErp::open(workspace.erp(), options)?))
            }
            Self::FinOps(settings) => open_environment(*settings, store, worker),
        }
    }
}

/// Opens an environment, behind a breaker that all workers share.
pub(crate) fn open_environment(
    settings: FinOpsSettings,
    store: &Arc<dyn StateStore>,
    worker: &Worker,
) -> Result<Arc<dyn ErpImporter>, HostError> {
    let peer = settings.environment.base_url.clone();
    let guard = Guard::new(peer, Arc::clone(store), worker.clone(), settings.guard)
        .with_notifier(Arc::new(StandardError));
    let importer = connection::open(settings, store, worker)?;
    Ok(Arc::new(GuardedErp::new(importer, Arc::new(guard))))
}

/// Tells people where they are: on standard error.
#[derive(Debug)]
struct StandardError;

#[async_trait]
impl Notifier for StandardError {
    async fn notify(&self, notice: &Notice) -> Result<(), PortError> {
        // Standard error may be closed; there is nobody left to tell then.
        drop(writeln!(io::stderr(), "notice: {notice}"));
        Ok(())
    }
}
