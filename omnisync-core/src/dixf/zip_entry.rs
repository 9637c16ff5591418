//! Zip entries that are compressed on the side, and an output that is written front to back.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use sha2::Digest as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use crate::id::Sha256;

/// Options of every entry: no time, no attributes, no trace of the machine.
fn entry_options(level: u8) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level.into()))
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Dos)
        .external_attributes(0)
}

/// One entry, deflated as it grows. Only compressed bytes are held. The value owns its state, so
/// that entries can grow on different threads.
pub(super) struct EntryBuffer {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    bytes: u64,
}

impl EntryBuffer {
    pub(super) fn new(name: &str, level: u8) -> io::Result<Self> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, entry_options(level))?;
        Ok(Self { zip, bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zip.write_all(bytes)?;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Bytes before compression.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes held in memory.
    pub(super) fn compressed_bytes(&self) -> usize {
        self.zip
            .get_ref()
            .map_or(0, |buffer| buffer.get_ref().len())
    }

    /// Copies the compressed bytes to the end of `zip`.
    pub(super) fn copy_to<W: Write + Seek>(self, zip: &mut ZipWriter<W>) -> io::Result<()> {
        let mut archive = ZipArchive::new(self.zip.finish()?)?;
        zip.raw_copy_file(archive.by_index_raw(0)?)?;
        Ok(())
    }
}

/// An output that counts and hashes what goes through it and never goes back.
///
/// Entries reach it compressed, with sizes and checksums known, so that nothing needs patching.
/// The first error is kept for [`finish`](Self::finish) and nothing is written after it: an
/// archive writer that sees an error tries again when it is dropped, and reports to the console.
pub(super) struct ForwardWriter<W> {
    inner: W,
    position: u64,
    hash: sha2::Sha256,
    error: Option<io::Error>,
}

impl<W: Write> ForwardWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            position: 0,
            hash: sha2::Sha256::new(),
            error: None,
        }
    }

    /// The output, the number of bytes and their hash, or the first error.
    pub(super) fn finish(mut self) -> io::Result<(W, u64, Sha256)> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.inner.flush()?;
        Ok((
            self.inner,
            self.position,
            Sha256::new(self.hash.finalize().into()),
        ))
    }
}

impl<W: Write> Write for ForwardWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.error.is_none() {
            match self.inner.write_all(buffer) {
                Ok(()) => self.hash.update(buffer),
                Err(error) => self.error = Some(error),
            }
        }
        let count = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        self.position = self.position.saturating_add(count);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Seek for ForwardWriter<W> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let is_here = match target {
            SeekFrom::Start(position) => position == self.position,
            SeekFrom::Current(offset) | SeekFrom::End(offset) => offset == 0,
        };
        if !is_here && self.error.is_none() {
            self.error = Some(io::Error::from(io::ErrorKind::NotSeekable));
        }
        Ok(self.position)
    }
}
