//! The two CRMs, the ledger between them, and the flows over it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use omnisync_adapters_local::SqliteConfig;
use omnisync_core::crm::field_map::CompiledFieldMap;
use omnisync_core::crm::ledger::{LinkRecord, SyncPolicy};
use omnisync_core::crm::{EntityName, Hint, SystemName};
use omnisync_core::flow::{
    CRM_LINKS, CrmDesk, CrmSync, CrmSystem, CrmWork, Hear, Landscape, Worker,
};
use omnisync_core::id::WorkerId;
use omnisync_core::port::{Clock, CrmSink, Query, StateStore, StateStoreExt as _};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::fake::crm::{CrmDump, FakeCrm};
use omnisync_testkit::ids::SeqIds;

use crate::data::{DataFolder, Kept};
use crate::error::HostError;
use crate::systems::{Crm, Manners, entities};
use crate::wire::{Trouble, Wire};

/// Events that are taken from a system at once.
const EVENTS_MAX: usize = 500;

/// Rounds until everything has to be quiet.
const ROUNDS_MAX: usize = 500;

/// Pages of changes that are read of an object at once.
const PAGES_MAX: usize = 1_000;

/// How long nothing may happen until it is over: longer than automations take, and than a record
/// waits for another one.
const QUIET: Duration = Duration::from_secs(90);

/// A host of CRM sync. Time in it passes as the host says, so that a run of hours takes seconds
/// and is the same every time.
#[derive(Debug)]
pub(crate) struct Office {
    clock: ManualClock,
    crms: BTreeMap<SystemName, FakeCrm>,
    maps: BTreeMap<(SystemName, EntityName), CompiledFieldMap>,
    policy: SyncPolicy,
    store: Arc<dyn StateStore>,
    hear: Hear,
    sync: CrmSync,
    pub(crate) desk: CrmDesk,
}

/// What the flows did between two questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Worked {
    pub(crate) hints: usize,
    /// Hints that never came.
    pub(crate) lost_hints: usize,
    pub(crate) looks: u64,
    pub(crate) writes: u64,
    /// Failures that were taken up again.
    pub(crate) failures: u64,
}

impl Worked {
    pub(crate) fn add(&mut self, other: Self) {
        self.hints += other.hints;
        self.lost_hints += other.lost_hints;
        self.looks += other.looks;
        self.writes += other.writes;
        self.failures += other.failures;
    }
}

impl Office {
    /// Two CRMs without records, and an empty ledger.
    pub(crate) fn new(
        folder: &DataFolder,
        policy: SyncPolicy,
        trouble: Option<&Arc<Trouble>>,
    ) -> Result<Self, HostError> {
        let clock = ManualClock::default();
        Self::open(folder, clock, policy, BTreeMap::new(), trouble)
    }

    /// What a run left behind, a while later.
    pub(crate) fn resume(folder: &DataFolder, kept: Kept) -> Result<Self, HostError> {
        let clock = ManualClock::new(kept.now);
        clock.advance(QUIET);
        Self::open(folder, clock, kept.policy, kept.systems, None)
    }

    fn open(
        folder: &DataFolder,
        clock: ManualClock,
        policy: SyncPolicy,
        mut dumps: BTreeMap<SystemName, CrmDump>,
        trouble: Option<&Arc<Trouble>>,
    ) -> Result<Self, HostError> {
        let store: Arc<dyn StateStore> = Arc::new(SqliteConfig::new(folder.state()).open()?);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let mut crms = BTreeMap::new();
        let mut maps = BTreeMap::new();
        let mut systems = Vec::new();
        for crm in Crm::BOTH {
            let name = crm.name()?;
            let options = crm.options(Manners::All)?;
            let time = Arc::clone(&shared);
            let fake = match dumps.remove(&name) {
                Some(dump) => FakeCrm::restored(time, options, dump),
                None => FakeCrm::new(time, options),
            };
            let wire = Wire::new(fake.clone(), clock.clone(), trouble.cloned());
            let sink: Arc<dyn CrmSink> = Arc::new(wire);
            let mut system =
                CrmSystem::new(name.clone(), sink).with_status_field(crm.status_field());
            for map in crm.maps() {
                system = system.with_map(map);
            }
            maps.extend(compiled(crm)?);
            systems.push(system);
            crms.insert(name, fake);
        }
        let mut landscape = Landscape::new(entities(), systems)?;
        for entity in entities() {
            let mut rules = policy.clone();
            rules
                .fields
                .retain(|field, _| entity.fields.contains(field.as_str()));
            landscape = landscape.with_policy(entity.name, rules)?;
        }
        let landscape = Arc::new(landscape);
        let worker = Worker::new(WorkerId::new("crm-sync")?, shared, Arc::new(SeqIds::new(1)));
        let flows = || (Arc::clone(&store), Arc::clone(&landscape), worker.clone());
        let (to_hear, to_sync, to_desk) = (flows(), flows(), flows());
        Ok(Self {
            hear: Hear::new(to_hear.0, to_hear.1, to_hear.2),
            sync: CrmSync::new(to_sync.0, to_sync.1, to_sync.2),
            desk: CrmDesk::new(to_desk.0, to_desk.1, to_desk.2),
            clock,
            crms,
            maps,
            policy,
            store,
        })
    }

