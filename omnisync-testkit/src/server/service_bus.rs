//! A Service Bus namespace: queues, topics and their subscriptions, over AMQP and REST.
//!
//! It was written from what is publicly known of the service and from what the official clients
//! put on the wire, and checked against no live namespace. It shares nothing with the adapters.
//!
//! - A lock belongs to a message and not to a connection: whoever goes away keeps it until it ends.
//! - Nothing is known about a time of its own: locks, schedules, lives of messages, the window of
//!   duplicates and tokens go by the clock of [`ServiceBusOptions`]. A clock that does not wake its
//!   sleepers is looked at with [`ServiceBus::tick`]. An automatic one will not do: it jumps to the
//!   end of whatever is waited for. Only heart beats go by the machine.
//! - Tokens are checked when [`Access::checked`] says so. Without it any token will do.
//!
//! ```
//! use std::sync::Arc;
//! use omnisync_testkit::clock::ManualClock;
//! use omnisync_testkit::server::service_bus::{
//!     NewMessage, ServiceBusOptions, ServiceBusServer,
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?.block_on(async {
//! let options = ServiceBusOptions::new(Arc::new(ManualClock::default()));
//! let server = ServiceBusServer::start(options).await?;
//! assert!(server.connection_string().starts_with("Endpoint=sb://127.0.0.1:"));
//!
//! server.service_bus().send("orders", NewMessage::new("{}").with_message_id("1")).ok();
//! // Another server, the same namespace.
//! let server = server.restart().await?;
//! assert_eq!(server.service_bus().backlog("orders"), 1);
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod address;
mod attach;
mod cbs;
mod codec;
mod connection;
mod engine;
mod fault;
mod frame;
mod incoming;
mod inspect;
mod link;
mod management;
mod message;
mod options;
mod outgoing;
mod queue;
mod refusal;
mod rest;
mod rest_message;
mod session;
mod state;
mod token;

pub use fault::{Fault, Step};
pub use inspect::{Counters, MessageState, MessageView, NewMessage, NotSent};
pub use options::{Access, Entity, Manners, ServiceBusOptions};
pub use state::ServiceBus;

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::fno::wire::{Port, Wire};
use rest::{Desk, handle};

/// How long connections get to end after the server was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A namespace on loopback ports. It stops when it is dropped.
#[derive(Debug)]
pub struct ServiceBusServer {
    service_bus: ServiceBus,
    ports: Ports,
    stopping: watch::Sender<bool>,
    amqp: JoinHandle<()>,
    rest: JoinHandle<io::Result<()>>,
}

/// Ports of the loopback address; 0 is a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ports {
    /// The port for AMQP.
    pub amqp: u16,
    /// The port for REST.
    pub rest: u16,
}

impl ServiceBusServer {
    /// Serves a new namespace on free ports.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: ServiceBusOptions) -> io::Result<Self> {
        Self::serve(ServiceBus::new(options)).await
    }

    /// Serves a namespace on free ports. It is served by one server at a time.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(service_bus: ServiceBus) -> io::Result<Self> {
        Self::serve_on(service_bus, Ports::default()).await
    }

    /// Serves a namespace on these ports.
    ///
    /// # Errors
    /// When a port cannot be had.
    pub async fn serve_on(service_bus: ServiceBus, ports: Ports) -> io::Result<Self> {
        let amqp = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.amqp)).await?;
        let rest = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.rest)).await?;
        let ports = Ports {
            amqp: amqp.local_addr()?.port(),
            rest: rest.local_addr()?.port(),
        };
        let (stopping, told) = watch::channel(false);
        let desk = Desk {
            bus: service_bus.clone(),
            stopping: told.clone(),
        };
        let router = Router::new().fallback(handle).with_state(desk);
        let service = router.into_make_service_with_connect_info::<Wire>();
        let rest =
            axum::serve(Port(rest), service).with_graceful_shutdown(until_told(told.clone()));
        Ok(Self {
            amqp: tokio::spawn(accept(service_bus.clone(), amqp, told)),
            rest: tokio::spawn(rest.into_future()),
            service_bus,
            ports,
            stopping,
        })
    }

    /// Stops, and serves the same namespace on the same ports again.
    ///
    /// # Errors
    /// When somebody else took a port meanwhile.
    pub async fn restart(self) -> io::Result<Self> {
        let (service_bus, ports) = (self.service_bus.clone(), self.ports);
        self.stop().await;
        Self::serve_on(service_bus, ports).await
    }

    /// The namespace.
    pub fn service_bus(&self) -> &ServiceBus {
        &self.service_bus
    }

    /// Host and port for AMQP.
    pub fn amqp_host(&self) -> String {
        format!("127.0.0.1:{}", self.ports.amqp)
    }

    /// Scheme, host and port for REST.
    pub fn rest_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rest)
    }

    /// What the portal would call the connection string. It holds the key.
    pub fn connection_string(&self) -> String {
        let access = self.service_bus.lock().options.access.clone();
        format!(
            "Endpoint=sb://{};SharedAccessKeyName={};SharedAccessKey={};UseDevelopmentEmulator=true",
            self.amqp_host(),
            access.key_name,
            access.key,
        )
    }

    /// Stops. Clients are told so.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        // A connection that does not end in time ends with its client.
        drop(timeout(GRACE, &mut self.amqp).await);
        drop(timeout(GRACE, &mut self.rest).await);
    }
}

impl Drop for ServiceBusServer {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
    }
}

async fn accept(bus: ServiceBus, listener: TcpListener, told: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stopped = told.clone();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopping| *stopping) => break,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection::serve(bus.clone(), stream, told.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn until_told(mut told: watch::Receiver<bool>) {
    // The sender is gone only when the server is.
    drop(told.wait_for(|stopping| *stopping).await);
}
