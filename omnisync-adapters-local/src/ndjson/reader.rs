//! The reading thread: bytes in, lines out, with bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek as _, SeekFrom};

use bytes::Bytes;
use omnisync_core::id::Sha256;
use sha2::Digest as _;
use tokio::sync::mpsc;

use super::wire::{PREFIX_BYTES_MAX, Position, Prefix};

/// Batches that are read ahead.
pub(super) const BATCHES_MAX: usize = 4;

/// Bytes of lines that make a batch.
const BATCH_BYTES: usize = 256 * 1_024;

/// Lines that make a batch.
const BATCH_LINES: usize = 1_024;

const BUFFER_BYTES: usize = 256 * 1_024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that may be cut off a line again: a byte order mark and a carriage return.
const TRIM_BYTES: usize = 4;

/// Bytes that pass once.
pub(super) type Stream = Box<dyn Read + Send>;

/// What is read.
pub(super) enum Input {
    /// Has a length and places to go to.
    File(File),
    /// Passes once.
    Stream(Stream),
}

/// One line that is not blank.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Where the line begins.
    pub(super) start: Position,
    /// Where the next one begins.
    pub(super) end: Position,
    /// The bytes without line end, or the first of them.
    pub(super) body: Bytes,
    /// Length without line end, also of a line that was cut.
    pub(super) bytes: u64,
}

impl Line {
    /// True when only the beginning of the line is in `body`.
    pub(super) fn is_truncated(&self) -> bool {
        u64::try_from(self.body.len()).is_ok_and(|kept| kept < self.bytes)
    }
}

/// What the thread hands over, in this order: one start, lines, then an end or a failure.
#[derive(Debug)]
pub(super) enum Batch {
    Start(Position),
    Lines(Vec<Line>),
    End,
    Failed(io::Error),
}

/// Reads `input` to its end, or until nobody listens any more.
pub(super) fn run(
    input: Input,
    resume: Option<Position>,
    line_bytes_max: usize,
    batches: &mpsc::Sender<Batch>,
) {
    let last = match Splitter::begin(input, resume, line_bytes_max) {
        Ok(mut splitter) => {
            if batches
                .blocking_send(Batch::Start(splitter.position))
                .is_err()
            {
                return;
            }
            loop {
                match splitter.batch() {
                    Ok(lines) if lines.is_empty() => break Batch::End,
                    Ok(lines) => {
                        if batches.blocking_send(Batch::Lines(lines)).is_err() {
                            return;
                        }
                    }
                    Err(error) => break Batch::Failed(error),
                }
            }
        }
        Err(error) => Batch::Failed(error),
    };
    // Nobody listens when this fails, so there is nobody to tell.
    drop(batches.blocking_send(last));
}

struct Splitter {
    input: BufReader<Stream>,
    position: Position,
    hasher: sha2::Sha256,
    line_bytes_max: usize,
    /// An error that waits until the lines before it are handed over.
    failed: Option<io::Error>,
}

impl Splitter {
    /// Goes to the place of `resume` if the input is the one that it was taken from.
    fn begin(input: Input, resume: Option<Position>, line_bytes_max: usize) -> io::Result<Self> {
        let zero = Position {
            offset: 0,
            line: 0,
            input: Prefix {
                bytes: 0,
                sha256: Sha256::of(b""),
            },
        };
        let (input, position, head) = match resume {
            None => (input.into_stream(), zero, Vec::new()),
            Some(place) => match find(input, place)? {
                (input, Some(head)) => (input, place, head),
                (input, None) => {
                    tracing::info!("the checkpoint is of another input; reading from the start");
                    (input, zero, Vec::new())
                }
            },
        };
        let mut hasher = sha2::Sha256::new();
        hasher.update(&head);
        let input = BufReader::with_capacity(BUFFER_BYTES, input);
        Ok(Self {
            input,
            position,
            hasher,
            line_bytes_max,
            failed: None,
        })
    }

