//! One of any number of processes that take events in, batch and deliver until nothing is left.

use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::PortError;
use omnisync_core::flow::{BatchStep, Delivered};
use omnisync_core::port::EventSource;
use tracing::warn;

use crate::configured::HostSettings;
use crate::error::HostError;
use crate::host::Host;
use crate::pace::pause_after;
use crate::report::RunReport;

/// Pause after a round that found nothing to do.
const PAUSE: TimeDelta = TimeDelta::milliseconds(100);
/// Shortest pause after a round that failed for the moment.
const PAUSE_AFTER_FAILURE: TimeDelta = TimeDelta::seconds(1);
/// How long services may go on failing before the run gives up.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);
/// Receives of one round: what was taken in is to be delivered while more comes.
const RECEIVES_MAX: usize = 20;

/// Works by the file at `path` until the queue is quiet and every order is settled.
pub(crate) async fn run(path: &Path, json: bool) -> Result<ExitCode, HostError> {
    let configured = HostSettings::read(path)?.open()?;
    let host = &configured.host;
    let mut run = Run {
        host,
        events: configured.events.as_deref(),
        report: RunReport::default(),
        failing_since: None,
        is_on_its_way: false,
    };
    let quiet = TimeDelta::seconds(i64::from(configured.worker.quiet_seconds));
    run.until_quiet(quiet).await?;
    let (pending, files) = loop {
        match summed_up(host).await {
            Ok(summary) => break summary,
            Err(error) => run.bear(error).await?,
        }
    };
    run.report.pending = pending;
    run.report.package_files = files;
    run.report.print(json, "the stage")?;
    Ok(run.report.exit_code())
}

/// What the report says of what is there at the end.
async fn summed_up(host: &Host) -> Result<(usize, Vec<std::path::PathBuf>), PortError> {
    let pending = host.pending().await?;
    Ok((pending, host.package_files(Path::new("")).await?))
}

/// A run and what it did so far.
struct Run<'a> {
    host: &'a Host,
    events: Option<&'a dyn EventSource>,
    report: RunReport,
    /// Since when nothing succeeds.
    failing_since: Option<DateTime<Utc>>,
    /// A package waits for the ERP or for another process, as far as the last round saw.
    is_on_its_way: bool,
}

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more to do at once.
    Busy,
    /// Nothing could be done now, and something waits.
    Waiting,
    /// Nothing is left.
    Done,
}

impl Run<'_> {
    async fn until_quiet(&mut self, quiet: TimeDelta) -> Result<(), HostError> {
        let mut worked_at = self.host.clock.now();
        loop {
            let round = match self.round().await {
                Ok(round) => round,
                // Other processes go on with what this one cannot do now; so does this one later.
                Err(error) => {
                    self.bear(error).await?;
                    // Nobody watched the queue meanwhile.
                    worked_at = self.host.clock.now();
                    continue;
                }
            };
            self.failing_since = None;
            if round != Round::Done {
                worked_at = self.host.clock.now();
            } else if self.host.clock.now() - worked_at >= quiet {
                return Ok(());
            }
            if round != Round::Busy {
                self.pause(PAUSE).await;
            }
        }
    }

    /// A step of every flow.
    async fn round(&mut self) -> Result<Round, PortError> {
        let mut is_busy = self.take_in().await?;
        self.host.sweep.run_once().await?;
        loop {
            let outcome = self.host.batch.run_now().await?;
            self.report.add_batch(&outcome);
            match outcome.step {
                BatchStep::Staged | BatchStep::Empty => is_busy = true,
                BatchStep::Idle | BatchStep::Elsewhere => break,
            }
        }
        loop {
            let outcome = self.host.deliver.run_once().await?;
            self.report.add_delivery(&outcome);
            match outcome.step {
                Delivered::Submitted | Delivered::Done(_) | Delivered::Restaged => is_busy = true,
                Delivered::Idle { until } => {
                    self.is_on_its_way = until.is_some();
                    break;
                }
                Delivered::Elsewhere | Delivered::Waiting { .. } => {
                    self.is_on_its_way = true;
                    break;
                }
            }
        }
        Ok(if is_busy {
            Round::Busy
        } else if self.is_on_its_way || self.host.pending().await? > 0 {
            Round::Waiting
        } else {
            Round::Done
        })
    }

    /// Takes in some of what the queue has, and says whether it had anything.
    async fn take_in(&mut self) -> Result<bool, PortError> {
        let Some(events) = self.events else {
            return Ok(false);
        };
        let mut some = false;
        for _ in 0..RECEIVES_MAX {
            let outcome = self.host.ingest.run_once(events).await?;
            self.report.add_ingest(&outcome);
            some |= outcome.received > 0;
            if let Some(until) = outcome.paused_until {
                self.host.clock.sleep_until(until).await;
                return Ok(some);
            }
            if outcome.received == 0 {
                return Ok(some);
            }
        }
        Ok(some)
    }

    /// Waits out what may pass, as long as whoever failed asked for; gives everything else back,
    /// and what has not passed for too long.
    async fn bear(&mut self, error: PortError) -> Result<(), HostError> {
        let now = self.host.clock.now();
        let since = *self.failing_since.get_or_insert(now);
        if !error.is_transient() || now - since > PATIENCE {
            return Err(error.into());
        }
        warn!(error = %error.report(), "a service failed for the moment");
        self.pause(pause_after(&error, PAUSE_AFTER_FAILURE)).await;
        Ok(())
    }

    async fn pause(&self, pause: TimeDelta) {
        let until = self.host.clock.now() + pause;
        self.host.clock.sleep_until(until).await;
    }
}
