//! Orders as they arrive, for the work of the state machine.

use chrono::{DateTime, Duration, Utc};
use omnisync_core::id::{OrderId, Sha256, WorkerId};
use omnisync_core::order::{Cause, Change, Revision, RevisionContent};
use serde_json::value::RawValue;

use super::Failure;
use crate::events::{order_events, order_id};

const SEED: u64 = 2;

/// Ids and contents of this many orders, each in its first revision.
pub(super) fn arrivals(
    orders: u32,
) -> impl Iterator<Item = Result<(OrderId, RevisionContent), Failure>> {
    (1..=orders)
        .zip(order_events(SEED, orders))
        .map(|(number, event)| {
            let id = OrderId::new(order_id(number))?;
            let first = RevisionContent {
                revision: Revision::new(Some(1), None),
                content_hash: Sha256::of(id.as_str().as_bytes()),
                cancels: false,
                oms_event: RawValue::from_string(event)?,
                ingested_at: now(),
                waiting_since: now(),
                cause: cause(1, "created"),
            };
            Ok((id, first))
        })
}

/// Revision `number` of the order, which differs from the first one by a word.
pub(super) fn revised(first: &RevisionContent, number: u64, word: &str) -> RevisionContent {
    let hash = [first.content_hash.as_bytes(), word.as_bytes()].concat();
    RevisionContent {
        revision: Revision::new(Some(number), None),
        content_hash: Sha256::of(&hash),
        cause: cause(number, word),
        ..first.clone()
    }
}

fn cause(number: u64, word: &str) -> Cause {
    Cause::Event {
        source: "/oms/orders".to_owned(),
        id: format!("evt-{number}-{word}"),
        traceparent: None,
    }
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

pub(super) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_526)
}
