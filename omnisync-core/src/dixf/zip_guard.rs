//! Looks at an archive before a library does, so that no claim inside it decides how much memory
//! is taken, and bounds what comes out of its entries.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};

use thiserror::Error;
use zip::{CompressionMethod, ZipArchive};

use super::error::{ReadError, Refusal};

/// Length of the end record without its comment.
const END_BYTES: u64 = 22;
/// Longest comment of an archive.
const COMMENT_BYTES_MAX: u64 = 65_535;
/// Length of the zip64 locator that can stand before the end record.
const LOCATOR_BYTES: usize = 20;

/// Checks the end record: plain zip (not zip64), nothing before, between or behind the parts, and
/// no more than `entries_max` entries. Returns the size of the archive in bytes.
pub(super) fn check_end_record<R: Read + Seek>(
    reader: &mut R,
    entries_max: usize,
) -> Result<u64, ReadError> {
    let size = reader.seek(SeekFrom::End(0)).map_err(ReadError::Io)?;
    let locator = u64::try_from(LOCATOR_BYTES).unwrap_or_default();
    let tail_start = size.saturating_sub(END_BYTES + COMMENT_BYTES_MAX + locator);
    reader
        .seek(SeekFrom::Start(tail_start))
        .map_err(ReadError::Io)?;
    let mut tail = Vec::new();
    reader
        .take(size - tail_start)
        .read_to_end(&mut tail)
        .map_err(ReadError::Io)?;
    let not_zip = || ReadError::NotZip(None);
    let at = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .ok_or_else(not_zip)?;
    let (before, record) = tail.split_at_checked(at).ok_or_else(not_zip)?;
    let number = |offset: usize, bytes: usize| -> Option<u64> {
        let field = record.get(offset..offset.checked_add(bytes)?)?;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |value, byte| (value << 8) | u64::from(*byte)),
        )
    };
    let field = |offset, bytes| number(offset, bytes).ok_or_else(not_zip);
    let locator_start = before.len().saturating_sub(LOCATOR_BYTES);
    if before
        .get(locator_start..)
        .is_some_and(|bytes| bytes.starts_with(b"PK\x06\x07"))
    {
        return Err(not_zip());
    }
    let (disk, directory_disk) = (field(4, 2)?, field(6, 2)?);
    let (disk_entries, entries) = (field(8, 2)?, field(10, 2)?);
    let (directory_bytes, directory_start) = (field(12, 4)?, field(16, 4)?);
    let comment_bytes = field(20, 2)?;
    let record_start = size - u64::try_from(record.len()).unwrap_or(u64::MAX).min(size);
    if disk != 0
        || directory_disk != 0
        || disk_entries != entries
        || directory_start + directory_bytes != record_start
        || record_start + END_BYTES + comment_bytes != size
    {
        return Err(not_zip());
    }
    let max = u64::try_from(entries_max).unwrap_or(u64::MAX);
    if entries > max {
        return Err(ReadError::Limit {
            limit: "entries_max",
            max,
        });
    }
    Ok(size)
}

/// Names of the entries, each allowed and none twice.
pub(super) fn check_entries<R: Read + Seek>(
    archive: &ZipArchive<R>,
) -> Result<Vec<String>, ReadError> {
    let not_zip = |error| ReadError::NotZip(Some(error));
    if archive.has_duplicate_names() {
        return Err(ReadError::DuplicateName);
    }
    let mut names = Vec::with_capacity(archive.len());
    let mut seen = HashSet::new();
    for entry in 0..archive.len() {
        let data = archive.by_index_data(entry).map_err(not_zip)?;
        let refuse = |reason| Err(ReadError::Refused { entry, reason });
        let Ok(name) = std::str::from_utf8(data.name_raw()) else {
            return refuse(Refusal::Name);
        };
        if data.is_dir() || name.contains(['/', '\\']) {
            return refuse(Refusal::Folder);
        }
        if data.is_symlink() {
            return refuse(Refusal::Symlink);
        }
        if data.encrypted() {
            return refuse(Refusal::Encrypted);
        }
        if name.is_empty() || name.contains(|c: char| c.is_control() || c == ':') {
            return refuse(Refusal::Name);
        }
        if name
            .rsplit('.')
            .next()
            .is_some_and(|end| end.eq_ignore_ascii_case("zip"))
        {
            return refuse(Refusal::Nested);
        }
        if !matches!(
            data.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return refuse(Refusal::Compression);
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(ReadError::DuplicateName);
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// What may come out of an archive, counted in real bytes.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub(super) entry_bytes_max: u64,
    pub(super) total_bytes_max: u64,
    pub(super) ratio_max: u64,
    pub(super) ratio_floor_bytes: u64,
    /// Compressed bytes of all entries.
    pub(super) compressed_bytes: u64,
    /// Most bytes that came out of each entry so far: reading an entry twice counts once.
    pub(super) unpacked: Vec<u64>,
}

impl Budget {
    pub(super) fn unpacked_bytes(&self) -> u64 {
        self.unpacked
            .iter()
            .fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    fn count(&mut self, entry: usize, bytes: u64) -> Result<(), LimitHit> {
        let Some(unpacked) = self.unpacked.get_mut(entry) else {
            return Ok(());
        };
        if bytes <= *unpacked {
            return Ok(());
        }
        *unpacked = bytes;
        let total = self.unpacked_bytes();
        if bytes > self.entry_bytes_max {
            return Err(LimitHit {
                limit: "entry_bytes_max",
                max: self.entry_bytes_max,
            });
        }
        if total > self.total_bytes_max {
            return Err(LimitHit {
                limit: "total_bytes_max",
                max: self.total_bytes_max,
            });
        }
        let plausible = self.compressed_bytes.saturating_mul(self.ratio_max);
        if total > self.ratio_floor_bytes && total > plausible {
            return Err(LimitHit {
                limit: "ratio_max",
                max: self.ratio_max,
            });
        }
        Ok(())
    }
}

/// A limit that was hit while reading. It travels inside [`io::Error`].
#[derive(Debug, Error)]
#[error("limit {limit} of {max} is exceeded")]
struct LimitHit {
    limit: &'static str,
    max: u64,
}

/// An entry that is counted while it is read.
pub(super) struct Counted<'b, R> {
    input: R,
    entry: usize,
    bytes: u64,
    budget: &'b mut Budget,
}

impl<'b, R> Counted<'b, R> {
    pub(super) fn new(input: R, entry: usize, budget: &'b mut Budget) -> Self {
        Self {
            input,
            entry,
            bytes: 0,
            budget,
        }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.budget
            .count(self.entry, self.bytes)
            .map_err(io::Error::other)?;
        Ok(count)
    }
}

/// Sorts an error out that came up while an entry was read.
pub(super) fn classify(entry: usize, error: io::Error) -> ReadError {
    if let Some(hit) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<LimitHit>())
    {
        return ReadError::Limit {
            limit: hit.limit,
            max: hit.max,
        };
    }
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            ReadError::Corrupt {
                entry,
                source: error,
            }
        }
        _ => ReadError::Io(error),
    }
}
