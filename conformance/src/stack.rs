//! Everything that the order path needs of Azure, on loopback ports: Service Bus, Cosmos DB, Blob
//! Storage and Finance & Operations.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use omnisync_core::port::{Clock, RepeatedExecution};
use omnisync_testkit::server::fno::{Fno, FnoOptions, FnoServer};
use omnisync_testkit::server::service_bus::{
    Entity, ServiceBus, ServiceBusOptions, ServiceBusServer,
};

use crate::azurite::{Access, Azurite, KEY};
use crate::cosmos_emulator::{CosmosEmulator, CosmosEmulatorOptions};

/// A host of the order path, as a file of settings describes it. Addresses and secrets are variables
/// of the environment: see [`AzureStack::variables`].
pub const SETTINGS: &str = include_str!("stack.toml");

/// The topic that events are sent to.
pub const TOPIC: &str = "orders";
/// The subscription that the host receives from.
pub const SUBSCRIPTION: &str = "orders/Subscriptions/erp";

/// How long the queue holds a message.
const LOCK_MS: u32 = 4_000;

/// The services. They end when it is dropped.
#[derive(Debug)]
pub struct AzureStack {
    bus: ServiceBusServer,
    fno: FnoServer,
    variables: BTreeMap<&'static str, String>,
    _cosmos: CosmosEmulator,
}

impl AzureStack {
    /// Starts the services within a runtime that goes on running. All stacks of a process share one
    /// Azurite, each with a container of its own.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub async fn start(clock: Arc<dyn Clock>) -> io::Result<Self> {
        let azurite = Azurite::shared(Access::Plain)?;
        let orders = Entity::topic(TOPIC, ["erp"]).with(|manners| {
            manners.lock_ms = LOCK_MS;
            // What comes twice is to reach the inbox.
            manners.duplicate_window_ms = None;
        });
        let bus = ServiceBusOptions::new(Arc::clone(&clock))
            .with_entities([orders])
            .with_checked_tokens();
        let bus_access = bus.access.clone();
        let bus = ServiceBusServer::start(bus).await?;
        let cosmos = CosmosEmulator::start(CosmosEmulatorOptions::default()).await?;
        let mut fno = FnoOptions::new(clock);
        // The hardest of environments: it imports whatever comes again.
        fno.repeated_execution = RepeatedExecution::RunsAgain;
        let fno_access = fno.access.clone();
        let fno = FnoServer::start(fno).await?;
        Ok(Self {
            variables: BTreeMap::from([
                ("BUS_HOST", bus.amqp_host()),
                ("BUS_KEY_NAME", bus_access.key_name),
                ("BUS_KEY", bus_access.key),
                ("COSMOS_URL", cosmos.endpoint()),
                ("COSMOS_KEY", cosmos.key().to_owned()),
                ("BLOB_URL", azurite.endpoint().to_owned()),
                ("BLOB_CONTAINER", container()),
                ("BLOB_KEY", KEY.to_owned()),
                ("FNO_URL", fno.base_url().to_owned()),
                ("FNO_TENANT", fno_access.tenant),
                ("FNO_CLIENT", fno_access.client_id),
                ("FNO_SECRET", fno_access.client_secret),
            ]),
            bus,
            fno,
            _cosmos: cosmos,
        })
    }

    /// The variables of the environment that [`SETTINGS`] asks for.
    pub const fn variables(&self) -> &BTreeMap<&'static str, String> {
        &self.variables
    }

    /// The namespace of Service Bus.
    pub fn service_bus(&self) -> &ServiceBus {
        self.bus.service_bus()
    }

    /// The environment of Finance & Operations.
    pub fn fno(&self) -> &Fno {
        self.fno.fno()
    }
}

/// A name that no other stack uses.
fn container() -> String {
    static ISSUED: AtomicU32 = AtomicU32::new(0);
    let number = ISSUED.fetch_add(1, Ordering::Relaxed);
    format!("packages-{}-{number}", std::process::id())
}
