//! The folder on disk: what lies where, and the one section that publishes and removes.
//!
//! ```text
//! packages/
//!   order-1.zip              content
//!   order-1.zip.meta.json    sidecar: length and hash; the blob exists when this exists
//!   .omnisync/
//!     publish.lock           held while a blob is published or removed
//!     staging/<instance>/    content on its way in; `alive.lock` is held by its process
//! ```

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use omnisync_core::id::{BlobName, Sha256};
use omnisync_core::port::IdSource as _;
use thiserror::Error;

use super::wire::{self, Sidecar};
use crate::file::{self, FileError};
use crate::{SystemIds, durable};

/// Why a sidecar, or the blob behind it, cannot be used.
#[derive(Debug, Error)]
pub(super) enum FolderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "the sidecar {} is unreadable; restore it, or remove it and the blob so that the blob is \
         built again",
        .path.display()
    )]
    Sidecar {
        path: PathBuf,
        source: Option<serde_json::Error>,
    },
    #[error(
        "{} does not have the {expected} bytes that were stored; restore it, or remove it and its \
         sidecar so that it is built again",
        .path.display()
    )]
    Length { path: PathBuf, expected: u64 },
    #[error(
        "{} does not have the hash {expected} of what was stored; restore it, or remove it and \
         its sidecar so that it is built again",
        .path.display()
    )]
    Hash { path: PathBuf, expected: Sha256 },
}

/// A folder that is open for reading and writing.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    lock: PathBuf,
    staging: PathBuf,
    /// Keeps the staging folder of this instance from being taken for one of a dead process.
    _alive: File,
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self, FileError> {
        create_folder(root)?;
        let root = root
            .canonicalize()
            .map_err(FileError::at("resolve", root))?;
        let own = root.join(".omnisync");
        create_folder(&own)?;
        let all_staging = own.join("staging");
        create_folder(&all_staging)?;
        let lock = own.join("publish.lock");
        let section = enter(&lock)?;
        remove_dead_staging(&all_staging)?;
        let staging = all_staging.join(SystemIds.unique().simple().to_string());
        create_folder(&staging)?;
        let alive = open_lock(&staging.join("alive.lock"))?;
        alive.lock().map_err(FileError::at("lock", &staging))?;
        drop(section);
        durable::sync_folder_of(&own).map_err(FileError::at("sync the folder of", &own))?;
        Ok(Self {
            root,
            lock,
            staging,
            _alive: alive,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Folder for content on its way in, of this instance alone.
    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    /// Path of the content of `name`.
    pub(super) fn content(&self, name: &BlobName) -> PathBuf {
        self.root.join(wire::content_file(name))
    }

    fn sidecar(&self, name: &BlobName) -> PathBuf {
        self.root.join(wire::sidecar_file(name))
    }

    /// True when there is a blob: a sidecar and the content that it describes. Content that
    /// somebody took away leaves no blob, so its name can be put again.
    pub(super) fn exists(&self, name: &BlobName) -> Result<bool, FileError> {
        Ok(is_there(&self.sidecar(name))? && is_there(&self.content(name))?)
    }

    /// Reads the sidecar of `name`, if there is one.
    pub(super) fn describe(&self, name: &BlobName) -> Result<Option<Sidecar>, FolderError> {
        let path = self.sidecar(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at("read", &path)(error).into()),
        };
        match serde_json::from_slice::<Sidecar>(&text) {
            Ok(sidecar) if sidecar.name == *name => Ok(Some(sidecar)),
            Ok(_) => Err(FolderError::Sidecar { path, source: None }),
            Err(source) => Err(FolderError::Sidecar {
                path,
                source: Some(source),
            }),
        }
    }

    /// Reads the sidecar of `name` and compares it with the length of the content. `None` also
    /// when the content was taken away.
    pub(super) fn head(&self, name: &BlobName) -> Result<Option<Sidecar>, FolderError> {
        let Some(sidecar) = self.describe(name)? else {
            return Ok(None);
        };
        let path = self.content(name);
        let length = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::at("look at", &path)(error).into()),
        };
        if length == Some(sidecar.bytes) {
            return Ok(Some(sidecar));
        }
        // Somebody may have removed the blob between the two looks.
        if self.describe(name)?.as_ref() != Some(&sidecar) {
            return self.head(name);
        }
        match length {
            None => Ok(None),
            Some(_) => Err(FolderError::Length {
                path,
                expected: sidecar.bytes,
            }),
        }
    }

    /// Gives durable, staged content its name; false when the name is taken.
    ///
    /// Content without a sidecar is what a process left that was killed in here, since nobody
    /// else is in this section: the rename replaces it.
    pub(super) fn publish(&self, staged: &Path, sidecar: &Sidecar) -> Result<bool, FileError> {
        let section = enter(&self.lock)?;
        if self.exists(&sidecar.name)? {
            return Ok(false);
        }
        let content = self.content(&sidecar.name);
        // A sidecar without content must not come to describe the content of this put.
        let stale = self.sidecar(&sidecar.name);
        if durable::remove(&stale)? {
            durable::sync_folder_of(&stale).map_err(FileError::at("sync the folder of", &stale))?;
        }
        fs::rename(staged, &content).map_err(FileError::at("create", &content))?;
        let text = serde_json::to_vec(sidecar)
            .map_err(|error| FileError::at("render the sidecar of", &content)(error.into()))?;
        let described = durable::sync_folder_of(&content)
            .map_err(FileError::at("sync the folder of", &content))
            .and_then(|()| {
                let staged = file::with_suffix(staged, ".meta.json");
                durable::replace(&self.sidecar(&sidecar.name), &staged, &text)
            });
        if described.is_err() && !matches!(self.exists(&sidecar.name), Ok(true)) {
            // Content without sidecar is harmless; removing it gives its space back.
            if let Err(error) = durable::remove(&content) {
                tracing::debug!(%error, "an unfinished blob stays until its name is put again");
            }
        }
        drop(section);
        described.map(|()| true)
    }

    /// Removes a blob, the sidecar first, and says whether there was one.
    pub(super) fn remove(&self, name: &BlobName) -> Result<bool, FileError> {
        let section = enter(&self.lock)?;
        let sidecar = self.sidecar(name);
        let existed = durable::remove(&sidecar)?;
        if existed {
            durable::sync_folder_of(&sidecar)
                .map_err(FileError::at("sync the folder of", &sidecar))?;
        }
        let had_content = durable::remove(&self.content(name))?;
        drop(section);
        Ok(existed && had_content)
    }

    /// The first `max` names in order that begin with `prefix` and come after `after`.
    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&BlobName>,
        max: usize,
    ) -> Result<Vec<BlobName>, FileError> {
        let list = || FileError::at("list", &self.root);
        let mut names = std::collections::BTreeSet::new();
        for entry in fs::read_dir(&self.root).map_err(list())? {
            let file = entry.map_err(list())?.file_name();
            let Some(name) = file.to_str().and_then(wire::name_of_sidecar) else {
                continue;
            };
            let is_asked =
                name.as_str().starts_with(prefix) && after.is_none_or(|after| name > *after);
            if is_asked && is_there(&self.content(&name))? {
                names.insert(name);
                if names.len() > max {
                    names.pop_last();
                }
            }
        }
        Ok(names.into_iter().collect())
    }
}

