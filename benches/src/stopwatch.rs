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