    /// What is to be kept of it; automations are over by then.
    pub(crate) fn kept(&self) -> Kept {
        let systems = self.crms.iter();
        Kept {
            now: self.clock.now(),
            policy: self.policy.clone(),
            systems: systems
                .map(|(name, crm)| (name.clone(), crm.dump()))
                .collect(),
        }
    }

    pub(crate) fn policy(&self) -> &SyncPolicy {
        &self.policy
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) fn crms(&self) -> impl Iterator<Item = (&SystemName, &FakeCrm)> {
        self.crms.iter()
    }

    pub(crate) fn crm(&self, system: &SystemName) -> Option<&FakeCrm> {
        self.crms.get(system)
    }

    pub(crate) fn map(
        &self,
        system: &SystemName,
        entity: &EntityName,
    ) -> Option<&CompiledFieldMap> {
        self.maps.get(&(system.clone(), entity.clone()))
    }

    /// The maps of a system.
    pub(crate) fn maps_of(&self, system: &SystemName) -> impl Iterator<Item = &CompiledFieldMap> {
        let maps = self.maps.iter();
        maps.filter(move |((of, _), _)| of == system)
            .map(|(_, map)| map)
    }

    /// Every ledger, by its link.
    pub(crate) async fn links(&self) -> Result<Vec<LinkRecord>, HostError> {
        let query = Query::all(CRM_LINKS);
        let documents = self.store.query_all(query, usize::MAX).await?;
        let mut links = Vec::with_capacity(documents.len());
        for document in documents {
            links.push(document.parse::<LinkRecord>()?);
        }
        links.sort_by(|a, b| (&a.entity, &a.natural_key).cmp(&(&b.entity, &b.natural_key)));
        Ok(links)
    }

    /// Hears what the systems say, and works once on what is due.
    pub(crate) async fn step(&self) -> Result<Worked, HostError> {
        let mut worked = Worked::default();
        for (name, crm) in &self.crms {
            let events = crm.take_events(EVENTS_MAX);
            let hints: Vec<Hint> = events.into_iter().map(|event| event.hint).collect();
            worked.hints += hints.len();
            self.hear.hear(name, &hints).await?;
        }
        for item in self.sync.run_once().await?.items {
            match item.work {
                CrmWork::Done { looks, writes } => {
                    worked.looks += u64::from(looks);
                    worked.writes += u64::from(writes);
                }
                CrmWork::Failed(_) => worked.failures += 1,
                _ => {}
            }
        }
        Ok(worked)
    }

    /// Asks the systems what changed since the last time, which finds what events were lost of.
    pub(crate) async fn catch_up(&self) -> Result<(), HostError> {
        for (system, entity) in self.maps.keys() {
            let mut pages_left = PAGES_MAX;
            while self.hear.catch_up(system, entity).await?.more && pages_left > 0 {
                pages_left -= 1;
            }
        }
        Ok(())
    }

    /// Hears and works until nothing is left to do, and nothing comes for a while.
    pub(crate) async fn settle(&self, mut told: impl FnMut(&Worked)) -> Result<Worked, HostError> {
        let mut all = Worked::default();
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let worked = self.step().await?;
            all.add(worked);
            told(&all);
            let waiting: usize = self.crms.values().map(FakeCrm::events_waiting).sum();
            if worked.hints == 0 && worked.looks == 0 && worked.writes == 0 && waiting == 0 {
                quiet += 1;
                if quiet > 1 {
                    return Ok(all);
                }
                self.pass(QUIET);
            } else {
                quiet = 0;
                self.pass(Duration::from_secs(1));
            }
        }
        Err(HostError::NeverQuiet(ROUNDS_MAX))
    }
}

fn compiled(crm: Crm) -> Result<BTreeMap<(SystemName, EntityName), CompiledFieldMap>, HostError> {
    let name = crm.name()?;
    let mut maps = BTreeMap::new();
    let definitions = entities();
    for map in crm.maps() {
        let definition = definitions.iter().find(|entity| entity.name == map.entity);
        let Some(definition) = definition else {
            continue;
        };
        let entity = map.entity.clone();
        let compiled = map.compile(definition, &name);
        let compiled = compiled.map_err(|errors| omnisync_core::flow::LandscapeError::Map {
            system: name.clone(),
            entity: entity.clone(),
            errors,
        })?;
        maps.insert((name.clone(), entity), compiled);
    }
    Ok(maps)
}
