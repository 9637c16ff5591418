//! Microsoft's in-memory Cosmos DB emulator, served over http.
//!
//! The emulator is part of the driver below the official client and speaks no network. Here it is
//! behind a socket, so that any client can talk to it, with checks of the real service in front of
//! it that it leaves out: see [`CosmosEmulator`].

mod faults;
mod guard;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Request as AzureRequest, Url};
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, InMemoryEmulatorHttpClient, ReplicationConfig, VirtualAccountConfig,
    VirtualRegion,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use faults::Faults;

/// Largest request that is read, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Requests that are remembered.
const REQUESTS_MAX: usize = 20_000;
/// Names of the regions, that of the writes first.
const REGIONS: [&str; 2] = ["East US", "West US"];
/// Behind this time the second region hears of writes.
const LAG: Duration = Duration::from_secs(86_400);
/// The key that emulators of Cosmos DB share. It is public.
const KEY: &str =
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/// How an account behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[non_exhaustive]
pub struct CosmosEmulatorOptions {
    /// Requests beyond the throughput of a container get 429. Default false.
    pub is_throttled: bool,
    /// Reads see every write, whoever made it. Default false: session consistency.
    pub is_strong: bool,
    /// Every query begins with an empty page that is not the end. Default false.
    pub begins_queries_empty: bool,
    /// There is a second region, which is read only and never hears of a write. Default false.
    pub has_lagging_region: bool,
}

impl CosmosEmulatorOptions {
    /// Requests beyond the throughput of a container get 429.
    #[must_use]
    pub const fn throttled(mut self) -> Self {
        self.is_throttled = true;
        self
    }

    /// Reads see every write, whoever made it.
    #[must_use]
    pub const fn strong(mut self) -> Self {
        self.is_strong = true;
        self
    }

    /// There is a second region, which is read only and never hears of a write.
    #[must_use]
    pub const fn with_lagging_region(mut self) -> Self {
        self.has_lagging_region = true;
        self
    }

    /// Every query begins with an empty page that is not the end.
    #[must_use]
    pub const fn beginning_queries_empty(mut self) -> Self {
        self.begins_queries_empty = true;
        self
    }
}

/// An account on a free port of this machine. It ends when it is dropped.
///
/// The emulator does the work. In front of it requests are refused as the real service does, where
/// it does not: without authorization, with an id or a `ttl` that is not allowed, and queries
/// across partitions with an order, a limit, an aggregate or `DISTINCT` that a client did not
/// divide by a plan of its own.
pub struct CosmosEmulator {
    bridge: Arc<Bridge>,
    servers: Vec<JoinHandle<()>>,
}

impl fmt::Debug for CosmosEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosmosEmulator")
            .field("origins", &self.bridge.origins)
            .finish_non_exhaustive()
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Number of the region that was asked; that of the writes is 0.
    pub region: usize,
    /// Its method.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Recorded {
    /// A header; empty when it is missing or no text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// True for a query.
    pub fn is_query(&self) -> bool {
        self.header("x-ms-documentdb-isquery")
            .eq_ignore_ascii_case("true")
    }

    /// True for a write of a document.
    pub fn is_document_write(&self) -> bool {
        let writes = [http::Method::POST, http::Method::PUT, http::Method::DELETE];
        self.is_document() && writes.contains(&self.method) && !self.is_query() && !self.is_plan()
    }

    /// True for anything about documents.
    pub fn is_document(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        path.trim_start_matches('/').split('/').nth(4) == Some("docs")
    }

    /// True for the question how a query is to be divided.
    pub fn is_plan(&self) -> bool {
        self.header("x-ms-cosmos-is-query-plan-request")
            .eq_ignore_ascii_case("true")
    }
}

