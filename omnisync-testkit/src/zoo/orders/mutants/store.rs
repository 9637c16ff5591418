//! Mutants that treat their store differently.

mod records;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::TimeDelta;
use omnisync_core::batch::{BATCHES, SEGMENTS};
use omnisync_core::error::PortError;
use omnisync_core::id::{ETag, WorkerId};
use omnisync_core::order::ORDERS;
use omnisync_core::port::{
    Action, Clock, Collection, Document, DocumentKey, Expect, Page, Query, StateStore, Write,
    WriteResult, Written,
};

use super::{on_store, scenes};
use crate::zoo::Specimen;
use crate::zoo::edits::{Edits, edit_batch, state_of};
use crate::zoo::mutated::StoreHabit;

/// A lease that nobody sees the end of.
const FOR_EVER: TimeDelta = TimeDelta::days(36_500);

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = conditions();
    all.extend(answers());
    all.extend(leases());
    all.extend(lists());
    all.extend(records::specimens());
    all
}

/// Those that write over whatever is stored by now.
fn conditions() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "claim-without-compare-and-set",
            "an order is claimed whatever became of it since it was read",
            &["I-O3", "I-O4", "I-O6", "I-X1"],
            [scenes::changes(), scenes::pair()],
            on_store(|_| {
                Edits::writes(|write| {
                    if write.key.collection == ORDERS && state_of(write) == Some("Claimed") {
                        write.expect = Expect::Any;
                    }
                })
            }),
        ),
        Specimen::new(
            "orders-without-compare-and-set",
            "orders are read and then written over, as an upsert does",
            &["I-O1", "I-O3", "I-O4", "I-O6", "I-X1"],
            [scenes::changes(), scenes::pair()],
            on_store(|_| blind(ORDERS, |expect| *expect != Expect::Any)),
        ),
        Specimen::new(
            "batches-without-compare-and-set",
            "a batch is saved by a worker that lost it long ago",
            &["I-O4", "I-O6", "I-O7", "I-O12"],
            [scenes::pair()],
            on_store(|_| blind(BATCHES, |expect| matches!(expect, Expect::Tag(_)))),
        ),
        Specimen::new(
            "batch-created-over-another",
            "a batch is opened although it exists",
            &["I-O4", "I-O6"],
            [scenes::pair()],
            on_store(|_| blind(BATCHES, |expect| *expect == Expect::Absent)),
        ),
    ]
}

/// Puts into `collection` without the conditions that `drops` names.
fn blind(collection: Collection, drops: fn(&Expect) -> bool) -> Edits {
    Edits::writes(move |write| {
        let puts = matches!(write.action, Action::Put(_));
        if write.key.collection == collection && puts && drops(&write.expect) {
            write.expect = Expect::Any;
        }
    })
}

/// Those that hear something else than the store said.
fn answers() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "acknowledged-before-durable",
            "orders are kept in memory until the next call, and called stored",
            &["I-O1", "I-O3"],
            [scenes::pair()],
            on_store(|_| WriteBehind::default()),
        ),
        Specimen::new(
            "failed-item-counts-as-written",
            "an item of a write that failed is taken for written",
            &["I-O1", "I-O3", "I-O4", "I-O6", "I-O7"],
            [scenes::pair()],
            on_store(|_| Edits::default().results(|_, result| believe(result))),
        ),
        Specimen::new(
            "no-sweep",
            "orders that a batch claimed and does not list are left where they are",
            &["I-O1", "I-O6"],
            [scenes::long_days()],
            on_store(|_| Sweepless),
        ),
        Specimen::new(
            "retry-after-unheard",
            "how long a busy store wants to be left alone is not passed on",
            &["I-X5"],
            [scenes::pair()],
            on_store(|_| Edits::errors(|error| PortError::new(error.kind(), error.operation()))),
        ),
    ]
}

fn believe(result: &mut WriteResult) {
    if result.is_err()
        && let Ok(tag) = ETag::new("believed")
    {
        *result = Ok(Written::Put(tag));
    }
}

/// Nobody sees claimed orders, which are looked for by the sweep alone.
#[derive(Debug)]
struct Sweepless;

