use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{BlobRead, BlobReceipt, BlobStage, BlobStageCapability, ByteStream};

/// How a [`MemoryBlobStage`] behaves.
#[derive(Debug, Clone)]
pub struct MemoryBlobStageOptions {
    /// Whether the stage counts as durable: clones share its blobs. Default `true`.
    pub durable: bool,
    /// Largest blob in bytes. Default 256 MiB.
    pub blob_bytes_max: usize,
    /// Length of the chunks that `get` gives, in bytes. Default 64 KiB.
    pub chunk_bytes: usize,
}

impl Default for MemoryBlobStageOptions {
    fn default() -> Self {
        Self {
            durable: true,
            blob_bytes_max: 256 << 20,
            chunk_bytes: 64 << 10,
        }
    }
}

/// Write-once blobs in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobStage {
    options: Arc<MemoryBlobStageOptions>,
    blobs: Arc<Mutex<BTreeMap<BlobName, Blob>>>,
}

#[derive(Debug, Clone)]
struct Blob {
    receipt: BlobReceipt,
    content: Bytes,
}

impl MemoryBlobStage {
    /// An empty stage.
    pub fn new(options: MemoryBlobStageOptions) -> Self {
        Self {
            options: Arc::new(options),
            blobs: Arc::default(),
        }
    }

    /// Damages a blob behind the stage's back, as a failing disk would: one bit of the content
    /// flips, or one byte appears in an empty blob. `false` when there is no such blob.
    pub fn alter(&self, name: &BlobName) -> bool {
        self.locked().get_mut(name).is_some_and(|blob| {
            let mut content = blob.content.to_vec();
            match content.last_mut() {
                Some(last) => *last ^= 1,
                None => content.push(0),
            }
            blob.content = content.into();
            true
        })
    }

    /// Removes a blob behind the stage's back, as a lifecycle rule would.
    pub fn vanish(&self, name: &BlobName) -> bool {
        self.locked().remove(name).is_some()
    }

    /// The names of all blobs.
    pub fn names(&self) -> Vec<BlobName> {
        self.locked().keys().cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<BlobName, Blob>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BlobStage for MemoryBlobStage {
    fn capability(&self) -> BlobStageCapability {
        let blob_bytes_max = u64::try_from(self.options.blob_bytes_max).unwrap_or(u64::MAX);
        BlobStageCapability::new(self.options.durable, blob_bytes_max)
    }

    async fn put(
        &self,
        name: &BlobName,
        mut content: ByteStream,
    ) -> Result<BlobReceipt, PortError> {
        if self.locked().contains_key(name) {
            return Err(refusal(ErrorKind::AlreadyExists, "blob_stage.put", name));
        }
        let mut all = Vec::new();
        while let Some(chunk) = content.try_next().await? {
            if all.len() + chunk.len() > self.options.blob_bytes_max {
                return Err(refusal(ErrorKind::TooLarge, "blob_stage.put", name));
            }
            all.extend_from_slice(&chunk);
        }
        let receipt = BlobReceipt {
            name: name.clone(),
            bytes: u64::try_from(all.len()).unwrap_or(u64::MAX),
            sha256: Sha256::of(&all),
        };
        let mut blobs = self.locked();
        if blobs.contains_key(name) {
            return Err(refusal(ErrorKind::AlreadyExists, "blob_stage.put", name));
        }
        blobs.insert(
            name.clone(),
            Blob {
                receipt: receipt.clone(),
                content: all.into(),
            },
        );
        Ok(receipt)
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        let blob = self.locked().get(name).cloned();
        let Some(Blob { receipt, content }) = blob else {
            return Err(refusal(ErrorKind::NotFound, "blob_stage.get", name));
        };
        let intact = Sha256::of(&content) == receipt.sha256;
        let mut chunks = split(content, self.options.chunk_bytes.max(1));
        if !intact {
            chunks.push(Err(refusal(ErrorKind::Corrupt, "blob_stage.get", name)));
        }
        Ok(BlobRead {
            receipt,
            content: stream::iter(chunks).boxed(),
        })
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        Ok(self.locked().get(name).map(|blob| blob.receipt.clone()))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let blobs = self.locked();
        let names = blobs.range((from, Bound::Unbounded)).map(|(name, _)| name);
        Ok(names
            .filter(|name| name.as_str().starts_with(prefix))
            .take(max)
            .cloned()
            .collect())
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        Ok(self.locked().remove(name).is_some())
    }
}

fn split(mut content: Bytes, chunk_bytes: usize) -> Vec<Result<Bytes, PortError>> {
    let mut chunks = Vec::new();
    while !content.is_empty() {
        chunks.push(Ok(content.split_to(chunk_bytes.min(content.len()))));
    }
    chunks
}

fn refusal(kind: ErrorKind, operation: &'static str, name: &BlobName) -> PortError {
    PortError::new(kind, operation).with_detail(name.to_string())
}
