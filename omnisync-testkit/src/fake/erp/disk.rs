//! What an ERP in a folder keeps: `<execution>.zip` is a package that was taken,
//! `<execution>.json` how its import ended. A file is either complete or absent.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::ExecutionId;
use omnisync_core::port::ImportStatus;
use serde::{Deserialize, Serialize};

use super::execution::{Ended, Execution, ImportedRecord, Stage};

#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Outcome {
    status: String,
    records: Vec<ImportedRecord>,
}

impl Disk {
    /// Opens the folder and reads which imports it knows.
    pub(super) fn open(
        folder: PathBuf,
    ) -> Result<(Self, Vec<(ExecutionId, Execution)>), PortError> {
        let disk = Self { folder };
        fs::create_dir_all(&disk.folder).map_err(|error| disk.error("open", error))?;
        let mut executions = Vec::new();
        let entries = fs::read_dir(&disk.folder).map_err(|error| disk.error("open", error))?;
        for entry in entries {
            let path = entry.map_err(|error| disk.error("open", error))?.path();
            if path.extension().is_none_or(|extension| extension != "zip") {
                continue;
            }
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let Some((id, project)) = stem.split_once('.') else {
                continue;
            };
            let (Ok(id), Some(project)) = (id.parse::<ExecutionId>(), from_hex(project)) else {
                continue;
            };
            executions.push((id, disk.load(id, project, &path)?));
        }
        executions.sort_by_key(|(id, _)| *id);
        Ok((disk, executions))
    }

    fn load(&self, id: ExecutionId, project: String, zip: &Path) -> Result<Execution, PortError> {
        if self.outcome_path(id).exists() {
            let outcome = self.load_outcome(id)?;
            let status = match outcome.status.as_str() {
                "Succeeded" => ImportStatus::Succeeded,
                "PartiallySucceeded" => ImportStatus::PartiallySucceeded,
                _ => ImportStatus::Failed,
            };
            return Ok(Execution {
                project,
                stage: Stage::Ended(Ended {
                    status,
                    records: None,
                }),
            });
        }
        let content = fs::read(zip).map_err(|error| self.error("read", error))?;
        Ok(Execution::queued(project, content.into()))
    }

    pub(super) fn store_taken(
        &self,
        id: ExecutionId,
        execution: &Execution,
    ) -> Result<(), PortError> {
        let Stage::Queued { content, .. } = &execution.stage else {
            return Ok(());
        };
        let name = format!("{id}.{}.zip", to_hex(&execution.project));
        self.store(&self.folder.join(name), |file| file.write_all(content))
    }

    pub(super) fn store_ended(&self, id: ExecutionId, ended: &Ended) -> Result<(), PortError> {
        let outcome = Outcome {
            status: ended.status.as_str().to_owned(),
            records: ended.records.as_deref().unwrap_or_default().to_vec(),
        };
        self.store(&self.outcome_path(id), |file| {
            let mut buffered = BufWriter::new(file);
            serde_json::to_writer(&mut buffered, &outcome)?;
            buffered.flush()
        })
    }

    pub(super) fn load_records(&self, id: ExecutionId) -> Result<Arc<[ImportedRecord]>, PortError> {
        Ok(self.load_outcome(id)?.records.into())
    }

    fn load_outcome(&self, id: ExecutionId) -> Result<Outcome, PortError> {
        let file = File::open(self.outcome_path(id)).map_err(|error| self.error("read", error))?;
        serde_json::from_reader(BufReader::new(file))
            .map_err(|error| self.error("read", error.into()))
    }

    fn outcome_path(&self, id: ExecutionId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
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
            File::open(&self.folder)?.sync_all()
        };
        steps().map_err(|error| self.error("write", error))
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

/// Project names are free text, file names are not.
fn to_hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}
