use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};

use super::{Call, Effect, Interceptor, Verdict};
use crate::clock::ManualClock;
use crate::rng::SplitMix64;

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error of this kind, and no effect.
    FailBefore(ErrorKind),
    /// The effect, and then an error of this kind: the acknowledgement is lost.
    LostAck(ErrorKind),
    /// `Throttled` with this delay, and no effect.
    Throttle(Duration),
    /// The clock jumps by this much before the effect: a pause past a lease. Needs
    /// [`FaultPlan::with_clock`].
    Pause(Duration),
    /// The worker dies before the effect.
    CrashBefore,
    /// The worker dies after the effect.
    CrashAfter,
}

/// Faults by call number, by operation, or by seed.
///
/// ```
/// use omnisync_core::ErrorKind;
/// use omnisync_testkit::fault::{Fault, FaultPlan};
///
/// let plan = FaultPlan::none()
///     .at_call(3, Fault::CrashAfter)
///     .at_operation("state_store.write", 2, Fault::LostAck(ErrorKind::TimedOut));
/// assert_eq!(plan.injected(), []);
/// ```
#[derive(Debug)]
pub struct FaultPlan {
    at_call: BTreeMap<u64, Fault>,
    at_operation: BTreeMap<(&'static str, u64), Fault>,
    clock: Option<ManualClock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seen: BTreeMap<&'static str, u64>,
    random: Option<Random>,
    open: BTreeMap<u64, Fault>,
    injected: Vec<(u64, Fault)>,
}

#[derive(Debug)]
struct Random {
    rng: SplitMix64,
    per_mille: u32,
    faults_left: u32,
    menu: Vec<Fault>,
}

impl FaultPlan {
    /// No fault at all.
    pub fn none() -> Self {
        let state = State {
            seen: BTreeMap::new(),
            random: None,
            open: BTreeMap::new(),
            injected: Vec::new(),
        };
        Self {
            at_call: BTreeMap::new(),
            at_operation: BTreeMap::new(),
            clock: None,
            state: Mutex::new(state),
        }
    }

    /// Draws from `menu` at `per_mille` of 1000 calls, at most `faults_max` times.
    pub fn random(seed: u64, per_mille: u32, faults_max: u32, menu: Vec<Fault>) -> Self {
        let plan = Self::none();
        plan.locked().random = Some(Random {
            rng: SplitMix64::new(seed),
            per_mille,
            faults_left: faults_max,
            menu,
        });
        plan
    }

    /// Adds a fault at the call with this number, beginning with 1.
    #[must_use]
    pub fn at_call(mut self, number: u64, fault: Fault) -> Self {
        self.at_call.insert(number, fault);
        self
    }

    /// Adds a fault at the `nth` call of `operation`, beginning with 1.
    #[must_use]
    pub fn at_operation(mut self, operation: &'static str, nth: u64, fault: Fault) -> Self {
        self.at_operation.insert((operation, nth), fault);
        self
    }

    /// The clock that [`Fault::Pause`] moves.
    #[must_use]
    pub fn with_clock(mut self, clock: ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Which faults were injected at which call numbers.
    pub fn injected(&self) -> Vec<(u64, Fault)> {
        self.locked().injected.clone()
    }

    fn choose(&self, call: &Call) -> Option<Fault> {
        let mut state = self.locked();
        let seen = state.seen.entry(call.operation).or_default();
        *seen += 1;
        let nth = *seen;
        let planned = self.at_operation.get(&(call.operation, nth));
        let fault = match planned.or_else(|| self.at_call.get(&call.number)) {
            Some(fault) => Some(*fault),
            None => state.random.as_mut().and_then(Random::draw),
        }?;
        state.injected.push((call.number, fault));
        state.open.insert(call.number, fault);
        Some(fault)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Random {
    fn draw(&mut self) -> Option<Fault> {
        if self.faults_left == 0 || !self.rng.chance(self.per_mille) {
            return None;
        }
        self.faults_left -= 1;
        self.rng.pick(&self.menu).copied()
    }
}

#[async_trait]
impl Interceptor for FaultPlan {
    async fn before(&self, call: &Call) -> Verdict {
        match self.choose(call) {
            Some(Fault::FailBefore(kind)) => Verdict::Fail(injected(kind, call)),
            Some(Fault::Throttle(delay)) => {
                Verdict::Fail(injected(ErrorKind::Throttled, call).with_retry_after(delay))
            }
            Some(Fault::CrashBefore) => Verdict::Crash,
            Some(Fault::Pause(by)) => {
                if let Some(clock) = &self.clock {
                    clock.advance(by);
                }
                Verdict::Proceed
            }
            Some(Fault::LostAck(_) | Fault::CrashAfter) | None => Verdict::Proceed,
        }
    }

    async fn after(&self, call: &Call, _: Effect) -> Verdict {
        match self.locked().open.remove(&call.number) {
            Some(Fault::LostAck(kind)) => Verdict::Fail(injected(kind, call)),
            Some(Fault::CrashAfter) => Verdict::Crash,
            _ => Verdict::Proceed,
        }
    }
}

fn injected(kind: ErrorKind, call: &Call) -> PortError {
    PortError::new(kind, call.operation).with_detail(format!("injected at call {}", call.number))
}
