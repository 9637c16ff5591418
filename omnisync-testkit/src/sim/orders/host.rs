//! What is simulated: a composition of flows over ports.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::flow::{
    BatchFlow, BatchStep, Deliver, DeliverPolicy, Delivered, Ingest, IngestPolicy, PackageSpec,
    Retention, Sweep, Worker as FlowWorker,
};
use omnisync_core::id::{ProjectName, WorkerId};
use omnisync_core::package::PackageFormat;
use omnisync_core::policy::{BatchPolicy, BreakerPolicy, RetentionPolicy, RetryPolicy};
use omnisync_core::port::{BlobStage, Clock, ErpImporter, EventSource, IdSource, StateStore};

use super::super::scenario::Worker;
use super::super::world::Sim;
use crate::fake::PlainFormat;

/// Portions that a flow takes in one round.
const PORTIONS_MAX: usize = 4;

/// What a host of the simulation is composed over.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Where events come from.
    pub source: Arc<dyn EventSource>,
    /// Where orders and batches are kept.
    pub store: Arc<dyn StateStore>,
    /// Where packages are kept.
    pub stage: Arc<dyn BlobStage>,
    /// What imports them.
    pub erp: Arc<dyn ErpImporter>,
    /// Time of this worker, which may be off.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter of this life.
    pub ids: Arc<dyn IdSource>,
    /// Name of this worker.
    pub worker: WorkerId,
    /// The run, to note marks of one's own.
    pub sim: Sim,
}

/// A composition to be simulated.
pub trait Host: Send + Sync {
    /// Starts one life of one worker. Everything that it keeps in memory dies with it.
    fn start(&self, ports: Ports) -> Box<dyn Worker>;
}

impl<F> Host for F
where
    F: Fn(Ports) -> Box<dyn Worker> + Send + Sync,
{
    fn start(&self, ports: Ports) -> Box<dyn Worker> {
        self(ports)
    }
}

/// How patient the flows of a [`Pipeline`] are.
#[derive(Debug, Clone)]
pub struct PipelinePolicies {
    /// Of taking in.
    pub ingest: IngestPolicy,
    /// Of batching.
    pub batch: BatchPolicy,
    /// Of delivering.
    pub deliver: DeliverPolicy,
    /// How long settled things stay; `None` leaves them where they are.
    pub retention: Option<RetentionPolicy>,
    /// Form of the packages and where they go.
    pub spec: PackageSpec,
}

impl PipelinePolicies {
    /// Policies with delays that are short beside a simulated lease, and packages in `format`.
    pub fn quick(format: Arc<dyn PackageFormat>) -> Self {
        let retry = RetryPolicy {
            base_ms: 1_000,
            cap_ms: 20_000,
            attempts_max: 4,
        };
        Self {
            ingest: IngestPolicy {
                receive_max: 8,
                wait_ms: 0,
                retry,
                breaker: BreakerPolicy {
                    failures_max: 2,
                    open_ms: 5_000,
                    ..BreakerPolicy::default()
                },
                ..IngestPolicy::default()
            },
            batch: BatchPolicy {
                schedule: None,
                age_seconds_max: 0,
                orders_max: 3,
                retry,
                ..BatchPolicy::default()
            },
            deliver: DeliverPolicy {
                poll_ms: 5,
                vanished_seconds: 90,
                import_seconds_max: 1_200,
                results_attempts_max: 3,
                order_attempts_max: 3,
                retry,
                ..DeliverPolicy::default()
            },
            retention: None,
            spec: PackageSpec::with_format(format, project()),
        }
    }
}

impl Default for PipelinePolicies {
    /// The quick ones, with packages that cost next to nothing.
    fn default() -> Self {
        static QUICK: OnceLock<PipelinePolicies> = OnceLock::new();
        QUICK
            .get_or_init(|| Self::quick(Arc::new(PlainFormat::default())))
            .clone()
    }
}

