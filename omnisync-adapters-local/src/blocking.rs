//! Blocking work off the async threads.

use omnisync_core::{ErrorKind, PortError};
use tokio::runtime::Handle;

/// Runs `work` on tokio's blocking pool, or in place when no tokio runtime drives the caller.
///
/// Work that was handed over runs to its end even when the returned future is dropped.
pub(crate) async fn run<T, F>(operation: &'static str, work: F) -> Result<T, PortError>
where
    F: FnOnce() -> Result<T, PortError> + Send + 'static,
    T: Send + 'static,
{
    let Ok(runtime) = Handle::try_current() else {
        return work();
    };
    match runtime.spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(PortError::new(ErrorKind::Internal, operation)
            .with_detail("blocking work ended early, as when the runtime shuts down; try again")
            .with_source(error)),
    }
}
