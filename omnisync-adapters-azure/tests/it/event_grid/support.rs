//! Scripted topics, and receivers that remember.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use omnisync_adapters_azure::event_grid::{
    DeliveryReceiver, EventGridConfig, EventGridCredential, EventGridHandler,
    EventGridHandlerConfig, EventGridPublisher, Pushed, Taken,
};
use omnisync_core::event::{CloudEvent, EventData};
use omnisync_core::policy::RetryPolicy;
use omnisync_http::{
    Client, ClientConfig, Limits, Request, Transport, TransportError, TransportErrorKind,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::Value;

pub(crate) const TOPIC: &str = "https://orders.westeurope-1.eventgrid.azure.net/api/events";

/// A key as the portal shows them.
pub(crate) const KEY: &str = "Y2FuYXJ5LWtleS1vZi10aGUtdG9waWMtMDEyMzQ1Njc=";

type Step = Result<Response<Bytes>, TransportErrorKind>;
type Rule = dyn Fn(&Request) -> Step + Send + Sync;

/// A transport that answers by a rule and keeps what it was sent.
pub(crate) struct Peer {
    rule: Box<Rule>,
    seen: Mutex<Vec<Request>>,
}

impl Peer {
    pub(crate) fn by(rule: impl Fn(&Request) -> Step + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            rule: Box::new(rule),
            seen: Mutex::default(),
        })
    }

    /// Answers these one after the other, and nothing more.
    pub(crate) fn script(steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        let steps: Mutex<VecDeque<Step>> = Mutex::new(steps.into_iter().collect());
        Self::by(move |_| {
            let step = steps.lock().unwrap().pop_front();
            step.expect("a request that the script does not know")
        })
    }

    /// What was sent since the last look.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The events of each request since the last look, by id.
    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        let ids = |request: Request| {
            let events: Vec<Value> = serde_json::from_slice(request.body()).unwrap();
            let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
            events.iter().map(id).collect()
        };
        self.take().into_iter().map(ids).collect()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Peer {
    async fn send(&self, request: Request, _: Limits) -> Result<Response<Bytes>, TransportError> {
        let step = (self.rule)(&request);
        self.seen.lock().unwrap().push(request);
        // Others get a turn between question and answer.
        tokio::task::yield_now().await;
        step.map_err(TransportError::new)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "answers stand beside failures in a script"
)]
pub(crate) fn answer(status: u16, body: &str) -> Step {
    let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

/// A refusal as Event Grid writes them, with a message that quotes what was sent.
pub(crate) fn refusal(status: u16, code: &str) -> Step {
    let body = format!(
        r#"{{"error":{{"code":"{code}","message":"canary-message","details":[{{"code":"canary"}}]}}}}"#
    );
    answer(status, &body)
}

pub(crate) fn client(peer: &Arc<Peer>, clock: &ManualClock) -> Client {
    let transport: Arc<dyn Transport> = Arc::<Peer>::clone(peer);
    let config = ClientConfig::default().with_retry(RetryPolicy {
        base_ms: 1_000,
        cap_ms: 10_000,
        attempts_max: 3,
    });
    Client::builder(transport, Arc::new(clock.clone()), Arc::new(SeqIds::new(1)))
        .with_config(config)
        .build()
        .unwrap()
}

/// A publisher by key over a peer, with settings that a test changes.
pub(crate) fn publisher(
    peer: &Arc<Peer>,
    change: impl FnOnce(EventGridConfig) -> EventGridConfig,
) -> EventGridPublisher {
    let clock = ManualClock::default().auto();
    let config = EventGridConfig::new(TOPIC).with_credential(EventGridCredential::Key(KEY.into()));
    change(config)
        .build(client(peer, &clock), Arc::new(clock))
        .unwrap()
}

pub(crate) fn event(id: &str) -> CloudEvent {
    event_with(id, r#"{"total":12.50}"#)
}

pub(crate) fn event_with(id: &str, data: &str) -> CloudEvent {
    let data = serde_json::from_str(data).unwrap();
    CloudEvent::builder(id, "/orders", "OMS.Order.Created")
        .with_data(EventData::Json(data))
        .build()
        .unwrap()
}

pub(crate) fn events(ids: std::ops::Range<u32>) -> Vec<CloudEvent> {
    ids.map(|id| event(&id.to_string())).collect()
}

type Taking = dyn Fn(&Pushed) -> Vec<Taken> + Send + Sync;

/// A receiver that does what a test says, and keeps what it was given.
pub(crate) struct Receiver {
    rule: Box<Taking>,
    seen: Mutex<Vec<Pushed>>,
}

impl Receiver {
    pub(crate) fn by(rule: impl Fn(&Pushed) -> Vec<Taken> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            rule: Box::new(rule),
            seen: Mutex::default(),
        })
    }

    /// Keeps what is an event and refuses what is none.
    pub(crate) fn keeping() -> Arc<Self> {
        Self::by(|pushed| {
            let taken =
                |event: &omnisync_adapters_azure::event_grid::PushedEvent| match &event.event {
                    Ok(_) => Taken::kept("Kept"),
                    Err(error) => {
                        let reason = error.dead_letter_reason();
                        Taken::refused(reason.as_str(), &error.to_string())
                    }
                };
            pushed.events.iter().map(taken).collect()
        })
    }

    pub(crate) fn take(&self) -> Vec<Pushed> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[async_trait]
impl DeliveryReceiver for Receiver {
    async fn receive(&self, pushed: Pushed) -> Vec<Taken> {
        let taken = (self.rule)(&pushed);
        self.seen.lock().unwrap().push(pushed);
        taken
    }
}

/// A handler that lets everybody in.
pub(crate) fn open(receiver: &Arc<Receiver>) -> EventGridHandler {
    open_with(receiver, EventGridHandlerConfig::for_event_grid())
}

pub(crate) fn open_with(
    receiver: &Arc<Receiver>,
    config: EventGridHandlerConfig,
) -> EventGridHandler {
    let receiver: Arc<dyn DeliveryReceiver> = Arc::<Receiver>::clone(receiver);
    EventGridHandler::builder(receiver)
        .with_config(config)
        .without_authentication()
        .build()
        .unwrap()
}

pub(crate) const STRUCTURED: (&str, &str) = (
    "content-type",
    "application/cloudevents+json; charset=utf-8",
);
pub(crate) const BATCHED: (&str, &str) = (
    "content-type",
    "application/cloudevents-batch+json; charset=utf-8",
);

pub(crate) fn post(target: &str, headers: &[(&str, &str)], body: &str) -> http::Request<Bytes> {
    request("POST", target, headers, body)
}

pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> http::Request<Bytes> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

pub(crate) fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// The problem or verdict of each event.
pub(crate) fn words(response: &Response<Bytes>) -> Vec<String> {
    let json = json(response);
    let word = |result: &Value| {
        let word = result.get("problem").or_else(|| result.get("verdict"));
        word.unwrap().as_str().unwrap().to_owned()
    };
    json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(word)
        .collect()
}