#[expect(clippy::expect_used, reason = "the name is a name")]
fn project() -> ProjectName {
    ProjectName::new("Sales orders").expect("a short name in ASCII")
}

/// The flows of the order pipeline, one after the other, round by round.
#[derive(Debug)]
pub struct Pipeline {
    source: Arc<dyn EventSource>,
    clock: Arc<dyn Clock>,
    ingest: Ingest,
    portion: usize,
    batch: BatchFlow,
    deliver: Deliver,
    sweep: Sweep,
    retention: Option<Retention>,
    sim: Sim,
}

impl Pipeline {
    /// All flows over `ports`.
    pub fn new(ports: Ports, policies: &PipelinePolicies) -> Self {
        let clock = Arc::clone(&ports.clock);
        let worker = FlowWorker::new(ports.worker, ports.clock, ports.ids)
            .with_retention(policies.retention.unwrap_or_default());
        let store = || Arc::clone(&ports.store);
        let stage = || Arc::clone(&ports.stage);
        let spec = || policies.spec.clone();
        Self {
            ingest: Ingest::new(store(), worker.clone(), policies.ingest.clone()),
            portion: policies.ingest.receive_max,
            batch: BatchFlow::new(
                store(),
                stage(),
                worker.clone(),
                policies.batch.clone(),
                spec(),
            ),
            deliver: Deliver::new(
                store(),
                stage(),
                ports.erp,
                worker.clone(),
                policies.deliver,
                spec(),
            ),
            sweep: Sweep::new(store(), worker.clone()),
            retention: policies
                .retention
                .map(|_| Retention::new(store(), stage(), worker)),
            source: ports.source,
            clock,
            sim: ports.sim,
        }
    }

    async fn take_in(&self) -> Result<(), PortError> {
        for _ in 0..PORTIONS_MAX {
            let outcome = self.ingest.run_once(&*self.source).await?;
            if let Some(until) = outcome.paused_until {
                self.sim.mark("breaker open");
                let pause = (until - self.clock.now()).to_std().unwrap_or_default();
                let paused = PortError::new(ErrorKind::Unavailable, "ingest.pause");
                return Err(paused.with_retry_after(pause));
            }
            // What fills no portion was the last of it.
            if outcome.received < self.portion {
                break;
            }
        }
        Ok(())
    }

    async fn pack(&self) -> Result<(), PortError> {
        let outcome = self.batch.run_once().await?;
        if outcome.step == BatchStep::Empty {
            self.sim.mark("empty batch");
        }
        Ok(())
    }

    /// A package that was submitted is asked for at once: the import may have ended already.
    async fn hand_over(&self) -> Result<(), PortError> {
        for _ in 0..PORTIONS_MAX {
            let outcome = self.deliver.run_once().await?;
            if !outcome.unmatched.is_empty() {
                self.sim.mark("unmatched result");
            }
            if outcome.step != Delivered::Submitted {
                break;
            }
        }
        Ok(())
    }

    async fn clean_up(&self) -> Result<(), PortError> {
        self.sweep.run_once().await?;
        if let Some(retention) = &self.retention {
            let outcome = retention.run_once().await?;
            if !outcome.orders.is_empty() {
                self.sim.mark("order retired");
            }
            if outcome.batches > 0 {
                self.sim.mark("batch retired");
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Worker for Pipeline {
    /// What one flow cannot do keeps no other from its work, except that a busy system is left
    /// alone.
    async fn round(&mut self) -> Result<(), PortError> {
        let mut ended = Ok(());
        for flow in 0..4 {
            let did = match flow {
                0 => self.take_in().await,
                1 => self.pack().await,
                2 => self.hand_over().await,
                _ => self.clean_up().await,
            };
            let Err(error) = did else { continue };
            if error.retry_after().is_some() {
                return Err(error);
            }
            ended = ended.and(Err(error));
        }
        ended
    }
}
