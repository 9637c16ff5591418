//! Reading: in ranges, each within the memory of a block, and checked at the end.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{BlobRead, BlobReceipt, ByteStream};
use omnisync_core::{ErrorKind, PortError};
use sha2::Digest as _;
use uuid::Uuid;

use super::client::{BlobClient, Step};
use super::refusal::{is_absent, refused};
use super::wire::{self, Stored, WireError};

/// A blob that no stage of ours wrote, or that was changed since.
fn corrupt(step: Step, name: &BlobName, error: WireError) -> PortError {
    step.error(
        ErrorKind::Corrupt,
        format!("{name} is not as a stage wrote it: put it by the stage, or remove it"),
    )
    .with_source(error)
}

pub(super) async fn head(
    client: &BlobClient,
    name: &BlobName,
) -> Result<Option<Stored>, PortError> {
    match client.head(name).await {
        Ok(answer) => wire::content_length(answer.headers())
            .and_then(|bytes| wire::stored(name, answer.headers(), bytes))
            .map(Some)
            .map_err(|error| corrupt(Step::Head, name, error)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(refused(Step::Head, error)),
    }
}

/// Whether the name is taken, by whatever it is.
pub(super) async fn exists(client: &BlobClient, name: &BlobName) -> Result<bool, PortError> {
    match client.head(name).await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(refused(Step::Head, error)),
    }
}

/// Which `put` wrote the blob, if one of ours did.
pub(super) async fn put_of(
    client: &BlobClient,
    name: &BlobName,
) -> Result<Option<Uuid>, PortError> {
    match head(client, name).await {
        Ok(stored) => Ok(stored
            .and_then(|stored| stored.put)
            .and_then(|put| put.parse().ok())),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn get(client: &Arc<BlobClient>, name: &BlobName) -> Result<BlobRead, PortError> {
    let step = Step::Get;
    let block_bytes = client.settings.block_bytes;
    let answer = match client.range(name, 0, block_bytes, None).await {
        Ok(answer) => answer,
        Err(error) if is_absent(&error) => return Err(absent(name)),
        // An empty blob has no range at all.
        Err(error) if error.status() == Some(http::StatusCode::RANGE_NOT_SATISFIABLE) => {
            let stored = head(client, name).await?.ok_or_else(|| absent(name))?;
            return Ok(verified(stream::empty(), stored.receipt));
        }
        Err(error) => return Err(refused(step, error)),
    };
    let stored = wire::whole_length(&answer)
        .and_then(|bytes| wire::stored(name, answer.headers(), bytes))
        .map_err(|error| corrupt(step, name, error))?;
    let first = answer.into_body();
    let start = u64::try_from(first.len()).unwrap_or(u64::MAX);
    let rest = ranges(client, name, &stored, start);
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    Ok(verified(first.chain(rest), stored.receipt))
}

fn absent(name: &BlobName) -> PortError {
    Step::Get.error(ErrorKind::NotFound, format!("there is no {name}"))
}

/// The content from `start` on, a few ranges ahead of whoever reads it.
fn ranges(
    client: &Arc<BlobClient>,
    name: &BlobName,
    stored: &Stored,
    start: u64,
) -> impl Stream<Item = Result<Bytes, PortError>> + Send + 'static {
    let (client, name, etag) = (Arc::clone(client), name.clone(), stored.etag.clone());
    let (bytes, block_bytes) = (stored.receipt.bytes, client.settings.block_bytes);
    let parallel = client.settings.parallel_blocks_max;
    let step = u64::try_from(block_bytes).unwrap_or(u64::MAX);
    let starts = std::iter::successors(Some(start), move |start| start.checked_add(step))
        .take_while(move |start| *start < bytes);
    stream::iter(starts)
        .map(move |start| {
            let (client, name, etag) = (Arc::clone(&client), name.clone(), etag.clone());
            async move {
                let left = usize::try_from(bytes - start).unwrap_or(usize::MAX);
                let answer = client
                    .range(&name, start, left.min(block_bytes), Some(&etag))
                    .await
                    .map_err(|error| moved(&name, error))?;
                Ok(answer.into_body())
            }
        })
        .buffered(parallel)
}

/// A range that could not be read.
fn moved(name: &BlobName, error: omnisync_http::HttpError) -> PortError {
    if is_absent(&error) {
        return absent(name);
    }
    if error.status() == Some(http::StatusCode::PRECONDITION_FAILED) {
        let what = "the blob was replaced while it was read: read it again";
        return error.explained(ErrorKind::Unavailable, what).into();
    }
    refused(Step::Get, error)
}

/// The content, with an error behind it when it was not what the receipt says.
fn verified(
    content: impl Stream<Item = Result<Bytes, PortError>> + Send + 'static,
    receipt: BlobReceipt,
) -> BlobRead {
    let want = receipt.clone();
    let state = (Box::pin(content), sha2::Sha256::new(), 0_u64);
    let content: ByteStream = stream::try_unfold(state, move |(mut content, mut hasher, bytes)| {
        let want = want.clone();
        async move {
            if let Some(chunk) = content.try_next().await? {
                hasher.update(&chunk);
                let bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                return Ok(Some((chunk, (content, hasher, bytes))));
            }
            if bytes == want.bytes && Sha256::new(hasher.finalize().into()) == want.sha256 {
                return Ok(None);
            }
            let what = format!(
                "the content of {} is not what was put: put it again under another name",
                want.name
            );
            Err(Step::Get.error(ErrorKind::Corrupt, what))
        }
    })
    .boxed();
    BlobRead { receipt, content }
}
