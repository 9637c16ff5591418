//! Packs orders as OMNISYNC does.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;
use omnisync_core::batch::batch_id;
use omnisync_core::dixf::{FieldMap, PackageWriter, WriteOptions};
use omnisync_core::event::CloudEvent;
use omnisync_core::id::ProjectName;
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{Order, OrderRules, validate};
use omnisync_core::package::{PackageInfo, PackageTotals};

use crate::error::Error;
use crate::line::Line;
use crate::stopwatch::timed;

type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Args)]
pub(crate) struct PackageArguments {
    #[arg(long)]
    input: PathBuf,
    #[arg(long)]
    out: PathBuf,
    /// Read order by order while packing, as a host does with a large batch
    #[arg(long)]
    stream: bool,
    /// Threads that deflate
    #[arg(long, default_value = "2")]
    threads: NonZero<usize>,
}

pub(crate) fn run(arguments: &PackageArguments) -> Result<Line, Error> {
    let map = FieldMap::seed().compile().map_err(package)?;
    let failed = Error::file(&arguments.out);
    let out = BufWriter::new(File::create(&arguments.out).map_err(failed)?);
    let info = PackageInfo {
        definition_group: ProjectName::new("Bench").map_err(package)?,
        description: "Bench".to_owned(),
        batch_id: batch_id(&[], 0),
        created_at: chrono::DateTime::UNIX_EPOCH,
        exported_by: "xbench".to_owned(),
    };
    let options = WriteOptions {
        orders_max: u64::MAX,
        threads: arguments.threads,
        ..WriteOptions::default()
    };
    let mut writer = PackageWriter::with_options(out, &map, info, options).map_err(package)?;
    let orders = orders(&arguments.input)?;
    let (totals, took) = if arguments.stream {
        timed(|| {
            for order in orders {
                writer.append(&order?).map_err(package)?;
            }
            writer.finish().map_err(package)
        })
    } else {
        let orders = orders.collect::<Result<Vec<_>, _>>()?;
        timed(|| {
            for order in &orders {
                writer.append(order).map_err(package)?;
            }
            writer.finish().map_err(package)
        })
    };
    let (_, totals): (_, PackageTotals) = totals?;
    Ok(Line {
        measure: "m1".to_owned(),
        peer: "omnisync".to_owned(),
        n: Some(totals.orders),
        wall_s: took.as_secs_f64(),
        bytes_out: totals.bytes,
        sha: totals.sha256.to_string(),
        ..Line::default()
    })
}

fn package(error: impl Into<Cause>) -> Error {
    Error::Package(error.into())
}

/// The orders of a file with an event a line.
fn orders(path: &Path) -> Result<impl Iterator<Item = Result<Order, Error>> + '_, Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    let lines = BufReader::new(file).lines().enumerate();
    Ok(lines.map(move |(index, line)| {
        let line = line.map_err(Error::file(path))?;
        order(&line).map_err(|source| Error::NotAnOrder {
            path: path.to_owned(),
            number: index + 1,
            source,
        })
    }))
}

fn order(line: &str) -> Result<Order, Cause> {
    let event = CloudEvent::from_json(line.as_bytes())?;
    let text = event.data().as_json().ok_or("no data")?;
    let data = json::parse(text.as_bytes(), &Limits::default())?;
    let valid = validate(&data, &OrderRules::default())
        .map_err(|violations| format!("{} violations", violations.len()))?;
    Ok(valid.order)
}
