use std::path::PathBuf;
use std::sync::Arc;

use omnisync_adapters_azure::cosmos::{CosmosConfig, CosmosStateStore};
use omnisync_adapters_local::SqliteConfig;
use omnisync_core::flow::COLLECTIONS;
use omnisync_core::port::StateStore;
use serde::Deserialize;

use super::Surroundings;
use crate::error::HostError;

/// Where orders and batches are kept.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum StateSettings {
    /// A file that processes of one machine share.
    Sqlite { path: PathBuf },
    /// A database of Cosmos DB.
    Cosmos(Box<CosmosConfig>),
}

impl StateSettings {
    pub(super) fn open(self, around: &Surroundings) -> Result<Arc<dyn StateStore>, HostError> {
        match self {
            Self::Sqlite { path } => Ok(Arc::new(SqliteConfig::new(path).open()?)),
            Self::Cosmos(config) => Ok(Arc::new(cosmos(*config, around)?)),
        }
    }

    /// Creates what has to be there before.
    pub(super) async fn provision(self, around: &Surroundings) -> Result<(), HostError> {
        match self {
            Self::Sqlite { .. } => self.open(around).map(drop),
            Self::Cosmos(config) => Ok(cosmos(*config, around)?.provision(&COLLECTIONS).await?),
        }
    }
}

fn cosmos(config: CosmosConfig, around: &Surroundings) -> Result<CosmosStateStore, HostError> {
    let tokens = match config.key {
        Some(_) => None,
        None => around.azure()?.tokens(),
    };
    let (clock, ids) = (Arc::clone(&around.clock), Arc::clone(&around.ids));
    Ok(config.build(tokens, clock, ids)?)
}
