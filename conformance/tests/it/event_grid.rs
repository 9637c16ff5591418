//! Microsoft's client for Event Grid against our handler, and our publisher against that client.
//!
//! A topic on loopback stands between them: it remembers what was published, and delivers what it
//! took as Event Grid does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::any;
use omnisync_adapters_azure::event_grid::{
    DeliveryReceiver, DeliveryTokens as _, EVENT_GRID_APP_ID, EntraTokenConfig, EventGridConfig,
    EventGridCredential, EventGridHandler, EventGridHandlerConfig, FixedSecrets, PublishOutcome,
    Pushed, Taken,
};
use omnisync_conformance::node as conformance;
use omnisync_core::event::{CloudEvent, EventData, Timestamp};
use omnisync_core::port::Clock as _;
use omnisync_http::{
    Client, ClientConfig, ReqwestConfig, Secret, StaticToken, TokenCache, Transport,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::ids::SeqIds;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const KEY: &str = "dG9waWMta2V5LW9mLXRoZS1jb25mb3JtYW5jZS10ZXN0cw==";
const SECRET: &str = "shared-secret-of-the-webhook";

/// A request as it came.
#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How a subscription gets its events.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Each by itself, structured.
    Single,
    /// Each in an array of its own.
    SingleInArray,
    /// All in one array.
    Batch,
}

/// A topic with one subscription: our handler.
struct Topic {
    endpoint: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    sent: Mutex<Vec<Sent>>,
    /// What is answered before anything is taken.
    refusals: Mutex<VecDeque<u16>>,
    form: Form,
    handler: EventGridHandler,
    received: Arc<Received>,
}

/// Keeps every event that our handler hands over.
#[derive(Debug, Default)]
struct Received(Mutex<Vec<CloudEvent>>);

#[async_trait]
impl DeliveryReceiver for Received {
    async fn receive(&self, pushed: Pushed) -> Vec<Taken> {
        assert_eq!(pushed.subscription.as_deref(), Some("ORDERS"));
        let mut received = self.0.lock().unwrap();
        let keep = |event: omnisync_adapters_azure::event_grid::PushedEvent| {
            received.push(event.event.unwrap());
            Taken::kept("Kept")
        };
        pushed.events.into_iter().map(keep).collect()
    }
}

impl Topic {
    async fn start(form: Form, refusals: &[u16]) -> Self {
        let received = Arc::new(Received::default());
        let sink: Arc<dyn DeliveryReceiver> = Arc::<Received>::clone(&received);
        let handler = EventGridHandler::builder(sink)
            .with_config(EventGridHandlerConfig::for_event_grid().with_origin_required(true))
            .with_secrets(Arc::new(FixedSecrets::new([SECRET]).unwrap()))
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            sent: Mutex::default(),
            refusals: Mutex::new(refusals.iter().copied().collect()),
            form,
            handler,
            received,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(any(publish))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            endpoint: format!("http://{address}/api/events"),
            shared,
            server,
        }
    }

    fn sent(&self) -> Vec<Sent> {
        self.shared.sent.lock().unwrap().clone()
    }

    fn only(&self) -> Sent {
        let sent = self.sent();
        assert_eq!(sent.len(), 1);
        sent[0].clone()
    }

    fn received(&self) -> Vec<CloudEvent> {
        self.shared.received.0.lock().unwrap().clone()
    }

    /// Publishes the events of every check by our publisher.
    async fn publish(&self, credential: EventGridCredential) -> PublishOutcome {
        let clock = ManualClock::new("2026-06-05T11:09:03Z".parse().unwrap()).auto();
        EventGridConfig::new(&self.endpoint)
            .with_credential(credential)
            .build(client(&clock), Arc::new(clock))
            .unwrap()
            .publish(&events())
            .await
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn publish(State(topic): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 2 << 20).await.unwrap();
    topic.sent.lock().unwrap().push(Sent {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: body.clone(),
    });
    let refusal = topic.refusals.lock().unwrap().pop_front();
    let Some(status) = refusal else {
        topic.deliver(&body).await;
        return Response::new(Body::empty());
    };
    let error = json!({"error": {"code": "Refused", "message": "m", "details": []}});
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("retry-after-ms", "1");
    response.body(Body::from(error.to_string())).unwrap()
}

impl Shared {
    async fn deliver(&self, batch: &[u8]) {
        let events: Vec<Box<serde_json::value::RawValue>> = serde_json::from_slice(batch).unwrap();
        let texts = events.iter().map(|event| event.get().to_owned());
        let (kind, bodies): (_, Vec<String>) = match self.form {
            Form::Single => ("cloudevents", texts.collect()),
            Form::SingleInArray => (
                "cloudevents-batch",
                texts.map(|event| format!("[{event}]")).collect(),
            ),
            Form::Batch => (
                "cloudevents-batch",
                vec![String::from_utf8(batch.to_vec()).unwrap()],
            ),
        };
        for body in bodies {
            let request = Request::post(format!("/hook?code={SECRET}"))
                .header(
                    "content-type",
                    format!("application/{kind}+json; charset=utf-8"),
                )
                .header("aeg-event-type", "Notification")
                .header("aeg-subscription-name", "ORDERS")
                .header("aeg-delivery-count", "0")
                .header("WebHook-Request-Origin", "eventgrid.azure.net")
                .body(Bytes::from(body))
                .unwrap();
            let answer = self.handler.handle(request).await;
            assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        }
    }
}

