//! Mutants that store something else about an order.

use chrono::TimeDelta;
use omnisync_core::order::{OrderRecord, Trail};

use super::super::{on_store, scenes};
use crate::zoo::Specimen;
use crate::zoo::edits::Edits;

/// How long an order lives, whatever becomes of it.
const AGE_MAX: TimeDelta = TimeDelta::days(30);

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "trail-cut",
            "of what happened to an order only the last step is kept",
            &["I-X1"],
            [scenes::pair()],
            on_store(|_| Edits::orders(cut_trail)),
        ),
        Specimen::new(
            "generation-never-raised",
            "an order that waits again looks as if it had never been in a batch",
            &["I-O1", "I-O4", "I-O6"],
            [scenes::refusals()],
            on_store(|_| Edits::orders(|order| order.claim_generation = 0)),
        ),
        Specimen::new(
            "attempts-not-counted",
            "an order that fails is sent again for ever",
            &["I-O1", "I-O12"],
            [scenes::hopeless()],
            on_store(|_| Edits::orders(|order| order.retry_count = 0)),
        ),
        Specimen::new(
            "expires-by-age",
            "an order expires some time after it came in, whatever becomes of it",
            &["I-O8"],
            [scenes::pair()],
            on_store(|_| {
                Edits::orders(|order| {
                    order.expires_at = order.ingested_at.checked_add_signed(AGE_MAX);
                    order.ttl = Some(AGE_MAX.num_seconds());
                })
            }),
        ),
        Specimen::new(
            "queued-revision-forgotten",
            "a newer revision of an order in a batch is acknowledged and not kept",
            &["I-O3", "I-O10"],
            [scenes::changes()],
            on_store(|_| Edits::orders(|order| order.queued = None)),
        ),
        Specimen::new(
            "import-forgotten",
            "that the ERP may hold an order is not remembered when it is cancelled",
            &["I-O10"],
            [scenes::late_changes()],
            on_store(|_| Edits::orders(|order| order.may_be_in_erp = false)),
        ),
    ]
}

fn cut_trail(order: &mut OrderRecord) {
    let last = order.trail.entries().last().cloned();
    order.trail = Trail::default();
    if let Some(last) = last {
        order.trail.push(last);
    }
}
