//! One run: chaos, healing, audit.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use omnisync_core::error::PortError;
use omnisync_core::id::WorkerId;
use omnisync_core::port::Clock as _;

use super::choices::{About, Choices, Mode};
use super::fault_kind::FaultKind;
use super::lookout;
use super::scenario::{Life, Play, Scenario, Worker};
use super::tape::Tape;
use super::violation::Violation;
use super::world::{Phase, Sim};
use crate::clock::later;

/// What passes until a worker that died is back.
const RESTART_TIME: Duration = Duration::from_millis(30);
/// Rest after an error that says nothing about when to come back.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// A run draws how many faults it may see from this many numbers.
const ALLOWANCES: u32 = 12;
/// Faults of a run that draws no number of its own.
const FAULTS_MAX: u32 = 64;
/// Polls without any call after which a worker counts as running in circles.
const IDLE_POLLS_MAX: u32 = 10_000;

/// What a run did.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) tape: Tape,
    pub(super) hash: u64,
    pub(super) calls: u64,
    pub(super) steps: u64,
    pub(super) faults: u64,
    pub(super) simulated_ms: u64,
    pub(super) marks: Vec<&'static str>,
    pub(super) counts: Vec<(&'static str, u64)>,
    pub(super) violation: Option<Violation>,
    pub(super) operations: Vec<&'static str>,
    pub(super) story: Vec<String>,
    pub(super) mode: Mode,
}

/// Runs a scenario once; `verbose` keeps the operations and the story.
pub(super) fn run(scenario: &dyn Scenario, mode: Mode, verbose: bool) -> Ran {
    let sim = Sim::new(Choices::new(mode), scenario.shape());
    if verbose {
        let mut state = sim.shared.lock();
        state.operations = Some(Vec::new());
        state.story = Some(Vec::new());
    }
    let start = sim.shared.time.now();
    let steps = {
        let mut executor = Executor::new(sim.clone());
        let canaries = scenario.shape().canaries;
        let complete = || catch_unwind(AssertUnwindSafe(|| executor.complete(scenario)));
        let (ended, logged) = lookout::listen(canaries, complete);
        if let Err(panic) = ended {
            sim.violate(panicked(&*panic));
        }
        if let Some(field) = logged {
            let detail = format!("personal data was logged as {field}");
            sim.violate(Violation::new("I-X2", detail));
        }
        executor.steps
    };
    sim.shared.environment().take();
    let simulated = sim.shared.time.now() - start;
    let mut state = sim.shared.lock();
    let choices = std::mem::replace(&mut state.choices, Choices::new(Mode::Replay(Vec::new())));
    if choices.slipped() {
        let detail = "a choice had another bound than the same choice before";
        state
            .violation
            .get_or_insert_with(|| Violation::new("I-X4", detail));
    }
    let (mode, taken) = choices.into_parts();
    Ran {
        tape: taken.into(),
        hash: state.hash.value(),
        calls: state.calls,
        steps,
        faults: state.faults,
        simulated_ms: u64::try_from(simulated.num_milliseconds()).unwrap_or(0),
        marks: std::mem::take(&mut state.marks),
        counts: std::mem::take(&mut state.counts),
        violation: state.violation.take(),
        operations: state.operations.take().unwrap_or_default(),
        story: state.story.take().unwrap_or_default(),
        mode,
    }
}

/// A worker as the executor sees it.
struct Task {
    life: Life,
    rounds_left: u32,
    state: TaskState,
    paused_until: DateTime<Utc>,
    woken: Arc<Woken>,
}

