//! Content, cut into blocks.

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::ByteStream;
use omnisync_core::{ErrorKind, PortError};
use sha2::Digest as _;

use super::client::Step;

/// What a whole content is, known at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) bytes: u64,
    pub(super) sha256: Sha256,
}

/// A piece of content; the last one knows the whole.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) content: Bytes,
    pub(super) end: Option<Summary>,
}

/// Cuts content into blocks of `block_bytes`, and the last one with what is left.
pub(super) struct Blocks {
    content: ByteStream,
    name: BlobName,
    block_bytes: usize,
    blob_bytes_max: u64,
    hasher: sha2::Sha256,
    bytes: u64,
    /// Read and not given away.
    kept: BytesMut,
}

impl Blocks {
    pub(super) fn new(
        content: ByteStream,
        name: BlobName,
        block_bytes: usize,
        blob_bytes_max: u64,
    ) -> Self {
        Self {
            content,
            name,
            block_bytes,
            blob_bytes_max,
            hasher: sha2::Sha256::new(),
            bytes: 0,
            kept: BytesMut::new(),
        }
    }

    /// The next block. Not to be called after the one that has an end.
    pub(super) async fn next(&mut self) -> Result<Block, PortError> {
        // A block is given away once something follows it, so that the last one is known.
        while self.kept.len() <= self.block_bytes {
            let Some(chunk) = self.content.try_next().await? else {
                let summary = Summary {
                    bytes: self.bytes,
                    sha256: Sha256::new(std::mem::take(&mut self.hasher).finalize().into()),
                };
                return Ok(Block {
                    content: self.kept.split().freeze(),
                    end: Some(summary),
                });
            };
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.bytes = self.bytes.saturating_add(length);
            if self.bytes > self.blob_bytes_max {
                return Err(self.too_large());
            }
            self.hasher.update(&chunk);
            self.kept.extend_from_slice(&chunk);
        }
        Ok(Block {
            content: self.kept.split_to(self.block_bytes).freeze(),
            end: None,
        })
    }

    fn too_large(&self) -> PortError {
        let detail = format!(
            "{} has more than the {} bytes of blob_bytes_max",
            self.name, self.blob_bytes_max
        );
        Step::Put.error(ErrorKind::TooLarge, detail)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::{StreamExt as _, stream};
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: Vec<Vec<u8>>, block_bytes: usize) -> (Vec<Bytes>, Summary) {
        let content = stream::iter(chunks.into_iter().map(|chunk| Ok(chunk.into()))).boxed();
        let name = BlobName::new("a").unwrap();
        let mut blocks = Blocks::new(content, name, block_bytes, u64::MAX);
        let mut all = Vec::new();
        loop {
            let block = block_on(blocks.next()).unwrap();
            all.push(block.content);
            if let Some(summary) = block.end {
                return (all, summary);
            }
        }
    }

    proptest! {
        #[test]
        fn blocks_are_full_but_the_last_and_together_the_content(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            block_bytes in 1_usize..50,
        ) {
            let whole = chunks.concat();
            let (blocks, summary) = cut(chunks, block_bytes);
            prop_assert_eq!(blocks.concat(), &whole[..]);
            let (last, full) = blocks.split_last().unwrap();
            prop_assert!(full.iter().all(|block| block.len() == block_bytes));
            prop_assert!(last.len() <= block_bytes && (full.is_empty() || !last.is_empty()));
            prop_assert_eq!(summary.bytes, whole.len() as u64);
            prop_assert_eq!(summary.sha256, Sha256::of(&whole));
        }
    }
}
