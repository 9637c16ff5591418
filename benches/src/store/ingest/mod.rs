//! Takes orders into a durable store. A producer offers its next order once the one before was
//! acknowledged, and an acknowledgement means that the order is on disk. What was stored is read
//! back before a time counts.

mod append;
mod omnisync;
mod postgres;
mod producers;
mod redis;
mod sqlite;
mod stream;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::folder::emptied;
use super::input::{self, Entry};
use super::latency::Latencies;
use super::runtime;
use crate::error::Error;
use crate::line::Line;

#[derive(Debug, Args)]
pub(crate) struct IngestArguments {
    /// Order events, one a line
    #[arg(long)]
    input: PathBuf,
    /// Where the store is made anew
    #[arg(long)]
    work: PathBuf,
    #[arg(long, default_value = "1")]
    producers: NonZero<usize>,
    #[arg(long)]
    into: Into,
    /// Of a server: HOST:PORT, or the path of its socket
    #[arg(long, required_if_eq_any([("into", "redis"), ("into", "postgres")]))]
    address: Option<String>,
    /// Of `sqlite`, which acknowledges whole transactions
    #[arg(long, default_value = "1")]
    rows_per_transaction: NonZero<usize>,
    /// Take the first orders of the input only
    #[arg(long)]
    orders: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Into {
    /// OMNISYNC's state store
    Omnisync,
    /// The floor: a log that one thread appends to and syncs for all who wait
    Append,
    /// SQLite itself, one producer, many rows a transaction
    Sqlite,
    Redis,
    Postgres,
}

/// What taking in took.
struct Ingested {
    wall: Duration,
    latencies: Latencies,
}

pub(crate) fn run(arguments: &IngestArguments) -> Result<Line, Error> {
    let entries = Arc::new(input::read(&arguments.input, arguments.orders)?);
    let producers = arguments.producers.get();
    let address = arguments.address.as_deref().unwrap_or_default();
    let work = &arguments.work;
    let (peer, ingested) = match arguments.into {
        Into::Omnisync => ("omnisync".to_owned(), {
            omnisync::run(&entries, &emptied(work, "omnisync")?, producers)?
        }),
        Into::Append => ("append".to_owned(), {
            append::run(&entries, &emptied(work, "append")?, producers)?
        }),
        Into::Sqlite => {
            let rows = arguments.rows_per_transaction.get();
            let ingested = sqlite::run(&entries, &emptied(work, "sqlite")?, rows)?;
            (format!("sqlite-{rows}"), ingested)
        }
        Into::Redis => ("redis".to_owned(), {
            runtime()?.block_on(redis::run(&entries, address, producers))?
        }),
        Into::Postgres => ("postgres".to_owned(), {
            runtime()?.block_on(postgres::run(&entries, address, producers))?
        }),
    };
    let latencies = ingested.latencies.sorted();
    Ok(Line {
        measure: "m4".to_owned(),
        peer,
        n: u64::try_from(entries.len()).ok(),
        wall_s: ingested.wall.as_secs_f64(),
        p50_us: latencies.percentile_us(50),
        p99_us: latencies.percentile_us(99),
        bytes_out: entries.iter().map(|entry| length(entry.bytes())).sum(),
        ..Line::default()
    })
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or_default()
}

/// Compares what a store gave back with what it was given, order by order.
fn check(who: &str, entries: &[Entry], mut found: BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    for entry in entries {
        let stored = found.remove(&entry.id);
        if stored.as_deref() != Some(entry.bytes()) {
            let id = &entry.id;
            let text = format!("{who} does not hold order {id} as it was given");
            return Err(Error::Mismatch(text));
        }
    }
    match found.into_keys().next() {
        Some(id) => {
            let text = format!("{who} holds {id}, which it was not given");
            Err(Error::Mismatch(text))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn every_order_has_to_come_back_as_it_was() {
        let entry = |id: &str| Entry {
            id: id.to_owned(),
            body: RawValue::from_string(format!("{{\"id\":\"{id}\"}}")).unwrap(),
        };
        let entries = [entry("a"), entry("b")];
        let whole: BTreeMap<String, Vec<u8>> = entries
            .iter()
            .map(|entry| (entry.id.clone(), entry.bytes().to_vec()))
            .collect();
        assert!(check("it", &entries, whole.clone()).is_ok());

        let mut lost = whole.clone();
        lost.remove("b");
        let mut altered = whole.clone();
        altered.insert("b".to_owned(), b"{}".to_vec());
        let mut more = whole;
        more.insert("c".to_owned(), b"{}".to_vec());
        for found in [lost, altered, more] {
            assert!(check("it", &entries, found).is_err());
        }
    }
}
