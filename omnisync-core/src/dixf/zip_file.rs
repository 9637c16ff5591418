//! The container of a package, written front to back.
//!
//! Files reach it compressed, with sizes and checksums known, so that local headers are right from
//! the start and nothing needs patching. Sizes above 4 GiB have no place in the plain format; the
//! limits of the writer are below.

use std::io::{self, Write};

use sha2::Digest as _;

use crate::id::Sha256;

const LOCAL_HEADER: u32 = 0x0403_4b50;
const DIRECTORY_ENTRY: u32 = 0x0201_4b50;
const END_OF_DIRECTORY: u32 = 0x0605_4b50;
/// Deflated files need version 2.0 to be read.
const VERSION: u16 = 20;
const DEFLATED: u16 = 8;
/// The name is UTF-8.
const UTF8: u16 = 1 << 11;
/// 1 January 1980, the first day of the format: no trace of when it was made.
const DATE: u16 = 0x21;
const TIME: u16 = 0;

/// A file of the container, deflated.
pub(super) struct Entry<'e> {
    pub(super) name: &'e str,
    /// Bytes before compression.
    pub(super) bytes_in: u64,
    /// CRC-32 of the bytes before compression.
    pub(super) checksum: u32,
    /// Bytes after compression.
    pub(super) bytes_out: u64,
}

/// A container that grows, counted and hashed on its way out.
pub(super) struct ZipFile<W> {
    out: W,
    position: u64,
    hash: sha2::Sha256,
    directory: Vec<u8>,
    entries: u16,
}

impl<W: Write> ZipFile<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            position: 0,
            hash: sha2::Sha256::new(),
            directory: Vec::new(),
            entries: 0,
        }
    }

    /// Begins a file. Its deflated bytes have to follow.
    pub(super) fn begin(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let offset = fits(self.position)?;
        let mut facts = Vec::with_capacity(26);
        push16(&mut facts, VERSION);
        push16(&mut facts, if entry.name.is_ascii() { 0 } else { UTF8 });
        push16(&mut facts, DEFLATED);
        push16(&mut facts, TIME);
        push16(&mut facts, DATE);
        push32(&mut facts, entry.checksum);
        push32(&mut facts, fits(entry.bytes_out)?);
        push32(&mut facts, fits(entry.bytes_in)?);
        push16(&mut facts, fits(bytes(entry.name.as_bytes()))?);
        push16(&mut facts, 0);

        let mut header = Vec::with_capacity(30 + entry.name.len());
        push32(&mut header, LOCAL_HEADER);
        header.extend_from_slice(&facts);
        header.extend_from_slice(entry.name.as_bytes());
        self.write(&header)?;

        let directory = &mut self.directory;
        push32(directory, DIRECTORY_ENTRY);
        push16(directory, VERSION);
        directory.extend_from_slice(&facts);
        // No comment, first disk, no attributes.
        for _ in 0..3 {
            push16(directory, 0);
        }
        push32(directory, 0);
        push32(directory, offset);
        directory.extend_from_slice(entry.name.as_bytes());
        self.entries += 1;
        Ok(())
    }

    /// The output, flushed, with the number of bytes and their hash.
    pub(super) fn finish(mut self) -> io::Result<(W, u64, Sha256)> {
        let offset = fits(self.position)?;
        let mut directory = std::mem::take(&mut self.directory);
        let size = fits(bytes(&directory))?;
        push32(&mut directory, END_OF_DIRECTORY);
        push16(&mut directory, 0);
        push16(&mut directory, 0);
        push16(&mut directory, self.entries);
        push16(&mut directory, self.entries);
        push32(&mut directory, size);
        push32(&mut directory, offset);
        push16(&mut directory, 0);
        self.write(&directory)?;
        self.out.flush()?;
        let hash = Sha256::new(self.hash.finalize().into());
        Ok((self.out, self.position, hash))
    }

    /// Writes a piece of the file that was begun.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.out.write_all(piece)?;
        self.hash.update(piece);
        self.position = self.position.saturating_add(bytes(piece));
        Ok(())
    }
}

fn bytes(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

fn push16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn push32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// The number, where the format has room for it.
fn fits<N: TryFrom<u64>>(number: u64) -> io::Result<N> {
    N::try_from(number).map_err(|_| {
        let detail = format!("{number} bytes are more than a plain zip file can hold");
        io::Error::new(io::ErrorKind::FileTooLarge, detail)
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn a_reader_finds_what_was_added() {
        // Stored by deflate without compression: final block, no compression, length and its
        // complement.
        let deflated = [1, 5, 0, 0xfa, 0xff, b'h', b'e', b'l', b'l', b'o'];
        let mut zip = ZipFile::new(Vec::new());
        for name in ["plain.txt", "Größe.txt"] {
            zip.begin(&Entry {
                name,
                bytes_in: 5,
                checksum: crc32fast::hash(b"hello"),
                bytes_out: bytes(&deflated),
            })
            .unwrap();
            zip.write(&deflated).unwrap();
        }
        let (bytes, size, hash) = zip.finish().unwrap();
        assert_eq!(size, bytes.len() as u64);
        assert_eq!(hash, Sha256::of(&bytes));
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        for name in ["plain.txt", "Größe.txt"] {
            let mut text = String::new();
            let mut file = archive.by_name(name).unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut zip = ZipFile::new(Vec::new());
        let begun = zip.begin(&Entry {
            name: "large.csv",
            bytes_in: 1 << 32,
            checksum: 0,
            bytes_out: 0,
        });
        assert_eq!(begun.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
