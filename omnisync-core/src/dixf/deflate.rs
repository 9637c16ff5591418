//! Deflates files in blocks, on one thread or several, to the same bytes.
//!
//! A file is cut every [`BLOCK_BYTES`], wherever its pieces end. A block is compressed for itself,
//! with the end of the one before as its dictionary, and ends on a byte boundary; so blocks can be
//! made at the same time, and stand one behind the other as one stream. What cuts them is the file
//! alone: threads change when a block is made and not what it becomes.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::scratch::{Piece, ScratchFile};
use super::zip_file::{Entry, ZipFile};

/// Bytes of a file that are compressed at once: enough that the cut costs next to nothing, and few
/// enough that a package of some thousand orders keeps two threads busy.
const BLOCK_BYTES: usize = 512 << 10;
/// How far back deflate can refer.
const WINDOW_BYTES: usize = 32 << 10;
/// Blocks of a file that may be on their way at once, with one thread too: what a package can hold
/// must not depend on threads.
const BLOCKS_ON_THEIR_WAY: usize = 4;

/// A part of a file.
struct Block {
    /// The end of the block before.
    dictionary: Vec<u8>,
    bytes: Vec<u8>,
    level: u8,
    is_last: bool,
}

/// A block that is done.
struct Deflated {
    bytes: Vec<u8>,
    checksum: Hasher,
    /// The buffer that held the block.
    buffer: Vec<u8>,
}

struct Job {
    block: Block,
    done: Sender<io::Result<Deflated>>,
}

/// Threads that deflate blocks, shared by the files of a package. None for one thread: blocks are
/// then deflated where they are filled.
pub(super) struct Deflaters {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Deflaters {
    pub(super) fn new(threads: NonZero<usize>) -> io::Result<Self> {
        if threads.get() == 1 {
            return Ok(Self {
                jobs: None,
                threads: Vec::new(),
            });
        }
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads.get())
            .map(|_| {
                let queue = Arc::clone(&queue);
                let deflater = Builder::new().name("omnisync-deflate".to_owned());
                deflater.spawn(move || work(&queue))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            jobs: Some(jobs),
            threads,
        })
    }
}

impl Drop for Deflaters {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told whoever waited for its block.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Deflaters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflaters")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// Deflates what comes until nothing comes any more.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, done }) = job else {
            return;
        };
        // Nobody waits for it any more where the package was given up.
        drop(done.send(deflate(block)));
    }
}

/// A compressor is made anew for each block: what a used one makes depends on what it made before,
/// even when it is reset.
fn deflate(block: Block) -> io::Result<Deflated> {
    let mut compress = Compress::new(Compression::new(block.level.into()), false);
    if !block.dictionary.is_empty() {
        compress.set_dictionary(&block.dictionary)?;
    }
    let flush = if block.is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let mut bytes = Vec::with_capacity(block.bytes.len() / 4 + 1_024);
    loop {
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = block.bytes.get(taken..).unwrap_or_default();
        let status = compress.compress_vec(rest, &mut bytes, flush)?;
        // There was room left: everything is out.
        let is_out = bytes.len() < bytes.capacity();
        if matches!(status, Status::StreamEnd) || (!block.is_last && is_out) {
            break;
        }
        bytes.reserve(bytes.len().max(1_024));
    }
    let mut checksum = Hasher::new();
    checksum.update(&block.bytes);
    let mut buffer = block.bytes;
    buffer.clear();
    Ok(Deflated {
        bytes,
        checksum,
        buffer,
    })
}

/// A block that was sent.
enum Sent {
    Done(Deflated),
    Coming(Receiver<io::Result<Deflated>>),
}

/// A file that is deflated as it grows.
pub(super) struct Deflate {
    deflaters: Arc<Deflaters>,
    level: u8,
    scratch: Option<ScratchFile>,
    filling: Vec<u8>,
    /// Buffers of blocks that are done.
    empty: Vec<Vec<u8>>,
    dictionary: Vec<u8>,
    on_their_way: VecDeque<Sent>,
    pieces: Vec<Piece>,
    checksum: Hasher,
    /// Bytes of the blocks that were sent.
    bytes_sent: u64,
    /// Bytes of the pieces.
    bytes_out: u64,
}

