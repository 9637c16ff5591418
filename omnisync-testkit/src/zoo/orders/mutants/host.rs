//! Mutants that put the flows together differently.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::id::{BlobName, WorkerId};
use omnisync_core::order::ORDERS;
use omnisync_core::port::{
    Action, BlobStage, Clock, Expect, Query, StateStore, StateStoreExt as _, Write,
};

use super::{on_store, over, scenes};
use crate::sim::Worker;
use crate::sim::orders::{Host, Pipeline, PipelinePolicies, Ports};
use crate::zoo::Specimen;
use crate::zoo::edits::{Edits, state_of};

/// Age at which everything goes.
const AGE_MAX: TimeDelta = TimeDelta::seconds(30);
/// Documents or packages that are looked at in a round.
const LOOKED_AT_MAX: usize = 100;
/// Rounds that one round of a restless host makes.
const RESTLESS_ROUNDS: usize = 12;

pub(super) fn specimens() -> Vec<Specimen> {
    vec![
        Specimen::new(
            "orders-deleted-by-age",
            "documents of orders are deleted by their age, whatever their state",
            &["I-O1", "I-O8"],
            [scenes::pair()],
            with(|ports, pipeline| OrdersByAge {
                pipeline,
                store: Arc::clone(&ports.store),
                clock: Arc::clone(&ports.clock),
            }),
        ),
        Specimen::new(
            "packages-deleted-by-age",
            "packages are deleted by their age, delivered or not",
            &["I-O8"],
            [scenes::pair()],
            with(|ports, pipeline| PackagesByAge {
                pipeline,
                stage: Arc::clone(&ports.stage),
                clock: Arc::clone(&ports.clock),
                seen: BTreeMap::new(),
            }),
        ),
        Specimen::new(
            "one-bad-order-fails-all",
            "nothing of a batch is claimed when one of its orders cannot be packed",
            &["I-O1", "I-O9"],
            [scenes::bad()],
            on_store(|_| Edits::refusing(refuse_with_the_bad)),
        ),
        Specimen::new(
            "never-rests",
            "a worker asks again at once when there was nothing to do",
            &["I-O12"],
            [scenes::pair()],
            with(|_, pipeline| Restless(pipeline)),
        ),
        Specimen::new(
            "chance-outside-the-tape",
            "workers are named by a counter of the process, which no tape knows",
            &["I-X4"],
            [scenes::pair()],
            over(|ports| {
                let worker = next_name().unwrap_or_else(|| ports.worker.clone());
                Ports { worker, ..ports }
            }),
        ),
    ]
}

/// The pipeline as a part of another worker.
fn with<W: Worker + 'static>(wrap: impl Fn(&Ports, Pipeline) -> W + Send + Sync) -> impl Host {
    let policies = PipelinePolicies::default();
    move |ports: Ports| -> Box<dyn Worker> {
        let pipeline = Pipeline::new(ports.clone(), &policies);
        Box::new(wrap(&ports, pipeline))
    }
}

struct OrdersByAge {
    pipeline: Pipeline,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Worker for OrdersByAge {
    async fn round(&mut self) -> Result<(), PortError> {
        self.pipeline.round().await?;
        let old = self.clock.now() - AGE_MAX;
        let query = Query::all(ORDERS).due_before(old).without_bodies();
        for document in self.store.query_all(query, LOOKED_AT_MAX).await? {
            let write = Write {
                key: document.key,
                expect: Expect::Tag(document.etag),
                action: Action::Delete,
            };
            self.store.write_one(write).await?;
        }
        Ok(())
    }
}

struct PackagesByAge {
    pipeline: Pipeline,
    stage: Arc<dyn BlobStage>,
    clock: Arc<dyn Clock>,
    /// Since when each is there, as far as this life knows.
    seen: BTreeMap<BlobName, DateTime<Utc>>,
}

#[async_trait]
impl Worker for PackagesByAge {
    async fn round(&mut self) -> Result<(), PortError> {
        self.pipeline.round().await?;
        let now = self.clock.now();
        for name in self.stage.list("", None, LOOKED_AT_MAX).await? {
            let since = *self.seen.entry(name.clone()).or_insert(now);
            if since + AGE_MAX < now {
                self.stage.delete(&name).await?;
            }
        }
        Ok(())
    }
}

fn refuse_with_the_bad(writes: &[Write]) -> Option<PortError> {
    let is_bad =
        |write: &Write| write.key.collection == ORDERS && state_of(write) == Some("Quarantined");
    let spoilt = writes.len() > 1 && writes.iter().any(is_bad);
    spoilt.then(|| PortError::new(ErrorKind::Invalid, "state_store.write"))
}

struct Restless(Pipeline);

#[async_trait]
impl Worker for Restless {
    async fn round(&mut self) -> Result<(), PortError> {
        for _ in 0..RESTLESS_ROUNDS {
            self.0.round().await?;
        }
        Ok(())
    }
}

fn next_name() -> Option<WorkerId> {
    static LIVES: AtomicU64 = AtomicU64::new(0);
    let number = LIVES.fetch_add(1, Ordering::Relaxed);
    WorkerId::new(format!("worker-{number}")).ok()
}
