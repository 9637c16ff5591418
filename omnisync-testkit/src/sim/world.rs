//! The state of one run, and the scenario's handle to it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use omnisync_core::port::{Clock, IdSource};

use super::choices::{About, Choices};
use super::clock::WorkerClock;
use super::fault_kind::FaultKind;
use super::scenario::{Environment, Life, Shape};
use super::schedule::Schedule;
use super::trace_hash::TraceHash;
use super::violation::Violation;
use super::watch::Watch;
use crate::clock::ManualClock;
use crate::fault::{Call, Observer, Seam, Subject};
use crate::ids::SeqIds;

/// Lives that a worker may have before their ids repeat.
const LIVES_MAX: u32 = 1 << 16;

/// One run, as a scenario sees it: time, choices, ports that can fail, and a place to report to.
#[derive(Clone)]
pub struct Sim {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) time: ManualClock,
    pub(super) clocks: Vec<WorkerClock>,
    /// Let go of at the end of the run: it knows the run, as the run knows it.
    pub(super) environment: Mutex<Option<Arc<dyn Environment>>>,
    pub(super) shape: Shape,
}

/// What changes in a run.
pub(super) struct State {
    pub(super) choices: Choices,
    pub(super) phase: Phase,
    /// Faults have ended.
    pub(super) healing: bool,
    /// Kinds of fault that this run knows, as bits.
    pub(super) kinds: u16,
    pub(super) faults_left: u32,
    /// The worker whose turn it is may make its next call.
    pub(super) turn: bool,
    pub(super) worker: usize,
    pub(super) life: u32,
    /// The worker whose turn it is has died.
    pub(super) dead: bool,
    /// The worker whose turn it is does nothing before this instant.
    pub(super) paused_until: Option<DateTime<Utc>>,
    pub(super) calls: u64,
    pub(super) rounds: u64,
    pub(super) faults: u64,
    /// Faults that strike after the effect of a call.
    pub(super) open: Vec<(u64, FaultKind)>,
    pub(super) waits: Vec<Wait>,
    pub(super) hash: TraceHash,
    pub(super) violation: Option<Violation>,
    pub(super) marks: Vec<&'static str>,
    pub(super) counts: Vec<(&'static str, u64)>,
    /// The operation of each call of the chaos, where somebody wants to know.
    pub(super) operations: Option<Vec<&'static str>>,
    /// What happened, line by line, where somebody wants to read it.
    pub(super) story: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No worker is at work: calls pass uncounted.
    Aside,
    Chaos,
    Heal,
}

/// A call that must not be repeated yet.
pub(super) struct Wait {
    pub(super) worker: usize,
    pub(super) life: u32,
    pub(super) operation: &'static str,
    pub(super) subject: Subject,
    pub(super) until: DateTime<Utc>,
    /// Calls so far when it was refused: what was on its way by then is no repetition.
    pub(super) refused_at: u64,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Sim")
            .field("now", &self.shared.time.now())
            .field("phase", &state.phase)
            .field("calls", &state.calls)
            .field("faults", &state.faults)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn environment(&self) -> MutexGuard<'_, Option<Arc<dyn Environment>>> {
        self.environment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    pub(super) fn new(choices: Choices, shape: Shape) -> Self {
        let time = ManualClock::default();
        let clocks = (0..shape.workers)
            .map(|_| WorkerClock::new(time.clone()))
            .collect();
        let state = State {
            choices,
            phase: Phase::Aside,
            healing: false,
            kinds: u16::MAX,
            faults_left: u32::MAX,
            turn: false,
            worker: 0,
            life: 0,
            dead: false,
            paused_until: None,
            calls: 0,
            rounds: 0,
            faults: 0,
            open: Vec::new(),
            waits: Vec::new(),
            hash: TraceHash::new(),
            violation: None,
            marks: Vec::new(),
            counts: Vec::new(),
            operations: None,
            story: None,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                time,
                clocks,
                environment: Mutex::new(None),
                shape,
            }),
        }
    }

    /// A number below `bound`. 0 is the plainest case: it is what shrinking leads to.
    pub fn choose(&self, bound: u32) -> u32 {
        self.shared.lock().choices.choose(bound, About::World)
    }

    /// The right time, as the systems behind the ports have it.
    pub fn clock(&self) -> ManualClock {
        self.shared.time.clone()
    }

    /// The clock of a worker, which may be off.
    pub fn clock_of(&self, worker: usize) -> Arc<dyn Clock> {
        match self.shared.clocks.get(worker) {
            Some(clock) => Arc::new(clock.clone()),
            None => Arc::new(self.clock()),
        }
    }

    /// Identifiers and jitter of a life, different from those of all others.
    pub fn ids_of(&self, life: &Life) -> Arc<dyn IdSource> {
        let worker = u32::try_from(life.worker).unwrap_or(u32::MAX);
        let seed = worker.wrapping_mul(LIVES_MAX).wrapping_add(life.number);
        Arc::new(SeqIds::new(seed))
    }

    /// A seam whose calls are scheduled and disturbed by this run, and watched by `observer`.
    /// Every port of the system under test goes behind it.
    pub fn seam(&self, observer: Arc<dyn Observer>) -> Seam {
        let schedule = Schedule::new(self.clone());
        Seam::new(Arc::new(schedule)).watched_by(Arc::new(Watch::new(self.clone(), observer)))
    }

    /// Says how the systems behind the ports misbehave by themselves.
    pub fn set_environment(&self, environment: Arc<dyn Environment>) {
        let earlier = self.shared.environment().replace(environment);
        if earlier.is_some() {
            self.violate(Violation::new("setup", "the environment was set twice"));
        }
    }

    /// Notes that something worth seeing happened. A full exploration has to see all
    /// [marks](super::Scenario::marks) of its scenario.
    pub fn mark(&self, name: &'static str) {
        let mut state = self.shared.lock();
        if !state.marks.contains(&name) {
            state.marks.push(name);
        }
    }

    /// Adds to a figure that an exploration sums up: see [`Report`](super::Report).
    pub fn count(&self, name: &'static str, number: u64) {
        self.shared.lock().counts.push((name, number));
    }

    /// Reports a broken promise; the first one counts and ends the run.
    pub fn violate(&self, violation: Violation) {
        self.shared.lock().violation.get_or_insert(violation);
    }

    /// True once faults have ended.
    pub fn is_healing(&self) -> bool {
        self.shared.lock().healing
    }

    /// Faults so far.
    pub fn faults(&self) -> u64 {
        self.shared.lock().faults
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.shared.lock().calls
    }

    /// Rounds of all workers that began so far.
    pub fn rounds(&self) -> u64 {
        self.shared.lock().rounds
    }

    /// Whether the clock of whoever's turn it is ever showed `instant` or a later time.
    pub(super) fn has_seen(&self, instant: DateTime<Utc>) -> bool {
        let (worker, _) = self.life();
        let clock = self.shared.clocks.get(worker);
        clock.is_none_or(|clock| clock.has_shown(instant))
    }

    /// Whose turn it is: the worker, and which of its lives.
    pub(super) fn life(&self) -> (usize, u32) {
        let state = self.shared.lock();
        (state.worker, state.life)
    }

    /// How long a pause lasts that outlives every lease.
    pub(super) fn past_lease(&self) -> Duration {
        self.shared.shape.lease + Duration::from_secs(1)
    }

    /// Something worth reading happened beside the calls.
    pub(super) fn note(&self, what: &dyn fmt::Display) {
        let mut state = self.shared.lock();
        if state.story.is_some() {
            let line = format!("{} {what}", self.shared.time.now().format("%H:%M:%S%.3f"));
            state.story.get_or_insert_default().push(line);
        }
    }

    pub(super) fn note_call(&self, call: &Call, what: &dyn fmt::Display) {
        let mut state = self.shared.lock();
        if state.story.is_some() {
            let line = format!(
                "{} w{}.{} {} {}: {what}",
                self.shared.time.now().format("%H:%M:%S%.3f"),
                state.worker,
                state.life,
                call.operation,
                call.subject
            );
            state.story.get_or_insert_default().push(line);
        }
    }
}
