//! An environment on a loopback port, and an importer that talks to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use omnisync_adapters_dataverse::finops::{FinOpsConfig, FinOpsImporter};
use omnisync_adapters_local::{SystemClock, SystemIds};
use omnisync_core::PortError;
use omnisync_core::dixf::{FieldMap, PackageWriter};
use omnisync_core::id::{BatchId, BlobName, ExecutionId, OrderId, ProjectName, Sha256};
use omnisync_core::order::{Address, Country, Currency, LineItem, Order, Unknown};
use omnisync_core::package::PackageInfo;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{
    Clock, ErpImporter as _, IdSource, RecordKey, RepeatedExecution, Submission, SubmitReceipt,
    byte_stream,
};
use omnisync_http::{
    Client, ClientConfig, EntraClientCredentials, EntraConfig, ReqwestConfig, Secret, TokenCache,
    Transport,
};
use omnisync_testkit::fake::MemoryStateStore;
use omnisync_testkit::server::fno::{Fno, FnoOptions, FnoServer, RowError, Rule, RuleRow};
use rust_decimal::Decimal;

pub(crate) const COMPANY: &str = "USMF";
pub(crate) const PROJECT: &str = "Sales orders";
pub(crate) const ACTIVITY: &str = "6a1c9f3e-0d8e-4c2f-9b57-2f1f7d3b8a10";

/// An environment, and what outlives an importer.
pub(crate) struct Environment {
    pub(crate) server: FnoServer,
    pub(crate) store: MemoryStateStore,
}

impl Environment {
    pub(crate) async fn start(change: impl FnOnce(&mut FnoOptions)) -> Self {
        let mut options = FnoOptions::new(Arc::new(SystemClock));
        options.polls_to_end = None;
        options.repeated_execution = RepeatedExecution::RunsAgain;
        change(&mut options);
        Self {
            server: FnoServer::start(options).await.unwrap(),
            store: MemoryStateStore::default(),
        }
    }

    pub(crate) async fn plain() -> Self {
        Self::start(|_| ()).await
    }

    pub(crate) fn fno(&self) -> &Fno {
        self.server.fno()
    }

    /// The settings of a careful test: nothing waits for long.
    pub(crate) fn config(&self) -> FinOpsConfig {
        let mut config = FinOpsConfig::new(self.server.base_url()).with_legal_entity(COMPANY);
        config.submit_seconds_max = 10;
        config.visible_after_seconds = 20;
        config.error_file_poll_ms = 1;
        config
    }

    pub(crate) fn importer(&self) -> FinOpsImporter {
        self.importer_of(self.config())
    }

    pub(crate) fn importer_of(&self, config: FinOpsConfig) -> FinOpsImporter {
        self.importer_by(config, self.credentials())
    }

    /// The application that the environment knows.
    pub(crate) fn credentials(&self) -> EntraConfig {
        let mut access = None;
        self.fno()
            .reconfigure(|options| access = Some(options.access.clone()));
        let access = access.unwrap();
        EntraConfig::new(
            access.tenant,
            access.client_id,
            Secret::new(access.client_secret),
        )
        .with_authority(self.server.base_url())
    }

    pub(crate) fn importer_by(
        &self,
        config: FinOpsConfig,
        credentials: EntraConfig,
    ) -> FinOpsImporter {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(SystemIds);
        let transport: Arc<dyn Transport> = Arc::new(ReqwestConfig::default().open().unwrap());
        let impatient = ClientConfig::default()
            .with_timeout_ms(5_000)
            .with_retry_percent_max(100)
            .with_retry(RetryPolicy {
                base_ms: 1,
                cap_ms: 5,
                attempts_max: 3,
            });
        let client = || {
            let transport = Arc::clone(&transport);
            Client::builder(transport, Arc::clone(&clock), Arc::clone(&ids))
        };
        let plain = client().with_config(impatient.clone()).build().unwrap();
        let provider = Arc::new(EntraClientCredentials::new(credentials, plain).unwrap());
        let tokens = TokenCache::new(provider, Arc::clone(&clock), Arc::clone(&ids));
        let client = client()
            .with_config(impatient)
            .with_tokens(tokens, config.scope().unwrap())
            .build()
            .unwrap();
        let store = Arc::new(self.store.clone());
        config.build(client, clock, store).unwrap()
    }
}

