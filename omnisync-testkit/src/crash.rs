//! Kills a scenario at every port call and proves that a restart repairs everything.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use thiserror::Error;

use crate::contract::Violation;
use crate::fault::{Call, Effect, Interceptor, Seam, Verdict};
use crate::journal::{Entry, Journal};

/// What a worker does from its start to its end, over state that outlives it.
#[async_trait]
pub trait Scenario: Send + Sync {
    /// Everything that survives the death of a worker: fakes, and their ports behind the seam.
    type World: Send + Sync;

    /// Builds a fresh world. Ports that `seam` wraps are counted and interrupted.
    async fn world(&self, seam: &Seam) -> Result<Self::World, Violation>;

    /// One life of the worker: builds everything volatile anew and works until nothing is left.
    async fn life(&self, world: &Self::World) -> Result<(), Violation>;

    /// What passes between two lives, such as the time until a lease runs out.
    async fn between(&self, world: &Self::World) -> Result<(), Violation>;

    /// Checks the end state. Calls made here are not counted.
    async fn check(&self, world: &Self::World) -> Result<(), Violation>;
}

/// Where a run was disturbed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The call.
    pub call: Call,
    /// What was done to it.
    pub disturbance: Disturbance,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.disturbance, self.call)
    }
}

/// What an explorer does to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// The worker dies before the effect.
    CrashBefore,
    /// The worker dies after the effect.
    CrashAfter,
    /// `Unavailable`, without effect.
    FailBefore,
    /// `TimedOut`, after the effect.
    LostAck,
}

/// What an exploration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explored {
    /// The calls of the undisturbed run.
    pub calls: Vec<Call>,
    /// How many disturbed runs there were.
    pub runs: u64,
}

/// Why an exploration failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} during {stage}: {violation}; journal:{}", Undisturbed(point.as_ref()), Lines(journal))]
pub struct Unrepaired {
    /// Where the run was disturbed; `None` in the undisturbed run.
    pub point: Option<Point>,
    /// In which stage of the run it failed.
    pub stage: Stage,
    /// What was wrong.
    #[source]
    pub violation: Violation,
    /// The calls up to there.
    pub journal: Vec<Entry>,
}

/// A stage of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Building the world.
    World,
    /// The life that is disturbed, or the only life of the undisturbed run.
    FirstLife,
    /// Between the lives.
    Between,
    /// The life that has to repair everything.
    SecondLife,
    /// The final check.
    Check,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::World => "the building of the world",
            Self::FirstLife => "the first life",
            Self::Between => "the time between the lives",
            Self::SecondLife => "the second life",
            Self::Check => "the check",
        })
    }
}

/// Runs `scenario` once undisturbed, and then once for every port call and each of before and
/// after: killed there, restarted on the same world, checked.
///
/// # Errors
/// The first point whose restart did not repair everything, with the journal of the run.
pub async fn at_every_port_call<S: Scenario>(scenario: &S) -> Result<Explored, Box<Unrepaired>> {
    explore(
        scenario,
        &[Disturbance::CrashBefore, Disturbance::CrashAfter],
    )
    .await
}

/// The same, with the acknowledgement of one call lost. The first life may notice and fail, or
/// recover by itself; after a second life everything has to be right.
///
/// # Errors
/// As [`at_every_port_call`].
pub async fn lost_ack_at_every_port_call<S: Scenario>(
    scenario: &S,
) -> Result<Explored, Box<Unrepaired>> {
    explore(scenario, &[Disturbance::LostAck]).await
}

/// The same, with one call failing as `Unavailable` before its effect.
///
/// # Errors
/// As [`at_every_port_call`].
pub async fn fail_before_at_every_port_call<S: Scenario>(
    scenario: &S,
) -> Result<Explored, Box<Unrepaired>> {
    explore(scenario, &[Disturbance::FailBefore]).await
}

/// Runs `future` on this thread until it is done.
///
/// # Errors
/// `Stalled` when the future waits for something that nobody on this thread will ever do.
pub fn run<T>(future: impl Future<Output = T>) -> Result<T, Stalled> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    while woken.0.swap(false, Ordering::SeqCst) {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(value);
        }
    }
    Err(Stalled)
}

/// A future waits for something that nobody will ever do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the run stands still: a future waits and nothing can wake it")]
pub struct Stalled;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn explore<S: Scenario>(
    scenario: &S,
    disturbances: &[Disturbance],
) -> Result<Explored, Box<Unrepaired>> {
    let calls = Run::new(None).complete(scenario).await?;
    let mut runs = 0;
    for call in &calls {
        for disturbance in disturbances {
            let point = Point {
                call: call.clone(),
                disturbance: *disturbance,
            };
            Run::new(Some(point)).complete(scenario).await?;
            runs += 1;
        }
    }
    Ok(Explored { calls, runs })
}

