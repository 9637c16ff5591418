//! The client of the Azure SDK, and single operations with it.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::Secret as AzureSecret;
use azure_core::http::Etag;
use azure_data_cosmos::clients::{ContainerClient, DatabaseClient};
use azure_data_cosmos::diagnostics::DiagnosticsContext;
use azure_data_cosmos::feed::{ContinuationToken, FeedScope};
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{
    AvailabilityStrategy, BinaryEncodingOptions, ConnectionPoolOptions, ContentResponseOnWrite,
    EndToEndOperationLatencyPolicy, ItemWriteOptions, MaxItemCountHint, OperationOptions,
    OperationOptionsBuilder, PartitionFailoverOptions, Precondition, QueryOptions,
    ReadConsistencyStrategy, Region, ServerCertificateValidation, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, CosmosClient, CosmosError, CosmosRuntime,
    Query as CosmosQuery, RoutingStrategy,
};
use bytes::Bytes;
use futures::StreamExt;
use omnisync_core::PortError;
use omnisync_core::id::ETag;
use omnisync_http::{Endpoint, Secret, TokenCache};
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore};

use super::address::Address;
use super::charge::{CosmosCharges, Ledger, Operation};
use super::config::{CosmosConfig, Reads, wrong};
use super::continuation::{Sql, is_end};
use super::refusal::{Refusal, went_elsewhere};

/// Time for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How requests are authorized.
#[derive(Clone)]
pub(super) enum Credential {
    Key(Secret),
    Tokens(TokenCache),
}

/// Clients of one account: the SDK's, made when it is first needed.
pub(super) struct CosmosClients {
    account: AccountReference,
    database: String,
    regions: Vec<Region>,
    is_plain: bool,
    reads: Reads,
    operation: OperationOptions,
    client: OnceCell<CosmosClient>,
    permits: Semaphore,
    ledger: Ledger,
}

impl fmt::Debug for CosmosClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosmosClients")
            .field("database", &self.database)
            .field("is_open", &self.client.initialized())
            .finish_non_exhaustive()
    }
}

/// A page of a query.
pub(super) struct Items {
    pub(super) items: Vec<Box<RawValue>>,
    /// Where to go on.
    pub(super) token: Option<String>,
}

impl CosmosClients {
    pub(super) fn new(
        config: &CosmosConfig,
        endpoint: &Endpoint,
        credential: Credential,
    ) -> Result<Self, PortError> {
        let url: AccountEndpoint = endpoint
            .to_string()
            .parse()
            .map_err(|_| wrong("endpoint is no URL of an account"))?;
        let account = match credential {
            Credential::Key(key) => AccountReference::with_authentication_key(
                url,
                AzureSecret::new(key.expose().to_owned()),
            ),
            Credential::Tokens(tokens) => AccountReference::with_credential(url, Arc::new(tokens)),
        };
        install_tls();
        Ok(Self {
            account,
            database: config.database.clone(),
            regions: config
                .preferred_regions
                .iter()
                .cloned()
                .map(Region::from)
                .collect(),
            is_plain: endpoint.is_plain(),
            reads: config.reads,
            operation: operation_options(config),
            client: OnceCell::new(),
            permits: Semaphore::new(config.concurrent_requests_max),
            ledger: Ledger::default(),
        })
    }

    pub(super) fn charges(&self) -> CosmosCharges {
        self.ledger.read()
    }

    /// The client of the account.
    pub(super) async fn client(&self) -> Result<&CosmosClient, CosmosError> {
        let open = || Box::pin(self.open());
        self.client.get_or_try_init(open).await
    }

    pub(super) async fn database(&self) -> Result<DatabaseClient, CosmosError> {
        Ok(self.client().await?.database_client(self.database.clone()))
    }

    pub(super) fn database_name(&self) -> &str {
        &self.database
    }

