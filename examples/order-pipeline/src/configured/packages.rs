use std::path::PathBuf;
use std::sync::Arc;

use omnisync_adapters_azure::blob::{AzureBlobConfig, AzureBlobStage, BlobCredential};
use omnisync_adapters_local::FolderConfig;
use omnisync_core::port::BlobStage;
use serde::Deserialize;

use super::Surroundings;
use crate::error::HostError;

/// Where packages wait for the ERP.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum PackagesSettings {
    /// A folder that processes of one machine share.
    Folder { path: PathBuf },
    /// A container of Blob Storage, Data Lake Storage or OneLake.
    Blob(Box<AzureBlobConfig>),
}

impl PackagesSettings {
    pub(super) fn open(self, around: &Surroundings) -> Result<Arc<dyn BlobStage>, HostError> {
        match self {
            Self::Folder { path } => Ok(Arc::new(FolderConfig::new(path).open()?)),
            Self::Blob(config) => Ok(Arc::new(blob(*config, around)?)),
        }
    }

    /// Creates what has to be there before.
    pub(super) async fn provision(self, around: &Surroundings) -> Result<(), HostError> {
        match self {
            Self::Folder { .. } => self.open(around).map(drop),
            Self::Blob(config) => {
                // It may be there already.
                blob(*config, around)?.create_container().await?;
                Ok(())
            }
        }
    }
}

fn blob(config: AzureBlobConfig, around: &Surroundings) -> Result<AzureBlobStage, HostError> {
    let scope = match config.credential {
        BlobCredential::Bearer => Some(config.scope()?),
        _ => None,
    };
    let (clock, ids) = (Arc::clone(&around.clock), Arc::clone(&around.ids));
    Ok(config.build(around.azure()?.client(scope)?, clock, ids)?)
}
