use std::sync::Arc;

use chrono::Duration;
use omnisync_core::PortError;
use omnisync_core::flow::{BatchStep, Delivered};
use tokio::sync::watch;
use tracing::error;

use crate::host::Host;

/// Pause between two rounds that found nothing to do.
const PAUSE_MS: i64 = 250;
/// Rounds between two looks for what is past its retention.
const RETENTION_ROUNDS: u32 = 1_000;

/// Runs the windows until told to stop. An error is told and the round repeated later: no flow
/// loses anything by failing.
pub(super) async fn work(host: Arc<Host>, mut stopped: watch::Receiver<bool>) {
    let mut rounds = 0_u32;
    while !*stopped.borrow() {
        let busy = match round(&host, rounds).await {
            Ok(busy) => busy,
            Err(error) => {
                error!(error = %error.report(), "background round failed");
                false
            }
        };
        rounds = rounds.wrapping_add(1);
        if busy {
            continue;
        }
        let pause = host.clock.now() + Duration::milliseconds(PAUSE_MS);
        tokio::select! {
            () = host.clock.sleep_until(pause) => {}
            // The sender is gone only when the host ends.
            _ = stopped.changed() => {}
        }
    }
}

/// One step of every flow; true when there may be more to do at once.
async fn round(host: &Host, rounds: u32) -> Result<bool, PortError> {
    host.sweep.run_once().await?;
    let batch = host.batch.run_once().await?;
    let delivery = host.deliver.run_once().await?;
    if rounds.is_multiple_of(RETENTION_ROUNDS) {
        host.retention.run_once().await?;
    }
    let packing = matches!(batch.step, BatchStep::Staged | BatchStep::Empty);
    let delivering = matches!(
        delivery.step,
        Delivered::Submitted | Delivered::Done(_) | Delivered::Restaged
    );
    Ok(packing || delivering)
}
