//! Where compressed files wait for their place in a package.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What a [`PackageWriter`](super::PackageWriter) needs of a scratch file.
pub(super) trait Scratch: Read + Write + Seek + Send {}

impl<T: Read + Write + Seek + Send> Scratch for T {}

struct Kept {
    file: Box<dyn Scratch>,
    end: u64,
}

/// A scratch file that the files of a package share.
#[derive(Clone)]
pub(super) struct ScratchFile(Arc<Mutex<Kept>>);

impl fmt::Debug for ScratchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScratchFile")
    }
}

impl ScratchFile {
    /// What `file` holds from its start on is overwritten.
    pub(super) fn new(file: Box<dyn Scratch>) -> Self {
        Self(Arc::new(Mutex::new(Kept { file, end: 0 })))
    }
}

/// Bytes that wait: in memory, or in a scratch file.
#[derive(Debug)]
pub(super) enum Piece {
    Memory(Vec<u8>),
    Scratch {
        file: ScratchFile,
        at: u64,
        bytes: u64,
    },
}

impl Piece {
    /// Lays `bytes` down, in memory without a scratch file.
    pub(super) fn new(mut bytes: Vec<u8>, file: Option<&ScratchFile>) -> io::Result<Self> {
        let Some(file) = file else {
            bytes.shrink_to_fit();
            return Ok(Self::Memory(bytes));
        };
        let mut kept = file.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.end;
        kept.file.seek(SeekFrom::Start(at))?;
        kept.file.write_all(&bytes)?;
        let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        kept.end = at.saturating_add(bytes);
        drop(kept);
        let file = file.clone();
        Ok(Self::Scratch { file, at, bytes })
    }

    /// Hands the bytes to `take`; `buffer` is used for those that are not in memory.
    pub(super) fn read(
        &self,
        buffer: &mut Vec<u8>,
        take: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => take(bytes),
            Self::Scratch { file, at, bytes } => {
                let mut kept = file.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.file.seek(SeekFrom::Start(*at))?;
                buffer.clear();
                let read = Read::take(&mut kept.file, *bytes).read_to_end(buffer)?;
                drop(kept);
                if u64::try_from(read).ok() != Some(*bytes) {
                    let detail = "the scratch file is shorter than what was written to it";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, detail));
                }
                take(buffer)
            }
        }
    }
}