fn client(clock: &ManualClock) -> Client {
    let ids = || Arc::new(SeqIds::new(1));
    let clock = || Arc::new(clock.clone());
    let transport: Arc<dyn Transport> = Arc::new(ReqwestConfig::default().open().unwrap());
    let provider = Arc::new(StaticToken::new(Secret::new("t0ken")));
    let tokens = TokenCache::new(provider, clock(), ids());
    Client::builder(transport, clock(), ids())
        .with_config(ClientConfig::default())
        .with_tokens(tokens, EventGridConfig::scope().unwrap())
        .build()
        .unwrap()
}

/// The events of every check, as `js/event_grid.mjs` makes them.
fn events() -> Vec<CloudEvent> {
    let event = |source: &str, id: &str, kind: &str, second: u32| {
        let time = Timestamp::parse(&format!("2026-01-05T06:00:{second:02}.000Z")).unwrap();
        CloudEvent::builder(id, source, kind).with_time(&time)
    };
    let json_data = |text: &str| EventData::Json(serde_json::from_str(text).unwrap());
    let data = r#"{"orderId":"ORD-1","totalAmount":12.5,"customer":"Zürich ☃"}"#;
    let source = "https://oms.example/orders";
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    vec![
        event(source, "event-1", "OMS.Order.Created", 0)
            .with_subject("orders/ORD-1")
            .with_datacontenttype("application/json")
            .with_dataschema("https://oms.example/schemas/order")
            .with_extension("traceparent", trace)
            .with_extension("attempt", 3)
            .with_extension("urgent", true)
            .with_data(json_data(data))
            .build()
            .unwrap(),
        event(source, "event-2", "OMS.Order.Scanned", 1)
            .with_datacontenttype("application/octet-stream")
            .with_data(EventData::Binary(vec![0, 127, 128, 255]))
            .build()
            .unwrap(),
        event("/orders", "event-3", "OMS.Order.Cancelled", 2)
            .with_datacontenttype("application/vnd.oms+json")
            .with_data(json_data(r#"{"orderId":"ORD-1","lines":[],"reason":null}"#))
            .build()
            .unwrap(),
    ]
}

/// Runs a check of the client, which has to pass.
async fn node(arguments: &[&str]) -> Value {
    let mut script = conformance::script("event_grid.mjs").unwrap();
    script.args(arguments);
    conformance::answer(script).await.unwrap()
}

/// The headers by which a topic tells a request from another.
fn facts(sent: &Sent) -> (Method, Uri, Option<&str>, Option<&str>, Option<&str>) {
    (
        sent.method.clone(),
        sent.uri.clone(),
        sent.header("content-type"),
        sent.header("aeg-sas-key"),
        sent.header("aeg-sas-token"),
    )
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn what_microsofts_client_publishes_arrives_one_by_one() {
    let topic = Topic::start(Form::Single, &[]).await;
    node(&["key", &topic.endpoint, KEY]).await;
    assert_eq!(topic.received(), events());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn what_microsofts_client_publishes_arrives_in_arrays_of_one() {
    let topic = Topic::start(Form::SingleInArray, &[]).await;
    node(&["key", &topic.endpoint, KEY]).await;
    assert_eq!(topic.received(), events());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn what_microsofts_client_publishes_arrives_as_a_batch() {
    let topic = Topic::start(Form::Batch, &[]).await;
    node(&["key", &topic.endpoint, KEY]).await;
    assert_eq!(topic.received(), events());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn our_requests_by_key_are_those_of_microsofts_client() {
    let theirs = Topic::start(Form::Batch, &[]).await;
    node(&["key", &theirs.endpoint, KEY]).await;
    let ours = Topic::start(Form::Batch, &[]).await;
    let outcome = ours.publish(EventGridCredential::Key(KEY.into())).await;
    assert!(outcome.is_complete());

    let (ours, theirs) = (ours.only(), theirs.only());
    assert_eq!(facts(&ours), facts(&theirs));
    assert_eq!(ours.json(), theirs.json());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn our_tokens_are_those_that_microsofts_client_signs() {
    let topic = Topic::start(Form::Batch, &[]).await;
    let outcome = topic.publish(EventGridCredential::sas(KEY)).await;
    assert!(outcome.is_complete());
    let told = node(&["sas", &topic.endpoint, KEY, "2026-06-05T12:09:03Z"]).await;

    let sent = topic.sent();
    let [ours, theirs] = sent.as_slice() else {
        panic!("two requests: {sent:?}")
    };
    assert_eq!(ours.header("aeg-sas-token"), told["token"].as_str());
    assert_eq!(facts(ours), facts(theirs));
    assert_eq!(ours.json(), theirs.json());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn our_requests_by_token_are_those_of_microsofts_client() {
    let topic = Topic::start(Form::Batch, &[]).await;
    let theirs = node(&["bearer", "https://orders.example/api/events", "t0ken"]).await;
    let outcome = topic.publish(EventGridCredential::Bearer).await;
    assert!(outcome.is_complete());

    let ours = topic.only();
    assert_eq!(theirs["method"], ours.method.as_str());
    assert_eq!(theirs["target"], ours.uri.to_string());
    for name in ["authorization", "content-type"] {
        assert_eq!(
            theirs["headers"][name].as_str(),
            ours.header(name),
            "{name}"
        );
    }
    assert_eq!(theirs["body"], ours.json());
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_throttled_request_is_repeated_to_the_byte_by_both() {
    let theirs = Topic::start(Form::Batch, &[429]).await;
    node(&["key", &theirs.endpoint, KEY]).await;
    let ours = Topic::start(Form::Batch, &[429]).await;
    let outcome = ours.publish(EventGridCredential::Key(KEY.into())).await;
    assert!(outcome.is_complete());

    for topic in [&theirs, &ours] {
        let sent = topic.sent();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].body, sent[1].body);
        assert_eq!(facts(&sent[0]), facts(&sent[1]));
        assert_eq!(topic.received(), events());
    }
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn both_take_refusals_for_refusals() {
    for status in [400, 401, 404, 413] {
        let theirs = Topic::start(Form::Batch, &[status]).await;
        node(&["refused", &theirs.endpoint, KEY, &status.to_string()]).await;
        assert_eq!(theirs.sent().len(), 1);
        let ours = Topic::start(Form::Batch, &[status; 9]).await;
        let outcome = ours.publish(EventGridCredential::Key(KEY.into())).await;
        assert!(!outcome.is_complete());
        assert!(ours.received().is_empty() && theirs.received().is_empty());
    }
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn what_our_publisher_sends_is_read_by_microsofts_client() {
    let topic = Topic::start(Form::Batch, &[]).await;
    let outcome = topic.publish(EventGridCredential::Bearer).await;
    assert!(outcome.is_complete());
    let sent = topic.only();
    assert_eq!(sent.header("authorization"), Some("Bearer t0ken"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body.json");
    std::fs::write(&path, &sent.body).unwrap();

    let read = node(&["read", path.to_str().unwrap()]).await;

    let read = read["events"].as_array().unwrap();
    assert_eq!(read.len(), events().len());
    for (read, event) in read.iter().zip(events()) {
        assert_eq!(read["id"], event.id());
        assert_eq!(read["source"], event.source());
        assert_eq!(read["type"], event.event_type());
        assert_eq!(read["time"], event.time().unwrap().as_str());
        assert_eq!(read["datacontenttype"].as_str(), event.datacontenttype());
    }
    assert_eq!(read[0]["data"]["customer"], "Zürich ☃");
    assert_eq!(read[0]["extensionAttributes"]["attempt"], 3);
    assert_eq!(read[0]["extensionAttributes"]["urgent"], true);
    assert_eq!(read[1]["data"], json!([0, 127, 128, 255]));
    assert_eq!(read[2]["data"]["reason"], Value::Null);
}

/// An authority that publishes one set of keys.
async fn authority(tenant: &'static str) -> (String, Arc<Mutex<Value>>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let keys = Arc::new(Mutex::new(Value::Null));
    let (published, at) = (Arc::clone(&keys), base.clone());
    let router = Router::new().fallback(any(move |uri: Uri| async move {
        let document = json!({
            "issuer": format!("{at}/{tenant}/v2.0"),
            "jwks_uri": format!("{at}/common/discovery/v2.0/keys"),
        });
        let is_keys = uri.path().ends_with("/keys");
        let keys = published.lock().unwrap().clone();
        if is_keys { keys } else { document }.to_string()
    }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (base, keys, server)
}

#[tokio::test]
#[ignore = "needs the packages of conformance/package.json: cargo xtask conformance"]
async fn a_token_that_openssl_signed_lets_in_and_an_altered_one_does_not() {
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let (base, keys, server) = authority(TENANT).await;
    // It stands still while the keys are on their way.
    let clock = ManualClock::default();
    let now = clock.now().timestamp().to_string();
    let issuer = format!("{base}/{TENANT}/v2.0");
    let signed = node(&["jwt", &issuer, "api://orders", EVENT_GRID_APP_ID, &now]).await;
    *keys.lock().unwrap() = signed["keys"].clone();
    let tokens = EntraTokenConfig::new(TENANT, "api://orders")
        .with_authority(&base)
        .build(
            client(&ManualClock::default().auto()),
            Arc::new(clock.clone()),
        )
        .unwrap();
    let token = signed["token"].as_str().unwrap();

    tokens.check(token).await.unwrap();

    let (head, signature) = token.rsplit_once('.').unwrap();
    // Whatever its first letter is, it becomes another one.
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let rest: String = signature.chars().skip(1).collect();
    let altered = format!("{head}.{first}{rest}");
    assert!(tokens.check(&altered).await.is_err());
    clock.advance(Duration::from_secs(3_600 + 300));
    assert!(tokens.check(token).await.is_err());
    server.abort();
}