    /// Some lines; none at the end. An error comes after the lines before it.
    fn batch(&mut self) -> io::Result<Vec<Line>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut lines = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && lines.len() < BATCH_LINES {
            match self.line() {
                Ok(Some(line)) => {
                    bytes += line.body.len();
                    lines.push(line);
                    // A slow stream hands over what there is instead of waiting for more.
                    if self.input.buffer().is_empty() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) if lines.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(lines)
    }

    /// The next line that is not blank.
    fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let start = self.position;
            let Some((mut body, mut bytes)) = self.raw_line()? else {
                return Ok(None);
            };
            if start.offset == 0 && body.starts_with(BYTE_ORDER_MARK) {
                body.drain(..BYTE_ORDER_MARK.len());
                bytes = bytes.saturating_sub(3);
            }
            let kept = usize::try_from(bytes)
                .unwrap_or(usize::MAX)
                .min(self.line_bytes_max);
            body.truncate(kept);
            let line = Line {
                start,
                end: self.position,
                body: body.into(),
                bytes,
            };
            if line.is_truncated() || !line.body.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    /// The beginning of the next line and its length, both without line end.
    fn raw_line(&mut self) -> io::Result<Option<(Vec<u8>, u64)>> {
        let keep_max = self.line_bytes_max.saturating_add(TRIM_BYTES);
        let mut body = Vec::new();
        let mut bytes = 0_u64;
        let mut taken = 0_u64;
        let mut last = None;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok([]) => break,
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
            let used = part.len() + usize::from(end.is_some());
            let kept = part.len().min(keep_max.saturating_sub(body.len()));
            body.extend_from_slice(part.get(..kept).unwrap_or(part));
            bytes += length(part.len());
            last = part.last().copied().or(last);
            taken += length(used);
            let left = PREFIX_BYTES_MAX.saturating_sub(self.position.offset + taken - length(used));
            let hashed = usize::try_from(left).unwrap_or(usize::MAX).min(used);
            self.hasher.update(buffer.get(..hashed).unwrap_or(buffer));
            self.input.consume(used);
            if end.is_some() {
                if last == Some(b'\r') {
                    bytes -= 1;
                }
                break;
            }
        }
        if taken == 0 {
            return Ok(None);
        }
        self.advance(taken);
        Ok(Some((body, bytes)))
    }

    fn advance(&mut self, taken: u64) {
        let was_open = self.position.input.bytes < PREFIX_BYTES_MAX;
        self.position.offset += taken;
        self.position.line += 1;
        if was_open {
            self.position.input = Prefix {
                bytes: self.position.offset.min(PREFIX_BYTES_MAX),
                sha256: Sha256::new(self.hasher.clone().finalize().into()),
            };
        }
    }
}

impl Input {
    fn into_stream(self) -> Stream {
        match self {
            Self::File(file) => Box::new(file),
            Self::Stream(stream) => stream,
        }
    }
}

/// The input at `place` together with its hashed beginning; at its start when `place` is of
/// another input.
fn find(input: Input, place: Position) -> io::Result<(Stream, Option<Vec<u8>>)> {
    let head_bytes = place.input.bytes.min(PREFIX_BYTES_MAX);
    let is_same = |head: &[u8]| {
        length(head.len()) == place.input.bytes && Sha256::of(head) == place.input.sha256
    };
    let mut head = Vec::new();
    match input {
        Input::File(mut file) => {
            (&mut file).take(head_bytes).read_to_end(&mut head)?;
            let fits = file.metadata()?.len() >= place.offset;
            if fits && is_same(&head) {
                file.seek(SeekFrom::Start(place.offset))?;
                Ok((Box::new(file), Some(head)))
            } else {
                file.rewind()?;
                Ok((Box::new(file), None))
            }
        }
        Input::Stream(mut stream) => {
            (&mut stream).take(head_bytes).read_to_end(&mut head)?;
            if !is_same(&head) {
                return Ok((Box::new(Cursor::new(head).chain(stream)), None));
            }
            let rest = place.offset.saturating_sub(length(head.len()));
            let skipped = io::copy(&mut (&mut stream).take(rest), &mut io::sink())?;
            if skipped < rest {
                tracing::warn!(
                    "the input ends before the checkpoint; all of it was settled before"
                );
            }
            Ok((stream, Some(head)))
        }
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
