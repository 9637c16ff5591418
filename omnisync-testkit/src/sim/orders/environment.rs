use omnisync_core::id::{BlobName, ExecutionId};
use std::sync::{Mutex, PoisonError};

use super::super::fault_kind::FaultKind;
use super::super::scenario::Environment;
use super::super::world::Sim;
use crate::fake::{FakeErp, MemoryBlobStage, MemoryStateStore, QueueSource};
use crate::fault::{Call, Subject};

/// What queue, store, stage and ERP do on a bad day, by themselves.
#[derive(Debug)]
pub(super) struct BadDay {
    pub(super) sim: Sim,
    pub(super) queue: QueueSource,
    /// `None` when the host brought its own.
    pub(super) store: Option<MemoryStateStore>,
    /// `None` when the host brought its own.
    pub(super) stage: Option<MemoryBlobStage>,
    pub(super) erp: FakeErp,
    pub(super) damage: Mutex<Damage>,
}

/// What somebody has to know who repairs it, or judges the outcome.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Blobs whose bytes were altered.
    pub(super) altered: Vec<BlobName>,
    /// Imports that were cancelled or lost in the ERP.
    pub(super) imports: Vec<ExecutionId>,
}

impl BadDay {
    pub(super) fn with_damage<T>(&self, look: impl FnOnce(&mut Damage) -> T) -> T {
        look(&mut self.damage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A lifecycle rule removes a package, or a disk damages it.
    fn harm_blob(&self, name: &BlobName, dice: u32) -> bool {
        let Some(stage) = &self.stage else {
            return false;
        };
        if dice.is_multiple_of(2) {
            self.sim.mark("package vanished");
            return stage.vanish(name);
        }
        let altered = stage.alter(name);
        if altered {
            self.sim.mark("package damaged");
            self.with_damage(|damage| damage.altered.push(name.clone()));
        }
        altered
    }

    /// Somebody cancels an import, or the ERP forgets one that it did not begin.
    fn harm_import(&self, execution: ExecutionId, dice: u32) -> bool {
        if self.erp.has_ended(execution) != Some(false) {
            return false;
        }
        self.with_damage(|damage| damage.imports.push(execution));
        if dice.is_multiple_of(2) {
            self.sim.mark("import cancelled");
            self.erp.cancel(execution).is_ok()
        } else {
            self.sim.mark("import lost");
            self.erp.lose(execution).is_ok()
        }
    }
}

impl Environment for BadDay {
    fn disturb(&self, kind: FaultKind, call: &Call, dice: u32) -> bool {
        match (kind, call.port(), &call.subject) {
            (FaultKind::Stale, "state_store", _) => {
                if let Some(store) = &self.store {
                    store.lag_next_query();
                }
                self.store.is_some()
            }
            (FaultKind::Permanent, "event_source", _) => {
                self.sim.mark("lock lost");
                self.queue.lose_locks();
                true
            }
            (FaultKind::Permanent, "blob_stage", Subject::Blob(name)) => self.harm_blob(name, dice),
            (FaultKind::Permanent, "erp_importer", Subject::Execution(execution)) => {
                self.harm_import(*execution, dice)
            }
            _ => false,
        }
    }
}
