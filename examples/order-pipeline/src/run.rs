use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use omnisync_adapters_local::NdjsonConfig;
use omnisync_core::flow::{BatchStep, DeliverPolicy, Delivered, IngestPolicy};
use omnisync_core::order::{ORDERS, StateName};
use omnisync_core::policy::BatchPolicy;
use omnisync_core::port::{BlobStage, EventSource, Query, StateStore, StateStoreExt as _};
use omnisync_testkit::generate::OrderGenerator;

use crate::RunArgs;
use crate::error::HostError;
use crate::host::{Host, HostConfig};
use crate::report::RunReport;
use crate::workspace::Workspace;

/// Seed of the generated orders: the same every time, so that a second run finds them known.
const GENERATOR_SEED: u64 = 20_260_314;
/// Lines that are taken in with one write.
const RECEIVE_LINES: usize = 1_000;
/// Time between two questions for an import's status: the ERP is in this process.
const POLL_MS: u32 = 5;
/// Packages that are listed at once.
const LIST_PACKAGES: usize = 1_000;

pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, HostError> {
    let workspace = Workspace::create(&args.work)?;
    let _occupancy = workspace.occupy()?;
    workspace.pin_layout(args.layout.into())?;
    let host = Host::open(
        &workspace,
        HostConfig {
            layout: args.layout.into(),
            ingest: IngestPolicy {
                receive_max: RECEIVE_LINES,
                ..IngestPolicy::default()
            },
            batch: BatchPolicy {
                orders_max: args.max_orders,
                ..BatchPolicy::default()
            },
            deliver: DeliverPolicy {
                poll_ms: POLL_MS,
                ..DeliverPolicy::default()
            },
            fail_rate: args.fail_rate,
        },
    )?;
    let input = match args.orders {
        Some(path) => path,
        None => generate(&workspace, args.generate)?,
    };
    let source = NdjsonConfig::new(input)
        .with_checkpoint_path(workspace.checkpoint())
        .with_dead_letter_path(workspace.dead_letters())
        .open(Arc::clone(&host.clock))?;

    let progress = progress();
    let mut report = RunReport::default();
    take_in(&host, &source, &progress, &mut report).await?;
    drain(&host, &progress, &mut report).await?;
    progress.finish_and_clear();

    report.pending = pending(&*host.store).await?;
    report.package_files = package_files(&*host.stage, &workspace.packages()).await?;
    let mut out = io::stdout().lock();
    let printed = if args.json {
        serde_json::to_writer(&mut out, &report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        out.write_all(
            report
                .table(&workspace.packages().display().to_string())
                .as_bytes(),
        )
    };
    printed.map_err(|source| HostError::Io {
        what: "print the result".to_owned(),
        source,
    })?;
    Ok(if report.pending == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

/// Takes everything in that the source has.
async fn take_in(
    host: &Host,
    source: &dyn EventSource,
    progress: &ProgressBar,
    report: &mut RunReport,
) -> Result<(), HostError> {
    progress.set_message("taking in");
    loop {
        let outcome = host.ingest.run_once(source).await?;
        report.add_ingest(&outcome);
        progress.inc(u64::try_from(outcome.received).unwrap_or_default());
        if outcome.ended {
            return Ok(());
        }
        if let Some(until) = outcome.paused_until {
            host.clock.sleep_until(until).await;
        }
    }
}

/// Batches and delivers until nothing is left to do.
async fn drain(
    host: &Host,
    progress: &ProgressBar,
    report: &mut RunReport,
) -> Result<(), HostError> {
    while !host.sweep.run_once().await?.complete {}
    loop {
        progress.set_message("packing");
        loop {
            let outcome = host.batch.run_now().await?;
            report.add_batch(&outcome);
            if outcome.step == BatchStep::Idle {
                break;
            }
            progress.tick();
        }
        progress.set_message("delivering");
        let mut delivered = false;
        loop {
            let outcome = host.deliver.run_once().await?;
            report.add_delivery(&outcome);
            progress.tick();
            match outcome.step {
                Delivered::Idle { until: None } => break,
                Delivered::Idle { until: Some(until) } => host.clock.sleep_until(until).await,
                Delivered::Restaged => {
                    delivered = true;
                    break;
                }
                Delivered::Done(_) => delivered = true,
                _ => {}
            }
        }
        // Orders that failed for the moment, and revisions that were queued, wait again now.
        if !delivered {
            return Ok(());
        }
    }
}

/// Writes the generated orders into the work folder, once.
fn generate(workspace: &Workspace, orders: usize) -> Result<PathBuf, HostError> {
    let path = workspace.generated(orders);
    if path.exists() {
        return Ok(path);
    }
    let unfinished = path.with_extension("unfinished");
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(&unfinished)?);
        OrderGenerator::new(GENERATOR_SEED).write_ndjson(orders, &mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(HostError::io("write generated orders to", &path))?;
    Ok(path)
}

fn progress() -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:<12} {pos} events {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Orders that are neither settled nor set aside.
async fn pending(store: &dyn StateStore) -> Result<usize, HostError> {
    let mut pending = 0;
    for state in [StateName::Pending, StateName::Claimed] {
        let query = Query::all(ORDERS).in_state(state.as_str()).without_bodies();
        pending += store.query_all(query, usize::MAX).await?.len();
    }
    Ok(pending)
}

async fn package_files(stage: &dyn BlobStage, folder: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut files = Vec::new();
    let mut after = None;
    loop {
        let page = stage.list("oms_", after.as_ref(), LIST_PACKAGES).await?;
        files.extend(page.iter().map(|name| folder.join(name.as_str())));
        after = page.last().cloned();
        if page.len() < LIST_PACKAGES {
            return Ok(files);
        }
    }
}
