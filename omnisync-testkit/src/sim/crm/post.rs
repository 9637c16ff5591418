//! How events come from a system to the workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omnisync_core::crm::{ChangeKind, ForeignId, Hint, HintScope, Origin};

use super::super::world::Sim;
use crate::fake::FakeCrm;
use crate::fake::crm::CrmState;

/// Events that are handed out at once.
const EVENTS_MAX: usize = 8;

/// The subscription to the events of one system: at least once, and not always whole. What was
/// taken and not acknowledged comes again.
#[derive(Debug, Clone)]
pub struct Post {
    sim: Sim,
    crm: FakeCrm,
    object: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Events up to here are acknowledged.
    acknowledged: AtomicU64,
    /// So often everything was to be compared, and so often it was.
    demanded: AtomicU64,
    answered: AtomicU64,
    gaps: AtomicU64,
    /// What was told last of each record, for hosts that believe it.
    told: Mutex<BTreeMap<ForeignId, Arc<CrmState>>>,
}

/// What was taken from a [`Post`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bag {
    /// What it says.
    pub hints: Vec<Hint>,
    /// What each of them tells of its record, where it tells more than its name.
    pub after: Vec<Option<Arc<CrmState>>>,
    up_to: u64,
    answers: u64,
}

impl Post {
    pub(super) fn new(sim: Sim, crm: FakeCrm, object: String) -> Self {
        Self {
            sim,
            crm,
            object,
            state: Arc::default(),
        }
    }

    /// What happened since the last acknowledged event, or a part of it.
    pub fn take(&self) -> Bag {
        let after = self.state.acknowledged.load(Ordering::SeqCst);
        let demanded = self.state.demanded.load(Ordering::SeqCst);
        if demanded > self.state.answered.load(Ordering::SeqCst) {
            return Bag {
                hints: vec![self.everything()],
                after: vec![None],
                up_to: after,
                answers: demanded,
            };
        }
        if !self.sim.is_healing() {
            self.disturb();
        }
        let tip = self.crm.last_event();
        let Ok(events) = self.crm.events_after(after, EVENTS_MAX) else {
            self.sim.mark("gap");
            self.state.gaps.fetch_add(1, Ordering::SeqCst);
            return Bag {
                hints: vec![self.everything()],
                after: vec![None],
                up_to: tip,
                answers: 0,
            };
        };
        let up_to = match events.last() {
            Some(last) if events.len() == EVENTS_MAX => last.number,
            _ => tip,
        };
        let (hints, after) = events
            .into_iter()
            .map(|event| (event.hint, event.after))
            .unzip();
        Bag {
            hints,
            after,
            up_to,
            answers: 0,
        }
    }

    /// What this bag tells of records counts as what they hold, until something else is told. Where
    /// a bag only says that something happened, nothing is known any more. A comparison by timetable
    /// brings nothing to light: there is nothing to compare with but what was told.
    pub(crate) fn believe(&self, bag: &Bag) {
        let mut told = self.told();
        for (hint, after) in bag.hints.iter().zip(&bag.after) {
            match (&hint.scope, after) {
                (HintScope::Everything, _) if bag.answers > 0 => {}
                (HintScope::Everything, _) => told.clear(),
                (HintScope::Records(ids), Some(after)) => {
                    told.extend(ids.iter().map(|id| (id.clone(), Arc::clone(after))));
                }
                (HintScope::Records(ids), None) => told.retain(|id, _| !ids.contains(id)),
            }
        }
    }

    /// What records were told to hold, whoever took the bags.
    pub(crate) fn told(&self) -> MutexGuard<'_, BTreeMap<ForeignId, Arc<CrmState>>> {
        let told = self.state.told.lock();
        told.unwrap_or_else(PoisonError::into_inner)
    }

    /// It is durable now, and does not come again.
    pub fn acknowledge(&self, bag: &Bag) {
        let state = &self.state;
        state.acknowledged.fetch_max(bag.up_to, Ordering::SeqCst);
        state.answered.fetch_max(bag.answers, Ordering::SeqCst);
    }

    /// Everything has to be compared, as an operator or a timetable may ask.
    pub(super) fn demand_everything(&self) {
        self.state.demanded.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn is_empty(&self) -> bool {
        let state = &self.state;
        state.acknowledged.load(Ordering::SeqCst) >= self.crm.last_event()
            && state.answered.load(Ordering::SeqCst) >= state.demanded.load(Ordering::SeqCst)
    }

    fn everything(&self) -> Hint {
        Hint {
            object: self.object.clone(),
            scope: HintScope::Everything,
            kind: ChangeKind::Gap,
            origin: Origin::default(),
            at: None,
            fields: Vec::new(),
        }
    }

    /// What becomes of events on their way.
    fn disturb(&self) {
        let waiting = self.crm.events_waiting();
        if waiting == 0 {
            return;
        }
        let bound = u32::try_from(waiting).unwrap_or(1);
        let any = || usize::try_from(self.sim.choose(bound)).unwrap_or_default();
        let (happened, mark) = match self.sim.choose(16) {
            9 => (self.crm.duplicate_event(any()), "event doubled"),
            10 => (self.crm.swap_events(any(), any()), "events turned around"),
            11 => (self.crm.coalesce_event(any()), "events joined"),
            12 => (self.crm.blur_event(any()), "event blurred"),
            13 => (self.crm.overflow_event(any()), "overflow"),
            14 => (self.crm.drop_event(any()), "event lost"),
            15 => {
                self.crm.lose_events_up_to(self.crm.last_event());
                (true, "stream lost")
            }
            _ => return,
        };
        if happened {
            self.sim.mark(mark);
        }
    }
}
