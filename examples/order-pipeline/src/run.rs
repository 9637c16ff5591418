use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use omnisync_adapters_local::NdjsonConfig;
use omnisync_core::flow::{BatchStep, DeliverPolicy, Delivered, IngestPolicy};
use omnisync_core::policy::{BatchPolicy, RetryPolicy};
use omnisync_core::port::EventSource;
use omnisync_testkit::generate::OrderGenerator;

use crate::RunArgs;
use crate::embedded::{self, EmbeddedConfig};
use crate::erp::ErpChoice;
use crate::error::HostError;
use crate::host::{Host, ingest_policy};
use crate::report::RunReport;
#[cfg(feature = "azure")]
use crate::worker;
use crate::workspace::Workspace;

/// Seed of the generated orders: the same every time, so that a second run finds them known.
const GENERATOR_SEED: u64 = 20_260_314;
/// Lines that are taken in with one write.
const RECEIVE_LINES: usize = 1_000;
/// Time between two questions for an import's status: the ERP is in this process.
const POLL_MS: u32 = 5;
/// How long the database may refuse to take anything before the run gives up.
const STORE_PATIENCE: TimeDelta = TimeDelta::seconds(60);
/// Waits of this length are told.
const WAIT_TOLD: TimeDelta = TimeDelta::seconds(1);
/// Longest pause after a failure, in milliseconds: somebody sits in front of it.
const RETRY_CAP_MS: u64 = 5_000;

pub(crate) async fn run(args: RunArgs) -> Result<ExitCode, HostError> {
    #[cfg(feature = "azure")]
    if let Some(path) = &args.config {
        return worker::run(path, args.json).await;
    }
    let workspace = Workspace::create(&args.work)?;
    let _occupancy = workspace.occupy()?;
    workspace.pin_layout(args.layout.into())?;
    let host = embedded::open(
        &workspace,
        EmbeddedConfig {
            layout: args.layout.into(),
            ingest: IngestPolicy {
                receive_max: RECEIVE_LINES,
                ..ingest_policy(args.totals.into())
            },
            batch: BatchPolicy {
                orders_max: args.max_orders,
                ..BatchPolicy::default()
            },
            deliver: DeliverPolicy {
                poll_ms: POLL_MS,
                retry: RetryPolicy {
                    cap_ms: RETRY_CAP_MS,
                    ..RetryPolicy::default()
                },
                ..DeliverPolicy::default()
            },
            erp: ErpChoice::of(args.erp.config(), args.layout.into(), args.fail_rate)?,
        },
    )?;
    let input = match args.orders {
        Some(path) => path,
        None => generate(&workspace, args.generate)?,
    };
    // Without a checkpoint: the store knows every order, and a place in the file that outlives a
    // store restored from a backup would skip orders.
    let source = NdjsonConfig::new(input)
        .with_dead_letter_path(workspace.dead_letters())
        .open(Arc::clone(&host.clock))?;

    let progress = progress();
    let mut report = RunReport::default();
    take_in(&host, &source, &progress, &mut report).await?;
    drain(&host, &progress, &mut report).await?;
    progress.finish_and_clear();

    report.pending = host.pending().await?;
    report.package_files = host.package_files(&workspace.packages()).await?;
    report.print(args.json, &workspace.packages().display().to_string())?;
    Ok(report.exit_code())
}

/// Takes everything in that the source has.
async fn take_in(
    host: &Host,
    source: &dyn EventSource,
    progress: &ProgressBar,
    report: &mut RunReport,
) -> Result<(), HostError> {
    progress.set_message("taking in");
    let mut progressed_at = host.clock.now();
    loop {
        let outcome = host.ingest.run_once(source).await?;
        report.add_ingest(&outcome);
        if outcome.received > outcome.returned {
            progressed_at = host.clock.now();
        }
        progress.inc(u64::try_from(outcome.received).unwrap_or_default());
        if outcome.ended {
            return Ok(());
        }
        if let Some(until) = outcome.paused_until {
            if until - progressed_at > STORE_PATIENCE {
                return Err(HostError::StoreDown);
            }
            wait(
                host,
                progress,
                "the database, which is locked or failed",
                until,
            )
            .await;
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
        let mut waits_for = "a package that is not due yet".to_owned();
        loop {
            let outcome = host.deliver.run_once().await?;
            report.add_delivery(&outcome);
            progress.tick();
            match outcome.step {
                Delivered::Idle { until: None } => break,
                Delivered::Idle { until: Some(until) } => {
                    wait(host, progress, &waits_for, until).await;
                }
                Delivered::Waiting {
                    waits_for: reason, ..
                } => waits_for = reason,
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

/// Sleeps, and says why where a person would begin to wonder.
async fn wait(host: &Host, progress: &ProgressBar, waits_for: &str, until: DateTime<Utc>) {
    if until - host.clock.now() >= WAIT_TOLD {
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        // Standard error may be closed; there is nobody left to tell then.
        progress.suspend(|| {
            drop(writeln!(
                io::stderr(),
                "waiting for {waits_for}, until {until}"
            ));
        });
    }
    host.clock.sleep_until(until).await;
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
