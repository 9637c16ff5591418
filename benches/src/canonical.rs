//! The input that every contestant reads.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use omnisync_benches::events::order_events;

use crate::error::Error;

/// Writes one event a line.
pub(crate) fn write(seed: u64, orders: u32, path: &Path) -> Result<(), Error> {
    let failed = Error::file(path);
    let mut out = BufWriter::new(File::create(path).map_err(&failed)?);
    for event in order_events(seed, orders) {
        writeln!(out, "{event}").map_err(&failed)?;
    }
    out.flush().map_err(failed)
}
