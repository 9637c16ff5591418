//! Order events, read into memory before a clock starts.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Error;

/// One order as a store takes it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// The event, byte for byte.
    pub(crate) body: Box<RawValue>,
}

impl Entry {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.get().as_bytes()
    }
}

/// The orders of a file with an event a line, the first `orders_max` of them.
pub(crate) fn read(path: &Path, orders_max: Option<usize>) -> Result<Vec<Entry>, Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    let mut entries = Vec::new();
    let lines = BufReader::new(file).lines().enumerate();
    for (index, line) in lines.take(orders_max.unwrap_or(usize::MAX)) {
        let line = line.map_err(Error::file(path))?;
        entries.push(entry(line).map_err(|source| Error::NotAnOrder {
            path: path.to_owned(),
            number: index + 1,
            source: source.into(),
        })?);
    }
    if entries.is_empty() {
        let path = path.to_owned();
        return Err(Error::NoOrders { path });
    }
    Ok(entries)
}

/// The order of one event.
pub(crate) fn entry(line: String) -> Result<Entry, serde_json::Error> {
    #[derive(Deserialize)]
    struct Event {
        subject: String,
    }
    let event: Event = serde_json::from_str(&line)?;
    Ok(Entry {
        id: event.subject,
        body: RawValue::from_string(line)?,
    })
}
