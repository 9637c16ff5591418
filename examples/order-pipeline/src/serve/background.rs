use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join;
use omnisync_core::PortError;
use omnisync_core::flow::{BatchStep, Delivered};
use omnisync_core::port::EventSource;
use tokio::sync::watch;
use tracing::error;

use crate::host::Host;
use crate::pace::pause_after;

/// Pause between two rounds that found nothing to do.
const PAUSE: TimeDelta = TimeDelta::milliseconds(250);
/// Shortest pause after a round that failed: what broke needs somebody to repair it.
const PAUSE_AFTER_FAILURE: TimeDelta = TimeDelta::seconds(2);
/// Rounds between two looks for what is past its retention.
const RETENTION_ROUNDS: u32 = 1_000;

/// Works until told to stop: by the windows, and on the queue where there is one.
pub(super) async fn run(
    host: Arc<Host>,
    events: Option<Arc<dyn EventSource>>,
    stopped: watch::Receiver<bool>,
) {
    let windows = work(&host, stopped.clone());
    match events {
        Some(events) => {
            join(windows, receive(&host, &*events, stopped)).await;
        }
        None => windows.await,
    }
}

/// Takes in what a queue has, until told to stop.
async fn receive(host: &Host, events: &dyn EventSource, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let until = match host.ingest.run_once(events).await {
            Ok(outcome) if outcome.ended => return,
            Ok(outcome) => outcome.paused_until,
            Err(error) => {
                error!(error = %error.report(), "the queue gave nothing");
                Some(host.clock.now() + pause_after(&error, PAUSE_AFTER_FAILURE))
            }
        };
        if let Some(until) = until {
            tokio::select! {
                () = host.clock.sleep_until(until) => {}
                _ = stopped.changed() => {}
            }
        }
    }
}

/// Runs the windows until told to stop. An error is told and the round repeated later: no flow
/// loses anything by failing.
async fn work(host: &Host, mut stopped: watch::Receiver<bool>) {
    let mut rounds = 0_u32;
    while !*stopped.borrow() {
        let pause = match round(host, rounds).await {
            Round::Busy => None,
            Round::Idle => Some(PAUSE),
            Round::Failed { pause } => Some(pause),
        };
        rounds = rounds.wrapping_add(1);
        let Some(pause) = pause else { continue };
        let pause = host.clock.now() + pause;
        tokio::select! {
            () = host.clock.sleep_until(pause) => {}
            // The sender is gone only when the host ends.
            _ = stopped.changed() => {}
        }
    }
}

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more to do at once.
    Busy,
    Idle,
    /// A step failed; the longest pause that is asked for.
    Failed {
        pause: TimeDelta,
    },
}

/// One step of every flow. A flow that fails does not keep the others from working.
async fn round(host: &Host, rounds: u32) -> Round {
    let mut round = Round::Idle;
    let mut note = |flow, step: Result<bool, PortError>| match step {
        Ok(busy) => {
            if busy && round == Round::Idle {
                round = Round::Busy;
            }
        }
        Err(error) => {
            error!(flow, error = %error.report(), "background step failed");
            let asked = pause_after(&error, PAUSE_AFTER_FAILURE);
            round = match round {
                Round::Failed { pause } if pause > asked => round,
                _ => Round::Failed { pause: asked },
            };
        }
    };
    note("sweep", host.sweep.run_once().await.map(|_| false));
    let batch = host.batch.run_once().await;
    note(
        "batch",
        batch.map(|outcome| matches!(outcome.step, BatchStep::Staged | BatchStep::Empty)),
    );
    let delivery = host.deliver.run_once().await;
    note(
        "deliver",
        delivery.map(|outcome| {
            matches!(
                outcome.step,
                Delivered::Submitted | Delivered::Done(_) | Delivered::Restaged
            )
        }),
    );
    if rounds.is_multiple_of(RETENTION_ROUNDS) {
        note(
            "retention",
            host.retention.run_once().await.map(|outcome| outcome.more),
        );
    }
    round
}
