use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use omnisync_core::crm::{ForeignId, VersionToken};

use super::super::fault_kind::FaultKind;
use super::super::scenario::Environment;
use super::super::world::Sim;
use super::systems::System;
use crate::fake::MemoryStateStore;
use crate::fault::{Call, Subject};

/// What store and systems do on a bad day, by themselves.
#[derive(Debug)]
pub(super) struct BadDay {
    pub(super) sim: Sim,
    pub(super) store: MemoryStateStore,
    pub(super) systems: Vec<System>,
    /// Reads that answered from the past.
    pub(super) stale_reads: AtomicU64,
    /// Versions that were read.
    pub(super) known: Arc<Mutex<BTreeSet<(ForeignId, VersionToken)>>>,
}

impl BadDay {
    /// A read may answer what somebody read before. What nobody ever saw cannot be told from news,
    /// nor can an answer from before our last write where receipts do not tell what it gave.
    fn is_known(&self, system: &System, id: &ForeignId) -> bool {
        if !system.plan.tells_versions {
            return false;
        }
        let versions = system.crm.versions(id);
        let before = versions.iter().rev().nth(1);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        before.is_some_and(|before| known.contains(&(id.clone(), before.version.clone())))
    }
}

impl Environment for BadDay {
    fn disturb(&self, kind: FaultKind, call: &Call, _dice: u32) -> bool {
        match (kind, call.port(), &call.subject) {
            (FaultKind::Stale, "state_store", _) => {
                self.store.lag_next_query();
                true
            }
            (FaultKind::Stale, "crm_sink", Subject::Record(record)) => {
                let mut systems = self.systems.iter();
                let Some(system) = systems.find(|one| one.plan.object == record.object) else {
                    return false;
                };
                let is_stale =
                    self.is_known(system, &record.id) && system.crm.read_stale(&record.id, 1);
                if is_stale {
                    self.stale_reads.fetch_add(1, Ordering::SeqCst);
                    self.sim.mark("stale read");
                }
                is_stale
            }
            _ => false,
        }
    }
}
