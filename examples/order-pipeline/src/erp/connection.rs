//! Connections to an environment.

use std::sync::Arc;

use omnisync_adapters_dataverse::finops::FinOpsImporter;
use omnisync_adapters_local::SystemIds;
use omnisync_core::flow::Worker;
use omnisync_core::policy::Refused;
use omnisync_core::port::{IdSource, StateStore};
use omnisync_http::{Client, ReqwestConfig, SharedBudget, SharedThrottle, TokenCache, Transport};

use super::finops::FinOpsSettings;
use crate::error::HostError;

/// The importer of an environment, with a throttle for everything that asks it.
pub(super) fn open(
    settings: FinOpsSettings,
    store: &Arc<dyn StateStore>,
    worker: &Worker,
) -> Result<FinOpsImporter, HostError> {
    let clock = Arc::clone(&worker.clock);
    let ids: Arc<dyn IdSource> = Arc::new(SystemIds);
    let transport: Arc<dyn Transport> = Arc::new(ReqwestConfig::default().open()?);
    let client = || {
        let (clock, ids) = (Arc::clone(&clock), Arc::clone(&ids));
        Client::builder(Arc::clone(&transport), clock, ids).with_config(settings.http.clone())
    };
    let provider = settings.credentials.provider(client().build()?)?;
    let tokens = TokenCache::new(provider, Arc::clone(&clock), Arc::clone(&ids));
    let throttle = SharedThrottle::new(settings.throttle, Arc::clone(&clock));
    let client = client()
        .with_tokens(tokens, settings.environment.scope()?)
        .with_throttle(throttle)
        .with_budget(SharedBudget::new(settings.budget, Arc::clone(&clock)))
        // What the environment answers depends on its load, and not on a limit of this caller.
        .with_refusal_reader(|_| Refused::Busy)
        .build()?;
    let importer = settings
        .environment
        .build(client, clock, Arc::clone(store))?;
    Ok(importer)
}