/// A package, and the keys of its records.
pub(crate) struct Packed {
    pub(crate) content: Bytes,
    /// Header and lines of each order.
    pub(crate) keys: Vec<Vec<RecordKey>>,
}

/// Packs orders by the default map, after `change`.
pub(crate) fn pack(orders: &[Order], change: impl FnOnce(FieldMap) -> FieldMap) -> Packed {
    let map = change(FieldMap::dmf()).compile().unwrap();
    let info = PackageInfo {
        definition_group: ProjectName::new(PROJECT).unwrap(),
        description: "Orders".to_owned(),
        batch_id: BatchId::from_hash([1; 16]),
        created_at: DateTime::UNIX_EPOCH,
        exported_by: "tests".to_owned(),
    };
    let mut writer = PackageWriter::new(Vec::new(), &map, info).unwrap();
    let mut keys = Vec::new();
    for order in orders {
        let (header, lines) = map.record_keys(&map.map(order).unwrap());
        keys.push([header].into_iter().chain(lines).collect());
        writer.append(order).unwrap();
    }
    let (content, _) = writer.finish().unwrap();
    let content = content.into();
    Packed { content, keys }
}

/// Packs orders with two lines each.
pub(crate) fn packed(ids: &[&str]) -> Packed {
    let orders: Vec<Order> = ids.iter().map(|id| order_with(id, 2)).collect();
    pack(&orders, |map| map)
}

/// An order with so many lines of 10 euros each.
pub(crate) fn order_with(id: &str, lines: u32) -> Order {
    let line = |item_number| LineItem {
        item_number,
        product_code: "NW-011".to_owned(),
        quantity: Decimal::TWO,
        unit_price: Decimal::from(5),
        discount: None,
        unknown: Unknown::new(),
    };
    Order {
        order_id: OrderId::new(id).unwrap(),
        customer_id: "VINET".to_owned(),
        order_date: "2026-03-14".parse().unwrap(),
        requested_shipping_date: None,
        total_amount: Decimal::from(10 * lines),
        currency: Currency::parse("EUR").unwrap(),
        freight: None,
        line_items: (1..=lines).map(line).collect(),
        shipping_address: Address {
            name: None,
            street: "59 rue de l'Abbaye".to_owned(),
            city: "Reims".to_owned(),
            state: None,
            zip: Some("51100".to_owned()),
            country: Country::parse("FR").unwrap(),
            unknown: Unknown::new(),
        },
        unknown: Unknown::new(),
    }
}

/// A rule that refuses every record of these orders.
pub(crate) fn refusing(orders: impl IntoIterator<Item = String>) -> Rule {
    let orders: BTreeSet<String> = orders.into_iter().collect();
    Arc::new(move |row: &RuleRow<'_>| {
        let order = row.get("SALESORDERNUMBER");
        let refused = orders.contains(order);
        refused.then(|| RowError::new(format!("Customer of {order} is on hold.")))
    })
}

pub(crate) fn execution(number: u8) -> ExecutionId {
    BatchId::from_hash([number; 16]).into()
}

pub(crate) fn submission(execution: ExecutionId, content: &Bytes) -> Submission {
    Submission {
        execution,
        project: ProjectName::new(PROJECT).unwrap(),
        legal_entity: None,
        package: BlobName::new(format!("oms_{execution}.zip")).unwrap(),
        bytes: content.len() as u64,
        sha256: Sha256::of(content),
        content: byte_stream(content.clone()),
    }
}

/// Submits a package under the execution of this number.
pub(crate) async fn submit(
    importer: &FinOpsImporter,
    number: u8,
    package: &Packed,
) -> Result<SubmitReceipt, PortError> {
    let submission = submission(execution(number), &package.content);
    importer.submit(submission).await
}

/// The importer of a configuration, over nothing that is ever asked.
pub(crate) fn built(config: FinOpsConfig) -> Result<FinOpsImporter, PortError> {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let transport = Arc::new(ReqwestConfig::default().open().unwrap());
    let clock: Arc<dyn Clock> = clock;
    let client = Client::builder(transport, Arc::clone(&clock), ids).build()?;
    config.build(client, clock, Arc::new(MemoryStateStore::default()))
}

/// The whole chain of an error, as people see it.
pub(crate) fn told(error: &PortError) -> String {
    error.report()
}
