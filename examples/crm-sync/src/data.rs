//! The folder of a run.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use omnisync_core::crm::SystemName;
use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_testkit::fake::crm::CrmDump;
use serde::{Deserialize, Serialize};

use crate::error::HostError;

/// Where the ledger and the two CRMs are kept. Nobody else works there until it is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    _lock: File,
    /// Removed with everything in it at the end, where nobody named a folder.
    _temporary: Option<tempfile::TempDir>,
}

/// The two CRMs while nobody runs them, and the rules.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Kept {
    /// What time it is in this world.
    pub(crate) now: DateTime<Utc>,
    pub(crate) policy: SyncPolicy,
    pub(crate) systems: BTreeMap<SystemName, CrmDump>,
}

impl DataFolder {
    /// A folder without a run: this one, or one that is gone afterwards.
    pub(crate) fn fresh(root: Option<&Path>) -> Result<Self, HostError> {
        let Some(root) = root else {
            let temporary = tempfile::Builder::new().prefix("crm-sync-").tempdir();
            let temporary = temporary.map_err(HostError::failed("make a temporary folder"))?;
            let root = temporary.path().to_owned();
            return Self::locked(root, Some(temporary));
        };
        fs::create_dir_all(root).map_err(HostError::io("make", root))?;
        let folder = Self::locked(root.to_owned(), None)?;
        if folder.state().exists() || folder.crms().exists() {
            return Err(HostError::Used(root.to_owned()));
        }
        Ok(folder)
    }

    /// The folder of a run that is over, and what it left.
    pub(crate) fn of_run(root: &Path) -> Result<(Self, Kept), HostError> {
        if !root.join(CRMS).exists() {
            return Err(HostError::Empty(root.to_owned()));
        }
        let folder = Self::locked(root.to_owned(), None)?;
        let path = folder.crms();
        let text = fs::read_to_string(&path).map_err(HostError::io("read", &path))?;
        let kept = serde_json::from_str(&text);
        let kept = kept.map_err(|source| HostError::Damaged { path, source })?;
        Ok((folder, kept))
    }

    fn locked(root: PathBuf, temporary: Option<tempfile::TempDir>) -> Result<Self, HostError> {
        let path = root.join("lock");
        let lock = File::create(&path).map_err(HostError::io("make", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                root,
                _lock: lock,
                _temporary: temporary,
            }),
            Err(TryLockError::WouldBlock) => Err(HostError::Occupied(root)),
            Err(TryLockError::Error(error)) => Err(HostError::io("lock", &path)(error)),
        }
    }

    /// The ledger.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.db")
    }

    fn crms(&self) -> PathBuf {
        self.root.join(CRMS)
    }

    /// Puts the CRMs on the disk, all at once or not at all.
    pub(crate) fn keep(&self, kept: &Kept) -> Result<(), HostError> {
        let path = self.crms();
        let unfinished = path.with_extension("unfinished");
        let write = || -> io::Result<()> {
            let mut file = File::create(&unfinished)?;
            serde_json::to_writer_pretty(io::BufWriter::new(&file), kept)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(HostError::io("write", &path))
    }
}

const CRMS: &str = "crms.json";
