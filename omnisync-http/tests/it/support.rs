use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use omnisync_core::PortError;
use omnisync_core::policy::RetryPolicy;
use omnisync_core::port::{Clock, IdSource};
use omnisync_http::{
    AccessToken, Call, Client, ClientBuilder, ClientConfig, Limits, Request, Response, Scope,
    Secret, TokenProvider, Transport, TransportError, TransportErrorKind,
};
use omnisync_testkit::clock::ManualClock;
use uuid::Uuid;

pub(crate) const URL: &str = "https://acme.crm4.dynamics.com/api/data/v9.2/accounts?$top=1";

/// A transport that answers what a test wrote down, in order, and keeps what it was sent.
pub(crate) struct Script {
    steps: Mutex<VecDeque<Result<Response, TransportErrorKind>>>,
    seen: Mutex<Vec<Seen>>,
    clock: ManualClock,
}

/// A request, and when it was sent.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) request: Request,
    pub(crate) limits: Limits,
    pub(crate) at: DateTime<Utc>,
}

impl Script {
    pub(crate) fn new(
        clock: &ManualClock,
        steps: impl IntoIterator<Item = Result<Response, TransportErrorKind>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            steps: Mutex::new(steps.into_iter().collect()),
            seen: Mutex::default(),
            clock: clock.clone(),
        })
    }

    /// What was sent since the last look.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Milliseconds between one request and the next.
    pub(crate) fn pauses(&self) -> Vec<i64> {
        let seen = self.take();
        seen.windows(2)
            .map(|pair| (pair[1].at - pair[0].at).num_milliseconds())
            .collect()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, TransportError> {
        let seen = Seen {
            request,
            limits,
            at: self.clock.now(),
        };
        self.seen.lock().unwrap().push(seen);
        let step = self.steps.lock().unwrap().pop_front();
        step.expect("a request that the script does not know")
            .map_err(TransportError::new)
    }
}

/// Identifiers that count, and a jitter that a test chose.
#[derive(Debug)]
pub(crate) struct Ids {
    jitter: f64,
    issued: Mutex<u128>,
}

impl Ids {
    pub(crate) fn new(jitter: f64) -> Arc<Self> {
        Arc::new(Self {
            jitter,
            issued: Mutex::new(0),
        })
    }
}

impl IdSource for Ids {
    fn unique(&self) -> Uuid {
        let mut issued = self.issued.lock().unwrap();
        *issued += 1;
        Uuid::from_u128(*issued)
    }

    fn jitter(&self) -> f64 {
        self.jitter
    }
}

/// A clock that jumps to whatever is waited for.
pub(crate) fn clock() -> ManualClock {
    ManualClock::default().auto()
}

pub(crate) fn builder(script: &Arc<Script>, clock: &ManualClock) -> ClientBuilder {
    builder_with(script, clock, 1.0)
}

pub(crate) fn builder_with(
    script: &Arc<Script>,
    clock: &ManualClock,
    jitter: f64,
) -> ClientBuilder {
    let transport: Arc<dyn Transport> = Arc::<Script>::clone(script);
    Client::builder(transport, Arc::new(clock.clone()), Ids::new(jitter))
}

/// Four attempts, one second after the first.
pub(crate) fn config() -> ClientConfig {
    ClientConfig::default().with_retry(RetryPolicy {
        base_ms: 1_000,
        cap_ms: 60_000,
        attempts_max: 4,
    })
}

/// A client that needs no token, over a script.
pub(crate) fn client(
    steps: impl IntoIterator<Item = Result<Response, TransportErrorKind>>,
) -> (Client, Arc<Script>, ManualClock) {
    let clock = clock();
    let script = Script::new(&clock, steps);
    let client = builder(&script, &clock).with_config(config()).build();
    (client.unwrap(), script, clock)
}

pub(crate) fn get() -> Call {
    let request = http::Request::get(URL).body(Bytes::new()).unwrap();
    Call::new("crm.read", request).without_token()
}

pub(crate) fn post() -> Call {
    let request = http::Request::post(URL)
        .body(Bytes::from_static(b"{\"name\":\"Contoso\"}"))
        .unwrap();
    Call::new("crm.create", request).without_token()
}

pub(crate) fn answer(status: u16) -> Result<Response, TransportErrorKind> {
    answer_with(status, &[], "")
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "answers stand beside failures in a script"
)]
pub(crate) fn answer_with(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> Result<Response, TransportErrorKind> {
    let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    Ok(response)
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Gives `token-1`, `token-2` and so on, for an hour each.
#[derive(Debug)]
pub(crate) struct Counting {
    clock: ManualClock,
    issued: Mutex<u32>,
}

impl Counting {
    pub(crate) fn new(clock: &ManualClock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            issued: Mutex::new(0),
        })
    }

    /// Tokens that were given.
    pub(crate) fn issued(&self) -> u32 {
        *self.issued.lock().unwrap()
    }
}

#[async_trait]
impl TokenProvider for Counting {
    async fn token(&self, _: &Scope) -> Result<AccessToken, PortError> {
        let mut issued = self.issued.lock().unwrap();
        *issued += 1;
        let secret = Secret::new(format!("token-{issued}"));
        let expires_at = self.clock.now() + TimeDelta::hours(1);
        Ok(AccessToken::new(secret, expires_at))
    }
}
