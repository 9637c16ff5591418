//! Writing: at once, or in blocks that become a blob together.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use omnisync_core::id::BlobName;
use omnisync_core::port::{BlobReceipt, ByteStream};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::HttpError;
use uuid::Uuid;

use super::block::{Block, Blocks, Summary};
use super::client::{BlobClient, Step};
use super::read;
use super::refusal::{is_taken, is_without_blocks, refused};

/// Most blocks that a blob can have.
pub(super) const BLOCKS_MAX: u32 = 50_000;

pub(super) async fn put(
    client: &Arc<BlobClient>,
    name: &BlobName,
    content: ByteStream,
) -> Result<BlobReceipt, PortError> {
    let settings = &client.settings;
    let put = client.ids.unique();
    let mut blocks = Blocks::new(
        content,
        name.clone(),
        settings.block_bytes,
        settings.blob_bytes_max,
    );
    let first = blocks.next().await?;
    let (step, summary, result) = if let Some(summary) = first.end {
        let result = client.put(name, put, first.content, &summary).await;
        (Step::Put, summary, result)
    } else {
        // Who comes second would upload everything in vain.
        if read::exists(client, name).await? {
            return Err(taken(Step::StageBlock, name));
        }
        let (count, summary) = stage(client, name, put, first, blocks).await?;
        let ids: Vec<String> = (0..count).map(|index| block_id(put, index)).collect();
        let result = client.commit(name, put, &ids, &summary).await;
        (Step::Commit, summary, result)
    };
    let receipt = BlobReceipt {
        name: name.clone(),
        bytes: summary.bytes,
        sha256: summary.sha256,
    };
    match result {
        Ok(()) => Ok(receipt),
        Err(error) => settle(client, step, put, receipt, error).await,
    }
}

/// What came of a write that was not answered with success.
async fn settle(
    client: &Arc<BlobClient>,
    step: Step,
    put: Uuid,
    receipt: BlobReceipt,
    error: HttpError,
) -> Result<BlobReceipt, PortError> {
    let lost = is_without_blocks(&error);
    if !lost && !is_taken(&error) {
        return Err(refused(step, error));
    }
    let name = &receipt.name;
    // An earlier attempt may be what is in the way of the last one.
    if (lost || error.is_effect_open()) && read::put_of(client, name).await? == Some(put) {
        return Ok(receipt);
    }
    if lost && !read::exists(client, name).await? {
        let what = "the blocks are gone, since somebody else wrote the name meanwhile: put again";
        return Err(error
            .explained(ErrorKind::Unavailable, what)
            .into_port(step.operation())
            .without_effect());
    }
    Err(taken(step, name))
}

fn taken(step: Step, name: &BlobName) -> PortError {
    step.error(ErrorKind::AlreadyExists, format!("there is a {name}"))
}

/// Uploads all blocks, some at a time. What is uploaded belongs to no blob until it is committed,
/// and vanishes by itself when it never is.
async fn stage(
    client: &Arc<BlobClient>,
    name: &BlobName,
    put: Uuid,
    first: Block,
    blocks: Blocks,
) -> Result<(u32, Summary), PortError> {
    let rest = stream::try_unfold(Some(blocks), |blocks| async move {
        let Some(mut blocks) = blocks else {
            return Ok::<_, PortError>(None);
        };
        let block = blocks.next().await?;
        let left = block.end.is_none().then_some(blocks);
        Ok(Some((block, left)))
    });
    let all = stream::once(ready(Ok(first))).chain(rest);
    let numbered = all.zip(stream::iter(0_u32..));
    let uploads = numbered.map(|(block, index)| {
        let (client, name) = (Arc::clone(client), name.clone());
        block.map(|block| upload(client, name, block_id(put, index), block).boxed())
    });
    let mut uploads = pin!(uploads.try_buffer_unordered(client.settings.parallel_blocks_max));
    let (mut count, mut summary) = (0, None);
    while let Some(end) = uploads.try_next().await? {
        count += 1;
        summary = summary.or(end);
    }
    let summary = summary.ok_or_else(|| {
        Step::StageBlock.error(ErrorKind::Internal, "the content has no last block")
    })?;
    Ok((count, summary))
}

async fn upload(
    client: Arc<BlobClient>,
    name: BlobName,
    id: String,
    block: Block,
) -> Result<Option<Summary>, PortError> {
    client
        .stage_block(&name, &id, block.content)
        .await
        .map_err(|error| refused(Step::StageBlock, error.without_effect()))?;
    Ok(block.end)
}

/// The name of a block: those of one blob must be equally long, and not be those of another
/// `put` to the same name.
fn block_id(put: Uuid, index: u32) -> String {
    let mut bytes = put.as_bytes().to_vec();
    bytes.extend_from_slice(&index.to_be_bytes());
    STANDARD.encode(bytes)
}
