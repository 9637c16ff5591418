//! Orders as they arrive, for the work of the state machine.

use chrono::{DateTime, Duration, Utc};
use omnisync_core::id::{OrderId, Sha256, WorkerId};
use omnisync_core::order::{Cause, Change, Revision, RevisionContent};
use serde_json::value::RawValue;

use super::Failure;
use crate::events::order_events;

const SEED: u64 = 2;

/// Ids and events of this many orders.
pub(super) fn arrivals(orders: u32) -> impl Iterator<Item = (String, String)> {
    (1..=orders)
        .map(|number| format!("ORD-20260314-{number:07}"))
        .zip(order_events(SEED, orders))
}

/// The order as the event of revision `number` brings it; `word` makes the content another one.
pub(super) fn content(event: &str, number: u64, word: &str) -> Result<RevisionContent, Failure> {
    Ok(RevisionContent {
        revision: Revision::new(Some(number), None),
        content_hash: Sha256::of(format!("{event}{word}").as_bytes()),
        cancels: false,
        oms_event: RawValue::from_string(event.to_owned())?,
        ingested_at: now(),
        waiting_since: now(),
        cause: Cause::Event {
            source: "/oms/orders".to_owned(),
            id: format!("evt-{number}{word}"),
            traceparent: None,
        },
    })
}

/// A change by one worker at one time.
pub(super) fn change() -> Result<Change, Failure> {
    Ok(Change {
        at: now(),
        actor: worker()?,
        cause: Cause::Operator {
            name: "bench".to_owned(),
        },
        retention: Duration::days(90),
    })
}

pub(super) fn worker() -> Result<WorkerId, Failure> {
    Ok(WorkerId::new("bench")?)
}

pub(super) fn order_id(text: &str) -> Result<OrderId, Failure> {
    Ok(OrderId::new(text)?)
}

pub(super) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_526)
}