#[async_trait]
impl StoreHabit for Sweepless {
    async fn query(&self, store: &dyn StateStore, query: Query) -> Result<Page, PortError> {
        let is_of_claims = query.collection == ORDERS && query.state.as_deref() == Some("Claimed");
        let page = store.query(query).await?;
        Ok(if is_of_claims { Page::default() } else { page })
    }
}

/// Keeps orders in memory until the next call of the store.
#[derive(Debug, Default)]
struct WriteBehind {
    held: Mutex<Vec<Write>>,
}

impl WriteBehind {
    async fn flush(&self, store: &dyn StateStore) -> Result<(), PortError> {
        let held: Vec<Write> = std::mem::take(&mut *self.held());
        if !held.is_empty() {
            store.write(held).await?;
        }
        Ok(())
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<Write>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StoreHabit for WriteBehind {
    async fn get(
        &self,
        store: &dyn StateStore,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, PortError> {
        self.flush(store).await?;
        store.get(keys).await
    }

    async fn write(
        &self,
        store: &dyn StateStore,
        writes: Vec<Write>,
    ) -> Result<Vec<WriteResult>, PortError> {
        self.flush(store).await?;
        if writes.iter().any(|write| write.key.collection != ORDERS) {
            return store.write(writes).await;
        }
        let mut results = writes
            .iter()
            .map(|_| Ok(Written::Deleted))
            .collect::<Vec<_>>();
        for (write, result) in writes.iter().zip(&mut results) {
            if matches!(write.action, Action::Put(_))
                && let Ok(tag) = ETag::new("held")
            {
                *result = Ok(Written::Put(tag));
            }
        }
        self.held().extend(writes);
        Ok(results)
    }

    async fn query(&self, store: &dyn StateStore, query: Query) -> Result<Page, PortError> {
        self.flush(store).await?;
        store.query(query).await
    }
}

/// Those that see another lease than the one that is stored.
fn leases() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "no-takeover",
            "the batch of a worker that never comes back is left to it for ever",
            &["I-O1", "I-O6"],
            [scenes::pair()],
            on_store(|ports| {
                let (me, clock) = (ports.worker.clone(), Arc::clone(&ports.clock));
                Edits::default().documents(move |key, document| {
                    if key.collection == BATCHES {
                        see_no_end(document, &me, &*clock);
                    }
                })
            }),
        ),
        Specimen::new(
            "leases-ignored",
            "a batch is taken from a worker that holds it",
            &["I-O12", "I-X5"],
            [scenes::pair(), scenes::runs_again()],
            on_store(|_| {
                Edits::default().documents(|key, document| {
                    if key.collection == BATCHES
                        && let Some(document) = document
                    {
                        edit_batch(document, |batch| batch.lease = None);
                    }
                })
            }),
        ),
    ]
}

fn see_no_end(document: &mut Option<Document>, me: &WorkerId, clock: &dyn Clock) {
    if let Some(document) = document {
        edit_batch(document, |batch| {
            if let Some(lease) = &mut batch.lease
                && lease.owner != *me
            {
                lease.until = clock.now() + FOR_EVER;
            }
        });
    }
}

/// Those that keep the members of a batch differently.
fn lists() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "proposal-taken-for-the-list",
            "the orders that a batch wanted are taken for those that it got",
            &["I-O1", "I-O6", "I-O9"],
            [scenes::bad()],
            on_store(|_| Edits::keys(|key| relabel(key, "p"))),
        ),
        Specimen::new(
            "one-list-for-all-epochs",
            "a worker that lost its batch writes the list that counts",
            &["I-O1", "I-O6"],
            [scenes::changes(), scenes::pair()],
            on_store(|_| Edits::keys(|key| relabel(key, "s0"))),
        ),
    ]
}

/// Turns the address of a sealed list into that of the list `label`.
fn relabel(key: &mut DocumentKey, label: &str) {
    if key.collection != SEGMENTS {
        return;
    }
    let mut parts: Vec<&str> = key.id.split('.').collect();
    if let [_, part, _] = parts.as_mut_slice()
        && part.starts_with('s')
    {
        *part = label;
        let id = parts.join(".");
        key.id = id;
    }
}