impl Deflate {
    pub(super) fn new(deflaters: Arc<Deflaters>, level: u8) -> io::Result<Self> {
        if !(1..=9).contains(&level) {
            let detail = format!("{level} is not a compression level, which are 1 to 9");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
        }
        Ok(Self {
            deflaters,
            level,
            scratch: None,
            filling: Vec::new(),
            empty: Vec::new(),
            dictionary: Vec::new(),
            on_their_way: VecDeque::new(),
            pieces: Vec::new(),
            checksum: Hasher::new(),
            bytes_sent: 0,
            bytes_out: 0,
        })
    }

    /// From now on what is compressed goes to a file instead of memory.
    pub(super) fn use_scratch(&mut self, file: ScratchFile) {
        self.scratch = Some(file);
    }

    /// Lets `write` append to the file, in place.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        write(&mut self.filling);
        // A full block is sent when there is more, so that the last one is never empty.
        while self.filling.len() > BLOCK_BYTES {
            let mut next = self
                .empty
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 32));
            next.extend_from_slice(self.filling.get(BLOCK_BYTES..).unwrap_or_default());
            self.filling.truncate(BLOCK_BYTES);
            let block = mem::replace(&mut self.filling, next);
            self.send(block, false)?;
        }
        Ok(())
    }

    /// Bytes before compression.
    pub(super) fn bytes_in(&self) -> u64 {
        let filling = u64::try_from(self.filling.len()).unwrap_or(u64::MAX);
        self.bytes_sent.saturating_add(filling)
    }

    /// Bytes after compression, at most: those that are not compressed yet count as they are.
    pub(super) fn bytes_out_max(&self) -> u64 {
        let coming = self.filling.len() + self.on_their_way.len() * BLOCK_BYTES;
        self.bytes_out
            .saturating_add(u64::try_from(coming).unwrap_or(u64::MAX))
    }

    /// The same, once every block on its way is there.
    pub(super) fn bytes_out(&mut self) -> io::Result<u64> {
        self.arrive()?;
        Ok(self.bytes_out_max())
    }

    /// Nothing comes any more: the rest is deflated, and need not be waited for yet.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let rest = mem::take(&mut self.filling);
        self.send(rest, true)
    }

    fn arrive(&mut self) -> io::Result<()> {
        while !self.on_their_way.is_empty() {
            self.take()?;
        }
        Ok(())
    }

    /// Adds the file, which has ended, to a container.
    pub(super) fn copy_to<W: Write>(mut self, name: &str, zip: &mut ZipFile<W>) -> io::Result<()> {
        self.arrive()?;
        zip.begin(&Entry {
            name,
            bytes_in: self.bytes_sent,
            checksum: self.checksum.finalize(),
            bytes_out: self.bytes_out,
        })?;
        let mut buffer = Vec::new();
        self.pieces
            .iter()
            .try_for_each(|piece| piece.read(&mut buffer, |bytes| zip.write(bytes)))
    }

    fn send(&mut self, bytes: Vec<u8>, is_last: bool) -> io::Result<()> {
        self.bytes_sent = self
            .bytes_sent
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let window = bytes.len().saturating_sub(WINDOW_BYTES);
        let next_dictionary = bytes.get(window..).unwrap_or_default().to_vec();
        let block = Block {
            dictionary: mem::replace(&mut self.dictionary, next_dictionary),
            bytes,
            level: self.level,
            is_last,
        };
        let sent = if let Some(jobs) = &self.deflaters.jobs {
            let (done, result) = channel();
            jobs.send(Job { block, done })
                .map_err(|_| io::Error::other("no thread is left to deflate"))?;
            Sent::Coming(result)
        } else {
            Sent::Done(deflate(block)?)
        };
        self.on_their_way.push_back(sent);
        while self.on_their_way.len() > BLOCKS_ON_THEIR_WAY {
            self.take()?;
        }
        Ok(())
    }

    /// Waits for the oldest block.
    fn take(&mut self) -> io::Result<()> {
        let deflated = match self.on_their_way.pop_front() {
            None => return Ok(()),
            Some(Sent::Done(deflated)) => deflated,
            Some(Sent::Coming(result)) => result
                .recv()
                .map_err(|_| io::Error::other("a thread that deflates ended before its time"))??,
        };
        self.bytes_out = self
            .bytes_out
            .saturating_add(u64::try_from(deflated.bytes.len()).unwrap_or(u64::MAX));
        self.checksum.combine(&deflated.checksum);
        self.empty.push(deflated.buffer);
        let piece = Piece::new(deflated.bytes, self.scratch.as_ref())?;
        self.pieces.push(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use proptest::prelude::*;
    use zip::ZipArchive;

    use super::*;

    /// A container with one file.
    fn zipped(text: &[u8], threads: usize, piece: usize) -> Vec<u8> {
        let threads = NonZero::new(threads).unwrap();
        let deflaters = Arc::new(Deflaters::new(threads).unwrap());
        let mut deflate = Deflate::new(deflaters, 6).unwrap();
        for (index, piece) in text.chunks(piece).enumerate() {
            // Some pieces wait in memory and some in a file.
            if index == 1 {
                deflate.use_scratch(ScratchFile::new(Box::new(Cursor::new(Vec::new()))));
            }
            deflate.append(|out| out.extend_from_slice(piece)).unwrap();
        }
        assert_eq!(deflate.bytes_in(), text.len() as u64);
        deflate.end().unwrap();
        let mut zip = ZipFile::new(Vec::new());
        deflate.copy_to("file", &mut zip).unwrap();
        zip.finish().unwrap().0
    }

    /// The file, whose checksum is right.
    fn unzipped(bytes: Vec<u8>) -> Vec<u8> {
        let mut text = Vec::new();
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut file = archive.by_name("file").unwrap();
        file.read_to_end(&mut text).unwrap();
        text
    }

    /// Text that is worth compressing, and is not the same in every block.
    fn text(bytes: usize) -> Vec<u8> {
        let rows =
            (0..).map(|row: u32| format!("row {row}: {}\r\n", row.wrapping_mul(2_654_435_761)));
        rows.flat_map(String::into_bytes).take(bytes).collect()
    }

    fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        let mut state = seed;
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    #[test]
    fn threads_and_pieces_do_not_change_the_bytes() {
        for bytes in [
            0,
            1,
            BLOCK_BYTES - 1,
            BLOCK_BYTES,
            BLOCK_BYTES + 1,
            3 * BLOCK_BYTES + 17,
        ] {
            let text = text(bytes);
            let alone = zipped(&text, 1, 1 << 20);
            assert!(unzipped(alone.clone()) == text, "{bytes}");
            for (threads, piece) in [(1, 999), (2, 1 << 20), (2, 4_096), (5, 65_537)] {
                let same = zipped(&text, threads, piece) == alone;
                assert!(same, "{bytes} {threads} {piece}");
            }
        }
    }

    #[test]
    fn a_block_knows_what_was_before_it() {
        // What ends one block begins the next, and nothing else of it can be guessed.
        let noise = noise(7, BLOCK_BYTES);
        let end = noise.get(BLOCK_BYTES - WINDOW_BYTES / 2..).unwrap();
        let text = [noise.as_slice(), end].concat();
        let bytes = zipped(&text, 2, 1 << 16);
        assert!(bytes.len() < BLOCK_BYTES + 2_048, "{}", bytes.len());
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        let deflaters = || Arc::new(Deflaters::new(NonZero::<usize>::MIN).unwrap());
        for level in [0, 10] {
            let error = Deflate::new(deflaters(), level).err().unwrap();
            assert!(error.to_string().contains("1 to 9"), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn noise_survives(seed in any::<u64>(), bytes in 0..2 * BLOCK_BYTES) {
            let noise = noise(seed, bytes);
            prop_assert!(unzipped(zipped(&noise, 2, 100_000)) == noise);
        }
    }
}
