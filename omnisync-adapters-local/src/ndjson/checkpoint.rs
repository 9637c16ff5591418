//! The file that remembers how far everything is settled.

use std::fs;
use std::io;
use std::path::PathBuf;

use omnisync_core::{ErrorKind, PortError};

use super::wire::Position;
use crate::durable;
use crate::file::{self, FileError};

/// Keeper of one checkpoint file. Writes only what differs from what it wrote last.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    saved: Option<Position>,
}

impl Checkpoint {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, saved: None }
    }

    /// Reads the place that an earlier run left.
    pub(super) fn load(&mut self) -> Result<Option<Position>, PortError> {
        const OPEN: &str = "event_source.open";
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at("read", &self.path)(error).port(OPEN)),
        };
        let position = serde_json::from_slice(&text).map_err(|error| {
            PortError::new(ErrorKind::Corrupt, OPEN)
                .with_detail(format!(
                    "{} is not a checkpoint; remove it to read the input from its start",
                    self.path.display()
                ))
                .with_source(error)
        })?;
        self.saved = Some(position);
        Ok(Some(position))
    }

    /// Replaces the file durably.
    pub(super) fn save(&mut self, position: Position) -> Result<(), FileError> {
        if self.saved == Some(position) {
            return Ok(());
        }
        let text = serde_json::to_vec(&position)
            .map_err(|error| FileError::at("render", &self.path)(error.into()))?;
        durable::replace(&self.path, &file::with_suffix(&self.path, ".tmp"), &text)?;
        self.saved = Some(position);
        Ok(())
    }

    /// Forgets the place, so that the next run over the input begins at its start.
    pub(super) fn clear(&mut self) -> Result<(), FileError> {
        self.saved = None;
        if durable::remove(&self.path)? {
            durable::sync_folder_of(&self.path)
                .map_err(FileError::at("sync the folder of", &self.path))?;
        }
        Ok(())
    }
}
