use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::BlobName;
use omnisync_core::port::{
    BlobRead, BlobReceipt, BlobStage, BlobStageCapability, ByteStream, byte_stream,
};

use super::super::{Distortion, Seen, Subject};
use super::Intercepted;

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<P: BlobStage> BlobStage for Intercepted<P> {
    fn capability(&self) -> BlobStageCapability {
        self.inner.capability()
    }

    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        let subject = Subject::Blob(name.clone());
        let (call, distortion) = self.seam.before("blob_stage.put", subject).await?;
        let result = match distortion {
            Some(Distortion::Partial { .. }) => match collect(content).await {
                Ok(bytes) => {
                    let broken = broken_off(bytes, ErrorKind::Unavailable, "blob_stage.put");
                    self.inner.put(name, broken).await
                }
                Err(error) => Err(error),
            },
            Some(Distortion::Repeated) => match collect(content).await {
                Ok(bytes) => {
                    let first = self.inner.put(name, byte_stream(bytes.clone())).await;
                    if let Ok(receipt) = &first {
                        self.seam.show(&call, Seen::Put(receipt));
                    }
                    self.inner.put(name, byte_stream(bytes)).await
                }
                Err(error) => Err(error),
            },
            _ => self.inner.put(name, content).await,
        };
        if let Ok(receipt) = &result {
            self.seam.show(&call, Seen::Put(receipt));
        }
        self.seam.after(&call, result).await
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        let subject = Subject::Blob(name.clone());
        let (call, distortion) = self.seam.before("blob_stage.get", subject).await?;
        let mut result = self.inner.get(name).await;
        if let (Some(Distortion::Damaged { dice }), Ok(read)) = (distortion, &mut result) {
            // A reader that checks the hash sees damage as an error at the end of the bytes.
            let kind = if dice.is_multiple_of(2) {
                ErrorKind::Unavailable
            } else {
                ErrorKind::Corrupt
            };
            let content = std::mem::replace(&mut read.content, stream::empty().boxed());
            read.content = match collect(content).await {
                Ok(bytes) => broken_off(bytes, kind, "blob_stage.get"),
                Err(error) => stream::iter([Err(error)]).boxed(),
            };
        }
        self.seam.after(&call, result).await
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        let subject = Subject::Blob(name.clone());
        let (call, _) = self.seam.before("blob_stage.head", subject).await?;
        let result = self.inner.head(name).await;
        self.seam.after(&call, result).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        let subject = Subject::Blobs(prefix.to_owned());
        let (call, _) = self.seam.before("blob_stage.list", subject).await?;
        let result = self.inner.list(prefix, after, max).await;
        self.seam.after(&call, result).await
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        let subject = Subject::Blob(name.clone());
        let (call, _) = self.seam.before("blob_stage.delete", subject).await?;
        let result = self.inner.delete(name).await;
        if let Ok(true) = result {
            self.seam.show(&call, Seen::Deleted(name));
        }
        self.seam.after(&call, result).await
    }
}

async fn collect(content: ByteStream) -> Result<Bytes, PortError> {
    let chunks: Vec<Bytes> = content.try_collect().await?;
    Ok(chunks.concat().into())
}

/// The first half of `bytes`, then an error.
fn broken_off(mut bytes: Bytes, kind: ErrorKind, operation: &'static str) -> ByteStream {
    bytes.truncate(bytes.len() / 2);
    let error = PortError::new(kind, operation).with_detail("the transfer broke off");
    stream::iter([Ok(bytes), Err(error)]).boxed()
}
