use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::forward_to_pointee;
use crate::error::{ErrorKind, PortError};
use crate::id::{BlobName, Sha256};

/// Content in chunks.
pub type ByteStream = BoxStream<'static, Result<Bytes, PortError>>;

/// A stream of one chunk.
pub fn byte_stream(content: impl Into<Bytes>) -> ByteStream {
    let content = content.into();
    stream::once(async move { Ok(content) }).boxed()
}

/// Write-once blobs: where packages wait for the ERP.
///
/// # Contract
/// 1. A blob that was acknowledged is read back equal, in this process and, when the stage is
///    durable, after the process was killed.
/// 2. `put` on a present name changes nothing and gives `AlreadyExists`.
/// 3. Of concurrent puts to one name exactly one succeeds.
/// 4. The receipt carries length and SHA-256 of the content; `head` and `get` give the same.
/// 5. A put whose stream fails, or whose future is dropped, leaves no blob under the name.
/// 6. `get` of an absent name gives `NotFound`; `head` gives `None`.
/// 7. `get` of content that no longer matches its hash gives `Corrupt`, at the latest at the
///    end of the stream.
/// 8. `list` gives the names that begin with the prefix and sort after `after`, in ascending
///    byte order, at most `max`.
/// 9. `delete` removes a blob and says whether there was one.
/// 10. Empty and multi-chunk contents are stored as they are.
///
/// # Cancel safety
/// A dropped `put` may or may not have taken effect. Ask with `head`: a blob is either complete
/// or absent.
#[async_trait]
pub trait BlobStage: fmt::Debug + Send + Sync + 'static {
    /// What this back end can do.
    fn capability(&self) -> BlobStageCapability;

    /// Stores `content` under `name`, which must be free.
    ///
    /// # Errors
    /// `AlreadyExists`, `TooLarge`, `Exhausted`, `Denied`, `Unavailable`, `TimedOut`, and the
    /// errors of `content`.
    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError>;

    /// Reads a blob.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, `Denied`, `Unavailable`, `TimedOut`.
    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError>;

    /// What is stored under `name`.
    ///
    /// # Errors
    /// `Corrupt`, `Denied`, `Unavailable`, `TimedOut`.
    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError>;

    /// Names in ascending order.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `TimedOut`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError>;

    /// Removes a blob; `false` when there was none.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `TimedOut`.
    async fn delete(&self, name: &BlobName) -> Result<bool, PortError>;
}

/// What a [`BlobStage`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobStageCapability {
    /// Acknowledged blobs survive the loss of the process.
    pub durable: bool,
    /// Largest blob in bytes.
    pub blob_bytes_max: u64,
}

impl BlobStageCapability {
    /// A stage that holds blobs of up to `blob_bytes_max` bytes.
    pub const fn new(durable: bool, blob_bytes_max: u64) -> Self {
        Self {
            durable,
            blob_bytes_max,
        }
    }
}

/// Proof of what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobReceipt {
    /// Name of the blob.
    pub name: BlobName,
    /// Length in bytes.
    pub bytes: u64,
    /// Hash of the content.
    pub sha256: Sha256,
}

/// A blob being read.
pub struct BlobRead {
    /// What was stored.
    pub receipt: BlobReceipt,
    /// The content.
    pub content: ByteStream,
}

impl fmt::Debug for BlobRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobRead")
            .field("receipt", &self.receipt)
            .finish_non_exhaustive()
    }
}

/// Conveniences over any [`BlobStage`]. Never implement this.
#[async_trait]
pub trait BlobStageExt: BlobStage {
    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// As [`BlobStage::put`].
    async fn put_bytes(&self, name: &BlobName, content: Bytes) -> Result<BlobReceipt, PortError> {
        self.put(name, byte_stream(content)).await
    }

    /// Reads a whole blob of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`BlobStage::get`], and `TooLarge`.
    async fn get_bytes(&self, name: &BlobName, bytes_max: usize) -> Result<Bytes, PortError> {
        let read = self.get(name).await?;
        let mut content = read.content;
        let mut all = Vec::new();
        while let Some(chunk) = content.try_next().await? {
            if all.len() + chunk.len() > bytes_max {
                return Err(PortError::new(ErrorKind::TooLarge, "blob_stage.get")
                    .with_detail(format!("{name} has more than {bytes_max} bytes")));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }
}

impl<S: BlobStage + ?Sized> BlobStageExt for S {}

forward_to_pointee!(BlobStage {
    fn capability(&self) -> BlobStageCapability {
        (**self).capability()
    }
    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        (**self).put(name, content).await
    }
    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        (**self).get(name).await
    }
    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        (**self).head(name).await
    }
    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        (**self).list(prefix, after, max).await
    }
    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        (**self).delete(name).await
    }
});
