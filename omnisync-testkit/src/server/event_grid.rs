//! An Event Grid topic with one subscription: it takes events as the service does, and delivers
//! them to a webhook by the service's schedule.
//!
//! It was written from public documentation and from what Microsoft's client sends; it was checked
//! against no live topic. It shares no reader of events with `omnisync-core`.
//!
//! - Nothing is delivered by itself: [`EventGrid::deliver_due`] delivers what is due by the clock of
//!   [`GridOptions`].
//! - 200 to 204 is success. 400, 401, 403 and 413 make a dead letter at once, everything else a
//!   repetition after 10 s, 30 s, 1 min, 5 min, 10 min, 30 min, 1 h, 3 h, 6 h, and then every 12 h.
//! - A batch has one answer, which counts for all its events.
//!
//! ```
//! use std::sync::Arc;
//! use axum::http::Response;
//! use bytes::Bytes;
//! use omnisync_testkit::clock::ManualClock;
//! use omnisync_testkit::server::event_grid::{EventGrid, GridOptions};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let grid = EventGrid::new(GridOptions::new(Arc::new(ManualClock::default())));
//! grid.publish(r#"[{"specversion": "1.0", "id": "1", "source": "/a", "type": "T"}]"#);
//! // In a test of a host: |request| async { Some(handler.handle(request).await) }
//! grid.deliver_due(async |_| Some(Response::new(Bytes::new()))).await;
//! assert_eq!(grid.delivered(), ["1"]);
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod options;
mod publish;
mod server;
mod topic;

pub use options::GridOptions;
pub use server::EventGridServer;
pub use topic::{EventGrid, GridDeadLetter};
