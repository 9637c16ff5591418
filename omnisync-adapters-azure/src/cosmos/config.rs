use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omnisync_core::flow::COLLECTIONS;
use omnisync_core::port::{Clock, Collection, IdSource};
use omnisync_core::{ErrorKind, PortError};
use omnisync_http::{Endpoint, Secret, TokenCache};
use serde::Deserialize;

use super::address::Place;
use super::client::{CosmosClients, Credential};
use super::store::CosmosStateStore;
use crate::shared::variables::{Variables, of_process};

const BUILD: &str = "cosmos.build";
const PREFIX: &str = "OMNISYNC_AZURE_COSMOS_";

/// Where and how a [`CosmosStateStore`] keeps its documents.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosmosConfig {
    /// URL of the account, such as `https://acme.documents.azure.com`; plain http to this machine
    /// only.
    pub endpoint: String,
    /// Name of the database.
    pub database: String,
    /// A key of the account. Default none: then tokens have to be given.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Which container holds which collection. Default: one each, named like the collection.
    #[serde(default)]
    pub containers: Containers,
    /// What reads see. Default: what every host wrote.
    #[serde(default)]
    pub reads: Reads,
    /// Regions to use, the nearest first; with [`Reads::Session`] only. Default none: the order of
    /// the account, which begins with the region that is written to.
    #[serde(default)]
    pub preferred_regions: Vec<String>,
    /// Throughput of containers that [`CosmosStateStore::provision`] creates. Default none: that of
    /// the database, or a serverless account.
    #[serde(default)]
    pub throughput: Option<Throughput>,
    /// Largest body of a document, in bytes. Default and most 2,080,768: the service takes 2 MiB,
    /// of which 16 KiB are for what is around the body.
    #[serde(default = "body_bytes_max")]
    pub body_bytes_max: usize,
    /// Point operations and pages on their way at once, all callers together. Default 32.
    #[serde(default = "concurrent_requests_max")]
    pub concurrent_requests_max: usize,
    /// How often a throttled request is sent again, at most 100. Default 9; with 0 the caller
    /// waits.
    #[serde(default = "throttle_retries_max")]
    pub throttle_retries_max: u32,
    /// How long all those waits together may be, in milliseconds. Default 30,000.
    #[serde(default = "throttle_wait_ms_max")]
    pub throttle_wait_ms_max: u32,
    /// Time for an operation with all its attempts, in milliseconds. Default 60,000.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
}

/// What reads see on an account whose consistency is session or weaker. Accounts with strong
/// consistency, or bounded staleness, see every write of their region either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reads {
    /// What every host wrote: a quorum of the replicas of the account's first region is asked,
    /// which is the one that is written to, for twice the request units of a read. While that
    /// region does not answer, point reads fail.
    #[default]
    LatestCommitted,
    /// What this host wrote, and of others what has reached the replica that is asked. For a host
    /// that works alone.
    Session,
}

/// Which container holds which collection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Containers {
    /// One container for each collection.
    PerCollection {
        /// What the names of containers begin with, before that of the collection. Default none.
        #[serde(default)]
        prefix: String,
        /// Collections whose containers are set up otherwise. Default: `orders`, with the
        /// partition key `/orderId`.
        #[serde(default = "named")]
        named: BTreeMap<String, Container>,
    },
    /// One container for all collections.
    Shared(Container),
}

impl Default for Containers {
    fn default() -> Self {
        Self::PerCollection {
            prefix: String::new(),
            named: named(),
        }
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its name. Default: prefix and name of the collection; needed where collections share it.
    #[serde(default)]
    pub name: Option<String>,
    /// Path of its partition key: one name. Default `/id`.
    #[serde(default = "by_id")]
    pub partition_key: String,
}

impl Container {
    /// A container of this name, with this partition key.
    pub fn new(name: impl Into<String>, partition_key: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            partition_key: partition_key.into(),
        }
    }
}

/// What a new container may use, in request units a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Throughput {
    /// Always so many: 400 or more, in hundreds.
    Manual(u32),
    /// Up to so many: 1,000 or more, in thousands.
    Autoscale(u32),
}

impl CosmosConfig {
    /// Largest [`Self::body_bytes_max`].
    pub const BODY_BYTES_LIMIT: usize = 2_097_152 - 16_384;

