use std::path::PathBuf;

use omnisync_core::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};

use super::engine::Folder;
use super::stage::FolderBlobStage;

/// Where a [`FolderBlobStage`] keeps its blobs.
///
/// ```
/// use omnisync_adapters_local::FolderConfig;
///
/// let folder = tempfile::tempdir()?;
/// let stage = FolderConfig::new(folder.path().join("packages")).open()?;
/// # drop(stage);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder. It is created when absent; the folder above it must exist. Use a local file
    /// system, which offers locks and atomic renames.
    pub path: PathBuf,
    /// Largest blob, in bytes. Default 1,073,741,824 (1 GiB).
    #[serde(default = "blob_bytes_max")]
    pub blob_bytes_max: u64,
}

const fn blob_bytes_max() -> u64 {
    1_024 * 1_024 * 1_024
}

impl FolderConfig {
    /// Keeps blobs in the folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            blob_bytes_max: blob_bytes_max(),
        }
    }

    /// Sets [`Self::blob_bytes_max`].
    #[must_use]
    pub fn with_blob_bytes_max(mut self, bytes: u64) -> Self {
        self.blob_bytes_max = bytes;
        self
    }

    /// Opens the stage, creates its folder when absent, and removes what killed processes left
    /// half written.
    ///
    /// # Errors
    /// `Invalid` for a setting out of range or a missing folder above; `Denied` when the folder
    /// cannot be written; `Exhausted` without space.
    pub fn open(self) -> Result<FolderBlobStage, PortError> {
        const OPEN: &str = "blob_stage.open";
        let invalid = |what: &str| PortError::new(ErrorKind::Invalid, OPEN).with_detail(what);
        if self.path.as_os_str().is_empty() {
            return Err(invalid("path is empty; name the folder"));
        }
        if self.blob_bytes_max == 0 {
            return Err(invalid("blob_bytes_max is 0; give at least 1"));
        }
        let folder = Folder::open(&self.path).map_err(|error| error.port(OPEN))?;
        FolderBlobStage::new(folder, self.blob_bytes_max)
    }
}
