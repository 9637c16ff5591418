//! Work that takes longer than a lock.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{Either, select};
use omnisync_core::port::{Clock, Delivery, EventSource};
use omnisync_core::{ErrorKind, PortError};

const EXTEND: &str = "service_bus.extend";

/// Shortest time between two renewals of a lock.
const RENEW_PAUSE: Duration = Duration::from_millis(200);

/// Does `work` and renews the lock of `delivery` meanwhile, each time half of it is over. When the
/// lock is lost, `work` is dropped: somebody else does it.
///
/// A renewal that fails for another reason is tried again until the lock is over. One that is not
/// answered by then counts as lost.
///
/// # Errors
/// `LockLost` when the lock was lost before `work` was done. `Unsupported` and `Denied` of the
/// first renewal.
///
/// # Cancel safety
/// Dropping the future drops `work` and lets the lock run out.
pub async fn while_held<T>(
    source: &(impl EventSource + ?Sized),
    clock: &(impl Clock + ?Sized),
    delivery: &Delivery,
    work: impl Future<Output = T>,
) -> Result<T, PortError> {
    let until = source.extend(delivery).await?;
    renewing(source, clock, delivery, until, work).await
}

pub(super) async fn renewing<T>(
    source: &(impl EventSource + ?Sized),
    clock: &(impl Clock + ?Sized),
    delivery: &Delivery,
    mut until: DateTime<Utc>,
    work: impl Future<Output = T>,
) -> Result<T, PortError> {
    let keep = async {
        loop {
            clock.sleep_until(half_way(clock.now(), until)).await;
            let asked = pin!(source.extend(delivery));
            let over = pin!(clock.sleep_until(until));
            let Either::Left((renewed, _)) = select(asked, over).await else {
                return PortError::new(ErrorKind::LockLost, EXTEND)
                    .with_detail("the lock ran out while its renewal was not answered");
            };
            match renewed {
                Ok(renewed) => until = renewed,
                Err(error) if error.kind() == ErrorKind::LockLost => return error,
                Err(error) if clock.now() >= until => {
                    return PortError::new(ErrorKind::LockLost, error.operation())
                        .with_detail("the lock ran out before it could be renewed")
                        .with_source(error);
                }
                Err(error) => {
                    tracing::debug!(error = %error.report(), "a lock was not renewed; tried again");
                }
            }
        }
    };
    let (keep, work) = (pin!(keep), pin!(work));
    match select(work, keep).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((lost, _)) => Err(lost),
    }
}

/// When a lock that is held until then is renewed.
pub(super) fn half_way(now: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc> {
    let half = until.signed_duration_since(now) / 2;
    let pause = TimeDelta::from_std(RENEW_PAUSE).unwrap_or_default();
    now.checked_add_signed(half.max(pause)).unwrap_or(until)
}