    /// The defaults for a database of the account at `endpoint`.
    pub fn new(endpoint: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            database: database.into(),
            key: None,
            containers: Containers::default(),
            reads: Reads::default(),
            preferred_regions: Vec::new(),
            throughput: None,
            body_bytes_max: body_bytes_max(),
            concurrent_requests_max: concurrent_requests_max(),
            throttle_retries_max: throttle_retries_max(),
            throttle_wait_ms_max: throttle_wait_ms_max(),
            timeout_ms: timeout_ms(),
        }
    }

    /// Reads the environment of this process; see [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env() -> Result<Self, PortError> {
        Self::from_vars(of_process())
    }

    /// Reads `OMNISYNC_AZURE_COSMOS_ENDPOINT`, `…_DATABASE`, and where they are there `…_KEY`,
    /// `…_CONTAINER` (one for all collections, by `/id`), `…_CONTAINER_PREFIX`, `…_READS` and
    /// `…_REGIONS` (with commas between them).
    ///
    /// # Errors
    /// `Misconfigured` when one of the first two is missing, or for unknown reads; names it.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PortError> {
        let variables = Variables::read(PREFIX, variables);
        let get = |name: &str| variables.get(name);
        let (endpoint, database) = (
            variables.need("ENDPOINT", BUILD)?,
            variables.need("DATABASE", BUILD)?,
        );
        let mut config = Self::new(endpoint, database);
        config.key = get("KEY").map(Secret::new);
        match (get("CONTAINER"), get("CONTAINER_PREFIX")) {
            (Some(name), _) => {
                config.containers = Containers::Shared(Container::new(name, by_id()));
            }
            (None, Some(prefix)) => {
                config.containers = Containers::PerCollection {
                    prefix: prefix.to_owned(),
                    named: named(),
                };
            }
            (None, None) => {}
        }
        config.reads = match get("READS") {
            None | Some("latest-committed") => Reads::LatestCommitted,
            Some("session") => Reads::Session,
            Some(_) => {
                return Err(wrong(
                    "OMNISYNC_AZURE_COSMOS_READS is neither latest-committed nor session",
                ));
            }
        };
        if let Some(regions) = get("REGIONS") {
            let regions = regions.split(',').map(str::trim);
            config.preferred_regions = regions
                .filter(|region| !region.is_empty())
                .map(str::to_owned)
                .collect();
        }
        Ok(config)
    }

    /// Sets [`Self::key`].
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets [`Self::containers`].
    #[must_use]
    pub fn with_containers(mut self, containers: Containers) -> Self {
        self.containers = containers;
        self
    }

    /// Sets [`Self::reads`].
    #[must_use]
    pub fn with_reads(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// Sets [`Self::throughput`].
    #[must_use]
    pub fn with_throughput(mut self, throughput: Throughput) -> Self {
        self.throughput = Some(throughput);
        self
    }

    /// Sets [`Self::concurrent_requests_max`].
    #[must_use]
    pub fn with_concurrent_requests_max(mut self, requests: usize) -> Self {
        self.concurrent_requests_max = requests;
        self
    }

    /// Sets [`Self::throttle_retries_max`].
    #[must_use]
    pub fn with_throttle_retries_max(mut self, retries: u32) -> Self {
        self.throttle_retries_max = retries;
        self
    }

    /// Sets [`Self::timeout_ms`].
    #[must_use]
    pub fn with_timeout_ms(mut self, milliseconds: u32) -> Self {
        self.timeout_ms = milliseconds;
        self
    }

    /// The store. It authorizes by [`Self::key`], or by tokens where there is none. Nothing is sent
    /// before the first operation.
    ///
    /// # Errors
    /// `Misconfigured` for a setting that cannot be; names it.
    pub fn build(
        self,
        tokens: Option<TokenCache>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<CosmosStateStore, PortError> {
        self.check()?;
        let endpoint: Endpoint = self
            .endpoint
            .parse()
            .map_err(|error| wrong("endpoint is no URL of an account").with_source(error))?;
        let credential = match (self.key.clone(), tokens) {
            (Some(key), None) => Credential::Key(key),
            (None, Some(tokens)) if !endpoint.is_plain() => Credential::Tokens(tokens),
            (None, Some(_)) => return Err(wrong("tokens are sent to https endpoints only")),
            (Some(_), Some(_)) => return Err(wrong("there are both a key and tokens")),
            (None, None) => return Err(wrong("there is neither a key nor tokens")),
        };
        let clients = CosmosClients::new(&self, &endpoint, credential)?;
        Ok(CosmosStateStore::new(self, clients, clock, ids))
    }

    /// Where the documents of a collection are.
    pub(super) fn place(&self, collection: Collection) -> Place {
        let collection = collection.as_str();
        match &self.containers {
            Containers::PerCollection { prefix, named } => {
                let own = named.get(collection);
                let name = own.and_then(|container| container.name.clone());
                Place {
                    container: name.unwrap_or_else(|| format!("{prefix}{collection}")),
                    partition_key: own
                        .map_or("id", |container| member(&container.partition_key))
                        .to_owned(),
                    is_shared: false,
                }
            }
            Containers::Shared(container) => Place {
                container: container.name.clone().unwrap_or_default(),
                partition_key: member(&container.partition_key).to_owned(),
                is_shared: true,
            },
        }
    }

    /// Collections share a container only where their ids begin with their names.
    pub(super) fn check_containers(&self, collections: &[Collection]) -> Result<(), PortError> {
        let Containers::PerCollection { prefix, named } = &self.containers else {
            return Ok(());
        };
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        let names = collections.iter().map(|collection| collection.as_str());
        for name in named.keys().map(String::as_str).chain(names) {
            let own = named.get(name).and_then(|container| container.name.clone());
            let container = own.unwrap_or_else(|| format!("{prefix}{name}"));
            if owners
                .insert(container, name)
                .is_some_and(|other| other != name)
            {
                return Err(wrong(
                    "two collections have the same container; name another, or share one for all",
                ));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), PortError> {
        self.check_containers(&COLLECTIONS)?;
        let containers: Vec<&Container> = match &self.containers {
            Containers::PerCollection { named, .. } => named.values().collect(),
            Containers::Shared(container) => vec![container],
        };
        let is_unnamed =
            matches!(&self.containers, Containers::Shared(container) if container.name.is_none());
        let key = self.key.as_ref().map(|key| STANDARD.decode(key.expose()));
        let settings = [
            (self.database.trim().is_empty(), "database is empty"),
            (is_unnamed, "the shared container has no name"),
            (
                containers.iter().any(|one| !is_path(&one.partition_key)),
                "a partition_key is no path of one name such as /orderId",
            ),
            (
                !(1..=Self::BODY_BYTES_LIMIT).contains(&self.body_bytes_max),
                "body_bytes_max is not between 1 and 2,080,768",
            ),
            (
                !(1..=1_024).contains(&self.concurrent_requests_max),
                "concurrent_requests_max is not between 1 and 1,024",
            ),
            (
                self.reads == Reads::LatestCommitted && !self.preferred_regions.is_empty(),
                "preferred_regions goes with reads = session only: other reads have to be made \
                 where the account writes",
            ),
            (
                self.throttle_retries_max > 100,
                "throttle_retries_max is more than 100",
            ),
            (self.timeout_ms < 100, "timeout_ms is less than 100"),
            (
                matches!(&key, Some(decoded) if decoded.as_ref().map_or(true, Vec::is_empty)),
                "key is not base64 as the portal shows it",
            ),
        ];
        let bad = settings.into_iter().find(|(is_bad, _)| *is_bad);
        bad.map_or(Ok(()), |(_, what)| Err(wrong(what)))
    }
}

/// True for `/name`, where the name is one that the layout leaves free.
fn is_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|name| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain && !name.is_empty() && !matches!(name, "ttl" | super::wire::ENVELOPE)
    })
}

fn member(path: &str) -> &str {
    path.trim_start_matches('/')
}

pub(super) fn wrong(what: &'static str) -> PortError {
    PortError::new(ErrorKind::Misconfigured, BUILD).with_detail(what)
}

fn named() -> BTreeMap<String, Container> {
    let orders = Container {
        name: None,
        partition_key: "/orderId".to_owned(),
    };
    BTreeMap::from([("orders".to_owned(), orders)])
}

fn by_id() -> String {
    "/id".to_owned()
}

const fn body_bytes_max() -> usize {
    CosmosConfig::BODY_BYTES_LIMIT
}

const fn concurrent_requests_max() -> usize {
    32
}

const fn throttle_retries_max() -> u32 {
    9
}

const fn throttle_wait_ms_max() -> u32 {
    30_000
}

const fn timeout_ms() -> u32 {
    60_000
}