struct Bridge {
    /// URL of each region.
    origins: Vec<String>,
    emulator: InMemoryEmulatorHttpClient,
    options: CosmosEmulatorOptions,
    faults: Faults,
    requests: Mutex<Vec<Recorded>>,
    /// Requests about documents that are not answered yet, and the most that ever were at once.
    on_their_way: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl CosmosEmulator {
    /// Starts an account without databases. Call it in a tokio runtime.
    ///
    /// # Errors
    /// When no port is free, or the emulator does not take its settings.
    pub async fn start(options: CosmosEmulatorOptions) -> io::Result<Self> {
        let mut listeners = Vec::new();
        let mut origins = Vec::new();
        for _ in 0..=usize::from(options.has_lagging_region) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            origins.push(format!("http://{}", listener.local_addr()?));
            listeners.push(listener);
        }
        let bridge = Arc::new(Bridge {
            emulator: emulator(&origins, options).map_err(io::Error::other)?,
            origins,
            options,
            faults: Faults::default(),
            requests: Mutex::new(Vec::new()),
            on_their_way: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let servers = listeners.into_iter().enumerate().map(|(region, listener)| {
            let app = Router::new()
                .fallback(serve)
                .with_state((region, Arc::clone(&bridge)));
            tokio::spawn(async move {
                // It ends with its task.
                axum::serve(listener, app).await.ok();
            })
        });
        Ok(Self {
            servers: servers.collect(),
            bridge,
        })
    }

    /// URL of the account.
    pub fn endpoint(&self) -> String {
        self.bridge.origins.first().cloned().unwrap_or_default()
    }

    /// A key of the account.
    pub const fn key(&self) -> &'static str {
        KEY
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.bridge.locked().clone()
    }

    /// The most requests about documents that were on their way at once so far.
    pub fn most_at_once(&self) -> usize {
        self.bridge.most_at_once.load(Ordering::SeqCst)
    }

    /// Carries out the next `times` writes of documents, and cuts their connections instead of
    /// answering.
    pub fn lose_answers(&self, times: usize) {
        self.bridge.faults.lose(times);
    }

    /// Carries out every write of the document with this partition key, and cuts its connection
    /// instead of answering.
    pub fn lose_answers_to(&self, partition: &str) {
        self.bridge.faults.lose_all_of(partition);
    }

    /// Answers the next `times` requests about documents with this status and substatus, and does
    /// nothing.
    pub fn refuse(&self, times: usize, status: u16, substatus: u16) {
        self.bridge.faults.refuse(times, status, substatus);
    }

    /// Carries out the next `times` writes of documents, and answers them with this status.
    pub fn deny(&self, times: usize, status: u16) {
        self.bridge.faults.deny(times, status);
    }

    /// The region of the writes answers the next `times` point reads only after this time.
    pub fn slow_reads(&self, times: usize, delay: Duration) {
        self.bridge.faults.slow(times, delay);
    }

    /// Forgets the refusals and denials that are still to come.
    pub fn forget_refusals(&self) {
        self.bridge.faults.forget_refusals();
    }
}

impl Drop for CosmosEmulator {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

fn emulator(
    origins: &[String],
    options: CosmosEmulatorOptions,
) -> Result<InMemoryEmulatorHttpClient, Box<dyn std::error::Error + Send + Sync>> {
    let mut regions = Vec::new();
    for (name, origin) in REGIONS.into_iter().zip(origins) {
        regions.push(VirtualRegion::new(name, Url::parse(origin)?));
    }
    let consistency = if options.is_strong {
        ConsistencyLevel::Strong
    } else {
        ConsistencyLevel::Session
    };
    let config = VirtualAccountConfig::new(regions)?
        .with_replication_config(ReplicationConfig::fixed(LAG))
        .with_consistency(consistency)
        .with_throttling_enabled(options.is_throttled);
    Ok(InMemoryEmulatorHttpClient::try_new(config)?)
}

impl Bridge {
    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<Recorded>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, mut request: Recorded) -> Response {
        if request.region == 0
            && let Some(delay) = self.faults.delay(&request)
        {
            tokio::time::sleep(delay).await;
        }
        if let Some((status, substatus)) = self.faults.refusal(&request) {
            return guard::refusal(status, substatus, "refused by the test");
        }
        if let Some(refusal) = guard::refused(&request) {
            return refusal;
        }
        if self.options.begins_queries_empty
            && let Some(page) = guard::empty_page(&mut request)
        {
            return page;
        }
        let is_lost = request.is_document_write() && self.faults.is_lost(&request);
        let denied = request.is_document_write().then(|| self.faults.denial());
        match self.forward(&request).await {
            Ok(answer) if is_lost => faults::cut(answer),
            Ok(answer) => denied.flatten().map_or(answer, |status| {
                guard::refusal(status, 0, "done, and denied by the test")
            }),
            Err(error) => guard::refusal(500, 0, &error.to_string()),
        }
    }

    async fn forward(
        &self,
        request: &Recorded,
    ) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let origin = self.origins.get(request.region).ok_or("no such region")?;
        let url = Url::parse(&format!("{origin}{}", request.path))?;
        let method: Method = request.method.as_str().parse()?;
        let mut asked = AzureRequest::new(url, method);
        for (name, value) in &request.headers {
            let name = HeaderName::from(name.as_str().to_owned());
            let value = HeaderValue::from(value.to_str()?.to_owned());
            asked.headers_mut().insert(name, value);
        }
        asked.set_body(request.body.clone());
        let answer = self.emulator.execute_request(&asked).await?;
        let answer = answer.try_into_raw_response().await?;
        let mut response = Response::builder().status(u16::from(answer.status()));
        for (name, value) in answer.headers().iter() {
            response = response.header(name.as_str(), value.as_str());
        }
        let body: &[u8] = answer.body().as_ref();
        Ok(response.body(Body::from(body.to_vec()))?)
    }
}

async fn serve(State((region, bridge)): State<(usize, Arc<Bridge>)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "").into_response();
    };
    let path = parts.uri.path_and_query().map(ToString::to_string);
    let request = Recorded {
        region,
        method: parts.method,
        path: path.unwrap_or_default(),
        headers: parts.headers,
        body,
    };
    {
        let mut requests = bridge.locked();
        if requests.len() < REQUESTS_MAX {
            requests.push(request.clone());
        }
    }
    let is_document = request.is_document();
    if is_document {
        let now = bridge.on_their_way.fetch_add(1, Ordering::SeqCst) + 1;
        bridge.most_at_once.fetch_max(now, Ordering::SeqCst);
    }
    let answer = bridge.answer(request).await;
    if is_document {
        bridge.on_their_way.fetch_sub(1, Ordering::SeqCst);
    }
    answer
}