    async fn open(&self) -> Result<CosmosClient, CosmosError> {
        // Two ways of speaking less: HTTP/2 without TLS, which emulators do not speak, and the
        // second gateway on ports of its own.
        let pool = ConnectionPoolOptions::builder()
            .with_is_http2_allowed(!self.is_plain)
            .with_gateway_v2_disabled(true)
            .with_proxy_allowed(false)
            .with_server_certificate_validation(ServerCertificateValidation::Required)
            .with_max_connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        let runtime = CosmosRuntime::builder()
            .with_connection_pool(pool)
            .build()
            .await?;
        let routing = RoutingStrategy::PreferredRegions(self.regions.clone());
        // Text, so that numbers are not read and written again on the way.
        let text = BinaryEncodingOptions::new().with_enabled(false);
        // What must be seen is read in one region: nothing may move to another for a while.
        let failover = PartitionFailoverOptions::builder()
            .with_circuit_breaker_enabled(self.reads == Reads::Session)
            .build()?;
        CosmosClient::builder()
            .with_runtime(runtime)
            .with_partition_failover_options(failover)
            .with_default_operation_options(self.operation.clone())
            .with_binary_encoding_options(text)
            .build(self.account.clone(), routing)
            .await
    }

    async fn container(&self, name: &str) -> Result<ContainerClient, Refusal> {
        let found = async {
            let database = self.database().await?;
            database.container_client(name.to_owned(), None).await
        };
        found.await.map_err(|error| {
            let mut refusal = Refusal::of(&error);
            // Looking for the container changes nothing.
            refusal.is_open = false;
            refusal.is_before = true;
            refusal
        })
    }

