use std::sync::Arc;

use chrono::Duration;
use omnisync_core::PortError;
use omnisync_core::flow::{BatchStep, Delivered};
use tokio::sync::watch;
use tracing::error;

use crate::host::Host;

/// Pause between two rounds that found nothing to do.
const PAUSE_MS: i64 = 250;
/// Pause after a round that failed: what broke needs somebody to repair it.
const PAUSE_AFTER_FAILURE_MS: i64 = 2_000;
/// Rounds between two looks for what is past its retention.
const RETENTION_ROUNDS: u32 = 1_000;

/// Runs the windows until told to stop. An error is told and the round repeated later: no flow
/// loses anything by failing.
pub(super) async fn work(host: Arc<Host>, mut stopped: watch::Receiver<bool>) {
    let mut rounds = 0_u32;
    while !*stopped.borrow() {
        let pause_ms = match round(&host, rounds).await {
            Round::Busy => 0,
            Round::Idle => PAUSE_MS,
            Round::Failed => PAUSE_AFTER_FAILURE_MS,
        };
        rounds = rounds.wrapping_add(1);
        if pause_ms == 0 {
            continue;
        }
        let pause = host.clock.now() + Duration::milliseconds(pause_ms);
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
    Failed,
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
            round = Round::Failed;
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
