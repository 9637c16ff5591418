//! Packs orders as OMNISYNC does.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;
use omnisync_benches::workload::order;
use omnisync_core::batch::batch_id;
use omnisync_core::dixf::{CompiledMap, FieldMap, PackageWriter, WriteOptions};
use omnisync_core::id::ProjectName;
use omnisync_core::order::Order;
use omnisync_core::package::{PackageInfo, PackageTotals};

use crate::error::Error;
use crate::line::Line;
use crate::stopwatch::{repeated, timed};

pub(crate) mod floor;
pub(crate) mod rows;

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
    /// Times the job is done in this process
    #[arg(long, default_value = "1")]
    repeat: NonZero<usize>,
}

pub(crate) fn run(arguments: &PackageArguments) -> Result<Line, Error> {
    let map = FieldMap::seed().compile().map_err(package)?;
    let (totals, times) = if arguments.stream {
        let job = || {
            let orders = orders(&arguments.input)?;
            let scratch = tempfile::tempfile().map_err(package)?;
            let writer = arguments.writer(&map)?.with_scratch(scratch);
            let (totals, took) = timed(|| packed(writer, orders));
            Ok::<_, Error>((totals?, took))
        };
        repeated(arguments.repeat, job)?
    } else {
        let orders = orders(&arguments.input)?.collect::<Result<Vec<_>, _>>()?;
        let job = || {
            let writer = arguments.writer(&map)?;
            let (totals, took) = timed(|| packed(writer, orders.iter().map(Ok)));
            Ok::<_, Error>((totals?, took))
        };
        repeated(arguments.repeat, job)?
    };
    Ok(Line {
        measure: "m1".to_owned(),
        peer: "omnisync".to_owned(),
        n: Some(totals.orders),
        wall_s: times.first.as_secs_f64(),
        best_s: times.best.map(|best| best.as_secs_f64()),
        bytes_out: totals.bytes,
        sha: totals.sha256.to_string(),
        ..Line::default()
    })
}

impl PackageArguments {
    fn writer<'m>(
        &self,
        map: &'m CompiledMap,
    ) -> Result<PackageWriter<'m, BufWriter<File>>, Error> {
        let failed = Error::file(&self.out);
        let out = BufWriter::new(File::create(&self.out).map_err(failed)?);
        let info = PackageInfo {
            definition_group: ProjectName::new("Bench").map_err(package)?,
            description: "Bench".to_owned(),
            batch_id: batch_id(&[], 0),
            created_at: chrono::DateTime::UNIX_EPOCH,
            exported_by: "xbench".to_owned(),
        };
        let options = WriteOptions {
            orders_max: u64::MAX,
            threads: self.threads,
            is_sorted: true,
            ..WriteOptions::default()
        };
        PackageWriter::with_options(out, map, info, options).map_err(package)
    }
}

fn packed<O: Borrow<Order>>(
    mut writer: PackageWriter<'_, BufWriter<File>>,
    orders: impl Iterator<Item = Result<O, Error>>,
) -> Result<PackageTotals, Error> {
    for order in orders {
        writer.append(order?.borrow()).map_err(package)?;
    }
    let (_, totals) = writer.finish().map_err(package)?;
    Ok(totals)
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
