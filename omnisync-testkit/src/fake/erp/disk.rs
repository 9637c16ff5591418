//! What an ERP in a folder keeps: a package that was taken, and how an import ended.
//!
//! `<package>.<execution>.<project>.zip` is a package, `<package>.<execution>.<end>.json` the
//! outcome of its import; packages and ends are counted, projects are hashed. The ERP knows an
//! import while its package is there. A file is either complete or absent.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{ExecutionId, Sha256};

use super::execution::Outcome;

#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

/// A package on disk.
#[derive(Debug)]
pub(super) struct PackageFile {
    pub(super) package: u64,
    pub(super) execution: ExecutionId,
    pub(super) project: Sha256,
    pub(super) path: PathBuf,
}

/// An outcome on disk.
#[derive(Debug)]
pub(super) struct OutcomeFile {
    pub(super) package: u64,
    pub(super) execution: ExecutionId,
    pub(super) end: u64,
    pub(super) path: PathBuf,
}

impl Disk {
    /// Opens the folder, and makes it if need be.
    pub(super) fn open(folder: PathBuf) -> Result<Self, PortError> {
        let disk = Self { folder };
        fs::create_dir_all(&disk.folder).map_err(|error| disk.error("open", error))?;
        Ok(disk)
    }

    /// Packages in the order in which they were taken, and outcomes in the order in which the
    /// imports ended. Other files, such as those that a killed process left, do not count.
    pub(super) fn list(&self) -> Result<(Vec<PackageFile>, Vec<OutcomeFile>), PortError> {
        let failed = |error| self.error("list", error);
        let (mut packages, mut outcomes) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let parts: Vec<&str> = name.unwrap_or_default().split('.').collect();
            let &[package, execution, part, extension] = parts.as_slice() else {
                continue;
            };
            let (Ok(package), Ok(execution)) = (package.parse(), execution.parse()) else {
                continue;
            };
            match (extension, part.parse(), part.parse()) {
                ("zip", Ok(project), _) => packages.push(PackageFile {
                    package,
                    execution,
                    project,
                    path,
                }),
                ("json", _, Ok(end)) => outcomes.push(OutcomeFile {
                    package,
                    execution,
                    end,
                    path,
                }),
                _ => {}
            }
        }
        packages.sort_by_key(|file| file.package);
        outcomes.sort_by_key(|file| file.end);
        Ok((packages, outcomes))
    }

    pub(super) fn store_package(
        &self,
        package: u64,
        execution: ExecutionId,
        project: Sha256,
        content: &[u8],
    ) -> Result<(), PortError> {
        let name = format!("{package:010}.{execution}.{project}.zip");
        self.store(&self.folder.join(name), |file| file.write_all(content))
    }

    pub(super) fn load_package(&self, path: &Path) -> Result<Vec<u8>, PortError> {
        fs::read(path).map_err(|error| self.error("read", error))
    }

    /// Keeps an outcome and says where.
    pub(super) fn store_outcome(
        &self,
        package: u64,
        execution: ExecutionId,
        end: u64,
        outcome: &Outcome,
    ) -> Result<PathBuf, PortError> {
        let name = format!("{package:010}.{execution}.{end:010}.json");
        let path = self.folder.join(name);
        self.store(&path, |file| {
            let mut buffered = BufWriter::new(file);
            serde_json::to_writer(&mut buffered, outcome)?;
            buffered.flush()
        })?;
        Ok(path)
    }

    pub(super) fn load_outcome(&self, path: &Path) -> Result<Outcome, PortError> {
        let text = fs::read(path).map_err(|error| self.error("read", error))?;
        serde_json::from_slice(&text).map_err(|error| self.error("read", error.into()))
    }

    /// Removes the packages of an import, the newest last: what is left of a removal that was
    /// cut short is an import that the ERP still knows.
    pub(super) fn forget(&self, execution: ExecutionId) -> Result<(), PortError> {
        let (packages, _) = self.list()?;
        for file in packages.iter().filter(|file| file.execution == execution) {
            fs::remove_file(&file.path).map_err(|error| self.error("remove from", error))?;
        }
        self.sync().map_err(|error| self.error("sync", error))
    }

    /// Writes a file so that it is complete or absent, whenever the process dies.
    fn store(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), PortError> {
        let unfinished = path.with_extension("unfinished");
        let steps = || {
            let mut file = File::create(&unfinished)?;
            write(&mut file)?;
            file.sync_all()?;
            fs::rename(&unfinished, path)?;
            self.sync()
        };
        steps().map_err(|error| self.error("write to", error))
    }

    /// Makes renames and removals last, where folders can be synced.
    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    fn error(&self, what: &str, error: io::Error) -> PortError {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorKind::Denied
            }
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
            _ => ErrorKind::Internal,
        };
        PortError::new(kind, "erp.disk")
            .with_detail(format!("cannot {what} {}", self.folder.display()))
            .with_source(error)
    }
}
