//! How long orders take to become a package, on one thread.

use criterion::{Criterion, Throughput};
use omnisync_benches::workload::{Failure, Packager, Work as _};

const ORDERS: u32 = 1_000;

fn main() -> Result<(), Failure> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("packager");
    group.throughput(Throughput::Elements(u64::from(ORDERS)));
    for (name, work) in [
        ("dmf", Packager::dmf(ORDERS)?),
        ("seed", Packager::seed(ORDERS)?),
    ] {
        work.run()?;
        group.bench_function(name, |bencher| bencher.iter(|| work.run()));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
