//! Every clause of every port, one test each.

#[cfg(feature = "folder")]
mod blob_stage;
#[cfg(feature = "ndjson")]
mod event_source;
#[cfg(feature = "sqlite")]
mod state_store;
mod system;

/// Runs a clause in a runtime of its own.
fn block_on<T>(clause: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
        .block_on(clause)
}
