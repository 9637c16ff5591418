use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::Clock as _;

use super::choices::About;
use super::fault_kind::FaultKind;
use super::violation::Violation;
use super::world::{Phase, Sim, State, Wait};
use crate::clock::later;
use crate::fault::{Call, Distortion, Effect, Interceptor, Verdict};

/// One call in so many goes wrong where chance decides.
const FAULT_ODDS: u32 = 8;
/// Ways in which one kind of fault can happen.
const DICE: u32 = 16;
/// What a call takes.
const CALL_TIME: Duration = Duration::from_millis(1);
/// Delays that a throttled call is told.
const THROTTLES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(2),
    Duration::from_secs(20),
];
/// Steps of a clock, in milliseconds. The largest are longer than a usual lease.
const CLOCK_STEPS: [i64; 6] = [1_500, -1_500, 45_000, -45_000, 90_000, -90_000];

/// Gives each call its turn, and lets it fail.
#[derive(Debug)]
pub(super) struct Schedule {
    sim: Sim,
}

impl Schedule {
    pub(super) fn new(sim: Sim) -> Self {
        Self { sim }
    }

    /// A worker makes one call a turn: that is where others come in between.
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.sim.shared.lock();
        if state.phase == Phase::Aside {
            return Poll::Ready(());
        }
        if state.dead || state.violation.is_some() {
            return Poll::Pending;
        }
        if std::mem::take(&mut state.turn) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn begin(&self, call: &Call, asked_at: u64) -> Verdict {
        let sim = &self.sim;
        let mut state = sim.shared.lock();
        if state.phase == Phase::Aside {
            return Verdict::Proceed;
        }
        state.calls += 1;
        sim.shared.time.advance(CALL_TIME);
        let worker = u64::try_from(state.worker).unwrap_or(u64::MAX);
        state.hash.number(worker);
        state.hash.text(call.operation);
        if state.phase == Phase::Chaos
            && let Some(operations) = &mut state.operations
        {
            operations.push(call.operation);
        }
        self.check_patience(&mut state, call, asked_at);
        if state.calls > sim.shared.shape.calls_max {
            let calls = state.calls;
            let busy = Violation::new("I-O12", format!("busy loop: {calls} calls"));
            state.violation.get_or_insert(busy);
        }
        let Some((kind, dice)) = draw(&mut state, call) else {
            return Verdict::Proceed;
        };
        state.faults += 1;
        state.faults_left = state.faults_left.saturating_sub(1);
        state.hash.number(u64::from(kind.bit()));
        drop(state);
        sim.note_call(call, &format_args!("FAULT {kind} (dice {dice})"));
        self.strike(kind, dice, call)
    }

    /// What was refused with a time is not asked again before it.
    fn check_patience(&self, state: &mut State, call: &Call, asked_at: u64) {
        let now = self.sim.shared.time.now();
        state.waits.retain(|wait| now < wait.until);
        let (worker, life) = (state.worker, state.life);
        let impatient = state.waits.iter().any(|wait| {
            (wait.worker, wait.life) == (worker, life)
                && wait.operation == call.operation
                && wait.subject == call.subject
                && wait.refused_at <= asked_at
        });
        if impatient {
            let detail = format!(
                "{} {} was asked again before the time it was told",
                call.operation, call.subject
            );
            state
                .violation
                .get_or_insert_with(|| Violation::new("I-X5", detail));
        }
    }

    fn strike(&self, kind: FaultKind, dice: u32, call: &Call) -> Verdict {
        let fail = |kind| Verdict::Fail(injected(kind, call));
        match kind {
            FaultKind::ErrorBefore if dice % 2 == 1 => fail(ErrorKind::TimedOut),
            FaultKind::ErrorBefore => fail(ErrorKind::Unavailable),
            FaultKind::LostAck | FaultKind::CrashAfter => {
                let mut state = self.sim.shared.lock();
                state.open.push((call.number, kind));
                Verdict::Proceed
            }
            FaultKind::CrashBefore => {
                self.sim.shared.lock().dead = true;
                Verdict::Crash
            }
            FaultKind::Pause => {
                let time = &self.sim.shared.time;
                time.advance(self.sim.past_lease());
                // It may wake last: what it held is others' by then.
                let lag = Duration::from_millis(dice.into());
                let until = (dice > 0).then(|| later(time.now(), lag));
                self.sim.shared.lock().paused_until = until;
                Verdict::Proceed
            }
            FaultKind::Throttle => self.throttle(dice, call),
            FaultKind::ClockStep => {
                let step = pick(&CLOCK_STEPS, dice).copied().unwrap_or_default();
                let mut state = self.sim.shared.lock();
                let worker = state.worker;
                state.hash.number(dice.into());
                if step > 0 {
                    // By its own clock it may have waited long enough now.
                    state.waits.retain(|wait| wait.worker != worker);
                }
                drop(state);
                if let Some(clock) = self.sim.shared.clocks.get(worker) {
                    clock.step(step);
                }
                Verdict::Proceed
            }
            FaultKind::Partial => Verdict::Distort(Distortion::Partial { dice }),
            FaultKind::Reorder => Verdict::Distort(Distortion::Shuffled { dice }),
            FaultKind::Duplicate => Verdict::Distort(duplicate(call, dice)),
            FaultKind::Stale if call.port() == "erp_importer" => {
                Verdict::Distort(Distortion::Stale)
            }
            FaultKind::Stale => {
                self.disturb(kind, call, dice);
                Verdict::Proceed
            }
            FaultKind::Corrupt => Verdict::Distort(Distortion::Damaged { dice }),
            FaultKind::Permanent => {
                // Something may be gone for good; else somebody has to repair an account.
                if dice % 2 == 1 && self.disturb(kind, call, dice / 2) {
                    Verdict::Proceed
                } else {
                    fail(ErrorKind::Denied)
                }
            }
        }
    }

