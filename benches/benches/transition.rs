//! How long orders take to go through their states in batches.

use criterion::{Criterion, Throughput};
use omnisync_benches::workload::{Failure, Transition, Work as _};

const ORDERS: u32 = 100;

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("transition");
    group.throughput(Throughput::Elements(u64::from(ORDERS)));
    let work = Transition::new(ORDERS)?;
    work.run()?;
    group.bench_function("orders", |bencher| bencher.iter(|| work.run()));
    group.finish();
    criterion.final_summary();
    Ok(())
}