fn is_there(path: &Path) -> Result<bool, FileError> {
    path.try_exists().map_err(FileError::at("look for", path))
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind is removed when the folder is opened the next time.
        if let Err(error) = fs::remove_dir_all(&self.staging) {
            tracing::debug!(%error, "the staging folder stays until the next start");
        }
    }
}

/// Waits for the section; dropping the file leaves it.
fn enter(lock: &Path) -> Result<File, FileError> {
    let file = open_lock(lock)?;
    file.lock().map_err(FileError::at("lock", lock))?;
    Ok(file)
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(FileError::at("open", path))
}

fn create_folder(path: &Path) -> Result<(), FileError> {
    match fs::create_dir(path) {
        Ok(()) => durable::sync_folder_of(path).map_err(FileError::at("sync the folder of", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if path.is_dir() {
                return Ok(());
            }
            Err(FileError::at("open as a folder", path)(
                io::ErrorKind::NotADirectory.into(),
            ))
        }
        Err(error) => Err(FileError::at("create the folder", path)(error)),
    }
}

/// Removes the staging folders whose processes are gone: their lock is free.
fn remove_dead_staging(all: &Path) -> Result<(), FileError> {
    for entry in fs::read_dir(all).map_err(FileError::at("list", all))? {
        let folder = entry.map_err(FileError::at("list", all))?.path();
        let alive = open_lock(&folder.join("alive.lock"));
        if alive.is_ok_and(|lock| lock.try_lock().is_ok())
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::debug!(%error, "a staging folder of a dead process stays");
        }
    }
    Ok(())
}
