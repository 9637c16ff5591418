use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use omnisync_core::error::PortError;
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{
    BlobRead, BlobReceipt, BlobStage, BlobStageCapability, ByteStream, byte_stream,
};
use omnisync_testkit::contract::blob_stage::clauses;
use omnisync_testkit::fake::{MemoryBlobStage, MemoryBlobStageOptions};

use super::caught;
use crate::fixture::Stage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    PutOverwrites,
    ReceiptOfNothing,
    KeepsTornBlobs,
    AbsentIsEmpty,
    SwallowsCorruption,
    ListsBackwards,
    DeleteAlwaysFinds,
    KeepsFirstChunk,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryBlobStage,
    bug: Bug,
}

#[async_trait]
impl BlobStage for Broken {
    fn capability(&self) -> BlobStageCapability {
        self.inner.capability()
    }

    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        let content = match self.bug {
            Bug::PutOverwrites => {
                let chunks: Vec<Bytes> = content.try_collect().await?;
                self.inner.delete(name).await?;
                byte_stream(chunks.concat())
            }
            Bug::KeepsTornBlobs => {
                let whole = content.take_while(|chunk| std::future::ready(chunk.is_ok()));
                whole.boxed()
            }
            Bug::KeepsFirstChunk => content.take(1).boxed(),
            _ => content,
        };
        let mut receipt = self.inner.put(name, content).await?;
        if self.bug == Bug::ReceiptOfNothing {
            receipt.sha256 = Sha256::of(b"");
        }
        Ok(receipt)
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        match self.inner.get(name).await {
            Ok(BlobRead { receipt, content }) if self.bug == Bug::SwallowsCorruption => {
                let content = content
                    .filter(|chunk| std::future::ready(chunk.is_ok()))
                    .boxed();
                Ok(BlobRead { receipt, content })
            }
            Err(_) if self.bug == Bug::AbsentIsEmpty => {
                let receipt = BlobReceipt {
                    name: name.clone(),
                    bytes: 0,
                    sha256: Sha256::of(b""),
                };
                Ok(BlobRead {
                    receipt,
                    content: stream::empty().boxed(),
                })
            }
            other => other,
        }
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        self.inner.head(name).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        let mut names = self.inner.list(prefix, after, max).await?;
        if self.bug == Bug::ListsBackwards {
            names.reverse();
        }
        Ok(names)
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        Ok(self.inner.delete(name).await? || self.bug == Bug::DeleteAlwaysFinds)
    }
}

#[track_caller]
fn check(bug: Bug, want: &str) {
    let broken = || {
        let mut stage = Stage::new(MemoryBlobStageOptions::default());
        stage.wrap = Box::new(move |inner| Arc::new(Broken { inner, bug }));
        stage
    };
    caught(clauses(), broken, want);
}

#[test]
fn a_sound_stage_passes() {
    caught(
        clauses(),
        || Stage::new(MemoryBlobStageOptions::default()),
        "",
    );
}

#[test]
fn an_acknowledgement_before_durability_is_caught() {
    let forgetful = || {
        let mut stage = Stage::new(MemoryBlobStageOptions::default());
        stage.forgets = true;
        stage
    };
    caught(clauses(), forgetful, "c01");
}

#[test]
fn a_put_that_overwrites_is_caught() {
    check(Bug::PutOverwrites, "c02 c03");
}

#[test]
fn a_wrong_receipt_is_caught() {
    check(Bug::ReceiptOfNothing, "c01 c02 c04 c10");
}

#[test]
fn a_torn_blob_is_caught() {
    check(Bug::KeepsTornBlobs, "c05");
}

#[test]
fn an_absent_blob_that_reads_as_empty_is_caught() {
    check(Bug::AbsentIsEmpty, "c05 c06");
}

#[test]
fn swallowed_corruption_is_caught() {
    check(Bug::SwallowsCorruption, "c07");
}

#[test]
fn a_list_in_another_order_is_caught() {
    check(Bug::ListsBackwards, "c08");
}

#[test]
fn a_delete_that_always_finds_is_caught() {
    check(Bug::DeleteAlwaysFinds, "c09");
}

#[test]
fn a_stage_that_keeps_one_chunk_is_caught() {
    check(Bug::KeepsFirstChunk, "c05 c10");
}
