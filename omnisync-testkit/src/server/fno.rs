//! A Finance & Operations environment: data management's package API, recurring integrations, the
//! storage account behind them and the token endpoint in front.
//!
//! It was written from what is publicly known of the service and checked against no live
//! environment. Its package reader shares nothing with the packager of `omnisync-core`.
//!
//! - An import takes effect at once, when it ends. Rows stand for themselves: an order whose header
//!   was taken and whose lines were refused is a half order.
//! - A key that stands in a file more than once refuses every row that has it.
//! - Nothing is known about a time of its own: tokens, signed URLs and limits go by the clock of
//!   [`FnoOptions`].
//!
//! ```
//! use std::sync::Arc;
//! use omnisync_testkit::clock::ManualClock;
//! use omnisync_testkit::server::fno::{FnoOptions, FnoServer};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?.block_on(async {
//! let options = FnoOptions::new(Arc::new(ManualClock::default()));
//! let server = FnoServer::start(options).await?;
//! assert!(server.base_url().starts_with("http://127.0.0.1:"));
//!
//! // Another server, the same environment.
//! let server = server.restart().await?;
//! assert_eq!(server.fno().submissions(), 0);
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod actions;
mod answer;
mod blob;
mod connector;
mod entity;
mod execution;
mod fault;
mod handler;
mod import;
mod inspect;
mod job_details;
mod options;
mod package;
mod rule;
mod state;
mod token;
pub(crate) mod url;
pub(crate) mod wire;

pub use execution::{ExecutionView, RecordView};
pub use fault::{Fault, RateLimit, RetryAfter, Route};
pub use import::TableRow;
pub use inspect::RequestView;
pub use options::{Access, FileEncoding, FnoOptions};
pub use rule::{RowError, Rule, RuleRow, refuse_share};
pub use state::Fno;

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use handler::{Desk, handle};
use wire::{Port, Wire};

/// How long connections get to end after the server was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// An environment on a loopback port. It stops when it is dropped.
#[derive(Debug)]
pub struct FnoServer {
    fno: Fno,
    port: u16,
    base_url: String,
    stopping: watch::Sender<bool>,
    running: JoinHandle<io::Result<()>>,
}

impl FnoServer {
    /// Serves a new environment on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: FnoOptions) -> io::Result<Self> {
        Self::serve(Fno::new(options)).await
    }

    /// Serves an environment on a free port. It is served by one server at a time.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(fno: Fno) -> io::Result<Self> {
        Self::serve_on(fno, 0).await
    }

    /// Serves an environment on a port of the loopback address; 0 is a free one.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn serve_on(fno: Fno, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let base_url = format!("http://{address}");
        fno.change(|state| state.base_url.clone_from(&base_url));
        let (stopping, told) = watch::channel(false);
        let desk = Desk {
            fno: fno.clone(),
            stopping: told.clone(),
        };
        let router = Router::new().fallback(handle).with_state(desk);
        let service = router.into_make_service_with_connect_info::<Wire>();
        let server = axum::serve(Port(listener), service).with_graceful_shutdown(until_told(told));
        Ok(Self {
            fno,
            port: address.port(),
            base_url,
            stopping,
            running: tokio::spawn(server.into_future()),
        })
    }

    /// Stops, and serves the same environment on the same port again.
    ///
    /// # Errors
    /// When somebody else took the port meanwhile.
    pub async fn restart(self) -> io::Result<Self> {
        let (fno, port) = (self.fno.clone(), self.port);
        self.stop().await;
        Self::serve_on(fno, port).await
    }

    /// Scheme, host and port.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The environment.
    pub fn fno(&self) -> &Fno {
        &self.fno
    }

    /// Where the application gets its tokens.
    pub fn token_url(&self) -> String {
        let tenant = self.fno.lock().options.access.tenant.clone();
        format!("{}/{tenant}/oauth2/v2.0/token", self.base_url)
    }

    /// Stops. Requests in progress that nobody answers are cut.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        // A connection that does not end in time ends with its client.
        drop(timeout(GRACE, &mut self.running).await);
    }
}

impl Drop for FnoServer {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
    }
}

async fn until_told(mut told: watch::Receiver<bool>) {
    // The sender is gone only when the server is.
    drop(told.wait_for(|stopping| *stopping).await);
}
