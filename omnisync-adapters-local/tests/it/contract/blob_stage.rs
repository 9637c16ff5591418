//! The folder stage, opened anew after every handle was given up.

use std::fs;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omnisync_adapters_local::{FolderBlobStage, FolderConfig};
use omnisync_core::id::BlobName;
use omnisync_core::port::BlobStage;
use omnisync_testkit::contract::BlobStageFixture;
use tempfile::TempDir;

use super::block_on;

struct Folder {
    folder: TempDir,
    stage: Mutex<Option<Arc<FolderBlobStage>>>,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            stage: Mutex::default(),
        }
    }

    fn open(&self) -> Arc<FolderBlobStage> {
        let open = || Arc::new(FolderConfig::new(self.folder.path()).open().unwrap());
        Arc::clone(self.stage.lock().unwrap().get_or_insert_with(open))
    }
}

#[async_trait]
impl BlobStageFixture for Folder {
    async fn stage(&self) -> Arc<dyn BlobStage> {
        self.open()
    }

    async fn reopen(&self) -> Option<Arc<dyn BlobStage>> {
        let stage = self.stage.lock().unwrap().take();
        assert!(stage.is_none_or(|stage| Arc::into_inner(stage).is_some()));
        Some(self.open())
    }

    async fn alter(&self, name: &BlobName) {
        let path = self.folder.path().join(name.as_str());
        let mut content = fs::read(&path).unwrap();
        content[0] ^= 1;
        fs::write(&path, content).unwrap();
    }
}

mod folder {
    use super::*;

    omnisync_testkit::blob_stage_contract!(fixture = Folder::new(), run = block_on);
}