enum TaskState {
    /// In a round.
    Busy(BoxFuture<'static, (Box<dyn Worker>, Result<(), PortError>)>),
    /// Between two rounds.
    Resting {
        worker: Box<dyn Worker>,
        until: DateTime<Utc>,
    },
    /// Dead, or about to change.
    Ended,
}

impl Task {
    /// In a round, and able to go on.
    fn is_awake(&self) -> bool {
        matches!(self.state, TaskState::Busy(_)) && self.woken.0.load(Ordering::SeqCst)
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Executor {
    sim: Sim,
    tasks: Vec<Task>,
    /// Workers take turns; otherwise one goes on until it is preempted.
    fair: bool,
    last: usize,
    steps: u64,
    /// Polls since the last call.
    idle_polls: u32,
}

impl Executor {
    fn new(sim: Sim) -> Self {
        Self {
            sim,
            tasks: Vec::new(),
            fair: true,
            last: 0,
            steps: 0,
            idle_polls: 0,
        }
    }

    fn complete(&mut self, scenario: &dyn Scenario) {
        self.draw_profile();
        let mut play = scenario.begin(&self.sim);
        let shape = scenario.shape();
        self.start_all(&mut *play, shape.rounds);
        self.in_phase(Phase::Chaos, &mut *play);
        self.heal(&mut *play);
        if !self.is_over()
            && let Err(violation) = play.audit()
        {
            self.sim.violate(violation);
        }
    }

    /// How much goes wrong in this run, and of which kinds. A run that knows only some kinds of
    /// fault makes combinations of them likely that are rare among all.
    fn draw_profile(&mut self) {
        let mut state = self.sim.shared.lock();
        self.fair = state.choices.choose(2, About::Custom) == 0;
        state.faults_left = match state.choices.choose(ALLOWANCES, About::Profile) {
            0 => FAULTS_MAX,
            some => some,
        };
        if state.choices.choose(2, About::Profile) == 1 {
            state.kinds = 0;
            for kind in FaultKind::ALL {
                if state.choices.choose(2, About::Profile) == 1 {
                    state.kinds |= kind.bit();
                }
            }
        }
    }

    /// Ends what is going on and gives every worker a new life.
    fn start_all(&mut self, play: &mut dyn Play, rounds: u32) {
        let workers = self.sim.shared.shape.workers;
        let earlier: Vec<Life> = self.tasks.drain(..).map(|task| task.life).collect();
        for worker in 0..workers {
            let before = earlier.get(worker).cloned();
            let task = self.start(play, worker, before, rounds);
            self.tasks.push(task);
        }
    }

    fn start(
        &self,
        play: &mut dyn Play,
        worker: usize,
        before: Option<Life>,
        rounds_left: u32,
    ) -> Task {
        let life = next_life(&self.sim, worker, before);
        let started = play.start(&life);
        Task {
            life,
            rounds_left,
            state: TaskState::Resting {
                worker: started,
                until: DateTime::<Utc>::MIN_UTC,
            },
            paused_until: DateTime::<Utc>::MIN_UTC,
            woken: Arc::new(Woken(AtomicBool::new(true))),
        }
    }

    fn in_phase(&mut self, phase: Phase, play: &mut dyn Play) {
        self.sim.shared.lock().phase = phase;
        while !self.is_over() {
            self.begin_rounds();
            let ready: Vec<usize> = self.ready();
            if ready.is_empty() {
                if !self.wait() {
                    break;
                }
                continue;
            }
            let next = self.next(&ready);
            self.step(next, play);
        }
        self.sim.shared.lock().phase = Phase::Aside;
    }

    /// Lets those begin a round who have rested long enough.
    fn begin_rounds(&mut self) {
        let now = self.sim.shared.time.now();
        for task in &mut self.tasks {
            let due = matches!(&task.state, TaskState::Resting { until, .. } if *until <= now);
            if !due || task.rounds_left == 0 {
                continue;
            }
            let TaskState::Resting { mut worker, .. } =
                std::mem::replace(&mut task.state, TaskState::Ended)
            else {
                continue;
            };
            task.rounds_left -= 1;
            self.sim.shared.lock().rounds += 1;
            task.woken.0.store(true, Ordering::SeqCst);
            task.state = TaskState::Busy(Box::pin(async move {
                let ended = worker.round().await;
                (worker, ended)
            }));
        }
    }

    /// Workers that can go on, the one whose turn it is by custom first.
    fn ready(&self) -> Vec<usize> {
        let now = self.sim.shared.time.now();
        let count = self.tasks.len();
        let first = if self.fair { self.last + 1 } else { self.last };
        (first..first + count)
            .map(|index| index % count)
            .filter(|index| {
                self.tasks
                    .get(*index)
                    .is_some_and(|task| task.is_awake() && task.paused_until <= now)
            })
            .collect()
    }

    fn next(&mut self, ready: &[usize]) -> usize {
        self.steps += 1;
        let bound = u32::try_from(ready.len()).unwrap_or(u32::MAX);
        let mut state = self.sim.shared.lock();
        let choice = state.choices.choose(bound, About::Turn(self.steps));
        let index = usize::try_from(choice).unwrap_or_default();
        ready.get(index).copied().unwrap_or(self.last)
    }

    /// Lets time pass until somebody can go on; `false` when nobody ever will.
    fn wait(&mut self) -> bool {
        let time = &self.sim.shared.time;
        let rested = self.tasks.iter().filter_map(|task| match &task.state {
            TaskState::Resting { until, .. } if task.rounds_left > 0 => Some(*until),
            TaskState::Busy(_) if task.is_awake() => Some(task.paused_until),
            _ => None,
        });
        match (rested.min(), time.next_wake()) {
            (None, None) => {
                let stuck = self
                    .tasks
                    .iter()
                    .find(|task| matches!(task.state, TaskState::Busy(_)));
                if let Some(task) = stuck {
                    let detail = format!("{} waits for something that never comes", task.life.name);
                    self.sim.violate(Violation::new("I-O12", detail));
                }
                false
            }
            (Some(rested), Some(wake)) if wake < rested => time.advance_to_next_wake(),
            (Some(rested), _) => {
                time.set(rested.max(time.now()));
                true
            }
            (None, Some(_)) => time.advance_to_next_wake(),
        }
    }

    /// One call of a worker, and everything up to its next one.
    fn step(&mut self, index: usize, play: &mut dyn Play) {
        self.last = index;
        let Some(task) = self.tasks.get_mut(index) else {
            return;
        };
        let TaskState::Busy(future) = &mut task.state else {
            return;
        };
        let calls_before = {
            let mut state = self.sim.shared.lock();
            (state.turn, state.dead) = (true, false);
            (state.worker, state.life) = (index, task.life.number);
            state.calls
        };
        let waker = Waker::from(Arc::clone(&task.woken));
        let polled = loop {
            task.woken.0.store(false, Ordering::SeqCst);
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => {
                    let state = self.sim.shared.lock();
                    let woken = task.woken.0.load(Ordering::SeqCst);
                    self.idle_polls += 1;
                    // A future that woke itself without making its call is polled on.
                    let again =
                        woken && state.turn && !state.dead && self.idle_polls < IDLE_POLLS_MAX;
                    if !again || state.violation.is_some() {
                        break Poll::Pending;
                    }
                }
                ended @ Poll::Ready(_) => break ended,
            }
        };
        let died = {
            let mut state = self.sim.shared.lock();
            state.turn = false;
            if let Some(until) = state.paused_until.take() {
                task.paused_until = until;
            }
            if state.calls > calls_before {
                self.idle_polls = 0;
            }
            std::mem::take(&mut state.dead)
        };
        if self.idle_polls >= IDLE_POLLS_MAX {
            let detail = format!("{} runs in circles without a call", task.life.name);
            self.sim.violate(Violation::new("I-O12", detail));
        }
        match polled {
            Poll::Ready((worker, ended)) => {
                let pause = self.sim.shared.shape.pause;
                let pause = match ended {
                    Ok(()) => pause,
                    Err(error) => {
                        let canaries = self.sim.shared.shape.canaries;
                        if lookout::mentions(
                            canaries,
                            &format_args!("{} {error:?}", error.report()),
                        ) {
                            let detail =
                                format!("personal data is in an error of {}", error.operation());
                            self.sim.violate(Violation::new("I-X2", detail));
                        }
                        error.retry_after().unwrap_or(ERROR_PAUSE).max(pause)
                    }
                };
                let until = later(self.sim.shared.time.now(), pause);
                task.state = TaskState::Resting { worker, until };
            }
            Poll::Pending if died && !self.is_over() => self.restart(index, play),
            Poll::Pending => {}
        }
    }

    /// A worker died: what it held in memory is gone, and it comes back.
    fn restart(&mut self, index: usize, play: &mut dyn Play) {
        let rounds = self.sim.shared.shape.rounds;
        let Some(task) = self.tasks.get_mut(index) else {
            return;
        };
        task.state = TaskState::Ended;
        let before = Some(task.life.clone());
        self.sim.shared.time.advance(RESTART_TIME);
        let phase = {
            let mut state = self.sim.shared.lock();
            std::mem::replace(&mut state.phase, Phase::Aside)
        };
        let reborn = self.start(play, index, before, rounds);
        self.sim.shared.lock().phase = phase;
        if let Some(task) = self.tasks.get_mut(index) {
            *task = reborn;
        }
    }

    /// No more faults; in a few steps everything has to come to rest.
    fn heal(&mut self, play: &mut dyn Play) {
        if self.is_over() {
            return;
        }
        for clock in &self.sim.shared.clocks {
            clock.correct();
        }
        {
            let mut state = self.sim.shared.lock();
            state.healing = true;
            state.waits.clear();
        }
        let mut unrest = play.unrest();
        if unrest.is_none() {
            return;
        }
        self.start_all(play, 0);
        for _ in 0..self.sim.shared.shape.heal_ticks_max {
            self.sim.shared.time.advance(self.sim.past_lease());
            play.heal();
            for task in &mut self.tasks {
                task.rounds_left = 1;
                if let TaskState::Resting { until, .. } = &mut task.state {
                    *until = DateTime::<Utc>::MIN_UTC;
                }
            }
            self.in_phase(Phase::Heal, play);
            if self.is_over() {
                return;
            }
            unrest = play.unrest();
            if unrest.is_none() {
                return;
            }
        }
        if let Some(violation) = unrest {
            self.sim.violate(violation);
        }
    }

    fn is_over(&self) -> bool {
        self.sim.shared.lock().violation.is_some()
    }
}

fn next_life(sim: &Sim, worker: usize, before: Option<Life>) -> Life {
    let Some(before) = before else {
        return Life {
            worker,
            number: 0,
            name: name(&format!("w{worker}")),
        };
    };
    let number = before.number + 1;
    let renamed = sim.choose(2) == 1;
    Life {
        worker,
        number,
        name: if renamed {
            name(&format!("w{worker}-{number}"))
        } else {
            before.name
        },
    }
}

#[expect(clippy::expect_used, reason = "the names above are names")]
fn name(text: &str) -> WorkerId {
    WorkerId::new(text).expect("a short name in ASCII")
}

fn panicked(panic: &(dyn Any + Send)) -> Violation {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Violation::new("I-X3", format!("panicked: {message}"))
}
