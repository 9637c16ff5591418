use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use omnisync_adapters_azure::blob::{AzureBlobConfig, AzureBlobStage, BlobCredential};
use omnisync_core::id::BlobName;
use omnisync_core::port::{Clock, IdSource};
use omnisync_http::{
    Client, Limits, Request, Response, Secret, StaticToken, TokenCache, Transport, TransportError,
    TransportErrorKind,
};
use omnisync_testkit::clock::ManualClock;
use uuid::Uuid;

/// What a peer does with a request.
pub(crate) type Answer = Result<Response, TransportErrorKind>;

pub(crate) const CUT: TransportErrorKind = TransportErrorKind::Cut;

/// A transport that answers what a test wrote down, in order, and keeps what it was sent.
pub(crate) struct Script {
    steps: Mutex<VecDeque<Answer>>,
    sent: Mutex<Vec<Request>>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request, _: Limits) -> Result<Response, TransportError> {
        self.sent.lock().unwrap().push(request);
        let mut steps = self.steps.lock().unwrap();
        // The last answer stands for all that follow, as when a client asks again.
        let step = if steps.len() > 1 {
            steps.pop_front().unwrap()
        } else {
            match steps.front().expect("an answer") {
                Ok(answer) => Ok(answer.clone()),
                Err(kind) => Err(*kind),
            }
        };
        step.map_err(TransportError::new)
    }
}

/// Identifiers that count.
#[derive(Debug, Default)]
struct Ids(Mutex<u128>);

impl IdSource for Ids {
    fn unique(&self) -> Uuid {
        let mut issued = self.0.lock().unwrap();
        *issued += 1;
        Uuid::from_u128(*issued)
    }

    fn jitter(&self) -> f64 {
        0.5
    }
}

/// A stage with blocks of four bytes, for `packages/in` of the account `acme`.
pub(crate) struct Bench {
    pub(crate) stage: AzureBlobStage,
    pub(crate) config: AzureBlobConfig,
    pub(crate) clock: ManualClock,
    script: Arc<Script>,
}

impl Bench {
    pub(crate) fn new(steps: impl IntoIterator<Item = Answer>) -> Self {
        Self::with(steps, |config| config)
    }

    pub(crate) fn with(
        steps: impl IntoIterator<Item = Answer>,
        set: impl FnOnce(AzureBlobConfig) -> AzureBlobConfig,
    ) -> Self {
        let script = Arc::new(Script {
            steps: Mutex::new(steps.into_iter().collect()),
            sent: Mutex::default(),
        });
        let clock = ManualClock::default().auto();
        let config = set(config());
        let stage = build(&script, &clock, config.clone());
        Self {
            stage,
            config,
            clock,
            script,
        }
    }

    /// What was sent.
    pub(crate) fn sent(&self) -> Vec<Request> {
        self.script.sent.lock().unwrap().clone()
    }
}

pub(crate) fn config() -> AzureBlobConfig {
    AzureBlobConfig::new("https://acme.blob.core.windows.net", "packages")
        .with_folder("in")
        .with_credential(BlobCredential::AccountKey(Secret::new("c2VjcmV0IGtleQ==")))
        .with_block_bytes(4)
        .with_blob_bytes_max(100)
        .with_parallel_blocks_max(1)
}

fn build(script: &Arc<Script>, clock: &ManualClock, config: AzureBlobConfig) -> AzureBlobStage {
    let transport: Arc<dyn Transport> = Arc::<Script>::clone(script);
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let ids: Arc<dyn IdSource> = Arc::new(Ids::default());
    let token = Arc::new(StaticToken::new(Secret::new("c4nary-token")));
    let tokens = TokenCache::new(token, Arc::clone(&clock), Arc::clone(&ids));
    let client = Client::builder(transport, Arc::clone(&clock), Arc::clone(&ids))
        .with_tokens(tokens, config.scope().unwrap())
        .build()
        .unwrap();
    config.build(client, clock, ids).unwrap()
}

pub(crate) fn name(text: &str) -> BlobName {
    BlobName::new(text).unwrap()
}

/// An answer without a body.
pub(crate) fn answer(status: u16) -> Answer {
    with_body(status, "")
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "scripts consist of answers and failures"
)]
pub(crate) fn with_body(status: u16, body: &str) -> Answer {
    let answer = http::Response::builder().status(status);
    Ok(answer.body(Bytes::from(body.to_owned())).unwrap())
}

/// An answer with a code of the service.
pub(crate) fn refusal(status: u16, code: &str) -> Answer {
    with_headers(answer(status), &[("x-ms-error-code", code)])
}

pub(crate) fn with_headers(answer: Answer, headers: &[(&'static str, &str)]) -> Answer {
    let mut answer = answer?;
    for (name, value) in headers {
        let value = http::HeaderValue::from_str(value).unwrap();
        answer.headers_mut().insert(*name, value);
    }
    Ok(answer)
}

/// A header of a request.
pub(crate) fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    let value = request.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}
