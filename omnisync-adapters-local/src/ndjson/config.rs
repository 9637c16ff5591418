use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use omnisync_core::port::Clock;
use omnisync_core::{ErrorKind, PortError};
use serde::{Deserialize, Serialize};

use super::reader::Input;
use super::source::NdjsonSource;
use crate::file::FileError;

const OPEN: &str = "event_source.open";

/// What a [`NdjsonSource`] reads and where it keeps its place and its dead letters.
///
/// ```
/// use std::sync::Arc;
///
/// use omnisync_adapters_local::{NdjsonConfig, SystemClock};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("events.ndjson");
/// std::fs::write(&path, "{}\n")?;
/// let source = NdjsonConfig::new(path)
///     .with_dead_letter_path(folder.path().join("dead-letters.ndjson"))
///     .open(Arc::new(SystemClock))?;
/// # drop(source);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NdjsonConfig {
    /// The file to read; `-` is standard input.
    pub path: PathBuf,
    /// File that remembers how far everything is settled. Its folder must exist. Default none:
    /// every run begins at the start.
    #[serde(default)]
    pub checkpoint_path: Option<PathBuf>,
    /// Settlements between two checkpoints. Default 1,000.
    #[serde(default = "defaults::checkpoint_every")]
    pub checkpoint_every: u32,
    /// File that dead letters are appended to. Its folder must exist. Default none: dead letters
    /// are refused as `Unsupported`.
    #[serde(default)]
    pub dead_letter_path: Option<PathBuf>,
    /// Longest line that is delivered whole, in bytes. Default 1,048,576 (1 MiB).
    #[serde(default = "defaults::line_bytes_max")]
    pub line_bytes_max: usize,
    /// Bodies that are handed out and not settled, in bytes, before no new lines are handed
    /// out. Default 268,435,456 (256 MiB).
    #[serde(default = "defaults::unsettled_bytes_max")]
    pub unsettled_bytes_max: usize,
}

mod defaults {
    pub(super) const fn checkpoint_every() -> u32 {
        1_000
    }
    pub(super) const fn line_bytes_max() -> usize {
        1_024 * 1_024
    }
    pub(super) const fn unsettled_bytes_max() -> usize {
        256 * 1_024 * 1_024
    }
}

impl NdjsonConfig {
    /// Path that stands for standard input.
    pub const STDIN: &'static str = "-";

    /// Reads the file at `path`, everything else as documented on the fields.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            checkpoint_path: None,
            checkpoint_every: defaults::checkpoint_every(),
            dead_letter_path: None,
            line_bytes_max: defaults::line_bytes_max(),
            unsettled_bytes_max: defaults::unsettled_bytes_max(),
        }
    }

    /// Reads standard input.
    pub fn stdin() -> Self {
        Self::new(Self::STDIN)
    }

    /// Sets [`Self::checkpoint_path`].
    #[must_use]
    pub fn with_checkpoint_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint_path = Some(path.into());
        self
    }

    /// Sets [`Self::checkpoint_every`].
    #[must_use]
    pub fn with_checkpoint_every(mut self, settlements: u32) -> Self {
        self.checkpoint_every = settlements;
        self
    }

    /// Sets [`Self::dead_letter_path`].
    #[must_use]
    pub fn with_dead_letter_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.dead_letter_path = Some(path.into());
        self
    }

    /// Sets [`Self::line_bytes_max`].
    #[must_use]
    pub fn with_line_bytes_max(mut self, bytes: usize) -> Self {
        self.line_bytes_max = bytes;
        self
    }

    /// Sets [`Self::unsettled_bytes_max`].
    #[must_use]
    pub fn with_unsettled_bytes_max(mut self, bytes: usize) -> Self {
        self.unsettled_bytes_max = bytes;
        self
    }

    /// Opens the input and the dead-letter file, whose torn last line is repaired.
    ///
    /// # Errors
    /// `Invalid` for a setting out of range or a missing file or folder; `Denied`, `Exhausted`
    /// and `Unavailable` as the operating system says; `Corrupt` for an unreadable checkpoint.
    pub fn open(self, clock: Arc<dyn Clock>) -> Result<NdjsonSource, PortError> {
        if self.path == Path::new(Self::STDIN) {
            return self.open_reader(clock, io::stdin());
        }
        let file = File::open(&self.path)
            .map_err(|error| FileError::at("open", &self.path)(error).port(OPEN))?;
        let metadata = file
            .metadata()
            .map_err(|error| FileError::at("look at", &self.path)(error).port(OPEN))?;
        if metadata.is_dir() {
            let error = io::ErrorKind::IsADirectory.into();
            return Err(FileError::at("read", &self.path)(error).port(OPEN));
        }
        // A pipe has a path too, but neither length nor places to go to.
        let input = if metadata.is_file() {
            Input::File(file)
        } else {
            Input::Stream(Box::new(file))
        };
        self.start(clock, input)
    }

    /// Reads `input` instead of [`Self::path`]. Reading happens on a thread of its own, which
    /// ends with the input, or after the read at which it finds the source dropped.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_reader(
        self,
        clock: Arc<dyn Clock>,
        input: impl Read + Send + 'static,
    ) -> Result<NdjsonSource, PortError> {
        self.start(clock, Input::Stream(Box::new(input)))
    }

    fn start(&self, clock: Arc<dyn Clock>, input: Input) -> Result<NdjsonSource, PortError> {
        let same = |path: &Option<PathBuf>| path.as_ref() == Some(&self.path);
        let wrong = [
            (
                self.path.as_os_str().is_empty(),
                "path is empty; name the file, or - for input",
            ),
            (
                self.checkpoint_every == 0,
                "checkpoint_every is 0; give at least 1",
            ),
            (
                self.line_bytes_max == 0,
                "line_bytes_max is 0; give at least 1",
            ),
            (
                self.unsettled_bytes_max == 0,
                "unsettled_bytes_max is 0; give at least 1",
            ),
            (
                same(&self.dead_letter_path),
                "dead_letter_path is the input; name another file",
            ),
            (
                same(&self.checkpoint_path),
                "checkpoint_path is the input; name another file",
            ),
            (
                self.checkpoint_path.is_some() && self.checkpoint_path == self.dead_letter_path,
                "checkpoint_path and dead_letter_path are one file; name two",
            ),
        ];
        if let Some((_, what)) = wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            return Err(PortError::new(ErrorKind::Invalid, OPEN).with_detail(what));
        }
        NdjsonSource::start(self, clock, input)
    }
}