struct Run {
    trap: Arc<Trap>,
    journal: Arc<Journal>,
}

impl Run {
    fn new(point: Option<Point>) -> Self {
        let trap = Arc::new(Trap {
            point,
            state: Mutex::default(),
        });
        let journal = Arc::new(Journal::over(Arc::clone(&trap) as Arc<dyn Interceptor>));
        Self { trap, journal }
    }

    async fn complete<S: Scenario>(&self, scenario: &S) -> Result<Vec<Call>, Box<Unrepaired>> {
        let seam = Seam::new(Arc::clone(&self.journal) as Arc<dyn Interceptor>);
        let world = scenario
            .world(&seam)
            .await
            .map_err(|cause| self.failed(Stage::World, cause))?;
        self.journal.clear();
        self.trap.locked().armed = true;
        let first = self.trap.until_crash(scenario.life(&world)).await;
        let (fired, calls) = {
            let mut state = self.trap.locked();
            state.armed = false;
            (state.fired, std::mem::take(&mut state.calls))
        };
        if self.trap.point.is_none() {
            if let Some(Err(cause)) = first {
                return Err(self.failed(Stage::FirstLife, cause));
            }
        } else if fired {
            scenario
                .between(&world)
                .await
                .map_err(|cause| self.failed(Stage::Between, cause))?;
            scenario
                .life(&world)
                .await
                .map_err(|cause| self.failed(Stage::SecondLife, cause))?;
        } else {
            let cause = Violation::new("crash", "the call was not made again: not deterministic");
            return Err(self.failed(Stage::FirstLife, cause));
        }
        scenario
            .check(&world)
            .await
            .map_err(|cause| self.failed(Stage::Check, cause))?;
        Ok(calls)
    }

    fn failed(&self, stage: Stage, violation: Violation) -> Box<Unrepaired> {
        let point = self.trap.point.clone();
        Box::new(Unrepaired {
            point,
            stage,
            violation,
            journal: self.journal.entries(),
        })
    }
}

/// Springs at one call while it is armed.
#[derive(Debug)]
struct Trap {
    point: Option<Point>,
    state: Mutex<TrapState>,
}

#[derive(Debug, Default)]
struct TrapState {
    armed: bool,
    fired: bool,
    crashed: bool,
    calls: Vec<Call>,
}

impl Trap {
    /// Runs `life` until it ends, or drops it where it was killed.
    async fn until_crash<T>(&self, life: impl Future<Output = T> + Send) -> Option<T> {
        let mut life = Box::pin(life);
        std::future::poll_fn(|cx| match life.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if self.locked().crashed => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    fn spring(&self, call: &Call, disturbances: [Disturbance; 2]) -> Option<Disturbance> {
        let point = self.point.as_ref()?;
        let mut state = self.locked();
        let here = state.armed
            && !state.fired
            && point.call == *call
            && disturbances.contains(&point.disturbance);
        if !here {
            return None;
        }
        state.fired = true;
        let crashes = [Disturbance::CrashBefore, Disturbance::CrashAfter];
        state.crashed = crashes.contains(&point.disturbance);
        Some(point.disturbance)
    }

    fn locked(&self) -> MutexGuard<'_, TrapState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Interceptor for Trap {
    async fn before(&self, call: &Call) -> Verdict {
        {
            let mut state = self.locked();
            if state.armed {
                state.calls.push(call.clone());
            }
        }
        match self.spring(call, [Disturbance::CrashBefore, Disturbance::FailBefore]) {
            Some(Disturbance::CrashBefore) => Verdict::Crash,
            Some(_) => Verdict::Fail(PortError::new(ErrorKind::Unavailable, call.operation)),
            None => Verdict::Proceed,
        }
    }

    async fn after(&self, call: &Call, _: Effect) -> Verdict {
        match self.spring(call, [Disturbance::CrashAfter, Disturbance::LostAck]) {
            Some(Disturbance::CrashAfter) => Verdict::Crash,
            Some(_) => Verdict::Fail(PortError::new(ErrorKind::TimedOut, call.operation)),
            None => Verdict::Proceed,
        }
    }
}

struct Undisturbed<'a>(Option<&'a Point>);

impl fmt::Display for Undisturbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(point) => fmt::Display::fmt(point, f),
            None => f.write_str("undisturbed run"),
        }
    }
}

struct Lines<'a>(&'a [Entry]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|entry| write!(f, "\n  {}: {:?}", entry.call, entry.fate))
    }
}
