//! What is simulated: a composition of flows over ports.

use std::sync::Arc;

use async_trait::async_trait;
use omnisync_core::crm::field_map::FieldMap;
use omnisync_core::crm::ledger::SyncPolicy;
use omnisync_core::crm::{EntityDefinition, FieldName, SystemName};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::flow::{
    CrmSync, CrmSystem, CrmWork, EchoRule, Hear, Landscape, Worker as FlowWorker,
};
use omnisync_core::id::WorkerId;
use omnisync_core::port::{Clock, CrmSink, IdSource, StateStore};

use super::super::scenario::Worker;
use super::super::world::Sim;
use super::post::Post;

/// Portions that a flow takes in one round.
const PORTIONS_MAX: usize = 4;

/// What a host of the simulation is composed over.
#[derive(Debug, Clone)]
pub struct CrmPorts {
    /// The systems.
    pub systems: Vec<CrmPort>,
    /// What they share.
    pub entity: EntityDefinition,
    /// Where ledgers are kept.
    pub store: Arc<dyn StateStore>,
    /// Time of this worker, which may be off.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter of this life.
    pub ids: Arc<dyn IdSource>,
    /// Name of this worker.
    pub worker: WorkerId,
    /// The run, to note marks of one's own.
    pub sim: Sim,
}

/// One system.
#[derive(Debug, Clone)]
pub struct CrmPort {
    /// Its name.
    pub name: SystemName,
    /// Its records.
    pub sink: Arc<dyn CrmSink>,
    /// How it spells what is shared.
    pub map: FieldMap,
    /// Its events.
    pub post: Post,
    /// Where its records say that a person has something to decide.
    pub mark: Option<FieldName>,
}

/// A composition to be simulated.
pub trait CrmHost: Send + Sync {
    /// Starts one life of one worker. Everything that it keeps in memory dies with it.
    fn start(&self, ports: CrmPorts) -> Box<dyn Worker>;
}

impl<F> CrmHost for F
where
    F: Fn(CrmPorts) -> Box<dyn Worker> + Send + Sync,
{
    fn start(&self, ports: CrmPorts) -> Box<dyn Worker> {
        self(ports)
    }
}

/// Rules with delays that are short beside a simulated lease.
pub(super) fn quick(policy: SyncPolicy) -> SyncPolicy {
    SyncPolicy {
        refused_retry_seconds: 120,
        park_retry_seconds: 30,
        ..policy
    }
}

/// The flows of CRM sync, one after the other, round by round.
#[derive(Debug)]
pub struct Syncing {
    landscape: Arc<Landscape>,
    entity: EntityDefinition,
    posts: Vec<(SystemName, Post)>,
    hear: Hear,
    sync: CrmSync,
    /// What events tell of records counts.
    believes: bool,
}

impl Syncing {
    /// All flows over `ports`, with `policy` for what is shared.
    ///
    /// # Errors
    /// `Misconfigured` when the systems cannot be put together so.
    pub fn new(ports: CrmPorts, policy: SyncPolicy) -> Result<Self, PortError> {
        Self::hearing(ports, policy, &EchoRule::FollowAll)
    }

    /// The same, with another rule for hints.
    ///
    /// # Errors
    /// As of `new`.
    pub fn hearing(
        ports: CrmPorts,
        policy: SyncPolicy,
        echo: &EchoRule,
    ) -> Result<Self, PortError> {
        let mut streams = Vec::with_capacity(ports.systems.len());
        let mut systems = Vec::with_capacity(ports.systems.len());
        for port in ports.systems {
            let mut system = CrmSystem::new(port.name.clone(), port.sink)
                .with_map(port.map)
                .with_echo_rule(echo.clone());
            if let Some(field) = port.mark {
                system = system.with_status_field(field);
            }
            systems.push(system);
            streams.push((port.name, port.post));
        }
        let name = ports.entity.name.clone();
        let landscape = Landscape::new([ports.entity.clone()], systems);
        let landscape = landscape.and_then(|one| one.with_policy(name, quick(policy)));
        let landscape = Arc::new(landscape.map_err(|error| {
            PortError::new(ErrorKind::Misconfigured, "syncing.new").with_source(error)
        })?);
        let worker = FlowWorker::new(ports.worker, ports.clock, ports.ids);
        let hear = Hear::new(
            Arc::clone(&ports.store),
            Arc::clone(&landscape),
            worker.clone(),
        );
        let sync = CrmSync::new(ports.store, Arc::clone(&landscape), worker);
        Ok(Self {
            landscape,
            entity: ports.entity,
            posts: streams,
            hear,
            sync,
            believes: false,
        })
    }

    /// The same, which remembers what events tell of records, for sinks that believe it.
    #[must_use]
    pub(crate) const fn believing(mut self) -> Self {
        self.believes = true;
        self
    }

    /// The systems and rules.
    pub const fn landscape(&self) -> &Arc<Landscape> {
        &self.landscape
    }

    async fn listen(&self) -> Result<(), PortError> {
        for (system, post) in &self.posts {
            let bag = post.take();
            if self.believes {
                post.believe(&bag);
            }
            if !bag.hints.is_empty() {
                self.hear.hear(system, &bag.hints).await?;
            }
            post.acknowledge(&bag);
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), PortError> {
        for (system, _) in &self.posts {
            if !self.hear.is_behind(system, &self.entity.name).await? {
                continue;
            }
            for _ in 0..PORTIONS_MAX {
                if !self.hear.catch_up(system, &self.entity.name).await?.more {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn work(&self) -> Result<(), PortError> {
        for _ in 0..PORTIONS_MAX {
            let outcome = self.sync.run_once().await?;
            let failed = outcome
                .items
                .into_iter()
                .filter_map(|item| match item.work {
                    CrmWork::Failed(error) => Some(error),
                    _ => None,
                });
            // A system that asks for time gets it, and nobody else waits longer than that.
            let mut failed: Vec<PortError> = failed.collect();
            failed.sort_by_key(PortError::retry_after);
            if let Some(error) = failed.pop() {
                return Err(error);
            }
            if !outcome.more {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Worker for Syncing {
    /// What one flow cannot do keeps no other from its work, except that a busy system is left
    /// alone.
    async fn round(&mut self) -> Result<(), PortError> {
        let mut ended = Ok(());
        for flow in 0..3 {
            let did = match flow {
                0 => self.listen().await,
                1 => self.catch_up().await,
                _ => self.work().await,
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
