use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use omnisync_core::dixf::Layout;

use crate::error::HostError;

/// The folder that a host works in.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

/// Proof that no other process works in the folder. The operating system lets go of it when the
/// process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Occupancy {
    _lock: File,
}

impl Workspace {
    /// Makes the folder if need be.
    pub(crate) fn create(root: &Path) -> Result<Self, HostError> {
        fs::create_dir_all(root).map_err(HostError::io("make the work folder", root))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// A folder that was worked in before.
    pub(crate) fn existing(root: &Path) -> Result<Self, HostError> {
        let workspace = Self {
            root: root.to_owned(),
        };
        if workspace.state().exists() {
            Ok(workspace)
        } else {
            Err(HostError::Empty(root.to_owned()))
        }
    }

    /// Keeps other processes out.
    pub(crate) fn occupy(&self) -> Result<Occupancy, HostError> {
        let path = self.root.join("lock");
        let lock = File::create(&path).map_err(HostError::io("make", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Occupancy { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(HostError::Occupied(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(HostError::io("lock", &path)(error)),
        }
    }

    /// Notes the layout of the folder, or checks that it is this one: packages that wait for the
    /// ERP were built with it.
    pub(crate) fn pin_layout(&self, layout: Layout) -> Result<(), HostError> {
        let path = self.root.join("layout");
        let wanted = match layout {
            Layout::Seed => "seed",
            _ => "dmf",
        };
        match fs::read_to_string(&path) {
            Ok(found) if found.trim() == wanted => Ok(()),
            Ok(found) if !found.trim().is_empty() => Err(HostError::OtherLayout {
                work: self.root.clone(),
                found: found.trim().to_owned(),
            }),
            // An empty file is what a process leaves that was killed right here.
            Ok(_) => write(&path, wanted),
            Err(error) if error.kind() == io::ErrorKind::NotFound => write(&path, wanted),
            Err(error) => Err(HostError::io("read", &path)(error)),
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.db")
    }

    pub(crate) fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    pub(crate) fn erp(&self) -> PathBuf {
        self.root.join("erp")
    }

    pub(crate) fn dead_letters(&self) -> PathBuf {
        self.root.join("dead-letters.ndjson")
    }

    pub(crate) fn generated(&self, orders: usize) -> PathBuf {
        self.root.join(format!("generated-{orders}.ndjson"))
    }
}

/// Writes a small file that is on the disk when this returns.
fn write(path: &Path, text: &str) -> Result<(), HostError> {
    let steps = || {
        let mut file = File::create(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    steps().map_err(HostError::io("write", path))
}
