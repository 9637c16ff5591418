//! Measures the hot paths of the order pipeline on generated orders, one JSON line each.
//!
//! `cargo run --release -p omnisync-benches -- [ORDERS]`

#![allow(
    clippy::print_stdout,
    reason = "the lines are what this program is for"
)]

use std::error::Error;
use std::io::Cursor;
use std::time::Instant;

use omnisync_core::batch::batch_id;
use omnisync_core::dixf::{FieldMap, PackageWriter, ReadLimits, read_package};
use omnisync_core::event::CloudEvent;
use omnisync_core::id::ProjectName;
use omnisync_core::json::{self, Limits};
use omnisync_core::order::{Order, OrderRules, content_hash, validate};
use omnisync_core::package::PackageInfo;
use omnisync_testkit::generate::OrderGenerator;

const ORDERS: usize = 100_000;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let orders = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => ORDERS,
    };
    let texts: Vec<_> = OrderGenerator::new(SEED)
        .take(orders)
        .map(|event| event.bytes)
        .collect();
    let bytes = texts.iter().fold(0, |sum, text| sum + text.len());

    let events = measure("event_parse", orders, bytes, || {
        texts
            .iter()
            .map(|text| CloudEvent::from_json(text))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let parsed = measure("order_validate_and_hash", orders, bytes, || {
        events.iter().map(order_of).collect::<Result<Vec<_>, _>>()
    })?;
    let map = FieldMap::dmf().compile()?;
    let package = measure("package_write", orders, bytes, || {
        let info = PackageInfo {
            definition_group: ProjectName::new("Bench")?,
            description: "Bench".to_owned(),
            batch_id: batch_id(&[], 0),
            created_at: chrono::DateTime::UNIX_EPOCH,
            exported_by: "bench".to_owned(),
        };
        let mut writer = PackageWriter::new(Vec::new(), &map, info)?;
        for order in &parsed {
            writer.append(order)?;
        }
        Ok::<_, Box<dyn Error>>(writer.finish()?.0)
    })?;
    let size = package.len();
    let report = measure("package_verify", orders, size, || {
        read_package(Cursor::new(&package), ReadLimits::default())
    })?;
    if report.is_clean() && report.orders == u64::try_from(orders)? {
        Ok(())
    } else {
        Err("the package does not hold what was written".into())
    }
}

fn order_of(event: &CloudEvent) -> Result<Order, Box<dyn Error>> {
    let text = event.data().as_json().ok_or("no data")?;
    let data = json::parse(text.as_bytes(), &Limits::default())?;
    std::hint::black_box(content_hash(&data));
    validate(&data, &OrderRules::default())
        .map(|valid| valid.order)
        .map_err(|violations| format!("{} violations", violations.len()).into())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing it measures does"
)]
fn measure<T, E>(
    name: &str,
    items: usize,
    bytes: usize,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let start = Instant::now();
    let result = work()?;
    let seconds = start.elapsed().as_secs_f64();
    println!(r#"{{"measure":"{name}","n":{items},"bytes":{bytes},"wall_s":{seconds:.3}}}"#);
    Ok(result)
}
