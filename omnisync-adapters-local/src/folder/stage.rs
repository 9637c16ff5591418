use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::{
    BlobRead, BlobReceipt, BlobStage, BlobStageCapability, ByteStream, IdSource as _,
};
use omnisync_core::{ErrorKind, PortError};
use sha2::Digest as _;

use super::engine::{Folder, FolderError};
use super::wire::{self, Sidecar};
use crate::file;
use crate::{SystemIds, blocking, durable};

const PUT: &str = "blob_stage.put";
const GET: &str = "blob_stage.get";
const HEAD: &str = "blob_stage.head";
const LIST: &str = "blob_stage.list";
const DELETE: &str = "blob_stage.delete";

/// Bytes that a `put` gathers before it writes them.
const PART_BYTES: usize = 1_024 * 1_024;

/// Write-once blobs in a folder of this machine, durable before they are acknowledged.
///
/// Several instances and processes may share the folder: publishing takes a lock on it.
#[derive(Debug)]
pub struct FolderBlobStage {
    folder: Arc<Folder>,
    contents: LocalFileSystem,
    staging: LocalFileSystem,
    blob_bytes_max: u64,
}

impl FolderBlobStage {
    pub(super) fn new(folder: Folder, blob_bytes_max: u64) -> Result<Self, PortError> {
        let open = |path: &Path| {
            LocalFileSystem::new_with_prefix(path)
                .map(|store| store.with_fsync(true))
                .map_err(|error| store_error("blob_stage.open", path, error))
        };
        let contents = open(folder.root())?;
        let staging = open(folder.staging())?;
        Ok(Self {
            folder: Arc::new(folder),
            contents,
            staging,
            blob_bytes_max,
        })
    }

    async fn work<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Folder) -> Result<T, FolderError> + Send + 'static,
    ) -> Result<T, PortError> {
        let folder = Arc::clone(&self.folder);
        blocking::run(operation, move || {
            work(&folder).map_err(|error| error.port(operation))
        })
        .await
    }

    /// Writes content to the staging folder, durably, and says what it is.
    async fn stage(
        &self,
        name: &BlobName,
        mut content: ByteStream,
    ) -> Result<(Staged, Sidecar), PortError> {
        let file = SystemIds.unique().simple().to_string();
        let staged = Staged(self.folder.staging().join(&file));
        let failed = |error| store_error(PUT, &staged.0, error);
        let location = object_store::path::Path::from(file);
        // Dropped before its completion, as when `content` fails, the upload removes its file.
        let mut upload = self
            .staging
            .put_multipart(&location)
            .await
            .map_err(failed)?;
        let mut hasher = sha2::Sha256::new();
        let mut bytes = 0_u64;
        let mut part = Vec::new();
        let mut part_bytes = 0;
        while let Some(chunk) = content.try_next().await? {
            bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if bytes > self.blob_bytes_max {
                return Err(
                    PortError::new(ErrorKind::TooLarge, PUT).with_detail(format!(
                        "{name} has more than the {} bytes of blob_bytes_max",
                        self.blob_bytes_max
                    )),
                );
            }
            hasher.update(&chunk);
            part_bytes += chunk.len();
            part.push(chunk);
            if part_bytes >= PART_BYTES {
                part_bytes = 0;
                write(upload.as_mut(), std::mem::take(&mut part))
                    .await
                    .map_err(failed)?;
            }
        }
        write(upload.as_mut(), part).await.map_err(failed)?;
        upload.complete().await.map_err(failed)?;
        let sha256 = Sha256::new(hasher.finalize().into());
        Ok((
            staged,
            Sidecar {
                name: name.clone(),
                bytes,
                sha256,
            },
        ))
    }

    /// Opens the content that belongs to the sidecar of `name`.
    async fn open(
        &self,
        name: &BlobName,
    ) -> Result<(Sidecar, BoxStream<'static, object_store::Result<Bytes>>), PortError> {
        let location = object_store::path::Path::from(wire::content_file(name));
        loop {
            let head = name.clone();
            let sidecar = self
                .work(GET, move |folder| folder.head(&head))
                .await?
                .ok_or_else(|| {
                    PortError::new(ErrorKind::NotFound, GET)
                        .with_detail(format!("there is no {name}"))
                })?;
            let opened = self.contents.get(&location).await;
            // The blob may have been removed, or removed and put again, between the two steps:
            // only content that was opened while its sidecar stood belongs to it.
            let again = name.clone();
            let now = self
                .work(GET, move |folder| folder.describe(&again))
                .await?;
            if now.as_ref() == Some(&sidecar) {
                let content =
                    opened.map_err(|error| store_error(GET, &self.folder.content(name), error))?;
                return Ok((sidecar, content.into_stream()));
            }
        }
    }
}

#[async_trait]
impl BlobStage for FolderBlobStage {
    fn capability(&self) -> BlobStageCapability {
        BlobStageCapability::new(true, self.blob_bytes_max)
    }

