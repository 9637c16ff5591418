//! The dead-letter file and the thread that writes it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use omnisync_core::id::Sha256;
use omnisync_core::{ErrorKind, PortError};
use tokio::sync::{mpsc, oneshot};

use super::wire::{DeadLetter, DeadLetterKey};
use crate::durable;
use crate::file::FileError;

const OPERATION: &str = "event_source.settle";

/// Dead letters that wait for the thread before callers wait to enqueue.
const QUEUE_MAX: usize = 256;

/// Dead letters that share one sync.
const GROUP_MAX: usize = 256;

struct Command {
    key: DeadLetterKey,
    text: Vec<u8>,
    /// Answers whether the letter is new.
    reply: oneshot::Sender<Result<bool, PortError>>,
}

/// Appends dead letters, each once. Dropping it waits until what is queued is on disk.
#[derive(Debug)]
pub(super) struct Ledger {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens, or creates, the file at `path`, repairs its end and learns what is in it.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let mut book = Book {
            path: path.to_path_buf(),
            known: HashSet::new(),
            read_bytes: 0,
        };
        let file = book.open()?;
        book.catch_up(&file).map_err(FileError::at("read", path))?;
        file.sync_all().map_err(FileError::at("sync", path))?;
        durable::sync_folder_of(path).map_err(FileError::at("sync the folder of", path))?;
        drop(file);
        let (commands, queue) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("omnisync-dead-letters".to_owned())
            .spawn(move || book.run(queue))
            .map_err(FileError::at("start a thread for", path))?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Makes a dead letter durable; false when it was in the file already.
    pub(super) async fn append(&self, letter: &DeadLetter<'_>) -> Result<bool, PortError> {
        let mut text = serde_json::to_vec(letter)
            .map_err(|error| PortError::new(ErrorKind::Internal, OPERATION).with_source(error))?;
        text.push(b'\n');
        let key = DeadLetterKey {
            line: letter.line,
            sha256: letter.sha256,
            input: letter.input,
        };
        let (reply, answer) = oneshot::channel();
        let ended = || {
            PortError::new(ErrorKind::Unavailable, OPERATION)
                .with_detail("the dead-letter thread has ended; open the source again")
        };
        let commands = self.commands.as_ref().ok_or_else(ended)?;
        commands
            .send(Command { key, text, reply })
            .await
            .map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.commands = None;
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the dead-letter thread panicked");
        }
    }
}

/// What the file holds, up to where it was read.
struct Book {
    path: PathBuf,
    known: HashSet<Sha256>,
    read_bytes: u64,
}

impl Book {
    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                let Ok(command) = queue.try_recv() else { break };
                group.push(command);
            }
            let outcome = self.append(&group);
            for (place, command) in group.into_iter().enumerate() {
                let answer = match &outcome {
                    Ok(is_new) => Ok(is_new.get(place).copied().unwrap_or(false)),
                    Err(error) => {
                        Err(PortError::new(error.kind(), OPERATION).with_detail(error.to_string()))
                    }
                };
                // A caller that left has no use for the answer; its letter is in the file.
                drop(command.reply.send(answer));
            }
        }
    }

    /// Appends what is new, syncs once, and says which letters were new.
    ///
    /// The file is opened anew for every group, so that it may be moved away while the source
    /// runs, and locked, so that several sources may share it.
    fn append(&mut self, group: &[Command]) -> Result<Vec<bool>, FileError> {
        let path = self.path.clone();
        let mut file = self.open()?;
        self.catch_up(&file).map_err(FileError::at("read", &path))?;
        let mut text = Vec::new();
        let mut added = HashSet::new();
        let mut is_new = Vec::with_capacity(group.len());
        for command in group {
            let digest = command.key.digest();
            let new = !self.known.contains(&digest) && added.insert(digest);
            if new {
                text.extend_from_slice(&command.text);
            }
            is_new.push(new);
        }
        // Letters found in the file are synced too: their writer may have died before it did.
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(FileError::at("write", &path))?;
        if self.read_bytes == 0 {
            durable::sync_folder_of(&path).map_err(FileError::at("sync the folder of", &path))?;
        }
        self.known.extend(added);
        self.read_bytes = self
            .read_bytes
            .saturating_add(text.len().try_into().unwrap_or(0));
        Ok(is_new)
    }

    fn open(&self) -> Result<File, FileError> {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&self.path)
            .map_err(FileError::at("open", &self.path))?;
        file.lock().map_err(FileError::at("lock", &self.path))?;
        // A device would be read without end.
        if !file
            .metadata()
            .map_err(FileError::at("look at", &self.path))?
            .is_file()
        {
            let error = io::ErrorKind::InvalidInput.into();
            return Err(FileError::at("keep dead letters in", &self.path)(error));
        }
        Ok(file)
    }

    /// Learns what was appended by others, and repairs a last line that a killed writer left.
    fn catch_up(&mut self, file: &File) -> io::Result<()> {
        let length = file.metadata()?.len();
        if length < self.read_bytes {
            self.known.clear();
            self.read_bytes = 0;
        }
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(self.read_bytes))?;
        let mut reader = reader.take(length - self.read_bytes);
        let mut line = Vec::new();
        loop {
            line.clear();
            let bytes = u64::try_from(reader.read_until(b'\n', &mut line)?).unwrap_or(u64::MAX);
            if bytes == 0 {
                return Ok(());
            }
            let key = serde_json::from_slice::<DeadLetterKey>(&line);
            let is_whole = line.last() == Some(&b'\n');
            match key {
                Ok(key) => {
                    self.known.insert(key.digest());
                }
                Err(_) if is_whole && line.trim_ascii().is_empty() => {}
                Err(error) if is_whole => {
                    tracing::warn!(%error, "a line of the dead-letter file is not a dead letter");
                }
                Err(_) => {
                    tracing::warn!(bytes, "cut a torn line off the dead-letter file");
                    return file.set_len(self.read_bytes);
                }
            }
            self.read_bytes += bytes;
            if !is_whole {
                (&*file).write_all(b"\n")?;
                self.read_bytes += 1;
                return Ok(());
            }
        }
    }
}
