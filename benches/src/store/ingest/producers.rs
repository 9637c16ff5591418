//! Producers: tasks that offer orders one after the other.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::try_join_all;

use super::super::input::Entry;
use super::super::latency::Latencies;
use super::Ingested;
use crate::error::Error;
use crate::stopwatch;

/// One who stores orders.
pub(super) trait Producer: Send + 'static {
    /// Returns once the order is on disk.
    fn put(&mut self, entry: &Entry) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Lets every producer take the next order until none is left.
pub(super) async fn run<P: Producer>(
    entries: &Arc<Vec<Entry>>,
    producers: Vec<P>,
) -> Result<Ingested, Error> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = stopwatch::start();
    let tasks = producers.into_iter().map(|producer| {
        let (entries, next) = (Arc::clone(entries), Arc::clone(&next));
        tokio::spawn(produce(producer, entries, next))
    });
    let done = try_join_all(tasks)
        .await
        .map_err(Error::store("a producer"))?;
    let wall = start.elapsed();
    let mut latencies = Latencies::default();
    for part in done {
        latencies.extend(part?);
    }
    Ok(Ingested { wall, latencies })
}

async fn produce<P: Producer>(
    mut producer: P,
    entries: Arc<Vec<Entry>>,
    next: Arc<AtomicUsize>,
) -> Result<Latencies, Error> {
    let mut latencies = Latencies::default();
    while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
        let start = stopwatch::start();
        producer.put(entry).await?;
        latencies.push(start.elapsed());
    }
    Ok(latencies)
}
