use std::num::NonZero;
use std::time::{Duration, Instant};

/// The beginning of something whose end is told by `elapsed`.
#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing it measures does"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Runs `work` and says how long it took.
#[allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock; nothing it measures does"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// The times of a job that was done more than once in one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) first: Duration,
    /// The best of the later ones.
    pub(crate) best: Option<Duration>,
}

/// Does `job`, which says how long it took, `times` times, and keeps what came of the last.
pub(crate) fn repeated<T, E>(
    times: NonZero<usize>,
    mut job: impl FnMut() -> Result<(T, Duration), E>,
) -> Result<(T, Times), E> {
    let (mut result, first) = job()?;
    let mut best = None;
    for _ in 1..times.get() {
        let (next, took) = job()?;
        result = next;
        best = Some(best.map_or(took, |best: Duration| best.min(took)));
    }
    Ok((result, Times { first, best }))
}
