//! The floor of group commit: a log that one thread appends everything to that waits, with one
//! `fdatasync` for all of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::super::input::Entry;
use super::super::runtime;
use super::producers::{self, Producer};
use super::{Ingested, check};
use crate::error::Error;

const WHO: &str = "append";
/// Records that wait for the writer before producers wait to enqueue.
const QUEUE_RECORDS_MAX: usize = 1_024;

/// Lengths of id and body, then both.
type Record = Vec<u8>;

struct Appending {
    log: mpsc::Sender<(Record, oneshot::Sender<()>)>,
}

impl Producer for Appending {
    async fn put(&mut self, entry: &Entry) -> Result<(), Error> {
        let (done, acknowledged) = oneshot::channel();
        let record = record(entry).map_err(Error::store(WHO))?;
        self.log
            .send((record, done))
            .await
            .map_err(|_| Error::Mismatch(format!("{WHO} takes no more")))?;
        acknowledged.await.map_err(Error::store(WHO))
    }
}

fn record(entry: &Entry) -> Result<Record, std::num::TryFromIntError> {
    let (id, body) = (entry.id.as_bytes(), entry.bytes());
    let mut record = Vec::with_capacity(8 + id.len() + body.len());
    record.extend(u32::try_from(id.len())?.to_le_bytes());
    record.extend(u32::try_from(body.len())?.to_le_bytes());
    record.extend(id);
    record.extend(body);
    Ok(record)
}

pub(super) fn run(
    entries: &Arc<Vec<Entry>>,
    folder: &Path,
    producers: usize,
) -> Result<Ingested, Error> {
    let path = folder.join("orders.log");
    let file = File::create(&path).map_err(Error::file(&path))?;
    let (log, queue) = mpsc::channel(QUEUE_RECORDS_MAX);
    let writer = thread::spawn(move || write(file, queue));
    let producers = (0..producers)
        .map(|_| Appending { log: log.clone() })
        .collect();
    drop(log);
    let ingested = runtime()?.block_on(producers::run(entries, producers))?;
    match writer.join() {
        Ok(written) => written.map_err(Error::file(&path))?,
        Err(_) => return Err(Error::Mismatch(format!("the writer of {WHO} panicked"))),
    }
    let bytes = fs::read(&path).map_err(Error::file(&path))?;
    check(WHO, entries, stored(&bytes))?;
    Ok(ingested)
}

fn write(
    mut file: File,
    mut queue: mpsc::Receiver<(Record, oneshot::Sender<()>)>,
) -> io::Result<()> {
    let mut group = Vec::new();
    let mut waiting = Vec::new();
    while let Some((record, done)) = queue.blocking_recv() {
        group.extend(record);
        waiting.push(done);
        while let Ok((record, done)) = queue.try_recv() {
            group.extend(record);
            waiting.push(done);
        }
        file.write_all(&group)?;
        file.sync_data()?;
        group.clear();
        for done in waiting.drain(..) {
            // A producer that failed elsewhere waits no more.
            done.send(()).ok();
        }
    }
    Ok(())
}

fn stored(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    while let Some((id, body)) = next(&mut bytes) {
        found.insert(String::from_utf8_lossy(id).into_owned(), body.to_vec());
    }
    found
}

fn next<'b>(bytes: &mut &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
    let mut lengths = [0; 2];
    for length in &mut lengths {
        let (first, rest) = bytes.split_first_chunk()?;
        *length = usize::try_from(u32::from_le_bytes(*first)).ok()?;
        *bytes = rest;
    }
    let (id, rest) = bytes.split_at_checked(lengths[0])?;
    let (body, rest) = rest.split_at_checked(lengths[1])?;
    *bytes = rest;
    Some((id, body))
}