    async fn put(&self, name: &BlobName, content: ByteStream) -> Result<BlobReceipt, PortError> {
        let taken = || {
            PortError::new(ErrorKind::AlreadyExists, PUT)
                .with_detail(format!("{name} is stored already"))
        };
        let asked = name.clone();
        if self
            .work(PUT, move |folder| Ok(folder.exists(&asked)?))
            .await?
        {
            return Err(taken());
        }
        let (staged, sidecar) = self.stage(name, content).await?;
        let receipt = BlobReceipt::from(sidecar.clone());
        let is_new = self
            .work(PUT, move |folder| Ok(folder.publish(&staged.0, &sidecar)?))
            .await?;
        if is_new { Ok(receipt) } else { Err(taken()) }
    }

    async fn get(&self, name: &BlobName) -> Result<BlobRead, PortError> {
        let (sidecar, content) = self.open(name).await?;
        let path = self.folder.content(name);
        let content = verified(content, path, &sidecar);
        Ok(BlobRead {
            receipt: sidecar.into(),
            content,
        })
    }

    async fn head(&self, name: &BlobName) -> Result<Option<BlobReceipt>, PortError> {
        let name = name.clone();
        let sidecar = self.work(HEAD, move |folder| folder.head(&name)).await?;
        Ok(sidecar.map(BlobReceipt::from))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, PortError> {
        let prefix = prefix.to_owned();
        let after = after.cloned();
        self.work(LIST, move |folder| {
            Ok(folder.list(&prefix, after.as_ref(), max)?)
        })
        .await
    }

    async fn delete(&self, name: &BlobName) -> Result<bool, PortError> {
        let name = name.clone();
        self.work(DELETE, move |folder| Ok(folder.remove(&name)?))
            .await
    }
}

/// A file in the staging folder; dropping it removes the file unless it was published.
#[derive(Debug)]
struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = durable::remove(&self.0) {
            tracing::debug!(%error, "a staged file stays until the next start");
        }
    }
}

impl FolderError {
    fn port(self, operation: &'static str) -> PortError {
        match self {
            Self::File(error) => error.port(operation),
            Self::Sidecar { ref path, .. }
            | Self::Length { ref path, .. }
            | Self::Hash { ref path, .. } => {
                tracing::error!(path = %path.display(), "a staged blob is corrupt");
                let error =
                    PortError::new(ErrorKind::Corrupt, operation).with_detail(self.to_string());
                match self {
                    Self::Sidecar {
                        source: Some(source),
                        ..
                    } => error.with_source(source),
                    _ => error,
                }
            }
        }
    }
}

async fn write(upload: &mut dyn MultipartUpload, part: Vec<Bytes>) -> object_store::Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    upload.put_part(PutPayload::from_iter(part)).await
}

/// Compares length and hash while the content passes, and fails at the end if they differ.
fn verified(
    content: BoxStream<'static, object_store::Result<Bytes>>,
    path: PathBuf,
    sidecar: &Sidecar,
) -> ByteStream {
    let (bytes, sha256) = (sidecar.bytes, sidecar.sha256);
    let start = Some((content, sha2::Sha256::new(), 0_u64, path));
    stream::try_unfold(start, move |state| async move {
        let Some((mut content, mut hasher, seen, path)) = state else {
            return Ok(None);
        };
        let next = content
            .try_next()
            .await
            .map_err(|error| store_error(GET, &path, error))?;
        if let Some(chunk) = next {
            hasher.update(&chunk);
            let seen = seen.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if seen > bytes {
                return Err(FolderError::Length {
                    path,
                    expected: bytes,
                }
                .port(GET));
            }
            return Ok(Some((chunk, Some((content, hasher, seen, path)))));
        }
        if seen != bytes {
            Err(FolderError::Length {
                path,
                expected: bytes,
            }
            .port(GET))
        } else if Sha256::new(hasher.finalize().into()) != sha256 {
            Err(FolderError::Hash {
                path,
                expected: sha256,
            }
            .port(GET))
        } else {
            Ok(None)
        }
    })
    .boxed()
}

/// The operating system's refusal is somewhere in the chain of causes.
fn store_error(operation: &'static str, path: &Path, error: object_store::Error) -> PortError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(link) = cause {
        if let Some(refusal) = link.downcast_ref::<io::Error>() {
            let kind = file::kind_of(refusal);
            return PortError::new(kind, operation)
                .with_detail(format!("{}: {}", path.display(), file::advice(kind)))
                .with_source(error);
        }
        cause = link.source();
    }
    let kind = match &error {
        object_store::Error::PermissionDenied { .. } => ErrorKind::Denied,
        object_store::Error::NotFound { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    PortError::new(kind, operation)
        .with_detail(path.display().to_string())
        .with_source(error)
}