    /// The item; `None` when there is none.
    pub(super) async fn read(
        &self,
        container: &str,
        address: &Address,
    ) -> Result<Option<Bytes>, Refusal> {
        let read = async {
            let container = self.container(container).await?;
            let partition = address.partition.clone();
            let answer = container.read_item(partition, &address.id, None).await;
            let diagnostics = match &answer {
                Ok(answer) => Some(answer.diagnostics()),
                Err(error) => error.diagnostics(),
            };
            let is_elsewhere = self.reads == Reads::LatestCommitted
                && diagnostics.is_some_and(|diagnostics| went_elsewhere(&diagnostics));
            match self.settle(Operation::Read, answer) {
                Ok(_) if is_elsewhere => Err(Refusal::elsewhere()),
                Err(refusal) if is_elsewhere && refusal.is_absent() => Err(Refusal::elsewhere()),
                settled => settled,
            }
        };
        match self.in_turn(read).await {
            Ok(answer) => {
                let body = answer.into_body().single();
                Ok(Some(body.map_err(|error| Refusal::of(&error))?))
            }
            Err(refusal) if refusal.is_absent() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Creates, replaces or upserts the item.
    pub(super) async fn put(
        &self,
        container: &str,
        address: &Address,
        operation: Operation,
        tag: Option<&ETag>,
        item: &RawValue,
    ) -> Result<ETag, Refusal> {
        let put = async {
            let container = self.container(container).await?;
            let partition = address.partition.clone();
            let id = &address.id;
            let options = Some(options(tag));
            let answer = match operation {
                Operation::Create => {
                    Box::pin(container.create_item(partition, id, item, options)).await
                }
                Operation::Replace => {
                    Box::pin(container.replace_item(partition, id, item, options)).await
                }
                _ => Box::pin(container.upsert_item(partition, id, item, options)).await,
            };
            self.settle(operation, answer)
        };
        let answer = self.in_turn(put).await?;
        let tag = answer.headers().etag().map(|tag| tag.as_ref().to_owned());
        tag.and_then(|tag| ETag::new(tag).ok())
            .ok_or_else(Refusal::untold)
    }

    /// Removes the item.
    pub(super) async fn delete(
        &self,
        container: &str,
        address: &Address,
        tag: Option<&ETag>,
    ) -> Result<(), Refusal> {
        let delete = async {
            let container = self.container(container).await?;
            let partition = address.partition.clone();
            let answer = container
                .delete_item(partition, &address.id, Some(options(tag)))
                .await;
            self.settle(Operation::Delete, answer)
        };
        self.in_turn(delete).await.map(drop)
    }

    /// One page, behind `token`.
    pub(super) async fn page(
        &self,
        container: &str,
        sql: Sql,
        items_max: usize,
        token: Option<String>,
    ) -> Result<Items, Refusal> {
        self.in_turn(Box::pin(async {
            let container = self.container(container).await?;
            let page = query_page(&container, sql, items_max, token).await;
            match page {
                Ok((Some(page), token)) => {
                    self.account(Operation::Query, &page.diagnostics());
                    Ok(Items {
                        items: page.into_items(),
                        token,
                    })
                }
                Ok((None, _)) => Ok(Items {
                    items: Vec::new(),
                    token: None,
                }),
                Err(error) => Err(self.refused(Operation::Query, &error)),
            }
        }))
        .await
    }

    /// Waits for a place among the requests on their way.
    async fn in_turn<T>(
        &self,
        request: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.ok();
        request.await
    }

    fn settle(
        &self,
        operation: Operation,
        answer: Result<ItemResponse, CosmosError>,
    ) -> Result<ItemResponse, Refusal> {
        match answer {
            Ok(answer) => {
                self.account(operation, &answer.diagnostics());
                Ok(answer)
            }
            Err(error) => Err(self.refused(operation, &error)),
        }
    }

    fn refused(&self, operation: Operation, error: &CosmosError) -> Refusal {
        if let Some(diagnostics) = error.diagnostics() {
            self.account(operation, &diagnostics);
        }
        Refusal::of(error)
    }

    fn account(&self, operation: Operation, diagnostics: &DiagnosticsContext) {
        let request_units = diagnostics.total_request_charge().value();
        self.ledger.add(operation, request_units);
        tracing::debug!(
            cosmos.operation = operation.text(),
            cosmos.request_units = request_units,
            cosmos.attempts = diagnostics.request_count(),
            "Cosmos DB answered"
        );
    }
}

type QueryPage = azure_data_cosmos::feed::QueryFeedPage<Box<RawValue>>;

async fn query_page(
    container: &ContainerClient,
    sql: Sql,
    items_max: usize,
    token: Option<String>,
) -> Result<(Option<QueryPage>, Option<String>), CosmosError> {
    let mut query = CosmosQuery::from(sql.text);
    for (name, value) in sql.parameters {
        query = query.with_parameter(name, value)?;
    }
    let limit = u32::try_from(items_max).unwrap_or(u32::MAX);
    let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
    let mut options = QueryOptions::default().with_max_item_count(MaxItemCountHint::Limit(limit));
    if let Some(token) = token {
        options = options.with_continuation_token(ContinuationToken::from_string(token));
    }
    let scope = FeedScope::full_container();
    let items = container
        .query_items::<Box<RawValue>>(query, scope, Some(options))
        .await?;
    let mut pages = items.into_pages();
    let Some(page) = pages.next().await.transpose()? else {
        return Ok((None, None));
    };
    let token = pages.to_continuation_token()?.as_str().to_owned();
    Ok((Some(page), Some(token).filter(|token| !is_end(token))))
}

fn options(tag: Option<&ETag>) -> ItemWriteOptions {
    let options = ItemWriteOptions::default();
    match tag {
        Some(tag) => {
            let tag = Etag::from(tag.as_str().to_owned());
            options.with_precondition(Precondition::if_match(tag))
        }
        None => options,
    }
}

/// The one layer that repeats is the SDK's: it honours what the service says about waiting.
fn operation_options(config: &CosmosConfig) -> OperationOptions {
    let throttling = ThrottlingRetryOptionsBuilder::new()
        .with_max_retry_count(config.throttle_retries_max)
        .with_max_retry_wait_time(Duration::from_millis(config.throttle_wait_ms_max.into()))
        .build();
    let timeout = Duration::from_millis(config.timeout_ms.into());
    let reads = match config.reads {
        Reads::LatestCommitted => ReadConsistencyStrategy::LatestCommitted,
        Reads::Session => ReadConsistencyStrategy::Session,
    };
    let mut options = OperationOptionsBuilder::new();
    if config.reads == Reads::LatestCommitted {
        // Another region may not have what was written in the first: it is not asked in case the
        // first is slow, nor because a request before failed.
        options = options
            .with_availability_strategy(AvailabilityStrategy::Disabled)
            .with_hedging_enabled(false)
            .with_endpoint_unavailability_ttl(Duration::ZERO);
    }
    options
        .with_read_consistency_strategy(reads)
        .with_content_response_on_write(ContentResponseOnWrite::Disabled)
        .with_throttling_retry_options(throttling)
        .with_end_to_end_latency_policy(EndToEndOperationLatencyPolicy::from(timeout))
        .build()
}

/// The SDK makes its TLS by the provider of the process. Whoever chose one before keeps it.
fn install_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let provider = rustls::crypto::ring::default_provider();
        // Another thread was faster: then there is a provider, too.
        drop(provider.install_default());
    }
}