    fn throttle(&self, dice: u32, call: &Call) -> Verdict {
        let delay = pick(&THROTTLES, dice).copied().unwrap_or_default();
        let until = later(self.sim.shared.time.now(), delay);
        let mut state = self.sim.shared.lock();
        let wait = Wait {
            worker: state.worker,
            life: state.life,
            operation: call.operation,
            subject: call.subject.clone(),
            until,
            refused_at: state.calls,
        };
        state.waits.push(wait);
        Verdict::Fail(injected(ErrorKind::Throttled, call).with_retry_after(delay))
    }

    fn disturb(&self, kind: FaultKind, call: &Call, dice: u32) -> bool {
        let environment = self.sim.shared.environment().clone();
        environment.is_some_and(|environment| environment.disturb(kind, call, dice))
    }
}

#[async_trait]
impl Interceptor for Schedule {
    async fn before(&self, call: &Call) -> Verdict {
        let asked_at = self.sim.shared.lock().calls;
        poll_fn(|cx| self.poll_turn(cx)).await;
        let verdict = self.begin(call, asked_at);
        let is_paused = self.sim.shared.lock().paused_until.is_some();
        if is_paused {
            poll_fn(|cx| self.poll_turn(cx)).await;
        }
        verdict
    }

    async fn after(&self, call: &Call, effect: Effect) -> Verdict {
        let mut state = self.sim.shared.lock();
        if state.phase == Phase::Aside {
            return Verdict::Proceed;
        }
        state.hash.number(match effect {
            Effect::Done => 0,
            Effect::Refused(_) => 1,
        });
        if state.violation.is_some() {
            state.dead = true;
            return Verdict::Crash;
        }
        let open = state
            .open
            .iter()
            .position(|(number, _)| *number == call.number)
            .map(|index| state.open.swap_remove(index));
        let verdict = match open {
            Some((_, FaultKind::CrashAfter)) => {
                state.dead = true;
                Verdict::Crash
            }
            // What was refused anyway keeps its own error.
            Some(_) if effect == Effect::Done => Verdict::Fail(injected(ErrorKind::TimedOut, call)),
            _ => Verdict::Proceed,
        };
        drop(state);
        self.sim.note_call(call, &format_args!("{effect:?}"));
        verdict
    }
}

/// Whether something goes wrong at this call, and what.
fn draw(state: &mut State, call: &Call) -> Option<(FaultKind, u32)> {
    if state.phase != Phase::Chaos || state.faults_left == 0 {
        return None;
    }
    let number = state.calls;
    let odds = state.choices.choose(FAULT_ODDS, About::Fault(number));
    if odds != FAULT_ODDS - 1 {
        return None;
    }
    let known = state.kinds;
    let menu = FaultKind::menu(call.operation);
    let on_menu = || menu.iter().filter(|kind| known & kind.bit() != 0);
    let bound = u32::try_from(on_menu().count()).unwrap_or(u32::MAX);
    let choice = state.choices.choose(bound, About::Kind(number));
    let kind = *on_menu().nth(usize::try_from(choice).unwrap_or_default())?;
    let dice = state.choices.choose(DICE, About::Dice(number));
    Some((kind, dice))
}

/// What doubling looks like: items that come in, or an effect that is repeated.
fn duplicate(call: &Call, dice: u32) -> Distortion {
    match call.operation {
        "event_source.receive" | "erp_importer.results" | "crm_sink.changes" => {
            Distortion::Doubled { dice }
        }
        _ => Distortion::Repeated,
    }
}

fn pick<T>(items: &[T], dice: u32) -> Option<&T> {
    let index = usize::try_from(dice).unwrap_or_default();
    items.get(index.checked_rem(items.len())?)
}

fn injected(kind: ErrorKind, call: &Call) -> PortError {
    PortError::new(kind, call.operation).with_detail("injected")
}
