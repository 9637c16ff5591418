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

use super::zip_file::{Entry, ZipFile};

/// Bytes of a file that are compressed at once: enough that the cut costs next to nothing, and few
/// enough that a package of some thousand orders keeps two threads busy.
const BLOCK_BYTES: usize = 512 << 10;
/// How far back deflate can refer.
const WINDOW_BYTES: usize = 32 << 10;
/// Blocks of a file that may be on their way at once, with one thread too: what a package can hold
/// must not depend on threads.
const BLOCKS_ON_THEIR_WAY: usize = 8;

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
        drop(done.send(deflate(&block)));
    }
}

/// A compressor is made anew for each block: what a used one makes depends on what it made before,
/// even when it is reset.
fn deflate(block: &Block) -> io::Result<Deflated> {
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
    Ok(Deflated { bytes, checksum })
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
    filling: Vec<u8>,
    dictionary: Vec<u8>,
    on_their_way: VecDeque<Sent>,
    bytes: Vec<u8>,
    checksum: Hasher,
    bytes_in: u64,
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
            filling: Vec::new(),
            dictionary: Vec::new(),
            on_their_way: VecDeque::new(),
            bytes: Vec::new(),
            checksum: Hasher::new(),
            bytes_in: 0,
        })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // A full block is sent when there is more, so that the last one is never empty.
            if self.filling.len() == BLOCK_BYTES {
                self.send(false)?;
            }
            let room = BLOCK_BYTES - self.filling.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.filling.extend_from_slice(now);
            self.bytes_in = self
                .bytes_in
                .saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            bytes = later;
        }
        Ok(())
    }

    /// Bytes before compression.
    pub(super) fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// Bytes held in memory, where blocks on their way count as they are before compression.
    pub(super) fn held_max(&self) -> usize {
        self.bytes.len() + self.filling.len() + self.on_their_way.len() * BLOCK_BYTES
    }

    /// Bytes held in memory, once every block on its way is there.
    pub(super) fn held(&mut self) -> io::Result<usize> {
        self.arrive()?;
        Ok(self.held_max())
    }

    /// Nothing comes any more: the rest is deflated, and need not be waited for yet.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.send(true)
    }

    /// The compressed bytes and the checksum of the others, once the file has ended.
    fn finish(mut self) -> io::Result<(Vec<u8>, u32)> {
        self.arrive()?;
        Ok((self.bytes, self.checksum.finalize()))
    }

    fn arrive(&mut self) -> io::Result<()> {
        while !self.on_their_way.is_empty() {
            self.take()?;
        }
        Ok(())
    }

    /// Adds the file, which has ended, to a container.
    pub(super) fn copy_to<W: Write>(self, name: &str, zip: &mut ZipFile<W>) -> io::Result<()> {
        let bytes_in = self.bytes_in;
        let (deflated, checksum) = self.finish()?;
        zip.add(&Entry {
            name,
            bytes_in,
            checksum,
            deflated: &deflated,
        })
    }

    fn send(&mut self, is_last: bool) -> io::Result<()> {
        let bytes = mem::take(&mut self.filling);
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
            let deflated = deflate(&block)?;
            // The buffer is used again.
            self.filling = block.bytes;
            self.filling.clear();
            Sent::Done(deflated)
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
        self.bytes.extend_from_slice(&deflated.bytes);
        self.checksum.combine(&deflated.checksum);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use super::*;

    fn deflated(text: &[u8], threads: usize, piece: usize) -> (Vec<u8>, u32) {
        let threads = NonZero::new(threads).unwrap();
        let deflaters = Arc::new(Deflaters::new(threads).unwrap());
        let mut deflate = Deflate::new(deflaters, 6).unwrap();
        for piece in text.chunks(piece) {
            deflate.write(piece).unwrap();
        }
        assert_eq!(deflate.bytes_in(), text.len() as u64);
        deflate.end().unwrap();
        deflate.finish().unwrap()
    }

    fn inflated(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        DeflateDecoder::new(bytes).read_to_end(&mut text).unwrap();
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
            let alone = deflated(&text, 1, 1 << 20);
            assert!(inflated(&alone.0) == text, "{bytes}");
            assert_eq!(alone.1, crc32fast::hash(&text), "{bytes}");
            for (threads, piece) in [(1, 999), (2, 1 << 20), (2, 4_096), (5, 65_537)] {
                let same = deflated(&text, threads, piece) == alone;
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
        let (bytes, _) = deflated(&text, 2, 1 << 16);
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
            let (bytes, checksum) = deflated(&noise, 2, 100_000);
            prop_assert_eq!(checksum, crc32fast::hash(&noise));
            prop_assert!(inflated(&bytes) == noise);
        }
    }
}
